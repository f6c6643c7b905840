//! Rules shared by the one-line texts.

use super::Invalid;

/// A trimmed line of `1..=chars_max` characters without control characters. `what` starts the
/// sentence of a refusal: "the title".
pub(super) fn line(what: &str, text: &str, chars_max: usize) -> Result<String, Invalid> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Invalid::new(format!(
            "{what} is empty; it needs 1 to {chars_max} characters"
        )));
    }
    let chars = text.chars().count();
    if chars > chars_max {
        return Err(Invalid::new(format!(
            "{what} has {chars} characters; at most {chars_max} are allowed"
        )));
    }
    if text.chars().any(breaks_the_line) {
        return Err(Invalid::new(format!(
            "{what} holds a line break or another control character; it must be a single line"
        )));
    }
    Ok(text.to_owned())
}

/// Control characters, and the two separators Unicode counts as line ends but not as controls.
fn breaks_the_line(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// The first `chars_max` characters.
pub(crate) fn cut(text: &str, chars_max: usize) -> &str {
    text.char_indices()
        .nth(chars_max)
        .map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_trimmed_and_bounded() {
        assert_eq!(line("the title", "  a b ", 3).as_deref(), Ok("a b"));
        assert!(line("the title", "abcd", 3).is_err());
        assert!(line("the title", " \n ", 3).is_err());
        for broken in ["a\nb", "a\rb", "a\0b", "a\u{2028}b", "a\u{85}b"] {
            assert!(line("the title", broken, 10).is_err(), "{broken:?}");
        }
    }

    #[test]
    fn cut_counts_characters() {
        assert_eq!(cut("äöü", 2), "äö");
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("", 3), "");
    }
}
