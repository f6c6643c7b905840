//! Rules that make the SMTP sink misbehave: when, towards whom, how often, and how.

use std::time::Duration;

use crate::script::{Counted, Turns};

/// The moment of the dialogue a rule acts at. It acts before the sink does that phase's normal work
/// and only where that work would have succeeded, so a command out of sequence still gets its 503.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// A connection was accepted.
    Greeting,
    /// EHLO or HELO came.
    Ehlo,
    /// STARTTLS came; 220 is not yet sent.
    StartTls,
    /// AUTH came.
    Auth,
    /// MAIL FROM came.
    MailFrom,
    /// RCPT TO came.
    RcptTo,
    /// DATA came; 354 is not yet sent.
    Data,
    /// 354 is sent and the first bytes of the message have come. A reply here goes out before the
    /// final dot, the rest is read, and the message is not accepted.
    Body,
    /// The final dot has come; the message is not on record unless the rule says [`Rule::recorded`].
    FinalDot,
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Replies with this in place of the phase's work; 421 closes the connection after it.
    Reply {
        /// The three digits.
        code: u16,
        /// The rest of the line, enhanced status code included.
        text: String,
    },
    /// Says nothing until the sender leaves or `Handle::release`; then goes on as if nothing had been.
    Stall,
    /// Waits, then goes on.
    Delay(Duration),
    /// Goes on, but writes the next replies one byte at a time with this pause between.
    Drip(Duration),
    /// Cuts the connection with a TCP reset.
    Reset,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Recipient {
    Exactly(String),
    EndingWith(String),
}

/// One rule, e.g. greylisting: `Rule::reply(Phase::RcptTo, 450, "4.7.1 come back later").times(1).each()`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    when: Phase,
    recipient: Option<Recipient>,
    turns: Turns,
    pub(super) recorded: bool,
    pub(super) action: Action,
}

impl Rule {
    /// A rule that acts at every `when`, towards everybody.
    #[must_use]
    pub fn new(when: Phase, action: Action) -> Self {
        Self {
            when,
            recipient: None,
            turns: Turns::default(),
            recorded: false,
            action,
        }
    }

    /// [`Rule::new`] with [`Action::Reply`].
    #[must_use]
    pub fn reply(when: Phase, code: u16, text: impl Into<String>) -> Self {
        let text = text.into();
        Self::new(when, Action::Reply { code, text })
    }

    /// Only towards this recipient, whole address, any case. From RCPT TO on: there is none before.
    #[must_use]
    pub fn to(mut self, address: &str) -> Self {
        self.recipient = Some(Recipient::Exactly(address.to_ascii_lowercase()));
        self
    }

    /// Only towards recipients that end with this, e.g. `@slow.example`, any case.
    #[must_use]
    pub fn to_ending(mut self, suffix: &str) -> Self {
        self.recipient = Some(Recipient::EndingWith(suffix.to_ascii_lowercase()));
        self
    }

    /// Lets the first `n` matching occasions pass: `.skip(2).times(1)` acts on the third alone.
    #[must_use]
    pub fn skip(mut self, n: u32) -> Self {
        self.turns.skip = n;
        self
    }

    /// Acts on `n` occasions, then never again.
    #[must_use]
    pub fn times(mut self, n: u32) -> Self {
        self.turns.times = Some(n);
        self
    }

    /// Counts `skip` and `times` for each recipient apart.
    #[must_use]
    pub fn each(mut self) -> Self {
        self.turns.each = true;
        self
    }

    /// At [`Phase::FinalDot`]: puts the message on record first, so the sink has it though
    /// the sender is told otherwise, late, or nothing. After a stall or delay the reply is then the plain 250.
    #[must_use]
    pub fn recorded(mut self) -> Self {
        self.recorded = true;
        self
    }

    /// Whom of `recipients` this rule matches at `phase`; "" for a rule that names nobody
    /// at a phase without a recipient.
    pub(super) fn matched<'r>(&self, phase: Phase, recipients: &'r [String]) -> Option<&'r str> {
        if phase != self.when {
            return None;
        }
        let Some(wanted) = &self.recipient else {
            return Some(recipients.first().map_or("", String::as_str));
        };
        recipients
            .iter()
            .map(String::as_str)
            .find(|recipient| match wanted {
                Recipient::Exactly(address) => recipient.eq_ignore_ascii_case(address),
                Recipient::EndingWith(suffix) => recipient.to_ascii_lowercase().ends_with(suffix),
            })
    }
}

impl Counted for Rule {
    fn turns(&self) -> &Turns {
        &self.turns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matched(rule: &Rule, recipients: &[&str]) -> Option<String> {
        let recipients: Vec<String> = recipients.iter().map(ToString::to_string).collect();
        rule.matched(Phase::RcptTo, &recipients).map(str::to_owned)
    }

    #[test]
    fn a_rule_matches_its_phase_and_its_recipient() {
        let anybody = Rule::new(Phase::RcptTo, Action::Stall);
        assert_eq!(
            matched(&anybody, &["a@x.example"]),
            Some("a@x.example".into())
        );
        assert_eq!(matched(&anybody, &[]), Some(String::new()));
        assert_eq!(anybody.matched(Phase::Data, &[]), None);

        let one = anybody.clone().to("A@x.example");
        assert_eq!(
            matched(&one, &["b@x.example", "a@X.example"]),
            Some("a@X.example".into())
        );
        assert_eq!(matched(&one, &["aa@x.example"]), None);

        let many = anybody.to_ending("@slow.example");
        assert_eq!(
            matched(&many, &["a@x.example", "b@slow.example"]),
            Some("b@slow.example".into())
        );
        assert_eq!(matched(&many, &[]), None);
    }
}
