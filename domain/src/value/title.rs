//! A publication's title.

use super::{Invalid, text};

/// What a publication is called: a mail's subject, a message's headline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Title(String);

impl Title {
    /// The most characters one may have.
    pub const CHARS_MAX: usize = 200;

    /// Takes a single line of 1 to [`Self::CHARS_MAX`] characters; white space around it is cut.
    ///
    /// # Errors
    /// [`Invalid`] when it is empty, too long or holds a control character.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        text::line("the title", text, Self::CHARS_MAX).map(Self)
    }

    pub(crate) fn recorded(text: String) -> Self {
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Title {
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
            Title::parse("").map_err(|e| e.detail),
            Err("the title is empty; it needs 1 to 200 characters".into())
        );
        assert!(Title::parse(&"é".repeat(Title::CHARS_MAX)).is_ok());
        assert!(Title::parse(&"é".repeat(Title::CHARS_MAX + 1)).is_err());
        assert!(Title::parse("two\nlines").is_err());
    }

    proptest! {
        #[test]
        fn what_is_shown_parses_to_itself(text in any::<String>()) {
            if let Ok(parsed) = Title::parse(&text) {
                prop_assert_eq!(Title::parse(&parsed.to_string()), Ok(parsed));
            }
        }
    }
}
