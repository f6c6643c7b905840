//! What a command says: text for people, or one JSON value for programs.

use std::error::Error;
use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;
use serde_json::json;
use tidings_service::parse_instant;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Where a command's words go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Out {
    json: bool,
}

impl Out {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether the answer is for a program.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// Whether a person looks on: then progress is worth showing.
    pub(crate) fn is_terminal(self) -> bool {
        !self.json && io::stdout().is_terminal()
    }

    /// A line for people.
    pub(crate) fn say(self, line: impl Display) {
        if !self.json {
            print(&line);
        }
    }

    /// The result for programs, on one line.
    pub(crate) fn result(self, value: &impl Serialize) {
        if self.json {
            print(&serde_json::to_string(value).expect("results are made of JSON values"));
        }
    }

    /// A result for programs that is JSON already, and signed as it stands.
    pub(crate) fn verbatim(self, json: &str) {
        if self.json {
            print(&json);
        }
    }

    /// A line on stderr that is nobody's result.
    pub(crate) fn note(self, line: impl Display) {
        drop(writeln!(io::stderr(), "{line}"));
    }

    /// The reason of a failure: on stderr for people, and as the result for programs.
    pub(crate) fn failed(self, error: &dyn Error) {
        let causes = causes(error);
        drop(writeln!(io::stderr(), "error: {error}"));
        for cause in &causes {
            drop(writeln!(io::stderr(), "  because: {cause}"));
        }
        self.result(&json!({ "error": { "message": error.to_string(), "causes": causes } }));
    }
}

/// Nobody is left to tell when the reader has gone.
fn print(line: &impl Display) {
    drop(writeln!(io::stdout(), "{line}"));
}

/// What lies behind an error, without what its message says already.
fn causes(error: &dyn Error) -> Vec<String> {
    let mut said = error.to_string();
    let mut causes = Vec::new();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        if !said.contains(&words) {
            said.push_str(&words);
            causes.push(words);
        }
        source = cause.source();
    }
    causes
}

/// An instant as answers show it: RFC 3339, UTC.
pub(super) fn instant(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).unwrap_or_default()
}

/// An instant as arguments give it.
pub(super) fn time(text: &str) -> Result<OffsetDateTime, String> {
    parse_instant(text).ok_or_else(|| "it must be a time such as 2026-03-01T09:30:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer: inner")]
    struct Outer(#[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("inner")]
    struct Inner(#[source] io::Error);

    #[test]
    fn a_cause_is_told_unless_the_message_has_it() {
        let error = Outer(Inner(io::Error::other("the disk")));
        assert_eq!(causes(&error), ["the disk"]);
    }
}
