//! Running text in Slack's own markup.

use crate::content::document::{Inline, Target, plain_text, shorten};

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

/// Renders running text. Pictures are left out: they become blocks of their own.
pub(super) fn inlines(content: &[Inline]) -> String {
    let mut words = String::new();
    for inline in content {
        match inline {
            Inline::Text(text) => words.push_str(&escaped(text)),
            Inline::Strong(inner) => words.push_str(&marked('*', &inlines(inner))),
            Inline::Emphasis(inner) => words.push_str(&marked('_', &inlines(inner))),
            Inline::Strikethrough(inner) => words.push_str(&marked('~', &inlines(inner))),
            Inline::Code(text) => words.push_str(&code(text)),
            Inline::Link { target, content } => words.push_str(&link(target, content)),
            Inline::Image { .. } => {}
            Inline::Break => words.push('\n'),
        }
    }
    words
}

/// Puts a mark around the words of each line: a mark does not reach over a line end or a space.
pub(super) fn marked(mark: char, words: &str) -> String {
    words
        .split('\n')
        .map(|line| {
            let core = line.trim();
            if core.is_empty() {
                return line.to_owned();
            }
            let before = &line[..line.len() - line.trim_start().len()];
            let after = &line[line.trim_end().len()..];
            format!("{before}{mark}{core}{mark}{after}")
        })
        .collect::<Vec<_>>()
        .join("\n")
}

/// Literal words. A backtick inside would end them, so it is shown by its look-alike.
pub(super) fn code(text: &str) -> String {
    format!("`{}`", escaped(&text.replace('`', "ˋ")))
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
