//! A view of few rows: what happened to deliveries by hour.

use tidings_event_store::feed::Item;
use tidings_event_store::vault::KeyRing;
use tidings_event_store::view::{Definition, Merge, View};
use tidings_event_store::{UnderstandError, view_row};
use tidings_proto::Event;
use time::OffsetDateTime;

view_row! {
    /// Events of a kind in an hour.
    pub struct Hour {
        key {
            /// Attempt of the event; 0 without one.
            attempt: i32,
            /// Hours since 1970.
            hour: i64,
        }
        /// Events.
        events: i64,
    }
}

impl Merge for Hour {
    fn merge(self, later: Self) -> Self {
        Self {
            events: self.events + later.events,
            ..self
        }
    }
}

/// The view.
pub(crate) struct Narrow;

/// Its table, which the peer fills as well.
pub(super) const TABLE: &str = "create table {table} (attempt integer not null, hour bigint not null, \
     events bigint not null, primary key (attempt, hour))";

impl View for Narrow {
    type Row = Hour;
    const DEFINITION: Definition = Definition {
        name: "bench_hours",
        sql: TABLE,
    };
    const NOUNS: &'static [&'static str] = &["delivery"];

    fn fold(item: &Item, _: &KeyRing, rows: &mut Vec<Hour>) -> Result<(), UnderstandError> {
        if let Ok(event) = &item.event {
            let (attempt, hour) = key(event, item.recorded.occurred_at);
            rows.push(Hour {
                attempt,
                hour,
                events: 1,
            });
        }
        Ok(())
    }
}

/// What an event counts towards; it takes the decoded payload to know.
pub(super) fn key(event: &Event, at: OffsetDateTime) -> (i32, i64) {
    let attempt = match event {
        Event::DeliveryAttempted(it) => it.attempt,
        Event::DeliverySent(it) => it.attempt,
        _ => 0,
    };
    (attempt, at.unix_timestamp() / 3_600)
}
