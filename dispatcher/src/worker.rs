//! The worker: keeps attempts open, up to the bound, most urgent deliveries first. A channel never takes
//! more than it can use at once, so a slow one delays nobody else.

mod cancelled;
mod slots;
mod waiting;
mod withdrawn;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tidings_event_store::feed::Feed;
use tidings_event_store::{Outage, Progress};
use tidings_service::clock::Monotonic;
use tidings_service::problem::chain;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::attempt::Ended;
use crate::core::{Core, DispatchError};
use crate::pick::{Crowded, Pick, Wanted, pick};
use crate::{publications, queue};
use slots::Slots;
use waiting::{Waiting, is_settled};
use withdrawn::MaybeWithdrawn;

/// Deliveries read at once.
const PAGE: i64 = 512;
/// Deliveries of one channel that wait here at the most: a page beside what was not enough to be crowded, so that only a
/// channel of which ever more urgent ones come gives some back.
const WAITING_MAX: usize = 2 * PAGE as usize;
/// How long a delivery rests that could not be attempted.
const REST: Duration = Duration::from_secs(5);
/// How often the queue is read although nothing woke the worker: retries become due by time alone.
const TIMER: Duration = Duration::from_millis(250);

/// How often a dispatcher looks whether channels were set up anew although nothing is sent by them.
const KEEP_UP_EVERY: Duration = Duration::from_secs(1);

/// Moves of the feed within this long are looked at together.
const GATHER: Duration = Duration::from_millis(20);

/// The feed has moved, and a moment has passed since the last look.
pub(crate) async fn gathered(moves: &mut watch::Receiver<i64>) {
    tokio::time::sleep(GATHER).await;
    // The feed lives as long as its readers: waiting can not fail.
    drop(moves.changed().await);
}

/// Attempts deliveries.
pub(crate) struct Worker {
    core: Arc<Core>,
    feed: Feed,
    /// Picked and not yet attempted.
    waiting: Waiting,
    open: FuturesUnordered<BoxFuture<'static, Attempted>>,
    /// Who has attempts open.
    slots: Slots,
    /// Deliveries the queue still shows although they are worked on or done.
    taken: HashMap<Uuid, Taken>,
    /// Channels that could not send, and since when.
    resting: HashMap<Uuid, Monotonic>,
    /// When channels were last looked at that nothing may be sent by.
    kept_up_at: Option<Monotonic>,
    /// Publications whose deliveries are settled without being sent: no channel's pace holds them up.
    cancelled: Vec<Uuid>,
    /// Publications that were cancelled and that this build can not read.
    unread: Vec<Uuid>,
    /// Deliveries for later whose readers may have left.
    maybe_withdrawn: MaybeWithdrawn,
    /// From then on no attempt is opened, and none is recorded that was being judged.
    stop: CancellationToken,
}

struct Attempted {
    delivery_id: Uuid,
    channel_id: Uuid,
    /// When it was opened, and when it ended.
    lasted: (Instant, Instant),
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
            slots: Slots::new(core.limits.open_attempts_max),
            core,
            feed,
            waiting: Waiting::default(),
            open: FuturesUnordered::new(),
            taken: HashMap::new(),
            resting: HashMap::new(),
            kept_up_at: None,
            cancelled: Vec::new(),
            unread: Vec::new(),
            maybe_withdrawn: MaybeWithdrawn::default(),
            stop: CancellationToken::new(),
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
        self.stop = stop.clone();
        let mut outage = Outage::default();
        while !stop.is_cancelled() {
            match self.refill().await {
                Ok(()) if outage.is_over() => {
                    tracing::info!("the dispatcher reads its queue again");
                }
                Err(error) if outage.is_news(&chain(&error)) => {
                    tracing::warn!(error = %chain(&error), "the dispatcher can not read its queue");
                }
                _ => {}
            }
            self.start();
            let timer = tokio::time::sleep(TIMER);
            tokio::pin!(timer);
            loop {
                tokio::select! {
                    // In this order: neither the end nor more urgent news waits for a row of attempts that never ends.
                    biased;
                    () = stop.cancelled() => break,
                    () = &mut timer => break,
                    Some(attempted) = self.open.next() => {
                        let channel_id = attempted.channel_id;
                        self.finish(attempted);
                        self.start();
                        // Its channel could take more, and nothing is at hand.
                        if self.has_room() && self.may_open(channel_id, 0) && self.is_ready(channel_id) { break }
                    }
                    () = gathered(&mut moves), if !self.has_work() => break,
                }
            }
        }
        self.waiting.clear();
        let core = self.core.clone();
        let ends = async {
            while let Some(attempted) = self.open.next().await {
                self.finish(attempted);
            }
        };
        tokio::join!(core.instance.leave(), ends);
    }

    /// Reads what is due.
    async fn refill(&mut self) -> Result<(), DispatchError> {
        let lanes = self.core.instance.lanes().await?;
        self.put_back(|pick| !lanes.contains(&queue::lane(pick.receiver_id())));
        if lanes.is_empty() {
            return Ok(());
        }
        let log = &self.core.store.log().clone();
        self.forget_taken(queue::position(log.pool()).await?);
        self.slots.forget(Instant::now());
        self.wake().await;
        self.keep_up().await;
        let whenever_due = self.core.cancelled(&mut self.unread).await?;
        let held = self.core.surroundings.refresh().await?.held;
        if held {
            self.put_back(|pick| !whenever_due.contains(&pick.plan.cause.id()));
        }
        // What can not be read would be attempted in vain, in front of others.
        let mut paused = publications::paused(log).await?;
        paused.extend(&self.unread);
        self.put_back(|pick| !pick.is_withdrawn && paused.contains(&pick.plan.cause.id()));
        if !held && let Err(error) = self.maybe_withdrawn.hear(&self.feed, log, &lanes).await {
            tracing::debug!(error = %chain(&error), "who has left is not known for now");
        }
        let maybe_withdrawn = self
            .maybe_withdrawn
            .next(PAGE as usize, |id| self.taken.contains_key(id));
        let taken: Vec<Uuid> = self.taken.keys().copied().collect();
        let resting: Vec<Uuid> = self.resting.keys().copied().collect();
        self.cancelled = whenever_due;
        let crowded = self.crowded();
        let mut picks = pick(
            log,
            &Wanted {
                lanes: &lanes,
                now: self.core.clock.now(),
                resting: &resting,
                crowded: &crowded,
                taken: &taken,
                whenever_due: &self.cancelled,
                maybe_withdrawn: &maybe_withdrawn,
                paused: &paused,
                held,
                limit: PAGE,
            },
        )
        .await?;
        let stays = self.core.keep_forbidden(&mut picks).await;
        if !held {
            self.maybe_withdrawn.looked_at(&maybe_withdrawn, &stays);
        }
        // The keys of a whole page in one question: each of its commits finds its own in memory.
        let owners: Vec<Uuid> = picks.iter().map(Pick::receiver_id).collect();
        if let Err(error) = self.core.store.vault().keys(&owners).await {
            // One key that can not be had must not hold up a page: each attempt asks again for its own.
            tracing::debug!(error = %chain(&error), "a page's keys could not be read at once");
        }
        for pick in &picks {
            self.taken.insert(pick.delivery.id, Taken::Here);
        }
        let beyond = self.waiting.add(picks, WAITING_MAX, &self.cancelled);
        self.forget(&beyond);
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

    /// Looks again at channels that have rested. One that can not be read goes on resting: it must not hold up the others.
    async fn wake(&mut self) {
        let clock = &self.core.clock;
        let rested: Vec<Uuid> = self
            .resting
            .iter()
            .filter(|(_, since)| clock.age(**since) >= REST)
            .map(|(channel_id, _)| *channel_id)
            .collect();
        for channel_id in rested {
            let awake = match self.core.roster.refresh(channel_id).await {
                Ok(way) => way.lets_through(clock.now()),
                Err(error) => {
                    tracing::warn!(channel = %channel_id, error = %chain(&error), "a channel can not be read");
                    false
                }
            };
            match awake {
                true => self.resting.remove(&channel_id),
                false => self.resting.insert(channel_id, clock.monotonic()),
            };
        }
    }

    /// Hears of channels that were set up anew.
    async fn keep_up(&mut self) {
        let now = self.core.clock.monotonic();
        let is_recent = |then: Monotonic| now.since(then) < KEEP_UP_EVERY;
        if self.kept_up_at.is_some_and(is_recent) {
            return;
        }
        self.kept_up_at = Some(now);
        if let Err(error) = self.core.roster.keep_up().await {
            tracing::debug!(error = %chain(&error), "the list of channels can not be read");
        }
    }

    /// Channels of which enough waits here. So what a slow channel has piled up never crowds out the others.
    fn crowded(&self) -> Vec<Crowded> {
        self.waiting.crowded(&self.cancelled, |channel_id| {
            (self.share(channel_id) * 2).max(PAGE as usize / 2)
        })
    }

    /// How many attempts a channel may have open: what it can use, but never all there are, so that a
    /// slow one delays nobody else.
    fn share(&self, channel_id: Uuid) -> usize {
        self.slots.share(self.core.roster.concurrency(channel_id))
    }

    fn may_open(&self, channel_id: Uuid, priority: i32) -> bool {
        let wanted = self.core.roster.concurrency(channel_id);
        let is_urgent = priority > 0;
        self.slots
            .may_open(channel_id, wanted, is_urgent, Instant::now())
    }

    /// Whether the receiving side's rate limit lets a channel open an attempt.
    fn is_ready(&self, channel_id: Uuid) -> bool {
        self.core.roster.ready_after(channel_id).is_none()
    }

    /// Whether what waits here is more than what only waits for its own channel: for its rate limit, or for an open
    /// attempt that hangs. Otherwise what comes in for others must not wait with it for the timer.
    fn has_work(&self) -> bool {
        let mut asked = Vec::new();
        self.waiting.iter().any(|pick| {
            let channel_id = pick.plan.channel_id;
            if asked.contains(&channel_id) {
                return false;
            }
            asked.push(channel_id);
            // The first of a channel is its most urgent one.
            self.may_open(channel_id, pick.plan.priority) && self.is_ready(channel_id)
        })
    }

    fn has_room(&self) -> bool {
        self.slots.has_room()
    }

    /// Opens attempts for what waits, in order, as far as the bounds allow.
    fn start(&mut self) {
        // Found so in this round: a page of what waits for one channel need not ask again for each.
        let mut kept = Vec::new();
        if self.stop.is_cancelled() {
            return;
        }
        let mut index = 0;
        while self.has_room()
            && let Some(pick) = self.waiting.get(index)
        {
            let plan = &pick.plan;
            let channel_id = plan.channel_id;
            // What is only settled asks nothing of its channel, whatever that is busy with.
            let is_sent = !is_settled(pick, &self.cancelled);
            if is_sent && !kept.contains(&channel_id) {
                let opens = self.may_open(channel_id, plan.priority) && self.is_ready(channel_id);
                if !opens {
                    kept.push(channel_id);
                }
            }
            if is_sent && kept.contains(&channel_id) {
                index += 1;
                continue;
            }
            let Some(pick) = self.waiting.remove(index) else {
                break;
            };
            self.attempt(pick, is_sent);
        }
    }

    fn attempt(&mut self, pick: Pick, is_sent: bool) {
        let (delivery_id, channel_id) = (pick.delivery.id, pick.plan.channel_id);
        let since = Instant::now();
        self.slots.take(channel_id, since);
        let opened = is_sent
            .then(|| self.core.roster.open(channel_id, delivery_id))
            .flatten();
        let core = self.core.clone();
        // A task of its own: an attempt goes on whatever this loop waits for.
        let stop = self.stop.clone();
        let task = tokio::spawn(async move {
            let ended = core.deliver(pick, &stop).await;
            drop(opened);
            (ended, Instant::now())
        });
        self.open.push(Box::pin(async move {
            let (ended, at) = task.await.unwrap_or_else(|panic| {
                let refused = DispatchError::Refused(panic.to_string());
                (Err(refused), Instant::now())
            });
            Attempted {
                delivery_id,
                channel_id,
                lasted: (since, at),
                ended,
            }
        }));
    }

    fn finish(&mut self, attempted: Attempted) {
        let (since, ended) = attempted.lasted;
        let met = matches!(attempted.ended, Ok(Ended::Answered(_)));
        self.slots
            .give_back(attempted.channel_id, since, ended, met);
        let taken = match attempted.ended {
            Ok(Ended::Answered(position) | Ended::Recorded(position)) => Taken::Until(position),
            Ok(Ended::ChannelRests) => {
                self.rest(attempted.channel_id);
                self.taken.remove(&attempted.delivery_id);
                return;
            }
            Ok(Ended::Gone | Ended::Rest) => Taken::Resting(self.core.clock.monotonic()),
            Err(error) => {
                tracing::warn!(delivery = %attempted.delivery_id, error = %chain(&error), "a delivery rests");
                Taken::Resting(self.core.clock.monotonic())
            }
        };
        self.taken.insert(attempted.delivery_id, taken);
    }

    /// Puts a channel's waiting deliveries back: they are read again when it has rested.
    fn rest(&mut self, channel_id: Uuid) {
        let now = self.core.clock.monotonic();
        if self.resting.insert(channel_id, now).is_none() {
            tracing::warn!(channel = %channel_id, "a channel can not send: its deliveries wait");
        }
        self.put_back(|pick| pick.plan.channel_id == channel_id);
    }

    /// Forgets deliveries that wait here: the queue still has them.
    fn put_back(&mut self, which: impl Fn(&Pick) -> bool) {
        let back = self.waiting.remove_all(which);
        self.forget(&back);
    }

    fn forget(&mut self, delivery_ids: &[Uuid]) {
        for delivery_id in delivery_ids {
            self.taken.remove(delivery_id);
        }
    }
}
