//! What the platform is for, end to end: real Postgres, real nats-server, a real SMTP dialogue.

mod bounced;
mod broadcast;
mod circuit;
mod commands;
mod desk;
mod doubled;
mod editor;
mod held;
mod lanes;
mod publication;
mod rebuilt;
mod replay;
mod slowed;
mod unsubscribe;
