//! What a request that changed consent looked like.

use serde_json::json;

use super::cut;

/// JSON evidence of a request, kept to answer "who did that?" later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence(String);

impl Evidence {
    /// The most characters that are kept of a header.
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
