//! Events told in plain words, a page at a time.

use std::collections::HashMap;

use serde::Serialize;
use tidings_event_store::Recorded;
use tidings_service::Problem;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::held::Held;
use super::people::{Eyes, Names};
use super::phrases::phrase;
use super::words::{Known, fallback, sentence};
use crate::opened::{self, Words};
use crate::reader::{Reader, unreadable};

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Told {
    /// Where it stands in the log.
    #[schema(example = 4711)]
    pub position: i64,
    /// When it happened.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// What happened, in plain words.
    #[schema(
        example = "They left: they want nothing any more (by the button of their mail program)."
    )]
    pub words: String,
    /// Who did it, in plain words.
    #[schema(example = "the subscriber, by the link of a mail")]
    pub who: String,
    /// The event's type.
    #[schema(example = "subscriber.Unsubscribed")]
    pub r#type: String,
    /// Who did it, as the log has it.
    #[schema(example = "subscriber:link")]
    pub actor: String,
    /// What caused it; null: a request did.
    pub cause: Option<Cause>,
    /// The event's id.
    pub event_id: Uuid,
    /// Its stream: a delivery, the subscriber, …
    pub stream_id: Uuid,
    /// Its version in the stream.
    pub version: i32,
    /// What everything has in common that one request set off.
    pub correlation_id: Uuid,
    /// Where this event alone is told.
    #[schema(
        example = "/api/v1/subscribers/019b7cba-7a2e-8000-9c5e-0d8f6f2f3b15/timeline?position=4711"
    )]
    pub link: String,
}

/// The event that caused another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Cause {
    /// Where it stands in the log.
    pub position: i64,
    /// Its type.
    #[schema(example = "publication.AudienceFrozen")]
    pub r#type: String,
    /// What it was, in plain words.
    #[schema(example = "it was settled who gets a publication")]
    pub words: String,
}

/// Events of a subscriber, told; with the opened values of each. `held`: what those are about that are in nobody's streams.
///
/// # Errors
/// When the log or the keys cannot be read.
pub(crate) async fn tell(
    reader: &Reader,
    (subscriber_id, held): (Uuid, &Held),
    events: &[Recorded],
    eyes: Eyes,
) -> Result<Vec<(Told, Vec<(String, Words)>)>, Problem> {
    let mut opened = opened::open(reader.store(), events).await?;
    if eyes == Eyes::Link {
        for (event, opened) in events.iter().zip(&mut opened) {
            opened.retain(|(field, _)| !(event.noun() == "access" && field == "reason"));
        }
    }
    let names = Names::of(reader, events, &opened, held, eyes).await?;
    let causes = causes(reader, events).await?;
    let told = events.iter().zip(opened).map(|(event, opened)| {
        let told = Told {
            position: event.position,
            at: event.occurred_at,
            words: words(event, &opened, &names, held),
            who: names.who(&event.actor),
            r#type: event.event_type.clone(),
            actor: event.actor.clone(),
            cause: shown_cause(event, held).map(|position| cause(position, &causes)),
            event_id: event.event_id,
            stream_id: event.stream_id,
            version: event.version,
            correlation_id: event.correlation_id,
            link: format!(
                "/api/v1/subscribers/{subscriber_id}/timeline?position={}",
                event.position
            ),
        };
        (told, opened)
    });
    Ok(told.collect())
}

/// The cause that may be named: not what became of a message to whoever had an address before.
fn shown_cause(event: &Recorded, held: &Held) -> Option<i64> {
    let about = held.about(event.position);
    let is_others = about.is_some_and(|it| it.shown_by_others);
    event.causation.filter(|_| !is_others)
}

fn words(event: &Recorded, opened: &[(String, Words)], names: &Names, held: &Held) -> String {
    let brings = names.brings(event, held);
    let known = Known {
        opened,
        title: brings.title.as_deref(),
        channel: brings.channel.as_deref(),
        part: names.part(event),
        held: held.about(event.position),
        topics: Some(names.topics()),
    };
    let decoded = event.decode().ok();
    let own = decoded.and_then(|event| sentence(&event, &known));
    own.unwrap_or_else(|| fallback(&event.event_type))
}

async fn causes(reader: &Reader, events: &[Recorded]) -> Result<HashMap<i64, String>, Problem> {
    let positions: Vec<i64> = events.iter().filter_map(|it| it.causation).collect();
    let sql = "select position, type from publishing_events where position = any($1)";
    let rows = reader.rows(sql, &[&positions]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

fn cause(position: i64, types: &HashMap<i64, String>) -> Cause {
    let event_type = types.get(&position).cloned().unwrap_or_default();
    Cause {
        position,
        words: phrase(&event_type)
            .unwrap_or("something that only a later version has words for")
            .to_owned(),
        r#type: event_type,
    }
}

/// The events at these positions, newest first.
pub(crate) async fn newest_first(
    reader: &Reader,
    positions: &[i64],
) -> Result<Vec<Recorded>, Problem> {
    let events = reader.store().log().at(positions).await;
    let mut events = events.map_err(|error| unreadable(&error))?;
    events.reverse();
    Ok(events)
}
