//! Tags: what an editor calls a handful of subscribers.

use super::Invalid;

/// 1 to [`Self::CHARS_MAX`] lower-case letters, digits, hyphens and underscores, a letter or digit first.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(String);

impl Tag {
    /// The most characters one may have.
    pub const CHARS_MAX: usize = 64;

    /// Takes a tag such as `early_bird`; capitals are made small.
    ///
    /// # Errors
    /// [`Invalid`] when it is not of that shape.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = text.to_lowercase();
        let starts = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let allowed = |c: char| starts(c) || c == '-' || c == '_';
        if text.starts_with(starts) && text.len() <= Self::CHARS_MAX && text.chars().all(allowed) {
            return Ok(Self(text));
        }
        Err(Invalid::new(format!(
            "a tag has 1 to {} letters a-z, digits, hyphens and underscores, and begins with a letter or digit, such as \
             \"early_bird\"",
            Self::CHARS_MAX
        )))
    }

    pub(crate) fn recorded(text: String) -> Self {
        Self(text)
    }

    /// The tag as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Tag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn small_words_only() {
        for good in ["a", "7", "early_bird", "a--b", &"a".repeat(64)] {
            assert_eq!(Tag::parse(good).unwrap().as_str(), good);
        }
        assert_eq!(Tag::parse("VIP").unwrap().as_str(), "vip");
        for bad in ["", "-a", "_a", "a b", "ä", "a.b", &"a".repeat(65)] {
            assert!(Tag::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_parses_to_itself(text in "\\PC{0,70}") {
            if let Ok(tag) = Tag::parse(&text) {
                prop_assert_eq!(Tag::parse(tag.as_str()), Ok(tag));
            }
        }
    }
}
