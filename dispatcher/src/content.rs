//! What an editor wrote, parsed once and composed for every channel.

use std::sync::OnceLock;

pub mod budget;
mod chat;
pub mod commonmark;
pub mod discord;
pub mod document;
pub mod html;
pub mod hypertext;
pub mod mail;
pub mod markdown;
pub(crate) mod notice;
pub mod slack;
pub mod text;
pub mod webhook;
mod wrap;

#[cfg(test)]
mod tests;

use tidings_domain::publication::{Content, Source};

use document::{Block, Document, Inline, Target, plain_text};
use mail::MailBody;

/// The content of one revision of a publication, ready for every channel.
///
/// Everything that does not depend on the receiver is rendered at most once.
pub struct Composed {
    title: String,
    /// As it was written; none when it was not written in Markdown.
    markdown: Option<String>,
    document: Document,
    /// Where it can be read whole on the web.
    url: Option<Target>,
    mail: OnceLock<MailBody>,
    slack: OnceLock<String>,
    discord: OnceLock<String>,
    webhook: OnceLock<webhook::Article>,
}

impl Composed {
    /// Whatever it was written in; none when it was taken down.
    pub fn of(content: &Content) -> Option<Self> {
        let title = content.title.known()?.as_str();
        let url = content.url.as_ref().and_then(|url| url.known());
        let url = url.and_then(|url| Target::image(url.as_str()));
        Some(match content.source.known()? {
            Source::Markdown(text) => Self::from_markdown(title, text.as_str(), url),
            Source::Html(page) => {
                Self::from_document(title, None, hypertext::parse(page.as_str()), url)
            }
        })
    }

    /// Parses `markdown`; the title becomes one line without control characters.
    /// Accepts any text: there is no such thing as invalid Markdown.
    pub fn new(title: &str, markdown: &str) -> Self {
        Self::from_markdown(title, markdown, None)
    }

    /// The same, which can be read whole at `url`.
    pub(crate) fn from_markdown(title: &str, markdown: &str, url: Option<Target>) -> Self {
        let document = markdown::parse(markdown);
        Self::from_document(title, Some(markdown.to_owned()), document, url)
    }

    /// Parses `html`, with the same promises.
    pub fn from_html(title: &str, html: &str) -> Self {
        Self::from_document(title, None, hypertext::parse(html), None)
    }

    fn from_document(
        title: &str,
        markdown: Option<String>,
        mut document: Document,
        url: Option<Target>,
    ) -> Self {
        let title = one_line_title(title);
        drop_repeated_title(&mut document, &title);
        budget::fit(&mut document, url.as_ref());
        Self {
            title,
            markdown,
            document,
            url,
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

    /// The parsed content, without a first heading that only repeats the title, and cut to what
    /// [`budget::RENDERED_BYTES_MAX`] has room for.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// The mail's two bodies.
    pub fn mail(&self) -> &MailBody {
        self.mail
            .get_or_init(|| MailBody::new(&self.title, &self.document, self.url.as_ref()))
    }

    /// The Slack message: the JSON body of an incoming webhook's POST.
    pub fn slack(&self) -> &str {
        self.slack
            .get_or_init(|| slack::message(&self.title, &self.document, self.url.as_ref()))
    }

    /// The Discord message: the JSON body of a webhook's POST.
    pub fn discord(&self) -> &str {
        self.discord
            .get_or_init(|| discord::message(&self.title, &self.document, self.url.as_ref()))
    }

    /// What a webhook is told of the content, cut to what fits into its body.
    pub fn webhook(&self) -> &webhook::Article {
        self.webhook.get_or_init(|| {
            let written = self.markdown.clone();
            let markdown = written.unwrap_or_else(|| commonmark::source(&self.document));
            webhook::Article::new(&self.title, &markdown, &self.document, self.url.as_ref())
        })
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

/// Many editors start the text with the title, perhaps below a picture; every layout shows the title already.
fn drop_repeated_title(document: &mut Document, title: &str) {
    let words = |block: &Block| !matches!(block, Block::Paragraph(content) if is_picture(content));
    if let Some(at) = document.blocks.iter().position(words)
        && let Block::Heading { level: 1, content } = &document.blocks[at]
        && one_line_title(&plain_text(content)) == title
    {
        document.blocks.remove(at);
    }
}

fn is_picture(content: &[Inline]) -> bool {
    match content {
        [Inline::Image { .. }] => true,
        [Inline::Link { content, .. }] => is_picture(content),
        _ => false,
    }
}
