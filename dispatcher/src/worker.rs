//! The worker: keeps attempts open, up to the bound, most urgent deliveries first. A channel never takes
//! more than it can use at once, so a slow one delays nobody else.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tidings_event_store::Progress;
use tidings_event_store::feed::Feed;
use tidings_service::clock::Monotonic;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::attempt::Ended;
use crate::core::{Core, DispatchError};
use crate::pick::{Pick, Wanted, pick};
use crate::{publications, queue};

/// Deliveries read at once.
const PAGE: i64 = 512;
/// How long a delivery rests that could not be attempted.
const REST: Duration = Duration::from_secs(5);
/// How often the queue is read although nothing woke the worker: retries become due by time alone.
const TIMER: Duration = Duration::from_millis(250);

/// Attempts deliveries.
pub(crate) struct Worker {
    core: Arc<Core>,
    feed: Feed,
    /// Picked and not yet attempted.
    waiting: VecDeque<Pick>,
    open: FuturesUnordered<BoxFuture<'static, Attempted>>,
    /// Open attempts by channel.
    by_channel: HashMap<Uuid, usize>,
    /// Deliveries the queue still shows although they are worked on or done.
    taken: HashMap<Uuid, Taken>,
}

struct Attempted {
    delivery_id: Uuid,
    channel_id: Uuid,
    ended: Result<Ended, DispatchError>,
}

#[derive(Clone, Copy)]
enum Taken {
    /// Waiting or open.
    Here,
    /// On record at this position.
    Until(i64),
    /// Not before this long after that moment.
    Resting(Monotonic),
}

impl Worker {
    pub(crate) fn new(core: Arc<Core>, feed: Feed) -> Self {
        Self {
            core,
            feed,
            waiting: VecDeque::new(),
            open: FuturesUnordered::new(),
            by_channel: HashMap::new(),
            taken: HashMap::new(),
        }
    }

    /// Attempts everything that is due, and waits for the outcomes.
    pub(crate) async fn step(&mut self) -> Result<Progress, DispatchError> {
        self.refill().await?;
        let mut progress = Progress::Idle;
        loop {
            self.start();
            let Some(attempted) = self.open.next().await else {
                return Ok(progress);
            };
            progress = Progress::Advanced;
            self.finish(attempted);
        }
    }

    /// Attempts until told to stop; then finishes what is open.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut moves = self.feed.moves();
        while !stop.is_cancelled() {
            if self.waiting.len() < self.core.limits.open_attempts_max
                && let Err(error) = self.refill().await
            {
                tracing::warn!(%error, "the dispatcher can not read its queue");
            }
            self.start();
            let timer = tokio::time::sleep(TIMER);
            tokio::pin!(timer);
            loop {
                tokio::select! {
                    () = stop.cancelled() => break,
                    Some(attempted) = self.open.next() => {
                        self.finish(attempted);
                        self.start();
                        if self.waiting.is_empty() { break }
                    }
                    _ = moves.changed(), if self.waiting.is_empty() => break,
                    () = &mut timer => break,
                }
            }
        }
        self.waiting.clear();
        while let Some(attempted) = self.open.next().await {
            self.finish(attempted);
        }
    }

    /// Reads what is due.
    async fn refill(&mut self) -> Result<(), DispatchError> {
        let lanes = self.core.instance.lanes().await?;
        if lanes.is_empty() {
            return Ok(());
        }
        let pool = &self.core.store.log().pool().clone();
        self.forget_taken(queue::position(pool).await?);
        let whenever_due = publications::cancelled(pool).await?;
        for publication_id in &whenever_due {
            // Judged as it was before the cancellation, what is not due yet would only be put back.
            if self
                .core
                .causes
                .get(*publication_id)
                .await?
                .state
                .may_send()
            {
                self.core.causes.refresh(*publication_id).await?;
            }
        }
        let taken: Vec<Uuid> = self.taken.keys().copied().collect();
        let busy_channels = self.busy_channels();
        let picks = pick(
            pool,
            &Wanted {
                lanes: &lanes,
                now: self.core.clock.now(),
                busy_channels: &busy_channels,
                taken: &taken,
                whenever_due: &whenever_due,
                limit: PAGE,
            },
        )
        .await?;
        // What waits already may be less urgent than what was read now.
        for pick in picks {
            self.taken.insert(pick.delivery.id, Taken::Here);
            self.waiting.push_back(pick);
        }
        let order = |pick: &Pick| {
            (
                std::cmp::Reverse(pick.plan.priority),
                pick.plan.due_at,
                pick.delivery.id,
            )
        };
        self.waiting.make_contiguous().sort_by_key(order);
        Ok(())
    }

    fn forget_taken(&mut self, queue_position: i64) {
        let clock = &self.core.clock;
        self.taken.retain(|_, taken| match taken {
            Taken::Here => true,
            Taken::Until(position) => *position > queue_position,
            Taken::Resting(since) => clock.age(*since) < REST,
        });
    }

    /// Channels of which so much waits already that reading more would only crowd out others.
    fn busy_channels(&self) -> Vec<Uuid> {
        let mut waiting: HashMap<Uuid, usize> = HashMap::new();
        for pick in &self.waiting {
            *waiting.entry(pick.plan.channel_id).or_default() += 1;
        }
        let crowded = waiting
            .into_iter()
            .filter(|(_, count)| *count >= PAGE as usize / 2);
        crowded.map(|(channel, _)| channel).collect()
    }

    /// Opens attempts for what waits, in order, as far as the bounds allow.
    fn start(&mut self) {
        let mut index = 0;
        while self.open.len() < self.core.limits.open_attempts_max && index < self.waiting.len() {
            let channel_id = self.waiting[index].plan.channel_id;
            let open = self.by_channel.entry(channel_id).or_default();
            if *open >= self.core.roster.concurrency(channel_id) {
                index += 1;
                continue;
            }
            *open += 1;
            let Some(pick) = self.waiting.remove(index) else {
                break;
            };
            let core = self.core.clone();
            let delivery_id = pick.delivery.id;
            // A task of its own: an attempt goes on whatever this loop waits for.
            let task = tokio::spawn(async move { core.deliver(pick).await });
            self.open.push(Box::pin(async move {
                let ended = task
                    .await
                    .unwrap_or_else(|panic| Err(DispatchError::Refused(panic.to_string())));
                Attempted {
                    delivery_id,
                    channel_id,
                    ended,
                }
            }));
        }
    }

    fn finish(&mut self, attempted: Attempted) {
        if let Some(open) = self.by_channel.get_mut(&attempted.channel_id) {
            *open -= 1;
        }
        let taken = match attempted.ended {
            Ok(Ended::Recorded(position)) => Taken::Until(position),
            Ok(Ended::Gone | Ended::Rest) => Taken::Resting(self.core.clock.monotonic()),
            Err(error) => {
                tracing::warn!(delivery = %attempted.delivery_id, %error, "a delivery rests");
                Taken::Resting(self.core.clock.monotonic())
            }
        };
        self.taken.insert(attempted.delivery_id, taken);
    }
}
