//! What the platform is for, end to end: real Postgres, real nats-server, a real SMTP dialogue.

mod api_keys;
mod bounced;
mod broadcast;
mod circuit;
mod commands;
mod desk;
mod doubled;
mod editor;
mod erased;
mod faults;
mod held;
mod lanes;
mod maildir;
mod moved_in;
mod officer;
mod preferences;
mod publication;
mod rebuilt;
mod replay;
mod ses;
mod ses_feedback;
mod signed_up;
mod slowed;
mod suppressed;
mod topics;
mod unsubscribe;
