//! Deliveries that wait for later, for room below a cap or for their reader's hour, and whose reader may have left
//! meanwhile: they are looked at when there is a word of the reader, and settled then instead of when their time comes.
//!
//! Nothing of it is kept: what was said before this process began, or before it got its lanes, is found by looking once at
//! everything in these lanes that waits.

use std::collections::BTreeSet;

use tidings_domain::delivery::Purpose;
use tidings_event_store::feed::{Feed, Item};
use tidings_event_store::view::View as _;
use tidings_event_store::{Log, ReadError};
use tidings_proto::{Event, from_us};
use tidings_service::problem::chain;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::core::Core;
use crate::pick::Pick;
use crate::queue::DispatchQueue;

/// What says who has left, and what waits for them: a word counts once all of them know it.
const VIEWS: [&str; 3] = [
    DispatchQueue::DEFINITION.name,
    "subscriber_profile",
    "suppression_list",
];
/// Events that are heard at once.
const HEARD: usize = 1_000;
/// And so often before other work goes on.
const PAGES_MAX: usize = 10;
/// Behind by more than so many events everything is looked at instead.
const FAR: i64 = 100_000;
/// Deliveries that one look at everything takes at once.
const PAGE: i64 = 512;
/// So many are remembered at the most. Past it everything is looked at.
const REMEMBERED_MAX: usize = 100_000;

const POSITION: &str =
    "select coalesce(min(position), 0), count(*) from publishing_views where view = any($1)";
const OF_READERS: &str = "select delivery_id from publishing_dispatch_queue \
     where put_off_for is not null and subscriber_id = any($1)";
const OF_ADDRESSES: &str = "select w.delivery_id from publishing_subscriber_profile s \
     join publishing_dispatch_queue w on w.subscriber_id = s.subscriber_id \
     where w.put_off_for is not null and s.address_suppression_id = any($1) and s.holds_address";
// Seldom, and of many: whatever waits is looked through.
const OF_DOMAINS: &str = "select w.delivery_id from publishing_subscriber_profile s \
     join publishing_dispatch_queue w on w.subscriber_id = s.subscriber_id \
     where w.put_off_for is not null and s.domain_suppression_id = any($1)";
const ALL: &str = "select subscriber_id, delivery_id from publishing_dispatch_queue \
     where put_off_for is not null and (subscriber_id, delivery_id) > ($2, $3) and lane = any($1) \
     order by subscriber_id, delivery_id limit $4";

/// Those that are still to be looked at.
#[derive(Default)]
pub(super) struct MaybeWithdrawn {
    /// Words up to here were heard; none: it has just begun.
    heard: Option<i64>,
    /// The lanes of which everything was looked at, or is.
    lanes: Vec<i32>,
    /// How far the look at everything has come; none: it is through.
    after: Option<(Uuid, Uuid)>,
    deliveries: BTreeSet<Uuid>,
}

/// Whom words are about.
#[derive(Default)]
struct Words {
    readers: Vec<Uuid>,
    addresses: Vec<Uuid>,
    domains: Vec<Uuid>,
    deliveries: Vec<Uuid>,
}

impl MaybeWithdrawn {
    /// Notes what was said since the last time, as far as the views know it, and goes on with looking at everything.
    pub(super) async fn hear(
        &mut self,
        feed: &Feed,
        log: &Log,
        lanes: &[i32],
    ) -> Result<(), ReadError> {
        let Some(known) = position(log).await? else {
            return Ok(());
        };
        // Whatever is said from here on is heard, and what was said before is found by looking. A view that was started over
        // hears it all again.
        let mut heard = self.heard.unwrap_or(known).min(known);
        let is_far = known - heard > FAR;
        if is_far || lanes.iter().any(|lane| !self.lanes.contains(lane)) {
            self.after = Some((Uuid::nil(), Uuid::nil()));
        }
        if is_far {
            heard = known;
        }
        self.lanes = lanes.to_vec();
        let mut words = Words::default();
        for _ in 0..PAGES_MAX {
            if heard >= known {
                break;
            }
            let page = feed.page_after(heard, HEARD).await?;
            let Some(last) = page.last() else {
                break;
            };
            heard = last.position().min(known);
            for item in page.iter().filter(|it| it.position() <= known) {
                words.note(item);
            }
        }
        match words.of_deliveries(log).await {
            Ok(found) => self.deliveries.extend(found),
            // So many that they are not found in time would not be the next time either: they are looked for a page at a time.
            Err(error) if error.is_too_slow() => self.after = Some((Uuid::nil(), Uuid::nil())),
            Err(error) => return Err(error),
        }
        self.heard = Some(heard);
        if self.deliveries.len() > REMEMBERED_MAX {
            self.deliveries.clear();
            self.after = Some((Uuid::nil(), Uuid::nil()));
        }
        self.look(log).await
    }

    /// One page of everything that waits, unless there is enough to do.
    async fn look(&mut self, log: &Log) -> Result<(), ReadError> {
        let Some((subscriber_id, delivery_id)) = self.after else {
            return Ok(());
        };
        if self.deliveries.len() >= PAGE as usize {
            return Ok(());
        }
        let rows = log
            .query(ALL, &[&self.lanes, &subscriber_id, &delivery_id, &PAGE])
            .await?;
        self.after = rows.last().map(|row| (row.get(0), row.get(1)));
        self.deliveries
            .extend(rows.iter().map(|row| row.get::<_, Uuid>(1)));
        Ok(())
    }

    /// Up to so many that are to be looked at, but for those that something is done about already.
    pub(super) fn next(&self, most: usize, is_taken: impl Fn(&Uuid) -> bool) -> Vec<Uuid> {
        let free = self.deliveries.iter().filter(|id| !is_taken(id));
        free.take(most).copied().collect()
    }

    /// These were looked at, and those of them are to be settled: until they are gone they are looked at again.
    pub(super) fn looked_at(&mut self, all: &[Uuid], stays: &[Uuid]) {
        for id in all.iter().filter(|id| !stays.contains(id)) {
            self.deliveries.remove(id);
        }
    }
}

impl Words {
    /// What may forbid a delivery, or is about one that nobody has asked about since.
    fn note(&mut self, item: &Item) {
        let recorded = &item.recorded;
        match &item.event {
            Ok(Event::SuppressionAdded(added)) if added.scope == "domain" => {
                self.domains.push(recorded.stream_id);
            }
            Ok(Event::SuppressionAdded(_)) => self.addresses.push(recorded.stream_id),
            // Its reader was judged when the audience was frozen.
            Ok(Event::DeliveryPlanned(plan))
                if !plan.subscriber_id.is_empty()
                    && from_us(plan.due_at_us).is_some_and(|at| at > recorded.occurred_at) =>
            {
                self.deliveries.push(recorded.stream_id);
            }
            // Or when it was attempted.
            Ok(Event::DeliveryDeferred(_) | Event::DeliveryAbandoned(_)) => {
                self.deliveries.push(recorded.stream_id);
            }
            Ok(Event::DeliveryInDoubt(doubt)) if doubt.retry_at_us > 0 => {
                self.deliveries.push(recorded.stream_id);
            }
            Ok(
                Event::SubscriberUnsubscribed(_)
                | Event::SubscriberErasureRequested(_)
                | Event::SubscriberErased(_)
                | Event::SubscriberContactChanged(_),
            ) => self.readers.push(recorded.stream_id),
            _ => {}
        }
    }

    async fn of_deliveries(self, log: &Log) -> Result<Vec<Uuid>, ReadError> {
        let mut deliveries = self.deliveries;
        for (sql, about) in [
            (OF_READERS, self.readers),
            (OF_ADDRESSES, self.addresses),
            (OF_DOMAINS, self.domains),
        ] {
            if about.is_empty() {
                continue;
            }
            deliveries.extend(log.ids(sql, &[&about]).await?);
        }
        Ok(deliveries)
    }
}

/// How far all of the views have come; `None` while one of them is not there yet.
async fn position(log: &Log) -> Result<Option<i64>, ReadError> {
    let rows = log.query(POSITION, &[&VIEWS.as_slice()]).await?;
    let all = |row: &&Row| row.get::<_, i64>(1) == VIEWS.len() as i64;
    Ok(rows.first().filter(all).map(|row| row.get(0)))
}

impl Core {
    /// Leaves out whoever may get it after all; gives which of those that were looked at are to be settled.
    pub(super) async fn keep_forbidden(&self, picks: &mut Vec<Pick>) -> Vec<Uuid> {
        let (mut stays, mut goes) = (Vec::new(), Vec::new());
        for pick in picks.iter().filter(|pick| pick.is_withdrawn) {
            let cause = match self.causes.get(pick.plan.cause.id()).await {
                Ok(cause) => cause,
                Err(error) => {
                    // One that can not be read must not hold up the others.
                    tracing::debug!(delivery = %pick.delivery.id, error = %chain(&error), "it waits for its time");
                    goes.push(pick.delivery.id);
                    continue;
                }
            };
            let receiver = pick.receiver.clone();
            let receiver = receiver.map(|it| it.of(&cause.topics, pick.plan.channel_id));
            let forbids = receiver.and_then(|it| it.receiver.forbids(Purpose::Mail));
            match forbids {
                Some(_) => stays.push(pick.delivery.id),
                None => goes.push(pick.delivery.id),
            }
        }
        picks.retain(|pick| !pick.is_withdrawn || !goes.contains(&pick.delivery.id));
        stays
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_settled_is_looked_at_until_it_is_gone() {
        let [one, two, three] = [1, 2, 3].map(Uuid::from_u128);
        let mut all = MaybeWithdrawn::default();
        all.deliveries.extend([one, two, three]);
        let nobody = |_: &Uuid| false;
        assert_eq!(all.next(2, nobody), [one, two]);
        all.looked_at(&[one, two], &[two]);
        assert_eq!(all.next(9, nobody), [two, three]);
        // Something is done about it.
        assert_eq!(all.next(9, |id| *id == two), [three]);
        all.looked_at(&[three], &[]);
        assert_eq!(all.next(9, nobody), [two]);
        all.looked_at(&[two], &[]);
        assert_eq!(all.next(9, nobody), [] as [Uuid; 0]);
    }
}
