//! What a request that changed consent looked like.

use serde_json::json;

use super::text::line;
use super::{Invalid, cut};

/// JSON evidence of a request, kept to answer "who did that?" later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence(String);

impl Evidence {
    /// The most characters that are kept of a header, or taken of what somebody writes down.
    pub const CHARS_MAX: usize = 500;

    /// The user agent a request named itself with, cut to [`Self::CHARS_MAX`] characters.
    pub fn user_agent(user_agent: &str) -> Self {
        let kept = cut(user_agent, Self::CHARS_MAX);
        Self(json!({ "user_agent": kept }).to_string())
    }

    /// The same, and where the link led that was followed.
    pub fn of_click(user_agent: &str, url: &str) -> Self {
        let kept = cut(user_agent, Self::CHARS_MAX);
        Self(json!({ "user_agent": kept, "url": url }).to_string())
    }

    /// How somebody asked for it, as whoever did it for them writes it down: `by phone, ticket 4711`.
    ///
    /// # Errors
    /// [`Invalid`] when it is no line of 1 to [`Self::CHARS_MAX`] characters.
    pub fn note(text: &str) -> Result<Self, Invalid> {
        let note = line("the evidence", text, Self::CHARS_MAX)?;
        Ok(Self(json!({ "note": note }).to_string()))
    }

    pub(crate) fn recorded(text: String) -> Self {
        Self(text)
    }

    /// A JSON object.
    pub fn as_json(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_writes_down_is_quoted() {
        let note = Evidence::note(" by phone, \"ticket\" 4711 ").unwrap();
        assert_eq!(note.as_json(), r#"{"note":"by phone, \"ticket\" 4711"}"#);
        assert!(Evidence::note(&"x".repeat(Evidence::CHARS_MAX)).is_ok());
        let long = "x".repeat(Evidence::CHARS_MAX + 1);
        for text in ["", " ", "two\nlines", &long] {
            assert!(Evidence::note(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_user_agent_is_quoted_and_cut() {
        assert_eq!(
            Evidence::user_agent("Mail \"7\"\n").as_json(),
            r#"{"user_agent":"Mail \"7\"\n"}"#
        );
        let long = Evidence::user_agent(&"x".repeat(10_000));
        assert_eq!(
            long.as_json().len(),
            Evidence::CHARS_MAX + r#"{"user_agent":""}"#.len()
        );
    }
}
