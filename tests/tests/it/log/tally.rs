//! A small view to fold with: what was counted per stream, and from it how many streams counted how much.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidings_event_store::feed::Item;
use tidings_event_store::vault::KeyRing;
use tidings_event_store::view::{Definition, Derivation, Derived, DerivedView, Merge, View};
use tidings_event_store::{CONTRACT_REVISION, Recorded, Store, UnderstandError, view_row};
use tidings_tests::amount;
use uuid::Uuid;

view_row! {
    /// What was counted in one stream.
    pub struct Tally {
        key { stream_id: Uuid }
        events: i64,
        total: i64,
        first_position: i64,
        latest: Option<i64>,
    }
}

impl Merge for Tally {
    fn merge(self, later: Self) -> Self {
        Self {
            events: self.events + later.events,
            total: self.total + later.total,
            latest: later.latest.or(self.latest),
            ..self
        }
    }
}

/// Folds [`Tally`].
pub(super) struct TallyView;

const TALLY_SQL: &str =
    "create table {table} (stream_id uuid primary key, events bigint not null, \
     total bigint not null, first_position bigint not null, latest bigint);
-- indexes
create index {table}_total on {table} (total);";

impl View for TallyView {
    type Row = Tally;
    const DEFINITION: Definition = Definition {
        name: "tally",
        sql: TALLY_SQL,
    };

    fn fold(item: &Item, _: &KeyRing, rows: &mut Vec<Tally>) -> Result<(), UnderstandError> {
        let recorded = &item.recorded;
        let min_reader = recorded.metadata().min_reader;
        if min_reader > CONTRACT_REVISION {
            return Err(UnderstandError::TooNew(min_reader));
        }
        rows.extend(tally(recorded));
        Ok(())
    }

    fn derived() -> Vec<Arc<dyn Derivation<Tally>>> {
        vec![Arc::new(Derived::<TotalsView>::default())]
    }
}

/// The same view after its DDL has changed.
pub(super) struct WiderTallyView;

impl View for WiderTallyView {
    type Row = Tally;
    const DEFINITION: Definition = Definition {
        name: "tally",
        sql: "create table {table} (stream_id uuid primary key, events bigint not null, \
              total bigint not null, first_position bigint not null, latest bigint) with (fillfactor = 70);",
    };

    fn fold(item: &Item, ring: &KeyRing, rows: &mut Vec<Tally>) -> Result<(), UnderstandError> {
        TallyView::fold(item, ring, rows)
    }

    fn derived() -> Vec<Arc<dyn Derivation<Tally>>> {
        TallyView::derived()
    }
}

/// The same view as a later version defines it.
pub(super) struct LaterTallyView;

impl View for LaterTallyView {
    type Row = Tally;
    const DEFINITION: Definition = Definition {
        name: "tally",
        sql: "-- What was counted in each stream: fold 2.
              create table {table} (stream_id uuid primary key, events bigint not null, \
              total bigint not null, first_position bigint not null, latest bigint)",
    };

    fn fold(item: &Item, ring: &KeyRing, rows: &mut Vec<Tally>) -> Result<(), UnderstandError> {
        TallyView::fold(item, ring, rows)
    }

    fn derived() -> Vec<Arc<dyn Derivation<Tally>>> {
        TallyView::derived()
    }
}

/// The same view, if it were acted upon.
pub(super) struct ActedUponView;

impl View for ActedUponView {
    type Row = Tally;
    const DEFINITION: Definition = TallyView::DEFINITION;
    const MAY_SKIP: bool = false;

    fn fold(item: &Item, ring: &KeyRing, rows: &mut Vec<Tally>) -> Result<(), UnderstandError> {
        TallyView::fold(item, ring, rows)
    }
}

/// The same view, if its fold opened what is sealed in those streams.
pub(super) struct OpeningTallyView;

impl View for OpeningTallyView {
    type Row = Tally;
    const DEFINITION: Definition = TallyView::DEFINITION;
    const OPENS: &'static [&'static str] = &["tally"];

    fn fold(item: &Item, ring: &KeyRing, rows: &mut Vec<Tally>) -> Result<(), UnderstandError> {
        TallyView::fold(item, ring, rows)
    }

    fn derived() -> Vec<Arc<dyn Derivation<Tally>>> {
        TallyView::derived()
    }
}

/// A view that has no trouble with any event: it counts them.
pub(super) struct EventsView;

view_row! {
    /// Events of one type.
    pub struct Events {
        key { event_type: String }
        events: i64,
    }
}

impl Merge for Events {
    fn merge(self, later: Self) -> Self {
        Self {
            events: self.events + later.events,
            ..self
        }
    }
}

impl View for EventsView {
    type Row = Events;
    const DEFINITION: Definition = Definition {
        name: "events_of_type",
        sql: "create table {table} (event_type text primary key, events bigint not null)",
    };

    fn fold(item: &Item, _: &KeyRing, rows: &mut Vec<Events>) -> Result<(), UnderstandError> {
        rows.push(Events {
            event_type: item.recorded.event_type.clone(),
            events: 1,
        });
        Ok(())
    }
}

view_row! {
    /// Streams that counted the same total.
    pub struct Totals {
        key { total: i64 }
        streams: i64,
        events: i64,
    }
}

impl Merge for Totals {
    fn merge(self, later: Self) -> Self {
        Self {
            streams: self.streams + later.streams,
            events: self.events + later.events,
            ..self
        }
    }

    fn is_gone(&self) -> bool {
        self.streams == 0
    }
}

struct TotalsView;

impl DerivedView<Tally> for TotalsView {
    type Row = Totals;
    const DEFINITION: Definition = Definition {
        name: "tally_totals",
        sql: "create table {table} (total bigint primary key, streams bigint not null, events bigint not null)",
    };

    fn contributions(source: &Tally) -> Vec<Totals> {
        vec![Totals {
            total: source.total,
            streams: 1,
            events: source.events,
        }]
    }

    fn negate(row: Totals) -> Totals {
        Totals {
            streams: -row.streams,
            events: -row.events,
            ..row
        }
    }
}

fn tally(recorded: &Recorded) -> Option<Tally> {
    let amount = amount(&recorded.payload)?;
    Some(Tally {
        stream_id: recorded.stream_id,
        events: 1,
        total: amount,
        first_position: recorded.position,
        latest: (amount % 2 == 0).then_some(amount),
    })
}

/// Rows of both tables, as text.
pub(super) type Rows = BTreeMap<String, String>;

/// What is in the tables that serve.
pub(super) async fn rows(store: &Store) -> Rows {
    let client = store.log().pool().get().await.unwrap();
    let sql = "select 'stream ' || stream_id, concat_ws(' ', events, total, first_position, latest) from publishing_tally \
               union all select 'total ' || total, concat_ws(' ', streams, events) from publishing_tally_totals";
    let rows = client.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// What should be in them: counted without merging, tables or pages.
pub(super) fn expected(log: &[Recorded]) -> Rows {
    let mut streams: BTreeMap<Uuid, Vec<(i64, i64)>> = BTreeMap::new();
    for event in log {
        if let Some(amount) = amount(&event.payload) {
            let of_stream = streams.entry(event.stream_id).or_default();
            of_stream.push((event.position, amount));
        }
    }
    let mut rows = Rows::new();
    let mut totals: BTreeMap<i64, (usize, usize)> = BTreeMap::new();
    for (stream, counted) in streams {
        let total: i64 = counted.iter().map(|(_, amount)| amount).sum();
        let latest = counted.iter().rev().find(|(_, amount)| amount % 2 == 0);
        let latest = latest.map_or(String::new(), |(_, amount)| format!(" {amount}"));
        let count = counted.len();
        let first = counted[0].0;
        rows.insert(
            format!("stream {stream}"),
            format!("{count} {total} {first}{latest}"),
        );
        let of_total = totals.entry(total).or_default();
        *of_total = (of_total.0 + 1, of_total.1 + count);
    }
    for (total, (streams, events)) in totals {
        rows.insert(format!("total {total}"), format!("{streams} {events}"));
    }
    rows
}
