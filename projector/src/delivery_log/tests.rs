//! The delivery log against a plain model that goes through a delivery's events one by one, as the head of
//! `delivery.proto` has it; and what is derived from it against a recount.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::Index;
use tidings_event_store::feed::Item;
use tidings_event_store::uuid_bytes;
use tidings_event_store::view::{DerivedView, Row};
use tidings_proto::{Event, delivery};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Class, DeliveryLog, DeliveryRow, Feedback};
use crate::publication_accounting::PublicationAccounting;
use crate::publication_analytics::PublicationAnalytics;
use crate::test_support::{Rows, add, at, cut, fold, history, id, obeys_the_law};

/// One delivery, event by event.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    state: State,
    attempts: i32,
    doubtful: Vec<i32>,
    settled_at: Option<OffsetDateTime>,
    /// The gravest that was said: how grave, what, and why.
    said: Option<(u8, Feedback, String)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum State {
    #[default]
    Unplanned,
    Waiting,
    Attempting,
    Settled(Class),
}

impl Model {
    fn settle(&mut self, class: Class, when: OffsetDateTime) {
        self.state = State::Settled(class);
        self.settled_at = Some(when);
    }

    fn hear(&mut self, gravity: u8, what: Feedback, why: &str) {
        if self
            .said
            .as_ref()
            .is_none_or(|(before, ..)| *before < gravity)
        {
            self.said = Some((gravity, what, why.to_owned()));
        }
    }

    fn apply(&mut self, event: &Event, when: OffsetDateTime) {
        let open = |attempt: i32| self.state == State::Attempting && attempt == self.attempts;
        match event {
            Event::DeliveryPlanned(_) => self.state = State::Waiting,
            Event::DeliveryAttempted(it) => {
                self.state = State::Attempting;
                self.attempts = it.attempt;
            }
            Event::DeliverySent(_) if self.state == State::Settled(Class::Sent) => {}
            Event::DeliverySent(_) => self.settle(Class::Sent, when),
            Event::DeliveryFailed(it) => {
                let not_settled = matches!(
                    self.state,
                    State::Waiting | State::Attempting | State::Settled(Class::InDoubt)
                );
                if not_settled && it.attempt == self.attempts {
                    self.settle(Class::Failed, when);
                }
            }
            Event::DeliveryDeferred(it) if open(it.attempt) => self.state = State::Waiting,
            Event::DeliveryAbandoned(it) if open(it.attempt) => self.state = State::Waiting,
            Event::DeliveryInDoubt(it) if open(it.attempt) => {
                self.doubtful.push(it.attempt);
                if it.retry_at_us > 0 {
                    self.state = State::Waiting;
                } else {
                    self.settle(Class::InDoubt, when);
                }
            }
            Event::DeliveryDelivered(_) => self.hear(1, Feedback::Delivered, ""),
            Event::DeliveryBounced(it) if it.class == "soft" => {
                self.hear(2, Feedback::Bounced, &it.reason);
            }
            Event::DeliveryBounced(it) => self.hear(3, Feedback::Bounced, &it.reason),
            Event::DeliveryComplained(it) => self.hear(4, Feedback::Complained, &it.kind),
            Event::DeliverySuppressed(_) => self.settle(Class::Suppressed, when),
            Event::DeliveryCancelled(_) => self.settle(Class::Cancelled, when),
            _ => {}
        }
    }

    /// An event that may come next, late word on doubtful attempts included; `None`: not now.
    fn next(&self, choice: u8, late: Index) -> Option<Event> {
        let attempt = self.attempts;
        let reason = "reason".to_owned();
        let open = self.state == State::Attempting;
        let waiting = self.state == State::Waiting;
        let which = late;
        let late = (!self.doubtful.is_empty()).then(|| *late.get(&self.doubtful));
        let word = if open { Some(attempt) } else { late };
        if self.state == State::Unplanned {
            return Some(planned());
        }
        Some(match choice {
            0 | 1 if waiting => delivery::Attempted {
                attempt: attempt + 1,
                ..Default::default()
            }
            .into(),
            2 => delivery::Sent {
                attempt: word?,
                code: 250,
                ..Default::default()
            }
            .into(),
            3 => delivery::Failed {
                attempt: word?,
                reason,
                ..Default::default()
            }
            .into(),
            // It could not be rendered.
            4 if waiting => delivery::Failed {
                attempt,
                reason,
                ..Default::default()
            }
            .into(),
            5 => delivery::Deferred {
                attempt: word?,
                reason,
                retry_at_us: 7,
                ..Default::default()
            }
            .into(),
            6 if open => delivery::Abandoned {
                attempt,
                reason,
                retry_at_us: 7,
            }
            .into(),
            7 | 8 if open => delivery::InDoubt {
                attempt,
                reason,
                retry_at_us: 7,
            }
            .into(),
            9 if open => delivery::InDoubt {
                attempt,
                reason,
                retry_at_us: 0,
            }
            .into(),
            10 if waiting => delivery::Suppressed { reason }.into(),
            11 if waiting => delivery::Cancelled { reason }.into(),
            // Whatever has become of it, somebody may speak of it.
            12..=15 if attempt > 0 => said_afterwards(choice, attempt, which),
            _ => return None,
        })
    }
}

fn said_afterwards(choice: u8, attempt: i32, which: Index) -> Event {
    let reason = format!("reason {}", which.index(3));
    let bounced = |class: &str| delivery::Bounced {
        attempt,
        class: class.to_owned(),
        reason: reason.clone(),
        ..Default::default()
    };
    match choice {
        12 => delivery::Delivered::default().into(),
        13 => bounced("soft").into(),
        14 => bounced("hard").into(),
        _ => delivery::Complained {
            kind: reason,
            ..Default::default()
        }
        .into(),
    }
}

fn planned() -> Event {
    delivery::Planned {
        cause_kind: "publication".to_owned(),
        cause_id: uuid_bytes(id(100)),
        channel_id: uuid_bytes(id(101)),
        ..Default::default()
    }
    .into()
}

/// Histories of a few deliveries as the dispatcher may write them, and where each delivery ends.
fn histories() -> impl Strategy<Value = (Vec<Item>, BTreeMap<Uuid, Model>)> {
    let step = (0..4_u8, 0..16_u8, any::<Index>());
    prop::collection::vec(step, 0..120).prop_map(|steps| {
        let mut models: BTreeMap<Uuid, Model> = BTreeMap::new();
        let mut events = Vec::new();
        for (n, choice, late) in steps {
            let model = models.entry(id(n)).or_default();
            if let Some(event) = model.next(choice, late) {
                let position = events.len() as i64 + 1;
                model.apply(&event, at(position));
                events.push((id(n), event));
            }
        }
        (history(events), models)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn each_delivery_is_where_its_events_put_it(
        (history, models) in histories(),
        places in prop::collection::vec(any::<Index>(), 0..6),
    ) {
        let rows = obeys_the_law::<DeliveryLog>(&history, &places)?;
        prop_assert_eq!(rows.len(), models.len());
        for (delivery_id, model) in models {
            let row = &rows[&(delivery_id,)];
            let class = match model.state {
                State::Settled(class) => class,
                _ => Class::Pending,
            };
            prop_assert_eq!(row.class(), class, "{:?}", row);
            prop_assert_eq!(row.attempts, model.attempts);
            prop_assert_eq!(row.settled_at, model.settled_at);
            prop_assert!(!row.status.is_empty() && !row.last_event.is_empty());
            let said = model.said.map(|(_, what, why)| (what, why));
            let why = row.feedback_reason.clone().unwrap_or_default();
            prop_assert_eq!(row.feedback().map(|what| (what, why)), said);
        }
    }

    #[test]
    fn derived_totals_are_a_recount(
        (history, models) in histories(),
        places in prop::collection::vec(any::<Index>(), 0..6),
    ) {
        let (rows, accounting) = derived::<PublicationAccounting>(&history, &places);
        prop_assert_eq!(&accounting, &recount::<PublicationAccounting>(&rows));
        let (_, analytics) = derived::<PublicationAnalytics>(&history, &places);
        prop_assert_eq!(&analytics, &recount::<PublicationAnalytics>(&rows));

        let count = |class| models.values().filter(|it| it.state == State::Settled(class)).count() as i64;
        let settled = Class::ALL.into_iter().skip(1).map(count).sum::<i64>();
        let said = |what| {
            let said = models.values().filter_map(|it| it.said.as_ref());
            said.filter(|(_, it, _)| *it == what).count() as i64
        };
        for row in accounting.values() {
            prop_assert_eq!(row.planned, models.len() as i64);
            prop_assert_eq!(row.pending, row.planned - settled);
            prop_assert_eq!(
                [row.delivered, row.bounced, row.complained],
                [Feedback::Delivered, Feedback::Bounced, Feedback::Complained].map(said)
            );
            let counted = [row.sent, row.failed, row.suppressed, row.cancelled, row.in_doubt];
            prop_assert_eq!(counted.to_vec(), Class::ALL.into_iter().skip(1).map(count).collect::<Vec<_>>());
        }
    }
}

/// The delivery log folded page by page, and what each page's changes make of a derived view.
fn derived<D: DerivedView<DeliveryRow>>(
    history: &[Item],
    places: &[Index],
) -> (Rows<DeliveryRow>, Rows<D::Row>) {
    let (mut rows, mut totals) = (Rows::<DeliveryRow>::new(), Rows::<D::Row>::new());
    for page in cut(history, places) {
        let before = rows.clone();
        let changed = fold::<DeliveryLog>(page);
        rows = add(rows, changed.clone().into_values());
        let mut changes = Vec::new();
        for key in changed.keys() {
            let taken_back = before
                .get(key)
                .into_iter()
                .flat_map(D::contributions)
                .map(D::negate);
            changes.extend(taken_back.chain(D::contributions(&rows[key])));
        }
        totals = add(totals, changes);
    }
    (rows, totals)
}

fn recount<D: DerivedView<DeliveryRow>>(rows: &Rows<DeliveryRow>) -> Rows<D::Row> {
    add(
        Rows::<D::Row>::new(),
        rows.values().flat_map(D::contributions),
    )
}

/// The row of one delivery after these events.
fn after(events: impl IntoIterator<Item = Event>) -> DeliveryRow {
    let events = std::iter::once(planned()).chain(events);
    let rows = fold::<DeliveryLog>(&history(events.map(|event| (id(0), event))));
    let row = rows.into_values().next().unwrap();
    assert_eq!(row.key(), (id(0),));
    row
}

fn attempted(attempt: i32) -> Event {
    delivery::Attempted {
        attempt,
        ..Default::default()
    }
    .into()
}

fn doubt(attempt: i32, retry_at_us: i64) -> Event {
    delivery::InDoubt {
        attempt,
        reason: "reply_timeout".to_owned(),
        retry_at_us,
    }
    .into()
}

fn failed(attempt: i32) -> Event {
    delivery::Failed {
        attempt,
        reason: "no_such_mailbox".to_owned(),
        code: 550,
        ..Default::default()
    }
    .into()
}

fn deferred(attempt: i32) -> Event {
    delivery::Deferred {
        attempt,
        reason: "greylisted".to_owned(),
        code: 451,
        ..Default::default()
    }
    .into()
}

fn sent(attempt: i32) -> Event {
    delivery::Sent {
        attempt,
        code: 250,
        ..Default::default()
    }
    .into()
}

#[test]
fn a_held_delivery_ends_with_its_own_attempts_late_word() {
    assert_eq!(after([attempted(1), doubt(1, 0)]).class(), Class::InDoubt);
    let refused = after([attempted(1), doubt(1, 0), failed(1)]);
    assert_eq!(refused.class(), Class::Failed);
    assert_eq!(
        (refused.reason.as_deref(), refused.code),
        (Some("no_such_mailbox"), Some(550))
    );
    let other = after([
        attempted(1),
        doubt(1, 5),
        attempted(2),
        doubt(2, 0),
        failed(1),
    ]);
    assert_eq!(other.class(), Class::InDoubt);
}

#[test]
fn sent_wins_for_ever() {
    let late = after([attempted(1), doubt(1, 5), attempted(2), failed(2), sent(1)]);
    assert_eq!((late.class(), late.code), (Class::Sent, Some(250)));
    assert_eq!(late.settled_at, Some(at(6)));
    let then_failed = after([attempted(1), sent(1), failed(1), deferred(1)]);
    assert_eq!(
        (then_failed.class(), then_failed.status.as_str()),
        (Class::Sent, "sent")
    );
    assert_eq!(then_failed.settled_at, Some(at(3)));
}

#[test]
fn late_word_neither_reopens_nor_closes_what_it_does_not_name() {
    let settled = after([attempted(1), failed(1), deferred(1)]);
    assert_eq!(
        (settled.class(), settled.status.as_str()),
        (Class::Failed, "failed")
    );
    let open = after([attempted(1), doubt(1, 5), attempted(2), failed(1)]);
    assert_eq!(
        (open.class(), open.status.as_str()),
        (Class::Pending, "failed")
    );
    assert_eq!(open.settled_at, None);
    let suppressed: Event = delivery::Suppressed {
        reason: "unsubscribed".to_owned(),
    }
    .into();
    let row = after([attempted(1), doubt(1, 5), suppressed, failed(1)]);
    assert_eq!(
        (row.class(), row.reason.as_deref()),
        (Class::Suppressed, Some("unsubscribed"))
    );
}

#[test]
fn a_delivery_that_can_not_be_rendered_fails_without_an_attempt() {
    let row = after([failed(0)]);
    assert_eq!((row.class(), row.attempts), (Class::Failed, 0));
}
