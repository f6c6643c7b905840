//! What a draft and a revision say: the same body, judged the same way.

use serde::Deserialize;
use tidings_domain::publication::{Aim, Content, Priority, Source};
use tidings_domain::value::{ChannelIds, Html, Markdown, PageUrl, Title};
use tidings_service::Problem;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{aim, named};
use crate::Commands;
use crate::refusal::Values;

/// A file that says the same as the example below.
pub(super) const MARKDOWN_FILE: &str = "\
---
title: Spring in the library
channels: [019b7cba-7a2e-8000-9c5e-0d8f6f2f3b11]
---
The reading room opens again on **1 April**.
";

/// A page that does.
pub(super) const HTML_FILE: &str = "\
<title>Spring in the library</title>
<meta name=\"tidings:channels\" content=\"019b7cba-7a2e-8000-9c5e-0d8f6f2f3b11\">
<p>The reading room opens again on <strong>1 April</strong>.
";

/// The content of a publication and where it goes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "title": "Spring in the library",
    "markdown": "The reading room opens again on **1 April**.",
    "channels": ["019b7cba-7a2e-8000-9c5e-0d8f6f2f3b11"],
}))]
pub(crate) struct PublicationContent {
    /// One line: the subject of a mail, the heading of a message.
    pub(super) title: String,
    /// The text, in Markdown; rendered for each channel.
    pub(super) markdown: Option<String>,
    /// The text as a page, instead; what it says, shows and links to is rendered for each channel, how it looks is not.
    pub(super) html: Option<String>,
    /// Where it can be read whole on the web, an absolute http(s) URL without user name or password: mails link to it, and so
    /// does what a chat shows only the beginning of. Left out, nothing does.
    #[schema(example = "https://example.org/spring")]
    pub(super) url: Option<String>,
    /// Ids of the channels it goes to, each once.
    pub(super) channels: Vec<Uuid>,
    /// Slugs of the topics it is about, each once: it goes to whoever wants at least one of them. Left out, it goes to every
    /// subscriber.
    #[serde(default)]
    pub(super) topics: Vec<String>,
    /// Slugs of segments, each once: of those who get it otherwise, only whom at least one of them picks gets it. Empty or left
    /// out: all of these. A draft that names segments is only revised by what says both lists, so that it goes to more only on
    /// purpose; one that was archived since may stay.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub(super) segments: Option<Vec<String>>,
    /// Slugs of segments, each once and none that stands in `segments`: nobody gets it whom one of them picks. Of whom an
    /// attribute is not known, no segment that compares it picks, so it excludes nobody of these. With segments of either kind
    /// it goes to channels with single receivers alone.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub(super) excluded_segments: Option<Vec<String>>,
    /// `urgent`: it goes ahead of others and does not wait for the day a reader has chosen, but for their quiet hours.
    #[serde(default = "ordinary")]
    #[schema(default = "ordinary")]
    pub(super) priority: String,
}

fn ordinary() -> String {
    Priority::Ordinary.to_string()
}

/// The same, right by its types.
#[derive(Clone)]
pub(super) struct Judged {
    pub(super) content: Content,
    pub(super) channel_ids: ChannelIds,
    pub(super) aim: Aim,
}

/// Parses the values, and looks whether the channels, topics and segments exist. `before`: the segments that the draft names
/// by now.
///
/// # Errors
/// 422 with everything that is wrong; 503 when the log cannot be read.
pub(super) async fn judge(
    commands: &Commands,
    content: PublicationContent,
    before: &[Uuid],
) -> Result<Judged, Problem> {
    let mut values = Values::default();
    let kinds = named::kinds(commands, &content.channels).await?;
    for (at, kind) in kinds.iter().enumerate() {
        if kind.is_none() {
            values.wrong(
                &format!("#/channels/{at}"),
                "there is no channel with this id",
            );
        }
    }
    let aim = aim::judge(commands, &mut values, &content, before).await?;
    if aim.as_ref().is_some_and(Aim::is_by_segments) {
        single_receivers(commands, &mut values, &kinds);
    }
    let title = values.take("#/title", Title::parse(&content.title));
    let source = source(&mut values, content.markdown, content.html);
    let channel_ids = values.take("#/channels", ChannelIds::parse(content.channels));
    let url = match &content.url {
        Some(url) => values.take("#/url", PageUrl::parse(url)).map(Some),
        None => Some(None),
    };
    let content = title
        .zip(source)
        .zip(url)
        .map(|((title, source), url)| Content::new(title, source).at(url));
    values.all(
        content
            .zip(channel_ids)
            .zip(aim)
            .map(|((content, channel_ids), aim)| Judged {
                content,
                channel_ids,
                aim,
            }),
    )
}

/// What everybody at a channel sees cannot be for some of them.
fn single_receivers(commands: &Commands, values: &mut Values, kinds: &[Option<String>]) {
    for (at, kind) in kinds.iter().enumerate() {
        let Some(kind) = kind else { continue };
        if !commands.addressed_kinds.contains(&kind.as_str()) {
            values.wrong(
                &format!("#/channels/{at}"),
                &format!(
                    "segments pick among subscribers, and whatever goes to a {kind} channel is one message that everybody \
                     there sees: leave the channel out, or the segments"
                ),
            );
        }
    }
}

/// The text, in the one form it is given.
fn source(values: &mut Values, markdown: Option<String>, html: Option<String>) -> Option<Source> {
    match (markdown, html) {
        (Some(text), None) => values
            .take("#/markdown", Markdown::parse(&text))
            .map(Source::from),
        (None, Some(html)) => values.take("#/html", Html::parse(&html)).map(Source::from),
        (None, None) => {
            values.wrong(
                "#/markdown",
                "there is no text: give it as `markdown` or as `html`",
            );
            None
        }
        (Some(_), Some(_)) => {
            values.wrong(
                "#/html",
                "there is a text already: give `markdown` or `html`, not both",
            );
            None
        }
    }
}
