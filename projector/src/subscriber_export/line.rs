//! One line of `events.jsonl`: an event as the log has it, what is sealed in it opened, and what it says in plain words.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tidings_event_store::Recorded;
use tidings_event_store::audit::Proven;
use tidings_event_store::hex::{Hash, Hex};
use time::OffsetDateTime;

use crate::opened::Words;
use crate::subscriber_timeline::{About, Told};

/// The field of a suppression that names the delivery which showed it.
const DELIVERY: &str = "delivery_id";

/// An event of an export.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Line {
    /// Its place in the log.
    pub(super) position: i64,
    /// Its version in its stream.
    pub(super) version: i32,
    /// When the log recorded it.
    #[serde(with = "time::serde::rfc3339")]
    pub(super) recorded_at: OffsetDateTime,
    /// Over all of `event`.
    pub(super) digest: Hash,
    /// All that the digest is made over, sealed as it is.
    pub(super) event: Proven,
    /// The event's payload in readable form.
    pub(super) fields: Value,
    /// What is sealed in it, by its place; null: its key is destroyed.
    pub(super) opened: BTreeMap<String, Option<String>>,
    /// When it happened.
    #[serde(with = "time::serde::rfc3339")]
    pub(super) at: OffsetDateTime,
    /// Who did it, in plain words.
    pub(super) who: String,
    /// What happened, in plain words.
    pub(super) words: String,
    /// What caused it, in plain words, with its position.
    pub(super) cause: Option<String>,
}

impl Line {
    /// `about`: the address it is about, if it is.
    pub(super) fn of(
        event: &Recorded,
        told: &Told,
        opened: Vec<(String, Words)>,
        about: Option<&About>,
    ) -> Self {
        let opened = opened.into_iter().map(|(field, words)| match words {
            Words::Known(text) => (field, Some(text)),
            Words::Erased => (field, None),
        });
        // What a later version wrote has no readable form here; its bytes are in `event`.
        let fields = tidings_proto::to_json(&event.event_type, &event.payload);
        let mut fields = fields.unwrap_or_default();
        if about.is_some_and(|it| it.shown_by_others)
            && let Some(fields) = fields.as_object_mut()
        {
            fields.remove(DELIVERY);
        }
        let cause = told.cause.as_ref();
        Self {
            position: event.position,
            version: event.version,
            recorded_at: event.recorded_at,
            digest: Hex(event.digest),
            event: Proven::recorded(event),
            fields,
            opened: opened.collect(),
            at: event.occurred_at,
            who: told.who.clone(),
            words: told.words.clone(),
            cause: cause.map(|cause| format!("position {}: {}", cause.position, cause.words)),
        }
    }

    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a line is made of plain values") + "\n"
    }
}
