//! Slugs: how an editor names a topic.

use super::Invalid;

/// 1 to [`Self::CHARS_MAX`] lower-case letters and digits, with single hyphens between them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Slug(String);

impl Slug {
    /// The most characters one may have.
    pub const CHARS_MAX: usize = 50;

    /// Takes a slug such as `city-council`.
    ///
    /// # Errors
    /// [`Invalid`] when it is not of that shape.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let word = |word: &str| {
            let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
            !word.is_empty() && word.bytes().all(allowed)
        };
        if text.len() <= Self::CHARS_MAX && text.split('-').all(word) {
            return Ok(Self(text.to_owned()));
        }
        Err(Invalid::new(format!(
            "a slug has 1 to {} lower-case letters and digits, with single hyphens between them, such as \"city-council\"",
            Self::CHARS_MAX
        )))
    }

    pub(crate) fn recorded(text: String) -> Self {
        Self(text)
    }

    /// The slug as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Slug {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_and_hyphens_only() {
        for good in ["a", "7", "city-council", &"a".repeat(50)] {
            assert!(Slug::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "-a",
            "a-",
            "a--b",
            "A",
            "a b",
            "ä",
            "a_b",
            &"a".repeat(51),
        ] {
            assert!(Slug::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_parses_to_itself(text in "[a-zA-Z0-9-]{0,60}") {
            if let Ok(slug) = Slug::parse(&text) {
                prop_assert_eq!(slug.to_string(), text);
            }
        }
    }
}
