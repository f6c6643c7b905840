//! `engagement.csv`: what was said of messages afterwards, and what these told themselves.

use tidings_event_store::Recorded;
use tidings_service::csv;
use uuid::Uuid;

use super::make::csv_time;
use crate::hit::{Hit, hit};
use crate::opened::Words;
use crate::subscriber_timeline::{Evidence, Told};

/// What the receiving side says.
const SAID: [&str; 3] = [
    "delivery.Delivered",
    "delivery.Bounced",
    "delivery.Complained",
];

/// The columns; those after `what` are of messages that were opened or whose links were followed.
pub(super) fn header() -> String {
    csv::row([
        "position",
        "at",
        "event",
        "delivery_id",
        "what",
        "publication_id",
        "agent",
        "machine",
        "url",
        "user_agent",
    ])
}

/// The row of an event; none: it is of another kind. What is no longer kept is empty.
pub(super) fn row(event: &Recorded, told: &Told, opened: &[(String, Words)]) -> Option<String> {
    let decoded = match event.noun() {
        "delivery" if SAID.contains(&event.event_type.as_str()) => None,
        "engagement" => event.decode().ok(),
        _ => return None,
    };
    let hit = decoded.as_ref().and_then(hit);
    let delivery_id = match (&hit, event.noun()) {
        (Some(hit), _) => id(hit.delivery_id),
        (None, "delivery") => told.stream_id.to_string(),
        // Of a kind that this build does not know.
        (None, _) => String::new(),
    };
    let begin = [
        told.position.to_string(),
        csv_time(Some(told.at)),
        told.r#type.clone(),
        delivery_id,
        told.words.clone(),
    ];
    let cells = begin.into_iter().chain(of_hit(hit, opened));
    let cells: Vec<String> = cells.collect();
    Some(csv::row(cells.iter().map(String::as_str)))
}

fn of_hit(hit: Option<Hit<'_>>, opened: &[(String, Words)]) -> [String; 5] {
    let Some(hit) = hit else {
        return Default::default();
    };
    let evidence = Evidence::of(opened);
    [
        hit.publication_id.map(id).unwrap_or_default(),
        hit.agent.to_owned(),
        hit.machine.to_string(),
        evidence.url.unwrap_or_default(),
        evidence.user_agent.unwrap_or_default(),
    ]
}

fn id(bytes: &[u8]) -> String {
    Uuid::from_slice(bytes).map_or_else(|_| String::new(), |id| id.to_string())
}
