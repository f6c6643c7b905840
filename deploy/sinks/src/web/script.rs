//! Rules that make an HTTP sink misbehave.

use std::time::Duration;

use crate::script::{Counted, Turns};

/// What a rule does to a request the sink would have accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Answers with this in place of what the vendor would say.
    Reply {
        /// HTTP status.
        status: u16,
        /// The body, e.g. `rollup_error`.
        body: String,
        /// Headers by name; names and values that HTTP does not have are left out.
        headers: Vec<(String, String)>,
    },
    /// Says nothing until the sender leaves or `Handle::release`; then goes on as if nothing had been.
    Stall,
    /// Waits, then goes on.
    Delay(Duration),
    /// Closes the connection without an answer.
    Cut,
    /// Says 200, and then a byte of the body now and then, for ever.
    Drip,
    /// Says 200, and then body without end, as fast as it is read.
    Endless,
    /// Says 200, and then a few megabytes that unpack to 4 GiB.
    Bomb,
}

/// One rule, e.g. `Rule::reply(500, "rollup_error").to("news").times(2)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    webhook: Option<String>,
    turns: Turns,
    pub(super) recorded: bool,
    pub(super) action: Action,
}

impl Rule {
    /// A rule that acts on every request.
    #[must_use]
    pub fn new(action: Action) -> Self {
        Self {
            webhook: None,
            turns: Turns::default(),
            recorded: false,
            action,
        }
    }

    /// [`Rule::new`] with [`Action::Reply`], without headers.
    #[must_use]
    pub fn reply(status: u16, body: impl Into<String>) -> Self {
        Self::new(Action::Reply {
            status,
            body: body.into(),
            headers: Vec::new(),
        })
    }

    /// Adds a header to what [`Rule::reply`] answers.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Action::Reply { headers, .. } = &mut self.action {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// Only on the webhook, or the channel, of this name: the last part of its URL.
    #[must_use]
    pub fn to(mut self, webhook: &str) -> Self {
        self.webhook = Some(webhook.to_owned());
        self
    }

    /// Lets the first `n` matching requests pass.
    #[must_use]
    pub fn skip(mut self, n: u32) -> Self {
        self.turns.skip = n;
        self
    }

    /// Acts on `n` requests, then never again.
    #[must_use]
    pub fn times(mut self, n: u32) -> Self {
        self.turns.times = Some(n);
        self
    }

    /// Counts `skip` and `times` for each webhook apart.
    #[must_use]
    pub fn each(mut self) -> Self {
        self.turns.each = true;
        self
    }

    /// Puts the message on record first, so the sink has it though the sender is told otherwise,
    /// late, or nothing.
    #[must_use]
    pub fn recorded(mut self) -> Self {
        self.recorded = true;
        self
    }

    pub(super) fn matched<'w>(&self, webhook: &'w str) -> Option<&'w str> {
        let fits = self.webhook.as_deref().is_none_or(|name| name == webhook);
        fits.then_some(webhook)
    }
}

impl Counted for Rule {
    fn turns(&self) -> &Turns {
        &self.turns
    }
}
