//! What a webhook is told of a publication: the same words as Markdown and as HTML, cut to fit its body.

use serde::Serialize;

use super::{
    document::{Block, Document, Target, excerpt},
    html,
};

/// Most bytes the article takes in a body; ids, times and names beside it take some hundred more.
pub const ARTICLE_BYTES_MAX: usize = 19_000;
/// Longest summary, in characters.
const SUMMARY_LENGTH_MAX: usize = 300;

/// The content's part of the body's `data`.
#[derive(Debug, Serialize)]
pub struct Article {
    title: String,
    summary: String,
    markdown: String,
    html: String,
    /// Where it can be read whole on the web.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
}

impl Article {
    /// Whole if it fits. If not, Markdown and HTML get half of the room each, or what the other leaves; the HTML is
    /// cut between blocks, so that no element stays open.
    pub(super) fn new(
        title: &str,
        markdown: &str,
        document: &Document,
        url: Option<&Target>,
    ) -> Self {
        let mut article = Self {
            title: title.to_owned(),
            summary: excerpt(document, SUMMARY_LENGTH_MAX),
            markdown: markdown.to_owned(),
            html: html::article(document),
            url: url.map(|url| url.as_str().to_owned()),
            truncated: false,
        };
        if json_length(&article) > ARTICLE_BYTES_MAX {
            article.cut(document);
        }
        article
    }

    fn cut(&mut self, document: &Document) {
        self.truncated = true;
        let (markdown, html) = (
            std::mem::take(&mut self.markdown),
            std::mem::take(&mut self.html),
        );
        let room = ARTICLE_BYTES_MAX.saturating_sub(json_length(self));
        let (markdown_length, html_length) = (inner_length(&markdown), inner_length(&html));
        let html_room = (room / 2).max(room.saturating_sub(markdown_length));
        self.html = if html_length <= html_room {
            html
        } else {
            first_blocks(&document.blocks, html_room)
        };
        let markdown_room = room - inner_length(&self.html);
        self.markdown = beginning(&markdown, markdown_room).to_owned();
    }
}

fn json_length(article: &Article) -> usize {
    serde_json::to_vec(article)
        .expect("strings always serialise")
        .len()
}

/// How many bytes a text takes between the quotes of a JSON string.
fn inner_length(text: &str) -> usize {
    text.chars().map(char_length).sum()
}

/// As serde_json writes it.
fn char_length(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' => 6,
        c => c.len_utf8(),
    }
}

/// The HTML of as many blocks as fit.
fn first_blocks(blocks: &[Block], length_max: usize) -> String {
    let mut kept = String::new();
    let mut room = length_max;
    for block in blocks {
        let html = html::article(&Document {
            blocks: vec![block.clone()],
        });
        match room.checked_sub(inner_length(&html)) {
            Some(rest) => room = rest,
            None => break,
        }
        kept.push_str(&html);
    }
    kept
}

/// As much of a text as fits, up to the end of a paragraph, a line or a word, whichever keeps at least half of it.
fn beginning(text: &str, length_max: usize) -> &str {
    let mut taken = 0;
    let end = text.char_indices().find_map(|(at, c)| {
        taken += char_length(c);
        (taken > length_max).then_some(at)
    });
    let Some(end) = end else {
        return text;
    };
    let fitting = &text[..end];
    ["\n\n", "\n", " "]
        .iter()
        .filter_map(|between| fitting.rfind(between))
        .find(|at| *at >= end / 2)
        .map_or(fitting, |at| &fitting[..at])
}
