//! Folds delivery streams into one row each.

use std::sync::Arc;

use tidings_event_store::feed::Item;
use tidings_event_store::vault::KeyRing;
use tidings_event_store::view::{Definition, Derivation, Derived, Merge, View};
use tidings_event_store::{UnderstandError, view_row};
use tidings_proto::Event;
use time::OffsetDateTime;
use uuid::Uuid;

use super::feedback::{Feedback, Said, said};
use super::outcome::{Class, Outcome};
use crate::fields::{Fields, of_nouns};
use crate::publication_accounting::PublicationAccounting;
use crate::publication_analytics::PublicationAnalytics;

const CAUSE_PUBLICATION: &str = "publication";

/// The view `delivery_log`.
pub struct DeliveryLog;

view_row! {
    /// A delivery. `class` to `settled_at` are judged from the columns behind them, which say what is on
    /// record: so rows merge however the history was cut.
    pub struct DeliveryRow {
        key {
            /// The stream.
            delivery_id: Uuid,
        }
        /// What asked for it.
        publication_id: Option<Uuid>,
        /// The way out.
        channel_id: Option<Uuid>,
        /// The receiver; none for a broadcast delivery.
        subscriber_id: Option<Uuid>,
        /// A [`Class`].
        class: String,
        /// The class once settled, before that the last event.
        status: String,
        /// The last attempt.
        attempts: i32,
        /// Why it is where it is.
        reason: Option<String>,
        /// The receiving side's code.
        code: Option<i32>,
        /// When it goes out, or is tried again.
        due_at: Option<OffsetDateTime>,
        /// When it was planned.
        planned_at: Option<OffsetDateTime>,
        /// When the outcome that counts happened.
        settled_at: Option<OffsetDateTime>,
        /// The gravest that was said afterwards, a [`Feedback`]. It moves no class.
        feedback: Option<String>,
        /// When that happened, as they say.
        feedback_at: Option<OffsetDateTime>,
        /// Why it bounced, or what kind of complaint it was.
        feedback_reason: Option<String>,
        /// Of a bounce: `hard` or `soft`.
        bounce: Option<String>,
        /// How often somebody had it tried again: what settled it before does not count any more.
        reopened: i32,
        /// The latest attempt that was in doubt at any time, whatever came of it.
        doubted_attempt: Option<i32>,
        /// Why it was put off last, since it was planned or reopened.
        deferred_reason: Option<String>,
        /// The last event.
        last_event: String,
        /// Its reason.
        last_reason: Option<String>,
        /// Its code.
        last_code: Option<i32>,
        /// The strongest outcome there was, a [`Class`].
        outcome: Option<String>,
        /// The attempt it names.
        outcome_attempt: Option<i32>,
        /// Its reason.
        outcome_reason: Option<String>,
        /// Its code.
        outcome_code: Option<i32>,
        /// When it happened.
        outcome_at: Option<OffsetDateTime>,
        /// Stream version.
        version: i32,
        /// Log position.
        position: i64,
    }
}

impl View for DeliveryLog {
    type Row = DeliveryRow;
    const DEFINITION: Definition = Definition {
        name: "delivery_log",
        sql: tidings_schema::views::DELIVERY_LOG,
    };
    const NOUNS: &'static [&'static str] = &["delivery"];

    fn fold(
        item: &Item,
        _ring: &KeyRing,
        rows: &mut Vec<Self::Row>,
    ) -> Result<(), UnderstandError> {
        if let Some(event) = of_nouns(item, Self::NOUNS)? {
            rows.extend(row(item, event)?);
        }
        Ok(())
    }

    fn derived() -> Vec<Arc<dyn Derivation<Self::Row>>> {
        vec![
            Arc::new(Derived::<PublicationAccounting>::default()),
            Arc::new(Derived::<PublicationAnalytics>::default()),
        ]
    }
}

fn row(item: &Item, event: &Event) -> Result<Option<DeliveryRow>, UnderstandError> {
    let fields = Fields::of(event);
    let row = DeliveryRow::nothing(item);
    let row = match event {
        Event::DeliveryPlanned(it) => DeliveryRow {
            publication_id: match it.cause_kind.as_str() {
                CAUSE_PUBLICATION => Some(fields.id("cause_id", &it.cause_id)?),
                _ => None,
            },
            channel_id: Some(fields.id("channel_id", &it.channel_id)?),
            subscriber_id: fields.optional_id("subscriber_id", &it.subscriber_id)?,
            due_at: fields.instant("due_at_us", it.due_at_us)?,
            planned_at: Some(item.recorded.occurred_at),
            ..row.last("planned", "", 0)
        },
        Event::DeliveryAttempted(it) => DeliveryRow {
            attempts: it.attempt,
            ..row.last("attempted", "", 0)
        },
        Event::DeliveryDeferred(it) => DeliveryRow {
            attempts: it.attempt,
            due_at: fields.instant("retry_at_us", it.retry_at_us)?,
            deferred_reason: Some(it.reason.clone()),
            ..row.last("deferred", &it.reason, it.code)
        },
        Event::DeliveryAbandoned(it) => DeliveryRow {
            attempts: it.attempt,
            due_at: fields.instant("retry_at_us", it.retry_at_us)?,
            ..row.last("abandoned", &it.reason, 0)
        },
        Event::DeliveryInDoubt(it) if it.retry_at_us > 0 => DeliveryRow {
            due_at: fields.instant("retry_at_us", it.retry_at_us)?,
            attempts: it.attempt,
            doubted_attempt: Some(it.attempt),
            ..row.last("in_doubt", &it.reason, 0)
        },
        Event::DeliveryInDoubt(it) => DeliveryRow {
            doubted_attempt: Some(it.attempt),
            ..row
                .last("in_doubt", &it.reason, 0)
                .outcome(Class::InDoubt, it.attempt, item)
        },
        Event::DeliverySent(it) => {
            row.last("sent", "", it.code)
                .outcome(Class::Sent, it.attempt, item)
        }
        Event::DeliveryFailed(it) => {
            row.last("failed", &it.reason, it.code)
                .outcome(Class::Failed, it.attempt, item)
        }
        Event::DeliveryReopened(it) => DeliveryRow {
            attempts: it.attempts,
            due_at: fields.instant("due_at_us", it.due_at_us)?,
            reopened: 1,
            ..row.last("reopened", "", 0)
        },
        Event::DeliverySuppressed(it) => {
            row.last("suppressed", &it.reason, 0)
                .outcome(Class::Suppressed, 0, item)
        }
        Event::DeliveryCancelled(it) => {
            row.last("cancelled", &it.reason, 0)
                .outcome(Class::Cancelled, 0, item)
        }
        _ => return Ok(said(event)?.map(|said| row.heard(said))),
    };
    Ok(Some(row.judged()))
}

impl DeliveryRow {
    fn nothing(item: &Item) -> Self {
        Self {
            delivery_id: item.recorded.stream_id,
            publication_id: None,
            channel_id: None,
            subscriber_id: None,
            class: String::new(),
            status: String::new(),
            attempts: 0,
            reason: None,
            code: None,
            due_at: None,
            planned_at: None,
            settled_at: None,
            feedback: None,
            feedback_at: None,
            feedback_reason: None,
            bounce: None,
            reopened: 0,
            doubted_attempt: None,
            deferred_reason: None,
            last_event: String::new(),
            last_reason: None,
            last_code: None,
            outcome: None,
            outcome_attempt: None,
            outcome_reason: None,
            outcome_code: None,
            outcome_at: None,
            version: item.recorded.version,
            position: item.position(),
        }
    }

    fn last(self, event: &str, reason: &str, code: i32) -> Self {
        Self {
            last_event: event.to_owned(),
            last_reason: (!reason.is_empty()).then(|| reason.to_owned()),
            last_code: (code != 0).then_some(code),
            ..self
        }
    }

    /// The last event is an outcome.
    fn outcome(self, class: Class, attempt: i32, item: &Item) -> Self {
        Self {
            attempts: attempt,
            outcome: Some(class.as_str().to_owned()),
            outcome_attempt: (attempt != 0).then_some(attempt),
            outcome_reason: self.last_reason.clone(),
            outcome_code: self.last_code,
            outcome_at: Some(item.recorded.occurred_at),
            ..self
        }
    }

    /// Something was said of it afterwards: nothing else is new.
    fn heard(self, said: Said<'_>) -> Self {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Self {
            feedback: some(said.feedback.as_str()),
            feedback_at: said.at,
            feedback_reason: some(said.reason),
            bounce: some(said.bounce),
            ..self
        }
        .judged()
    }

    fn gravity(&self) -> u8 {
        let said = self.feedback();
        said.map_or(0, |said| said.gravity(self.bounce.as_deref()))
    }

    fn on_record(&self) -> Outcome {
        Outcome {
            class: self
                .outcome
                .as_deref()
                .and_then(Class::parse)
                .unwrap_or(Class::Pending),
            attempt: self.outcome_attempt.unwrap_or(0),
        }
    }

    /// Fills in what follows from what is on record.
    fn judged(mut self) -> Self {
        let outcome = self.on_record();
        let (class, status) = if outcome.settles(self.attempts) {
            self.reason = self.outcome_reason.clone();
            self.code = self.outcome_code;
            self.settled_at = self.outcome_at;
            (outcome.class, outcome.class.as_str())
        } else {
            self.reason = self.last_reason.clone();
            self.code = self.last_code;
            self.settled_at = None;
            (Class::Pending, self.last_event.as_str())
        };
        self.status = status.to_owned();
        self.class = class.as_str().to_owned();
        self
    }

    /// The class it is in.
    pub fn class(&self) -> Class {
        Class::parse(&self.class).unwrap_or(Class::Pending)
    }

    /// The gravest that was said afterwards.
    pub fn feedback(&self) -> Option<Feedback> {
        Feedback::parse(self.feedback.as_deref()?)
    }
}

impl Merge for DeliveryRow {
    fn merge(self, later: Self) -> Self {
        let later_counts =
            later.reopened > 0 || later.on_record().strength() > self.on_record().strength();
        let stronger = if later_counts { &later } else { &self };
        // The earlier of two that are as grave.
        let graver = match later.gravity() > self.gravity() {
            true => &later,
            false => &self,
        };
        // What is said afterwards is no event of the delivery's own course.
        let latest = match later.last_event.is_empty() {
            true => &self,
            false => &later,
        };
        Self {
            feedback: graver.feedback.clone(),
            feedback_at: graver.feedback_at,
            feedback_reason: graver.feedback_reason.clone(),
            bounce: graver.bounce.clone(),
            last_event: latest.last_event.clone(),
            last_reason: latest.last_reason.clone(),
            last_code: latest.last_code,
            outcome: stronger.outcome.clone(),
            outcome_attempt: stronger.outcome_attempt,
            outcome_reason: stronger.outcome_reason.clone(),
            outcome_code: stronger.outcome_code,
            outcome_at: stronger.outcome_at,
            publication_id: self.publication_id.or(later.publication_id),
            channel_id: self.channel_id.or(later.channel_id),
            subscriber_id: self.subscriber_id.or(later.subscriber_id),
            attempts: self.attempts.max(later.attempts),
            due_at: later.due_at.or(self.due_at),
            planned_at: self.planned_at.or(later.planned_at),
            doubted_attempt: self.doubted_attempt.max(later.doubted_attempt),
            // What was met before it had to be tried again does not count any more.
            deferred_reason: match (&later.deferred_reason, later.reopened) {
                (None, 0) => self.deferred_reason.clone(),
                (reason, _) => reason.clone(),
            },
            reopened: self.reopened + later.reopened,
            position: latest.position,
            ..later
        }
        .judged()
    }
}
