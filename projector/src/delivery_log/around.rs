//! What keeps deliveries waiting beside their own history: the hold after a restore, their publication, their channel.

use std::collections::HashMap;

use tidings_event_store::restore::is_sending_held;
use tidings_proto::Reason;
use tidings_proto::reason::words;
use tidings_service::Problem;
use tidings_service::clock::shown;
use tidings_service::hindrance::{Hindrance, Slowed};
use time::OffsetDateTime;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::reader::{Reader, unloadable};

/// What is known of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Around {
    /// Nothing goes out since the log was restored.
    pub(super) held: bool,
    pub(super) publications: HashMap<Uuid, Course>,
    pub(super) channels: HashMap<Uuid, Way>,
}

/// How a publication goes on.
#[derive(Clone, Debug, Default)]
pub(super) struct Course {
    pub(super) cancelled: bool,
    pub(super) paused_reason: Option<String>,
}

/// How a channel is.
#[derive(Clone, Debug, Default)]
pub(super) struct Way {
    pub(super) name: String,
    pub(super) disabled_reason: Option<String>,
    /// While its circuit is not closed.
    pub(super) down: Option<Down>,
    /// What whoever delivers knows.
    pub(super) hindrance: Hindrance,
    /// Where it was last said to work.
    pub(super) mended_position: Option<i64>,
    /// Where somebody last set it up or enabled it.
    pub(super) woken_position: Option<i64>,
}

/// That a channel takes nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Down {
    /// What opened its circuit: a code.
    pub(super) reason: String,
    /// One message is finding out.
    pub(super) is_probing: bool,
    /// When the next may, if none is; it does once there is one that is due.
    pub(super) probe_at: Option<OffsetDateTime>,
}

const PUBLICATIONS: &str = "select publication_id, cancelled_at, paused_reason from publishing_publication_status \
     where publication_id = any($1)";
const CHANNELS: &str = "select channel_id, name, enabled, disabled_reason, circuit, circuit_reason, probe_at, \
     mended_position, woken_position \
     from publishing_channel_list where channel_id = any($1)";

impl Around {
    /// Of deliveries of these publications by these channels.
    pub(crate) async fn read(
        reader: &Reader,
        publications: &[Uuid],
        channels: &[Uuid],
    ) -> Result<Self, Problem> {
        if publications.is_empty() && channels.is_empty() {
            return Ok(Self::default());
        }
        let held = is_sending_held(reader.store()).await;
        let publications = reader.rows(PUBLICATIONS, &[&publications]).await?;
        let rows = reader.rows(CHANNELS, &[&channels]).await?;
        let mut ways: HashMap<_, _> = rows.iter().map(way).collect();
        for (channel_id, hindrance) in reader.hindrances(channels).await {
            if let Some(way) = ways.get_mut(&channel_id) {
                way.hindrance = hindrance;
            }
        }
        Ok(Self {
            held: held.map_err(|error| unloadable(&error))?,
            publications: publications.iter().map(course).collect(),
            channels: ways,
        })
    }

    /// What keeps every delivery of the publication by the channel waiting, the strongest first: a clause.
    pub(crate) fn keeps(
        &self,
        publication_id: Option<Uuid>,
        channel_id: Option<Uuid>,
        now: OffsetDateTime,
    ) -> Option<String> {
        let publication = publication_id.and_then(|id| self.publications.get(&id));
        let channel = channel_id.and_then(|id| self.channels.get(&id));
        if publication.is_some_and(|it| it.cancelled) {
            return Some(
                "its publication was cancelled, so it is about to be cancelled too".into(),
            );
        }
        if self.held {
            return Some(
                "nothing is sent since the log was restored, until somebody releases it (`tidings dispatch release`)"
                    .into(),
            );
        }
        let paused = publication.and_then(|it| it.paused_reason.as_deref());
        paused
            .map(|reason| match reason {
                "requested" => "its publication is paused until somebody resumes it".to_owned(),
                code => format!(
                    "its publication is paused until somebody resumes it; why: {}",
                    words(code)
                ),
            })
            .or_else(|| channel.and_then(|channel| channel.keeps(now)))
    }

    /// That the receiving side asks the channel for fewer messages.
    pub(crate) fn slowed(&self, channel_id: Option<Uuid>, now: OffsetDateTime) -> Option<&Slowed> {
        let channel = self.channels.get(&channel_id?)?;
        let slowed = channel.hindrance.slowed.as_ref();
        slowed.filter(|slowed| slowed.until > now)
    }

    /// What keeps whatever is due by the channel from going out at once, although nothing is wrong with it: a clause.
    pub(crate) fn slows(&self, channel_id: Option<Uuid>, now: OffsetDateTime) -> Option<String> {
        let slowed = self.slowed(channel_id, now)?;
        let channel = self.channels.get(&channel_id?)?;
        let (name, why, until) = (&channel.name, words(&slowed.reason), shown(slowed.until));
        Some(format!(
            "the channel “{name}” is slowed down ({why}), until {until} at the latest"
        ))
    }

    /// Whether nothing more of it goes out, whoever asks for it.
    pub(super) fn is_cancelled(&self, publication_id: Option<Uuid>) -> bool {
        let publication = publication_id.and_then(|id| self.publications.get(&id));
        publication.is_some_and(|it| it.cancelled)
    }

    /// Whether what was put off at this position for such a reason is due, since the channel has been said to work.
    pub(super) fn frees(&self, position: i64, reason: Reason, channel_id: Option<Uuid>) -> bool {
        let channel = channel_id.and_then(|id| self.channels.get(&id));
        let said = channel.and_then(|it| match reason {
            _ if reason.is_of_the_way() => it.mended_position,
            _ if reason.asks_for_fewer() => it.woken_position,
            _ => None,
        });
        said.is_some_and(|said| said > position)
    }
}

impl Way {
    fn keeps(&self, now: OffsetDateTime) -> Option<String> {
        let name = &self.name;
        if let Some(reason) = &self.disabled_reason {
            let why = words(reason);
            return Some(format!(
                "the channel “{name}” is switched off ({why}), until somebody enables it"
            ));
        }
        if let Some(wrong) = &self.hindrance.unusable {
            return Some(format!(
                "the channel “{name}” can not be used as it is set up ({wrong}), until that is mended"
            ));
        }
        let down = self.down.as_ref()?;
        let then = match down.probe_at.filter(|at| *at > now) {
            _ if down.is_probing => "one message is finding out whether it does again".to_owned(),
            Some(at) => format!("the next try is made at {} at the earliest", shown(at)),
            None => "the next message that is due finds out whether it does again".to_owned(),
        };
        let why = words(&down.reason);
        Some(format!(
            "the channel “{name}” takes nothing at the moment ({why}); {then}"
        ))
    }
}

fn some(row: &Row, column: &str) -> Option<String> {
    let text: Option<String> = row.get(column);
    text.filter(|text| !text.is_empty())
}

fn course(row: &Row) -> (Uuid, Course) {
    let cancelled_at: Option<OffsetDateTime> = row.get("cancelled_at");
    let course = Course {
        cancelled: cancelled_at.is_some(),
        paused_reason: some(row, "paused_reason"),
    };
    (row.get("publication_id"), course)
}

fn way(row: &Row) -> (Uuid, Way) {
    let enabled: Option<bool> = row.get("enabled");
    let circuit = some(row, "circuit").filter(|circuit| circuit != "closed");
    let way = Way {
        name: some(row, "name").unwrap_or_default(),
        disabled_reason: (enabled == Some(false))
            .then(|| some(row, "disabled_reason").unwrap_or_else(|| "requested".to_owned())),
        down: circuit.map(|circuit| Down {
            reason: some(row, "circuit_reason").unwrap_or_default(),
            is_probing: circuit == "probing",
            probe_at: row.get("probe_at"),
        }),
        mended_position: row.get("mended_position"),
        woken_position: row.get("woken_position"),
        ..Way::default()
    };
    (row.get("channel_id"), way)
}
