//! Running text in Discord's Markdown.

use crate::content::{
    chat::{Markup, unticked},
    document::{Inline, Target, plain_text, shorten},
};

/// Longest words of a link, in characters.
const LABEL_LENGTH_MAX: usize = 150;

/// See [`Markup`].
pub(super) enum DiscordMarkdown {}

impl Markup for DiscordMarkdown {
    const STRONG: &'static str = "**";
    const EMPHASIS: &'static str = "_";
    const STRIKETHROUGH: &'static str = "~~";
    const BULLETS: [&'static str; 2] = ["- ", "- "];

    fn escaped(text: &str) -> String {
        escaped(text)
    }

    fn code(text: &str) -> String {
        format!("`{}`", unticked(text))
    }

    fn link(target: &Target, content: &[Inline]) -> String {
        link(target, plain_text(content).trim())
    }

    fn image(source: &Target, alt: &str) -> String {
        let alt = alt.trim();
        link(source, if alt.is_empty() { "Image" } else { alt })
    }
}

/// Puts a backslash before whatever could begin a mark, a link, a mention, a quotation, a heading or a list. Discord
/// takes it away again. An underline within a web address stays as it is: addresses become links by themselves.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for piece in text.split_inclusive(char::is_whitespace) {
        let schemes = ["http://", "https://"].iter();
        // A bracket may stand before it.
        let address_at = schemes.filter_map(|it| piece.find(it)).min();
        let digits = piece.bytes().take_while(u8::is_ascii_digit).count();
        for (at, c) in piece.char_indices() {
            let special = match c {
                '\\' | '*' | '`' | '|' | '[' | ']' | '<' | '>' => true,
                '_' | '~' => address_at.is_none_or(|from| at < from),
                '#' | '-' | '+' => at == 0,
                '.' => digits > 0 && at == digits,
                _ => false,
            };
            if special {
                out.push('\\');
            }
            out.push(c);
        }
    }
    out
}

/// Discord makes links of web addresses only, and not under words that look like another address.
fn link(target: &Target, words: &str) -> String {
    let label = escaped(&shorten(words, LABEL_LENGTH_MAX));
    let is_web = target.as_str().starts_with("http");
    if words.is_empty() || words == target.as_str() || words == target.shown() {
        escaped(target.shown())
    } else if is_web && !words.contains("://") {
        let url = target.as_str().replace('(', "%28").replace(')', "%29");
        format!("[{label}]({url})")
    } else {
        format!("{label} ({})", escaped(target.shown()))
    }
}
