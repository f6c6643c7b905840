//! What is kept of the request by which a message was opened or a link of it followed, as far as it can be opened.

use serde_json::Value;

use crate::opened::Words;

const EVIDENCE: &str = "evidence";

/// What it says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Evidence {
    /// There is something, and it can be opened.
    pub(crate) is_kept: bool,
    /// How the program called itself.
    pub(crate) user_agent: Option<String>,
    /// Where the link led.
    pub(crate) url: Option<String>,
}

impl Evidence {
    /// Out of an event's opened values.
    pub(crate) fn of(opened: &[(String, Words)]) -> Self {
        let evidence = opened.iter().find(|(field, _)| field == EVIDENCE);
        let Some((_, Words::Known(text))) = evidence else {
            return Self::default();
        };
        let json: Value = serde_json::from_str(text).unwrap_or_default();
        let said = |name: &str| {
            let text = json[name].as_str().filter(|text| !text.is_empty());
            text.map(str::to_owned)
        };
        Self {
            is_kept: true,
            user_agent: said("user_agent"),
            url: said("url"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: Words) -> Evidence {
        Evidence::of(&[
            ("link".to_owned(), Words::Erased),
            (EVIDENCE.to_owned(), words),
        ])
    }

    #[test]
    fn what_is_gone_or_was_never_there_is_not_kept() {
        assert_eq!(of(Words::Erased), Evidence::default());
        assert_eq!(Evidence::of(&[]), Evidence::default());
    }

    #[test]
    fn spaces_behind_it_and_what_is_missing_do_no_harm() {
        let known = |text: &str| of(Words::Known(text.to_owned()));
        let clicked = known("{\"user_agent\":\"Mail/7\",\"url\":\"https://example.org/a\"}    ");
        assert_eq!(clicked.user_agent.as_deref(), Some("Mail/7"));
        assert_eq!(clicked.url.as_deref(), Some("https://example.org/a"));
        let opened = known("{\"user_agent\":\"\"}");
        assert!(opened.is_kept && opened.user_agent.is_none() && opened.url.is_none());
        assert!(known("what a later version wrote").is_kept);
    }
}
