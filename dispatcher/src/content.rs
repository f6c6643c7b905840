//! What an editor wrote, parsed once and composed for every channel.

use std::sync::OnceLock;

mod chat;
pub mod discord;
pub mod document;
pub mod html;
pub mod mail;
pub mod markdown;
pub mod slack;
pub mod text;
pub mod webhook;
mod wrap;

#[cfg(test)]
mod tests;

use document::{Block, Document, plain_text};
use mail::MailBody;

/// The content of one revision of a publication, ready for every channel.
///
/// Everything that does not depend on the receiver is rendered at most once.
pub struct Composed {
    title: String,
    markdown: String,
    document: Document,
    mail: OnceLock<MailBody>,
    slack: OnceLock<String>,
    discord: OnceLock<String>,
    webhook: OnceLock<webhook::Article>,
}

impl Composed {
    /// Parses `markdown`; the title becomes one line without control characters.
    /// Accepts any text: there is no such thing as invalid Markdown.
    pub fn new(title: &str, markdown: &str) -> Self {
        let title = one_line_title(title);
        let mut document = markdown::parse(markdown);
        drop_repeated_title(&mut document, &title);
        Self {
            title,
            markdown: markdown.to_owned(),
            document,
            mail: OnceLock::new(),
            slack: OnceLock::new(),
            discord: OnceLock::new(),
            webhook: OnceLock::new(),
        }
    }

    /// The title: one line, never empty, no control characters.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The parsed content, without a first heading that only repeats the title.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// The mail's two bodies.
    pub fn mail(&self) -> &MailBody {
        self.mail
            .get_or_init(|| MailBody::new(&self.title, &self.document))
    }

    /// The Slack message: the JSON body of an incoming webhook's POST.
    pub fn slack(&self) -> &str {
        self.slack
            .get_or_init(|| slack::message(&self.title, &self.document))
    }

    /// The Discord message: the JSON body of a webhook's POST.
    pub fn discord(&self) -> &str {
        self.discord
            .get_or_init(|| discord::message(&self.title, &self.document))
    }

    /// What a webhook is told of the content, cut to what fits into its body.
    pub fn webhook(&self) -> &webhook::Article {
        self.webhook
            .get_or_init(|| webhook::Article::new(&self.title, &self.markdown, &self.document))
    }
}

/// Longest title kept, in characters; a subject line is read at a glance or not at all.
const TITLE_LENGTH_MAX: usize = 300;

fn one_line_title(title: &str) -> String {
    let words = title
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    if words.is_empty() {
        return "Untitled".to_owned();
    }
    words.chars().take(TITLE_LENGTH_MAX).collect()
}

/// Many editors start the text with the title; every layout shows the title already.
fn drop_repeated_title(document: &mut Document, title: &str) {
    if let Some(Block::Heading { level: 1, content }) = document.blocks.first()
        && one_line_title(&plain_text(content)) == title
    {
        document.blocks.remove(0);
    }
}
