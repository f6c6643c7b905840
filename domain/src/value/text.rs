//! The one-line texts and the rules they share.

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
    if text.contains(OVERRIDES) {
        return Err(Invalid::new(format!(
            "{what} holds a character that turns the order of letters around (U+202D or U+202E), so that it reads as \
             something else; leave it out"
        )));
    }
    Ok(text.to_owned())
}

/// Unicode's overrides of the direction of writing: right-to-left scripts need none.
const OVERRIDES: [char; 2] = ['\u{202d}', '\u{202e}'];

/// Declares a one-line text: its words in a refusal, and the most characters it may have.
macro_rules! line_text {
    ($(#[$meta:meta])* $name:ident, $what:literal, $chars_max:literal) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(String);

        impl $name {
            /// The most characters one may have.
            pub const CHARS_MAX: usize = $chars_max;

            /// Takes a single line of 1 to [`Self::CHARS_MAX`] characters; white space around it is cut.
            ///
            /// # Errors
            /// [`Invalid`] when it is empty, too long or holds a control character.
            pub fn parse(text: &str) -> Result<Self, Invalid> {
                line($what, text, Self::CHARS_MAX).map(Self)
            }

            pub(crate) fn recorded(text: String) -> Self {
                Self(text)
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

line_text! {
    /// What an operator calls a channel.
    ChannelName, "the channel name", 100
}

line_text! {
    /// What readers are told about a topic.
    Description, "the description", 500
}

line_text! {
    /// What somebody agrees to when they sign up, in the words they were shown.
    ConsentWording, "the wording", 1_000
}

line_text! {
    /// What whoever writes the words of a consent calls a version of them: `2026-03`.
    ConsentVersion, "the version", 64
}

line_text! {
    /// How a subscriber wants to be called. Goes into mail headers, so control characters are refused.
    DisplayName, "the name", 200
}

line_text! {
    /// What an administrator calls an API key.
    KeyName, "the key's name", 100
}

line_text! {
    /// Why somebody looks at a subscriber's data, in their words.
    LookReason, "the reason", 500
}

line_text! {
    /// What editors see a segment called.
    SegmentName, "the segment's name", 100
}

line_text! {
    /// Why an operator has a view skip an event.
    SkipReason, "the reason", 200
}

line_text! {
    /// What a publication is called: a mail's subject, a message's headline.
    Title, "the title", 200
}

line_text! {
    /// What readers see a topic called.
    TopicName, "the topic's name", 100
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
    use proptest::prelude::*;

    /// What holds for each of them.
    macro_rules! tested {
        ($module:ident, $name:ident, $empty:literal) => {
            mod $module {
                use super::*;

                #[test]
                fn says_what_is_allowed() {
                    assert_eq!($name::parse("").map_err(|e| e.detail), Err($empty.into()));
                    assert!($name::parse(&"é".repeat($name::CHARS_MAX)).is_ok());
                    assert!($name::parse(&"é".repeat($name::CHARS_MAX + 1)).is_err());
                    assert!($name::parse("two\nlines").is_err());
                    assert!($name::parse("invoice\u{202e}fdp.exe").is_err());
                }

                proptest! {
                    #[test]
                    fn what_is_shown_parses_to_itself(text in any::<String>()) {
                        if let Ok(parsed) = $name::parse(&text) {
                            prop_assert_eq!($name::parse(&parsed.to_string()), Ok(parsed));
                        }
                    }
                }
            }
        };
    }

    tested!(
        channel_name,
        ChannelName,
        "the channel name is empty; it needs 1 to 100 characters"
    );
    tested!(
        description,
        Description,
        "the description is empty; it needs 1 to 500 characters"
    );
    tested!(
        topic_name,
        TopicName,
        "the topic's name is empty; it needs 1 to 100 characters"
    );
    tested!(
        segment_name,
        SegmentName,
        "the segment's name is empty; it needs 1 to 100 characters"
    );
    tested!(
        consent_wording,
        ConsentWording,
        "the wording is empty; it needs 1 to 1000 characters"
    );
    tested!(
        consent_version,
        ConsentVersion,
        "the version is empty; it needs 1 to 64 characters"
    );
    tested!(
        display_name,
        DisplayName,
        "the name is empty; it needs 1 to 200 characters"
    );
    tested!(
        key_name,
        KeyName,
        "the key's name is empty; it needs 1 to 100 characters"
    );
    tested!(
        look_reason,
        LookReason,
        "the reason is empty; it needs 1 to 500 characters"
    );
    tested!(
        skip_reason,
        SkipReason,
        "the reason is empty; it needs 1 to 200 characters"
    );
    tested!(
        title,
        Title,
        "the title is empty; it needs 1 to 200 characters"
    );

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
