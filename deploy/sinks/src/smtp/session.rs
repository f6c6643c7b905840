//! What one SMTP client has said so far, and which command may come next.

use super::command::Command;
use super::reply::Reply;

/// What the server was told to insist on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) size_bytes_max: usize,
    pub(super) recipients_max: usize,
    pub(super) auth: bool,
    pub(super) starttls: bool,
}

/// The state of one dialogue.
#[derive(Debug, Default)]
pub(super) struct Session {
    pub(super) protected: bool,
    pub(super) greeted: bool,
    pub(super) authenticated: bool,
    pub(super) from: Option<String>,
    pub(super) to: Vec<String>,
}

pub(super) const TOO_BIG: Reply = Reply::new(552, "5.3.4 message size exceeds the limit");

impl Session {
    /// Whether `command` is in order now; the error is the reply to send.
    pub(super) fn check(&self, command: &Command, limits: Limits) -> Result<(), Reply> {
        let sequence = |text| Err(Reply::new(503, text));
        match command {
            Command::Mail { .. } | Command::Auth { .. } if !self.greeted => {
                sequence("5.5.1 say EHLO first")
            }
            Command::StartTls if !limits.starttls || self.protected => {
                Err(Reply::new(502, "5.5.1 STARTTLS is not offered"))
            }
            Command::StartTls if !self.greeted => sequence("5.5.1 say EHLO first"),
            Command::Auth { .. } if !limits.auth => {
                Err(Reply::new(502, "5.5.1 AUTH is not offered"))
            }
            Command::Auth { .. } if self.authenticated => sequence("5.5.1 already authenticated"),
            Command::Auth { .. } if self.from.is_some() => {
                sequence("5.5.1 not within a transaction")
            }
            Command::Mail { .. } if limits.auth && !self.authenticated => {
                Err(Reply::new(530, "5.7.0 authentication required"))
            }
            Command::Mail { .. } if self.from.is_some() => sequence("5.5.1 sender already given"),
            Command::Mail {
                size_bytes: Some(size),
                ..
            } if *size > limits.size_bytes_max as u64 => Err(TOO_BIG),
            Command::Rcpt { .. } | Command::Data if self.from.is_none() => {
                sequence("5.5.1 say MAIL first")
            }
            Command::Rcpt { .. } if self.to.len() >= limits.recipients_max => {
                Err(Reply::new(452, "4.5.3 too many recipients"))
            }
            Command::Data if self.to.is_empty() => sequence("5.5.1 say RCPT first"),
            _ => Ok(()),
        }
    }

    /// Forgets the transaction, keeps the greeting and who it is.
    pub(super) fn reset(&mut self) {
        self.from = None;
        self.to.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::super::command::Mechanism;
    use super::*;

    const OPEN: Limits = Limits {
        size_bytes_max: 1_000,
        recipients_max: 2,
        auth: false,
        starttls: false,
    };
    const CLOSED: Limits = Limits { auth: true, ..OPEN };

    const PROTECTS: Limits = Limits {
        starttls: true,
        ..OPEN
    };

    fn mail(size_bytes: Option<u64>) -> Command {
        Command::Mail {
            from: "a@x.example".into(),
            size_bytes,
        }
    }

    fn rcpt() -> Command {
        Command::Rcpt {
            to: "b@x.example".into(),
        }
    }

    fn auth() -> Command {
        Command::Auth {
            mechanism: Mechanism::Plain,
            initial: None,
        }
    }

    fn code(session: &Session, command: &Command, limits: Limits) -> u16 {
        session
            .check(command, limits)
            .map_or_else(|reply| reply.code, |()| 0)
    }

    #[test]
    fn commands_come_in_order() {
        let mut session = Session::default();
        assert_eq!(code(&session, &mail(None), OPEN), 503);
        session.greeted = true;
        assert_eq!(code(&session, &rcpt(), OPEN), 503);
        assert_eq!(code(&session, &Command::Data, OPEN), 503);
        assert_eq!(code(&session, &mail(Some(1_000)), OPEN), 0);
        assert_eq!(code(&session, &mail(Some(1_001)), OPEN), 552);
        session.from = Some(String::new());
        assert_eq!(code(&session, &mail(None), OPEN), 503);
        assert_eq!(code(&session, &Command::Data, OPEN), 503);
        assert_eq!(code(&session, &rcpt(), OPEN), 0);
        session.to = vec!["b".into(), "c".into()];
        assert_eq!(code(&session, &rcpt(), OPEN), 452);
        assert_eq!(code(&session, &Command::Data, OPEN), 0);
        session.reset();
        assert_eq!(code(&session, &mail(None), OPEN), 0);
    }

    #[test]
    fn authentication_comes_once_and_before_mail() {
        let mut session = Session::default();
        assert_eq!(code(&session, &auth(), CLOSED), 503);
        session.greeted = true;
        assert_eq!(code(&session, &auth(), OPEN), 502);
        assert_eq!(code(&session, &mail(None), CLOSED), 530);
        assert_eq!(code(&session, &auth(), CLOSED), 0);
        session.authenticated = true;
        assert_eq!(code(&session, &auth(), CLOSED), 503);
        assert_eq!(code(&session, &mail(None), CLOSED), 0);
    }
    #[test]
    fn a_connection_is_protected_once_and_after_it_was_greeted() {
        let mut session = Session::default();
        assert_eq!(code(&session, &Command::StartTls, PROTECTS), 503);
        session.greeted = true;
        assert_eq!(code(&session, &Command::StartTls, OPEN), 502);
        assert_eq!(code(&session, &Command::StartTls, PROTECTS), 0);
        session.protected = true;
        assert_eq!(code(&session, &Command::StartTls, PROTECTS), 502);
    }
}
