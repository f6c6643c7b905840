//! A publication's text.

use super::Invalid;

/// What an editor wrote, in Markdown: at most [`Self::SIZE_BYTES_MAX`] bytes of UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Markdown(String);

impl Markdown {
    /// The most bytes a text may have.
    pub const SIZE_BYTES_MAX: usize = 100_000;

    /// Takes a text; line ends become `\n`.
    ///
    /// # Errors
    /// [`Invalid`] when it is blank, too long or holds a NUL character.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        whole_text(text, Self::SIZE_BYTES_MAX).map(Self)
    }

    pub(crate) fn recorded(text: String) -> Self {
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text of several lines, which end with `\n`.
pub(super) fn whole_text(text: &str, size_bytes_max: usize) -> Result<String, Invalid> {
    if text.len() > size_bytes_max {
        return Err(Invalid::new(format!(
            "the text has {} bytes; at most {size_bytes_max} are allowed",
            text.len()
        )));
    }
    if text.trim().is_empty() {
        return Err(Invalid::new("the text is empty; write something to send"));
    }
    if text.contains('\0') {
        return Err(Invalid::new("the text holds a NUL character; remove it"));
    }
    Ok(text.replace("\r\n", "\n").replace('\r', "\n"))
}

impl std::fmt::Display for Markdown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bounds() {
        assert!(Markdown::parse(&"a".repeat(Markdown::SIZE_BYTES_MAX)).is_ok());
        assert!(Markdown::parse(&"a".repeat(Markdown::SIZE_BYTES_MAX + 1)).is_err());
        assert!(Markdown::parse(" \n\t").is_err());
        assert!(Markdown::parse("a\0b").is_err());
    }

    #[test]
    fn line_ends_are_one_kind() {
        assert_eq!(
            Markdown::parse("a\r\nb\rc\n").map(|text| text.to_string()),
            Ok("a\nb\nc\n".into())
        );
    }

    proptest! {
        #[test]
        fn what_is_shown_parses_to_itself(text in any::<String>()) {
            if let Ok(parsed) = Markdown::parse(&text) {
                prop_assert_eq!(Markdown::parse(&parsed.to_string()), Ok(parsed));
            }
        }
    }
}
