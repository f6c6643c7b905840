//! Running text in Slack's own markup.

use crate::content::{
    chat::{Markup, is_public, unticked},
    document::{Inline, Target, plain_text, shorten},
};

/// Longest words of a link, in characters.
const LABEL_LENGTH_MAX: usize = 150;
/// Longest link target, once escaped. Words and target together fit any section.
const TARGET_LENGTH_MAX: usize = 2_000;

/// What names of pictures end with that Slack does not show.
const OTHER_FORMATS: [&str; 9] = [
    "apng", "avif", "bmp", "heic", "ico", "svg", "tif", "tiff", "webp",
];

/// Escapes the three characters that mean something to Slack, so that no mention and no link under other words can arise. A
/// web address that stands in the text becomes a link to itself, since Slack looks for those in `mrkdwn` that is not
/// `verbatim`: an address is written bare in Markdown, too, and ought to lead somewhere.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// See [`Markup`]. Pictures become blocks of their own, if Slack shows them.
pub(super) enum Mrkdwn {}

impl Markup for Mrkdwn {
    const STRONG: &'static str = "*";
    const EMPHASIS: &'static str = "_";
    const STRIKETHROUGH: &'static str = "~";
    const BULLETS: [&'static str; 2] = ["• ", "◦ "];

    fn escaped(text: &str) -> String {
        escaped(text)
    }

    fn code(text: &str) -> String {
        format!("`{}`", escaped(&unticked(text)))
    }

    fn link(target: &Target, content: &[Inline]) -> String {
        link(target, content)
    }

    fn image(source: &Target, alt: &str) -> String {
        match shows(source) {
            true => String::new(),
            false => Self::linked_image(source, alt),
        }
    }
}

impl Mrkdwn {
    /// A picture that is not shown.
    pub(super) fn linked_image(source: &Target, alt: &str) -> String {
        let alt = if alt.trim().is_empty() { "Image" } else { alt };
        link(source, &[Inline::Text(alt.to_owned())])
    }
}

/// Whether Slack would show a picture, as far as its address says: it downloads PNG, JPEG and GIF from public hosts, and
/// refuses a whole message for any that it can not have.
pub(super) fn shows(source: &Target) -> bool {
    let path = source.as_str().split(['?', '#']).next().unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default();
    let ending = name
        .rsplit_once('.')
        .map(|(_, ending)| ending.to_ascii_lowercase());
    // A name without one of these may be a picture all the same.
    let other = ending.is_some_and(|ending| OTHER_FORMATS.contains(&ending.as_str()));
    is_public(source) && !other
}

fn link(target: &Target, content: &[Inline]) -> String {
    let words = plain_text(content);
    let words = words.trim();
    let label = escaped(&shorten(words, LABEL_LENGTH_MAX));
    let url = escaped(
        &target
            .as_str()
            .replace('|', "%7C")
            .replace('<', "%3C")
            .replace('>', "%3E"),
    );
    if url.len() > TARGET_LENGTH_MAX {
        return label;
    }
    if label.is_empty() {
        format!("<{url}>")
    } else {
        format!("<{url}|{label}>")
    }
}
