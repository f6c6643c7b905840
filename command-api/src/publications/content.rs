//! What a draft and a revision say: the same body, judged the same way.

use futures_util::future::try_join_all;
use serde::Deserialize;
use tidings_domain::channel::Channel;
use tidings_domain::publication::{Aim, Content, Priority, Source};
use tidings_domain::stream_id;
use tidings_domain::topic::Topic;
use tidings_domain::value::{ChannelIds, Html, Markdown, Slug, Title, TopicIds};
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
    /// Slugs of the topics it is about, each once: it goes to whoever wants at least one of them. Left out, it goes to every
    /// subscriber.
    #[serde(default)]
    pub(super) topics: Vec<String>,
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

/// Parses the values, and looks whether the channels and topics exist.
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
    let topic_ids = topics(commands, &mut values, &content.topics).await?;
    let priority = values.take("#/priority", Priority::parse(&content.priority));
    let title = values.take("#/title", Title::parse(&content.title));
    let source = source(&mut values, content.markdown, content.html);
    let channel_ids = values.take("#/channels", ChannelIds::parse(content.channels));
    let content = title
        .zip(source)
        .map(|(title, source)| Content::new(title, source));
    let aim = topic_ids.zip(priority).map(|(topic_ids, priority)| Aim {
        topic_ids,
        priority,
    });
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

/// The topics of these slugs. A slug names its stream, so no view is asked.
async fn topics(
    commands: &Commands,
    values: &mut Values,
    slugs: &[String],
) -> Result<Option<TopicIds>, Problem> {
    let mut ids = Vec::new();
    let mut wrong = false;
    // More than are allowed are not looked up.
    for (at, text) in slugs.iter().enumerate().take(TopicIds::COUNT_MAX + 1) {
        let found = match Slug::parse(text) {
            Ok(slug) => topic(commands, &slug).await?,
            Err(_) => None,
        };
        match found {
            Some((id, Topic::Open { .. })) => ids.push(id),
            Some((_, Topic::Archived { .. })) => {
                wrong = true;
                values.wrong(
                    &format!("#/topics/{at}"),
                    &format!("the topic {text:?} is archived"),
                );
            }
            Some((_, Topic::Unknown)) | None => {
                wrong = true;
                values.wrong(
                    &format!("#/topics/{at}"),
                    &format!("there is no topic {text:?}"),
                );
            }
        }
    }
    if wrong {
        return Ok(None);
    }
    Ok(values.take("#/topics", TopicIds::parse(ids)))
}

async fn topic(commands: &Commands, slug: &Slug) -> Result<Option<(Uuid, Topic)>, Problem> {
    let id = stream_id::topic(&commands.id_key, slug);
    match commands.store.load::<Topic>(id).await {
        Ok(topic) => Ok(Some((id, topic.state))),
        Err(error) if error.is_wrong_stream() => Ok(None),
        Err(error) => Err(refusal::load(&error)),
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
