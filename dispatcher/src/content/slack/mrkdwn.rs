//! Running text in Slack's own markup.

use crate::content::{
    chat::{Markup, unticked},
    document::{Inline, Target, plain_text, shorten},
};

/// Longest words of a link, in characters.
const LABEL_LENGTH_MAX: usize = 150;
/// Longest link target, once escaped. Words and target together fit any section.
const TARGET_LENGTH_MAX: usize = 2_000;

/// Escapes the three characters that mean something to Slack; no mention or link can arise.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// See [`Markup`]. Pictures become blocks of their own.
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

    fn image(_: &Target, _: &str) -> String {
        String::new()
    }
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
