//! How much somebody wants at the most. What is over that waits for room, and is not sent at all once it has waited for as
//! long as the cap counts over. What is urgent and what answers them is sent all the same; the former counts.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use tidings_domain::delivery::{Cause as DeliveryCause, Purpose, Receiver, WANTED_LATER};
use tidings_domain::preferences::{Cap, Preferences, Room};
use tidings_domain::publication::Sending;
use tidings_event_store::{ReadError, Store};
use tidings_proto::delivery::{Abandoned, Reopened};
use tidings_proto::{Event, EventMessage as _};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::Case;
use crate::causes::Cause;
use crate::core::Core;
use crate::pick::Pick;

/// Attempts to reach a subscriber with something else after which they have the message, or may have it, for all that is known.
const GOT: &str = "with about as materialized (select stream_id, payload from publishing_events \
         where subject = $1 and type = 'delivery.Planned') \
     select about.payload, attempted.occurred_at from about \
         join publishing_events attempted on attempted.stream_id = about.stream_id \
         left join publishing_events next on next.stream_id = attempted.stream_id \
             and next.version = attempted.version + 1 \
     where attempted.type = 'delivery.Attempted' and attempted.occurred_at > $2 and about.stream_id <> $3 \
         and (next.type is null \
              or next.type not in ('delivery.Abandoned', 'delivery.Deferred', 'delivery.Failed'))";

/// Readers with a cap who are being written to by this process. Their lane is its own, so that nobody else counts
/// what they got meanwhile.
#[derive(Default)]
pub(crate) struct InHand(Mutex<HashSet<Uuid>>);

/// One of them, until this is dropped.
pub(super) struct Hand<'a> {
    all: &'a InHand,
    subscriber_id: Uuid,
}

impl InHand {
    /// `None`: another message to them is being attempted.
    fn take(&self, subscriber_id: Uuid) -> Option<Hand<'_>> {
        let is_free = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.insert(subscriber_id)
        };
        // Not made before it is free: what is dropped gives it back.
        is_free.then(|| Hand {
            all: self,
            subscriber_id,
        })
    }
}

impl Drop for Hand<'_> {
    fn drop(&mut self) {
        let mut all = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(&self.subscriber_id);
    }
}

/// Whether a cap lets a message through.
pub(super) enum Looked<'a> {
    /// There is no cap to look at.
    Free,
    /// This is what it says, as long as the hand is held.
    Found(Room, Hand<'a>),
    /// Another message to the same reader is under way: whether there is room is not known yet.
    Busy,
}

impl Core {
    /// Asks the log what the reader got of late, if they have a cap.
    pub(super) async fn room(&self, case: &Case, pick: &Pick) -> Result<Looked<'_>, ReadError> {
        let Some((subscriber_id, preferences, weight)) = capped(case, pick) else {
            return Ok(Looked::Free);
        };
        let Some(hand) = self.in_hand.take(subscriber_id) else {
            return Ok(Looked::Busy);
        };
        let now = self.clock.now();
        let period = preferences.cap().map_or(Duration::ZERO, Cap::period);
        let got = got(&self.store, subscriber_id, pick.delivery.id, now - period).await?;
        let waits_since = waits_since(&self.store, pick.delivery.id).await?;
        let room = preferences.room(&got, waits_since, now, weight);
        Ok(Looked::Found(room, hand))
    }
}

/// Whose cap counts, and how much the message matters to them; `None`: nobody's, or something else forbids it anyway.
fn capped<'a>(case: &'a Case, pick: &Pick) -> Option<(Uuid, &'a Preferences, u8)> {
    let Cause::Publication(publication) = &case.cause else {
        return None;
    };
    let preferences = case.receiver.preferences.as_ref();
    let preferences = preferences.filter(|it| it.cap().is_some())?;
    let Receiver::Addressed { .. } = case.receiver.receiver else {
        return None;
    };
    let forbidden = case.receiver.receiver.forbids(Purpose::Mail).is_some();
    let goes = case.cause.sending() == Sending::Now && !case.surroundings.held;
    if forbidden || !goes || publication.is_urgent() {
        return None;
    }
    let topics = publication.topics.iter().map(|(id, _)| *id);
    Some((
        pick.plan.subscriber_id?,
        preferences,
        preferences.weight_of(topics),
    ))
}

/// When a subscriber got something that was published, after this, but for this delivery.
async fn got(
    store: &Store,
    subscriber_id: Uuid,
    but_for: Uuid,
    after: OffsetDateTime,
) -> Result<Vec<OffsetDateTime>, ReadError> {
    let log = store.log();
    let rows = log.query(GOT, &[&subscriber_id, &after, &but_for]).await?;
    let published = rows.iter().filter(|row| !is_of_a_notice(row.get(0)));
    Ok(published.map(|row| row.get(1)).collect())
}

/// When a delivery was first put off because its receiver wanted it later, since it was planned or reopened.
async fn waits_since(
    store: &Store,
    delivery_id: Uuid,
) -> Result<Option<OffsetDateTime>, ReadError> {
    let log = store.log();
    let types = [Abandoned::TYPE, Reopened::TYPE];
    let mut since = None;
    for event in log.stream_of(delivery_id, &types).await? {
        match event.decode() {
            Ok(Event::DeliveryReopened(_)) => since = None,
            Ok(Event::DeliveryAbandoned(it)) if it.reason == WANTED_LATER => {
                since = since.or(Some(event.occurred_at));
            }
            _ => {}
        }
    }
    Ok(since)
}

fn is_of_a_notice(planned: &[u8]) -> bool {
    let notice = DeliveryCause::Notice(Uuid::nil()).kind();
    let planned = Event::decode("delivery.Planned", planned.to_vec().into());
    matches!(planned, Ok(Event::DeliveryPlanned(planned)) if planned.cause_kind == notice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_proto::{Message as _, delivery::Planned};

    #[test]
    fn notices_are_told_from_what_is_published() {
        let planned = |kind: &str| {
            let planned = Planned {
                cause_kind: kind.to_owned(),
                ..Planned::default()
            };
            planned.encode_to_vec()
        };
        assert!(is_of_a_notice(&planned("notice")));
        assert!(!is_of_a_notice(&planned("publication")));
    }

    #[test]
    fn one_message_to_a_reader_is_in_hand_at_a_time() {
        let all = InHand::default();
        let [ada, bob] = [1, 2].map(Uuid::from_u128);
        let hand = all.take(ada);
        assert!(hand.is_some() && all.take(bob).is_some());
        assert!(all.take(ada).is_none());
        drop(hand);
        assert!(all.take(ada).is_some());
    }
}
