//! What a draft and a revision say: the same body, judged the same way.

use futures_util::future::try_join_all;
use serde::Deserialize;
use tidings_domain::channel::Channel;
use tidings_domain::publication::{Content, Source};
use tidings_domain::value::{ChannelIds, Html, Markdown, Title};
use tidings_service::Problem;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Commands;
use crate::refusal::{self, Values};

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
    /// Ids of the channels it goes to, each once.
    pub(super) channels: Vec<Uuid>,
}

/// The same, right by its types.
#[derive(Clone)]
pub(super) struct Judged {
    pub(super) content: Content,
    pub(super) channel_ids: ChannelIds,
}

/// Parses the values, and looks whether the channels exist.
///
/// # Errors
/// 422 with everything that is wrong; 503 when the log cannot be read.
pub(super) async fn judge(
    commands: &Commands,
    content: PublicationContent,
) -> Result<Judged, Problem> {
    let mut values = Values::default();
    for (at, known) in known(commands, &content.channels)
        .await?
        .into_iter()
        .enumerate()
    {
        if !known {
            values.wrong(
                &format!("#/channels/{at}"),
                "there is no channel with this id",
            );
        }
    }
    let title = values.take("#/title", Title::parse(&content.title));
    let source = source(&mut values, content.markdown, content.html);
    let channel_ids = values.take("#/channels", ChannelIds::parse(content.channels));
    let content = title
        .zip(source)
        .map(|(title, source)| Content::new(title, source));
    values.all(
        content
            .zip(channel_ids)
            .map(|(content, channel_ids)| Judged {
                content,
                channel_ids,
            }),
    )
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

/// Whether each id is a channel's; more than are allowed are not looked up.
async fn known(commands: &Commands, ids: &[Uuid]) -> Result<Vec<bool>, Problem> {
    let looked_up = ids.iter().take(ChannelIds::COUNT_MAX).map(|id| async {
        match commands.store.load::<Channel>(*id).await {
            Ok(channel) => Ok(channel.version > 0),
            Err(error) if error.is_wrong_stream() => Ok(false),
            Err(error) => Err(refusal::load(&error)),
        }
    });
    try_join_all(looked_up).await
}
