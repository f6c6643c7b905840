//! One message over an open connection, with a timer per phase and an honest outcome for each way it can end.

use std::{borrow::Cow, time::Duration};

use tidings_event_store::crash_point;
use tidings_proto::Reason;
use tokio::time::Instant;

use super::{
    config::Timers,
    connect::Features,
    outcome::{Step, broken_off, in_doubt, refused},
    reply::Reply,
    wire::{Fault, Wire, until},
};
use crate::channel::{Blame, Outcome, Rendered, Warrant};

/// A connection that is logged in and between messages.
pub(super) struct Connection {
    wire: Wire,
    features: Features,
    timers: Timers,
    /// Whether it has been in use before: an idle server may have hung up meanwhile.
    used: bool,
}

/// How long tidying up after a refusal may hold back the outcome.
const RESET_TIME_MAX: Duration = Duration::from_secs(5);

/// How a delivery over a connection ended.
pub(super) enum Delivery {
    /// With this outcome.
    Done {
        outcome: Outcome,
        /// Whether the dialogue ended cleanly, between messages.
        reusable: bool,
    },
    /// The server had left an idle connection before it took any command: try on a fresh one.
    Stale,
}

/// How the envelope phase went.
enum Envelope {
    /// The server waits for the message.
    Open,
    Ended(Delivery),
}

impl Connection {
    pub(super) fn new(wire: Wire, features: Features, timers: Timers) -> Self {
        Self {
            wire,
            features,
            timers,
            used: false,
        }
    }

    /// Whether the server has said something unasked; the next reply would not be ours.
    pub(super) fn is_out_of_step(&self) -> bool {
        self.wire.has_input()
    }

    /// Delivers one message. When the future is dropped, so must be the connection.
    pub(super) async fn deliver(
        &mut self,
        mail: &Rendered,
        warrant: &dyn Warrant,
        deadline: Instant,
    ) -> Delivery {
        let commands = match self.commands(mail) {
            Ok(commands) => commands,
            Err(outcome) => return done(outcome, true),
        };
        if !warrant.is_fresh() {
            return done(stale(), true);
        }
        let envelope = if self.features.pipelining {
            self.envelope_at_once(&commands, deadline).await
        } else {
            self.envelope_in_turn(&commands, deadline).await
        };
        self.used = true;
        match envelope {
            Envelope::Open => self.message(&mail.body, warrant, deadline).await,
            Envelope::Ended(delivery) => delivery,
        }
    }

    /// MAIL, RCPT and DATA; or why this server cannot take this message.
    fn commands(&self, mail: &Rendered) -> Result<[(Step, String); 3], Outcome> {
        let size_bytes = mail.body.len();
        if self
            .features
            .size_bytes_max
            .is_some_and(|max| size_bytes > max)
        {
            return Err(impossible(
                Reason::MessageTooLarge,
                "it is larger than the server takes",
            ));
        }
        let international = !mail.to.is_ascii() || !mail.from.is_ascii();
        if international && !self.features.smtputf8 {
            let words = "the server does not take addresses with other than ASCII letters";
            return Err(impossible(Reason::Smtputf8NotOffered, words));
        }
        // Only the header of a mail to such an address: bodies are quoted-printable.
        let eight_bit = !mail.body.is_ascii();
        if eight_bit && !self.features.eight_bit {
            let words = "the server does not take messages with other than ASCII letters";
            return Err(impossible(Reason::EightbitmimeNotOffered, words));
        }
        let mut parameters = String::new();
        if self.features.size {
            parameters.push_str(&format!(" SIZE={size_bytes}"));
        }
        if international {
            parameters.push_str(" SMTPUTF8");
        }
        if eight_bit {
            parameters.push_str(" BODY=8BITMIME");
        }
        Ok([
            (
                Step::Mail,
                format!("MAIL FROM:<{}>{parameters}\r\n", mail.from),
            ),
            (Step::Rcpt, format!("RCPT TO:<{}>\r\n", mail.to)),
            (Step::Data, "DATA\r\n".to_owned()),
        ])
    }

    /// PIPELINING (RFC 2920): one write, and then every single reply is read and judged.
    async fn envelope_at_once(
        &mut self,
        commands: &[(Step, String); 3],
        deadline: Instant,
    ) -> Envelope {
        let text: String = commands.iter().map(|(_, line)| line.as_str()).collect();
        let until = until(self.timers.envelope, deadline);
        if let Err(fault) = self.wire.write(text.as_bytes(), until).await {
            return self.broken(Step::Mail, &fault);
        }
        let mut refusal = None;
        for (step, _) in commands {
            let reply = match self.wire.reply(until).await {
                Ok(reply) => reply,
                Err(fault) => return self.cut(refusal, *step, &fault),
            };
            if reply.code == 421 {
                return self.left(refusal, *step, &reply);
            }
            if is_out_of_step(*step, &reply) {
                return ended(refused(*step, &reply), false);
            }
            if !is_expected(*step, &reply) {
                refusal.get_or_insert_with(|| refused(*step, &reply));
            } else if *step == Step::Data
                && let Some(outcome) = refusal
            {
                // The server would take a message for nobody. Only hanging up takes that back.
                return ended(outcome, false);
            }
        }
        match refusal {
            None => Envelope::Open,
            Some(outcome) => self.refused(outcome, deadline).await,
        }
    }

    async fn envelope_in_turn(
        &mut self,
        commands: &[(Step, String); 3],
        deadline: Instant,
    ) -> Envelope {
        for (step, line) in commands {
            let until = until(self.timers.envelope, deadline);
            if let Err(fault) = self.wire.write(line.as_bytes(), until).await {
                return self.broken(*step, &fault);
            }
            let reply = match self.wire.reply(until).await {
                Ok(reply) => reply,
                Err(fault) => return self.broken(*step, &fault),
            };
            if reply.code == 421 {
                return self.left(None, *step, &reply);
            }
            if is_out_of_step(*step, &reply) {
                return ended(refused(*step, &reply), false);
            }
            if !is_expected(*step, &reply) {
                return self.refused(refused(*step, &reply), deadline).await;
            }
        }
        Envelope::Open
    }

    /// The message, then the dot that commits the receiver, then its answer.
    async fn message(&mut self, body: &[u8], warrant: &dyn Warrant, deadline: Instant) -> Delivery {
        // A timer says nothing of a reply that is there when a process goes on that stood still: by then somebody else may
        // have put the attempt on record as in doubt.
        let is_late = || match Instant::now() >= deadline {
            true => Some(broken_off(&Fault::Timeout)),
            false => (!warrant.holds()).then(stale),
        };
        if let Some(outcome) = is_late() {
            return done(outcome, false);
        }
        let data = dot_stuffed(body);
        let until_written = until(self.timers.body, deadline);
        if let Err(fault) = self.wire.write(&data, until_written).await {
            return done(broken_off(&fault), false);
        }
        if let Some(outcome) = is_late() {
            return done(outcome, false);
        }
        // Written apart: as long as no byte of it has left, the receiver cannot have the message.
        let until_answered = until(self.timers.final_dot, deadline);
        if let Err(fault) = self.wire.write(b".\r\n", until_answered).await {
            return done(in_doubt(&fault), false);
        }
        crash_point!("attempt.dot_sent");
        match self.wire.reply(until_answered).await {
            Err(fault) => done(in_doubt(&fault), false),
            Ok(reply) if reply.code == 250 => {
                let outcome = Outcome::Sent {
                    code: i32::from(reply.code),
                    reply: reply.words(),
                    provider_message_id: None,
                };
                done(outcome, true)
            }
            Ok(reply) if reply.code >= 400 => {
                done(refused(Step::FinalDot, &reply), reply.code != 421)
            }
            Ok(_) => {
                let reason = Reason::UnexpectedReply;
                done(Outcome::InDoubt { reason }, false)
            }
        }
    }

    /// The receiver said no: leave the transaction so that the connection can serve the next.
    async fn refused(&mut self, outcome: Outcome, deadline: Instant) -> Envelope {
        let until = until(self.timers.envelope.min(RESET_TIME_MAX), deadline);
        let reset = async {
            self.wire.write(b"RSET\r\n", until).await?;
            self.wire.reply(until).await
        };
        let reusable = matches!(reset.await, Ok(reply) if reply.code == 250);
        ended(outcome, reusable)
    }

    /// Says goodbye, without waiting for the answer longer than a moment.
    pub(super) async fn quit(mut self, until: Instant) {
        if self.wire.write(b"QUIT\r\n", until).await.is_ok() {
            // Whatever it answers, the connection ends here.
            let _ = self.wire.reply(until).await;
        }
    }

    fn broken(&self, step: Step, fault: &Fault) -> Envelope {
        self.cut(None, step, fault)
    }

    fn cut(&self, refusal: Option<Outcome>, step: Step, fault: &Fault) -> Envelope {
        let stale = self.used && step == Step::Mail && matches!(fault, Fault::Lost(_));
        match refusal {
            Some(outcome) => ended(outcome, false),
            None if stale => Envelope::Ended(Delivery::Stale),
            None => ended(broken_off(fault), false),
        }
    }

    fn left(&self, refusal: Option<Outcome>, step: Step, reply: &Reply) -> Envelope {
        match refusal {
            Some(outcome) => ended(outcome, false),
            None if self.used && step == Step::Mail => Envelope::Ended(Delivery::Stale),
            None => ended(refused(step, reply), false),
        }
    }
}

fn is_expected(step: Step, reply: &Reply) -> bool {
    match step {
        Step::Data => reply.code == 354,
        // 251: will forward.
        Step::Rcpt => matches!(reply.code, 250 | 251),
        _ => reply.code == 250,
    }
}

/// Neither the expected yes nor a no: whose reply this is, nobody can tell any more.
fn is_out_of_step(step: Step, reply: &Reply) -> bool {
    reply.code < 400 && !is_expected(step, reply)
}

fn done(outcome: Outcome, reusable: bool) -> Delivery {
    Delivery::Done { outcome, reusable }
}

fn ended(outcome: Outcome, reusable: bool) -> Envelope {
    Envelope::Ended(done(outcome, reusable))
}

/// Nothing was committed, and nothing is any more.
fn stale() -> Outcome {
    Outcome::Abandoned {
        reason: Reason::Stale,
    }
}

fn impossible(reason: Reason, words: &str) -> Outcome {
    Outcome::Failed {
        reason,
        code: 0,
        reply: words.to_owned(),
        blame: Blame::Receiver,
    }
}

/// Doubles a dot at the start of a line, makes every line end CRLF, and ends the last line.
fn dot_stuffed(body: &[u8]) -> Cow<'_, [u8]> {
    let mut before = b'\n';
    let clean = body.iter().all(|&byte| {
        let fine = match byte {
            b'.' => !matches!(before, b'\r' | b'\n'),
            b'\n' => before == b'\r',
            _ => before != b'\r',
        };
        before = byte;
        fine
    });
    if clean && body.ends_with(b"\r\n") {
        return Cow::Borrowed(body);
    }
    let mut stuffed = Vec::with_capacity(body.len() + body.len() / 50 + 2);
    let mut rest = body;
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
        let (line, after) = rest.split_at(end.unwrap_or(rest.len()));
        if line.starts_with(b".") {
            stuffed.push(b'.');
        }
        stuffed.extend_from_slice(line);
        stuffed.extend_from_slice(b"\r\n");
        rest = after
            .strip_prefix(b"\r\n")
            .or_else(|| after.get(1..))
            .unwrap_or_default();
    }
    Cow::Owned(stuffed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_are_ended_and_their_first_dot_doubled() {
        let cases: [(&[u8], &[u8]); 7] = [
            (b"a\r\nb\r\n", b"a\r\nb\r\n"),
            (b"a\nb", b"a\r\nb\r\n"),
            (b".\r\n.a\r\n", b"..\r\n..a\r\n"),
            (b"a.b\r\n", b"a.b\r\n"),
            (b"a\rb\r", b"a\r\nb\r\n"),
            (b"\r\n.\n", b"\r\n..\r\n"),
            (b"", b""),
        ];
        for (plain, stuffed) in cases {
            assert_eq!(dot_stuffed(plain).as_ref(), stuffed, "{plain:?}");
        }
    }

    proptest! {
        #[test]
        fn no_message_can_end_itself(body in "[.a\r\n]{0,40}") {
            let sent = dot_stuffed(body.as_bytes()).into_owned();
            let sent = String::from_utf8(sent).unwrap();
            prop_assert!(!sent.starts_with(".\r\n") && !sent.contains("\n.\r\n"));
            prop_assert!(sent.is_empty() || sent.ends_with("\r\n"));
            prop_assert!(!sent.replace("\r\n", "").contains(['\r', '\n']));
        }
    }
}
