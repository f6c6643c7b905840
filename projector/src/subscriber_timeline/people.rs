//! Who stands behind an actor, and what a delivery brings by which way: names for ids.

use std::collections::HashMap;

use tidings_event_store::Recorded;
use tidings_proto::Event;
use tidings_service::Problem;
use uuid::Uuid;

use super::held::Held;
use super::spoken;
use crate::hit::hit;
use crate::opened::Words;
use crate::reader::Reader;

const USER: &str = "user:";

/// Whose eyes it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Eyes {
    /// An officer's: who of the staff did it is said by name.
    Officer,
    /// The subscriber's, as an officer hands it on: names of the staff are other people's data.
    Subscriber,
    /// Of whoever comes by the link of a mail: the words in which officers gave their reasons nobody has read for what they may
    /// say of others, and what was never on its way is not published yet, or never was.
    Link,
}

/// Names for the ids of a page of events.
#[derive(Default)]
pub(crate) struct Names {
    principals: HashMap<Uuid, String>,
    deliveries: HashMap<Uuid, Brings>,
    topics: HashMap<Uuid, String>,
    channels: HashMap<Uuid, String>,
}

/// What a delivery brings.
#[derive(Clone, Default)]
pub(crate) struct Brings {
    pub(crate) title: Option<String>,
    pub(crate) channel: Option<String>,
}

const PRINCIPALS: &str =
    "select principal_id, subject from publishing_principals where principal_id = any($1)";
const DELIVERIES: &str = "select d.delivery_id, p.title, c.name, d.attempts from publishing_delivery_log d \
     left join publishing_publication_status p using (publication_id) \
     left join publishing_channel_list c using (channel_id) \
     where d.delivery_id = any($1)";
const TOPICS: &str = "select topic_id, name from publishing_topic_list where topic_id = any($1) and name is not null";
const CHANNELS: &str = "select channel_id, name from publishing_channel_list where channel_id = any($1) and name is not null";

impl Names {
    /// Looks up what these events name, and what is opened of each.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn of(
        reader: &Reader,
        events: &[Recorded],
        opened: &[Vec<(String, Words)>],
        held: &Held,
        eyes: Eyes,
    ) -> Result<Self, Problem> {
        let named = events.iter().filter(|_| eyes == Eyes::Officer);
        let users: Vec<Uuid> = named.filter_map(|it| user(&it.actor)).collect();
        let deliveries: Vec<Uuid> = events.iter().filter_map(|it| delivery(it, held)).collect();
        let parts = events.iter().filter_map(part);
        let (topics, channels): (Vec<_>, Vec<_>) = parts.unzip();
        let (topics, channels): (Vec<_>, Vec<_>) = (
            topics
                .into_iter()
                .flatten()
                .chain(weighted(opened))
                .collect(),
            channels.into_iter().flatten().collect(),
        );
        let deliveries = reader.rows(DELIVERIES, &[&deliveries]).await?;
        Ok(Self {
            principals: named_by(reader, PRINCIPALS, users).await?,
            topics: named_by(reader, TOPICS, topics).await?,
            channels: named_by(reader, CHANNELS, channels).await?,
            deliveries: deliveries
                .iter()
                .map(|row| {
                    let was_attempted = row.get::<_, i32>(3) > 0;
                    let title: Option<String> = row.get(1);
                    let brings = Brings {
                        title: title.filter(|_| eyes != Eyes::Link || was_attempted),
                        channel: row.get(2),
                    };
                    (row.get(0), brings)
                })
                .collect(),
        })
    }

    /// Who did it, in plain words.
    pub(crate) fn who(&self, actor: &str) -> String {
        if let Some(id) = user(actor) {
            let name = self.principals.get(&id);
            return name.map_or_else(|| format!("one of the staff ({actor})"), Clone::clone);
        }
        match actor {
            "cli" => "an operator, at the machine".to_owned(),
            "subscriber:link" => "the subscriber, by the link of a mail".to_owned(),
            "subscriber:mail" => "the subscriber, by mail".to_owned(),
            "subscriber:form" => "somebody, by the form for sign-ups".to_owned(),
            "subscriber:tracking" => {
                "whoever, or whatever program, fetched something of the mail".to_owned()
            }
            "subscriber:page" => "the subscriber, on the page behind the link".to_owned(),
            other => match other.strip_prefix("system:") {
                Some(role) => format!("the platform ({})", role.replace(['_', '-'], " ")),
                None => other.to_owned(),
            },
        }
    }

    /// What a topic or channel that an event is about is called: see [`part`].
    pub(crate) fn part(&self, event: &Recorded) -> Option<&str> {
        let (topic, channel) = part(event)?;
        let topic = topic.and_then(|id| self.topics.get(&id));
        let name = topic.or_else(|| self.channels.get(&channel?));
        name.map(String::as_str)
    }

    /// What topics are called, as far as these events name them.
    pub(crate) fn topics(&self) -> &HashMap<Uuid, String> {
        &self.topics
    }

    /// What the delivery brings that an event is about, as far as the views know it.
    pub(crate) fn brings(&self, event: &Recorded, held: &Held) -> Brings {
        let brings = delivery(event, held).and_then(|id| self.deliveries.get(&id));
        brings.cloned().unwrap_or_default()
    }
}

fn user(actor: &str) -> Option<Uuid> {
    Uuid::try_parse(actor.strip_prefix(USER)?).ok()
}

/// The delivery that an event is about, or that showed what it says.
fn delivery(event: &Recorded, held: &Held) -> Option<Uuid> {
    match event.noun() {
        "delivery" => Some(event.stream_id),
        "engagement" => Uuid::from_slice(hit(&event.decode().ok()?)?.delivery_id).ok(),
        _ => held.about(event.position)?.delivery_id,
    }
}

/// The topic or the channel that somebody left or came back to.
fn part(event: &Recorded) -> Option<(Option<Uuid>, Option<Uuid>)> {
    let (topic_id, channel_id) = match event.decode().ok()? {
        Event::SubscriberUnsubscribed(it) => (it.topic_id, it.channel_id),
        Event::SubscriberResubscribed(it) => (it.topic_id, it.channel_id),
        _ => return None,
    };
    let id = |bytes: &[u8]| Uuid::from_slice(bytes).ok();
    Some((id(&topic_id), id(&channel_id)))
}

/// The topics that somebody weighs.
fn weighted(opened: &[Vec<(String, Words)>]) -> impl Iterator<Item = Uuid> {
    let preferences = opened
        .iter()
        .flatten()
        .filter_map(|(field, words)| match words {
            Words::Known(text) if field == "preferences" => Some(text),
            _ => None,
        });
    preferences.flat_map(|text| spoken::weighted(text))
}

async fn named_by(
    reader: &Reader,
    sql: &str,
    ids: Vec<Uuid>,
) -> Result<HashMap<Uuid, String>, Problem> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = reader.rows(sql, &[&ids]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}
