//! A subscriber's name as it is shown.

use super::{Invalid, text};

/// How a subscriber wants to be called. Goes into mail headers, so control characters are refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisplayName(String);

impl DisplayName {
    /// The most characters one may have.
    pub const CHARS_MAX: usize = 200;

    /// Takes a single line of 1 to [`Self::CHARS_MAX`] characters; white space around it is cut.
    ///
    /// # Errors
    /// [`Invalid`] when it is empty, too long or holds a control character.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        text::line("the name", text, Self::CHARS_MAX).map(Self)
    }

    pub(crate) fn recorded(text: String) -> Self {
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for DisplayName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn says_what_is_allowed() {
        assert_eq!(
            DisplayName::parse("").map_err(|e| e.detail),
            Err("the name is empty; it needs 1 to 200 characters".into())
        );
        assert!(DisplayName::parse(&"é".repeat(DisplayName::CHARS_MAX)).is_ok());
        assert!(DisplayName::parse(&"é".repeat(DisplayName::CHARS_MAX + 1)).is_err());
        assert!(DisplayName::parse("two\nlines").is_err());
    }

    proptest! {
        #[test]
        fn what_is_shown_parses_to_itself(text in any::<String>()) {
            if let Ok(parsed) = DisplayName::parse(&text) {
                prop_assert_eq!(DisplayName::parse(&parsed.to_string()), Ok(parsed));
            }
        }
    }
}
