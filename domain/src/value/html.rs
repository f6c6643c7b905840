//! A publication's text as a page.

use super::{Invalid, Markdown};
use crate::page;

/// What an editor wrote, in HTML: at most [`Self::SIZE_BYTES_MAX`] bytes of UTF-8, as it came. It is markup from outside:
/// nobody may put it into a page or a mail as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Html(String);

impl Html {
    /// The most bytes a page may have: its markup takes as much room as its words.
    pub const SIZE_BYTES_MAX: usize = 2 * Markdown::SIZE_BYTES_MAX;

    /// Takes a page; line ends become `\n`.
    ///
    /// # Errors
    /// [`Invalid`] when it is blank, too long, holds a NUL character, or shows nothing.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let page = super::markdown::whole_text(text, Self::SIZE_BYTES_MAX)?;
        if !page::shows_anything(&page) {
            let detail = "the page shows no word and no picture; write something to send";
            return Err(Invalid::new(detail));
        }
        Ok(Self(page))
    }

    pub(crate) fn recorded(text: String) -> Self {
        Self(text)
    }

    /// The page.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds() {
        let page = |bytes: usize| format!("<p>{}", "a".repeat(bytes - 3));
        assert!(Html::parse(&page(Html::SIZE_BYTES_MAX)).is_ok());
        assert!(Html::parse(&page(Html::SIZE_BYTES_MAX + 1)).is_err());
        assert!(Html::parse(" \n\t").is_err());
        assert!(Html::parse("<p>a\0b").is_err());
        assert!(Html::parse("<p hidden>a").is_err());
    }

    #[test]
    fn line_ends_are_one_kind_and_nothing_else_changes() {
        let page = Html::parse("<p>a\r\nb &amp;<script>").unwrap();
        assert_eq!(page.as_str(), "<p>a\nb &amp;<script>");
    }
}
