//! The kind of a channel.

use super::Invalid;

/// A channel kind: 1 to 32 lower-case letters, digits and underscores, a letter first. Which kinds
/// there are is known where channels are built, not here.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ChannelKind(String);

impl ChannelKind {
    /// Takes a kind such as `email`.
    ///
    /// # Errors
    /// [`Invalid`] when it is not of that shape.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let letter_first = text.starts_with(|c: char| c.is_ascii_lowercase());
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        if letter_first && text.len() <= 32 && text.bytes().all(allowed) {
            return Ok(Self(text.to_owned()));
        }
        Err(Invalid::new(
            "a channel kind is 1 to 32 lower-case letters, digits and underscores, starting with a letter, such as \"email\"",
        ))
    }

    pub(crate) fn recorded(text: String) -> Self {
        Self(text)
    }

    /// The kind as it is written in requests and in the log.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for ChannelKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn kinds_are_lower_case_words() {
        for good in ["email", "slack", "file", "web_hook2"] {
            assert_eq!(
                ChannelKind::parse(good).map(|k| k.to_string()),
                Ok(good.into())
            );
        }
        for bad in ["", "Email", "2mail", "_x", "e-mail", "é", &"a".repeat(33)] {
            assert!(ChannelKind::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_parses_to_itself(text in "[a-zA-Z0-9_é]{0,40}") {
            if let Ok(kind) = ChannelKind::parse(&text) {
                prop_assert_eq!(kind.to_string(), text);
            }
        }
    }
}
