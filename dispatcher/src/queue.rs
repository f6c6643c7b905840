//! The dispatcher's queue: a fold of the delivery streams into what is left to do. It holds no claims
//! and no leases; who works on what is decided by lanes, and by the guards of the commit.

use deadpool_postgres::Pool;
use tidings_domain::delivery::WANTED_LATER;
use tidings_event_store::feed::Item;
use tidings_event_store::vault::KeyRing;
use tidings_event_store::view::{Definition, Merge, View};
use tidings_event_store::{Recorded, UnderstandError, view_row};
use tidings_proto::delivery::{Deferred, Planned, Reopened};
use tidings_proto::{Event, Reason, from_us};
use time::OffsetDateTime;
use uuid::Uuid;

/// Lanes the work is split in; a lane has one owner.
pub const LANES: i32 = 64;

/// Put off for the way there, the receiving side as a whole, or our settings: it need not wait any longer than these do.
pub const FOR_CHANNEL: &str = "channel";
/// Put off because the receiving side asks for fewer messages: its channel rests meanwhile, and it keeps its time unless somebody
/// says that the channel works.
pub const FOR_PACE: &str = "pace";
/// Put off for what is its own: its receiver, its message, its turn. It keeps its time.
pub const FOR_ITSELF: &str = "itself";

view_row! {
    /// A delivery that is not settled, or what one event says of it.
    pub struct QueueRow {
        key {
            /// The delivery.
            delivery_id: Uuid,
        }
        /// What kind of thing asked for it.
        cause_kind: Option<String>,
        /// Its stream.
        cause_id: Option<Uuid>,
        /// Which content goes out.
        content_version: Option<i32>,
        /// Where.
        channel_id: Option<Uuid>,
        /// To whom; none for a broadcast delivery.
        subscriber_id: Option<Uuid>,
        /// Whose work it is.
        lane: Option<i32>,
        /// The request that set it off.
        correlation_id: Option<Uuid>,
        /// Its trace.
        traceparent: Option<String>,
        /// Position of the event that planned it or had it tried again.
        planned_position: Option<i64>,
        /// Greater goes first.
        priority: Option<i32>,
        /// When it was planned: the date the message bears.
        planned_at: Option<OffsetDateTime>,
        /// Not before.
        due_at: Option<OffsetDateTime>,
        /// For whom it was put off: [`FOR_CHANNEL`], [`FOR_PACE`] or [`FOR_ITSELF`]; none: for nobody, so far.
        put_off_for: Option<String>,
        /// Why, a code.
        put_off_reason: Option<String>,
        /// When.
        put_off_at: Option<OffsetDateTime>,
        /// When it was first put off for the channel, since it was planned or reopened.
        put_off_since: Option<OffsetDateTime>,
        /// Attempts made so far.
        attempt: i32,
        /// Those of them that were abandoned, since it was planned or reopened.
        abandons: i32,
        /// The attempt without an outcome; 0: none.
        open_attempt: i32,
        /// Who makes it.
        open_instance: Option<Uuid>,
        /// When it is in doubt at the latest.
        open_deadline_at: Option<OffsetDateTime>,
        /// The stream's version.
        version: i32,
        /// The last event's position.
        position: i64,
        /// Nothing is left to do.
        settled: bool,
    }
}

impl Merge for QueueRow {
    fn merge(self, later: Self) -> Self {
        if later.reopens() {
            return Self {
                attempt: later.attempt.max(self.attempt),
                ..later
            };
        }
        Self {
            delivery_id: self.delivery_id,
            cause_kind: later.cause_kind.or(self.cause_kind),
            cause_id: later.cause_id.or(self.cause_id),
            content_version: later.content_version.or(self.content_version),
            channel_id: later.channel_id.or(self.channel_id),
            subscriber_id: later.subscriber_id.or(self.subscriber_id),
            lane: later.lane.or(self.lane),
            correlation_id: later.correlation_id.or(self.correlation_id),
            traceparent: later.traceparent.or(self.traceparent),
            planned_position: later.planned_position.or(self.planned_position),
            priority: later.priority.or(self.priority),
            planned_at: later.planned_at.or(self.planned_at),
            due_at: later.due_at.or(self.due_at),
            put_off_for: later.put_off_for.or(self.put_off_for),
            put_off_reason: later.put_off_reason.or(self.put_off_reason),
            put_off_at: later.put_off_at.or(self.put_off_at),
            put_off_since: self.put_off_since.or(later.put_off_since),
            attempt: later.attempt.max(self.attempt),
            abandons: self.abandons.saturating_add(later.abandons),
            open_attempt: later.open_attempt,
            open_instance: later.open_instance,
            open_deadline_at: later.open_deadline_at,
            version: later.version,
            position: later.position,
            // Settled until it is reopened: what comes late moves the accounting, not the queue.
            settled: self.settled || later.settled,
        }
    }

    fn is_gone(&self) -> bool {
        self.settled
    }
}

impl QueueRow {
    /// Whether it says all there is to know: it begins with the event that planned the delivery, or had it tried
    /// again after it was settled.
    fn reopens(&self) -> bool {
        self.planned_position.is_some()
    }

    fn put_off(self, whom: &str, reason: &str, recorded: &Recorded) -> Self {
        let at = Some(recorded.occurred_at);
        Self {
            put_off_for: Some(whom.to_owned()),
            put_off_reason: Some(reason.to_owned()),
            put_off_at: at,
            put_off_since: at.filter(|_| whom == FOR_CHANNEL),
            ..self
        }
    }
}

/// The queue.
pub struct DispatchQueue;

impl View for DispatchQueue {
    type Row = QueueRow;
    const DEFINITION: Definition = Definition {
        name: "dispatch_queue",
        sql: tidings_schema::views::DISPATCH_QUEUE,
    };
    const NOUNS: &'static [&'static str] = &["delivery"];
    // A delivery whose outcome it overlooked would go out again.
    const MAY_SKIP: bool = false;

    fn fold(item: &Item, _: &KeyRing, rows: &mut Vec<QueueRow>) -> Result<(), UnderstandError> {
        if !Self::NOUNS.contains(&item.recorded.noun()) {
            return Ok(());
        }
        let event = item.event.as_ref().map_err(|_| {
            // Decoded once by the feed; decoding again gives the error itself.
            UnderstandError::from(item.recorded.decode().expect_err("it failed before"))
        })?;
        rows.extend(row(item, event));
        Ok(())
    }
}

fn row(item: &Item, event: &Event) -> Option<QueueRow> {
    let id = |bytes: &[u8]| Uuid::from_slice(bytes).ok();
    let recorded = &item.recorded;
    let blank = blank(recorded);
    let settled = QueueRow {
        settled: true,
        ..blank.clone()
    };
    Some(match event {
        Event::DeliveryPlanned(plan) => planned(plan, recorded),
        Event::DeliveryReopened(reopened) => QueueRow {
            attempt: reopened.attempts,
            planned_at: from_us(reopened.planned_at_us),
            ..planned(&plan_of(reopened), recorded)
        },
        Event::DeliveryAttempted(attempted) => QueueRow {
            attempt: attempted.attempt,
            open_attempt: attempted.attempt,
            open_instance: id(&attempted.instance),
            open_deadline_at: from_us(attempted.deadline_at_us),
            ..blank
        },
        Event::DeliveryDeferred(deferred) => QueueRow {
            due_at: from_us(deferred.retry_at_us),
            ..blank.put_off(put_off_for(deferred), &deferred.reason, recorded)
        },
        Event::DeliveryAbandoned(abandoned) => QueueRow {
            abandons: i32::from(abandoned.reason != WANTED_LATER),
            due_at: from_us(abandoned.retry_at_us),
            ..blank.put_off(FOR_ITSELF, &abandoned.reason, recorded)
        },
        Event::DeliveryInDoubt(doubt) if doubt.retry_at_us > 0 => QueueRow {
            due_at: from_us(doubt.retry_at_us),
            ..blank.put_off(FOR_ITSELF, &doubt.reason, recorded)
        },
        Event::DeliverySent(_)
        | Event::DeliveryFailed(_)
        | Event::DeliverySuppressed(_)
        | Event::DeliveryCancelled(_)
        | Event::DeliveryInDoubt(_) => settled,
        _ => return None,
    })
}

/// Told by the reason.
fn put_off_for(deferred: &Deferred) -> &'static str {
    match Reason::parse(&deferred.reason) {
        Some(reason) if reason.is_of_the_way() => FOR_CHANNEL,
        Some(reason) if reason.asks_for_fewer() => FOR_PACE,
        _ => FOR_ITSELF,
    }
}

/// What a reopened delivery says of its plan.
fn plan_of(reopened: &Reopened) -> Planned {
    Planned {
        cause_kind: reopened.cause_kind.clone(),
        cause_id: reopened.cause_id.clone(),
        content_version: reopened.content_version,
        channel_id: reopened.channel_id.clone(),
        subscriber_id: reopened.subscriber_id.clone(),
        due_at_us: reopened.due_at_us,
        priority: reopened.priority,
    }
}

/// A row that says what is to be delivered, by the event that planned it or has it tried again.
fn planned(plan: &Planned, recorded: &Recorded) -> QueueRow {
    let id = |bytes: &[u8]| Uuid::from_slice(bytes).ok();
    let (channel_id, subscriber_id) = (id(&plan.channel_id), id(&plan.subscriber_id));
    let due_at = from_us(plan.due_at_us);
    let is_later = due_at.is_some_and(|due_at| due_at > recorded.occurred_at);
    QueueRow {
        cause_kind: Some(plan.cause_kind.clone()),
        cause_id: id(&plan.cause_id),
        content_version: Some(plan.content_version),
        channel_id,
        subscriber_id,
        lane: Some(lane(subscriber_id.or(channel_id).unwrap_or_default())),
        correlation_id: Some(recorded.correlation_id),
        traceparent: Some(recorded.metadata().traceparent).filter(|trace| !trace.is_empty()),
        planned_position: Some(recorded.position),
        priority: Some(plan.priority),
        planned_at: Some(recorded.occurred_at),
        due_at,
        // Its reader wants it at another time.
        put_off_for: is_later.then(|| FOR_ITSELF.to_owned()),
        ..blank(recorded)
    }
}

/// A row that says nothing but where it comes from.
fn blank(recorded: &Recorded) -> QueueRow {
    QueueRow {
        delivery_id: recorded.stream_id,
        cause_kind: None,
        cause_id: None,
        content_version: None,
        channel_id: None,
        subscriber_id: None,
        lane: None,
        correlation_id: None,
        traceparent: None,
        planned_position: None,
        priority: None,
        planned_at: None,
        due_at: None,
        put_off_for: None,
        put_off_reason: None,
        put_off_at: None,
        put_off_since: None,
        attempt: 0,
        abandons: 0,
        open_attempt: 0,
        open_instance: None,
        open_deadline_at: None,
        version: recorded.version,
        position: recorded.position,
        settled: false,
    }
}

/// The lane of a receiver: its subscriber, or its channel. The id's last bytes are hashed or random.
pub(crate) fn lane(receiver: Uuid) -> i32 {
    i32::from(receiver.as_bytes()[15]) % LANES
}

/// How far the queue has folded the log.
pub async fn position(pool: &Pool) -> Result<i64, tidings_event_store::ReadError> {
    Ok(
        tidings_event_store::view::position(pool, DispatchQueue::DEFINITION.name)
            .await?
            .unwrap_or(0),
    )
}

#[cfg(test)]
mod tests;
