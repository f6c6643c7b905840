//! Keeps a view up to date: a page of events, the rows they lead to, and the checkpoint, all in one
//! transaction. The checkpoint moves by compare-and-set, so whoever else folds the same view can not
//! fold the same page twice.

use std::borrow::Borrow;
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::Transaction;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::derived::Derivation;
use super::opening::{Earlier, open};
use super::rebuild::drop_leftover;
use super::row::{Merge, Row as _};
use super::skips::skipped;
use super::table::Table;
use super::{View, ViewError};
use crate::feed::{Feed, Item};
use crate::log::{SLOW_TIMER, holds};
use crate::outage::Outage;
use crate::progress::Progress;
use crate::store::Store;
use crate::vault::KeyRing;
use crate::why::why;

const PAGE: usize = 1_000;
/// How long a view waits for more events to fold at once.
const GATHER: Duration = Duration::from_millis(10);
/// The same when many come: what happens to one row within it is written once.
const GATHER_BUSY: Duration = Duration::from_millis(50);
/// Events of one page from which on many come.
const BUSY: usize = 32;
/// How long a view may know more than its checkpoint says: events that lead to no rows move it no sooner.
const UNWRITTEN: Duration = Duration::from_millis(100);

/// Folds one view, live.
pub struct Runner<V: View> {
    store: Store,
    feed: Feed,
    at: Option<Checkpoint>,
    /// What an operator had it skip, as of the last look at the checkpoint.
    skips: BTreeSet<i64>,
    /// It stands still at an event it can not fold.
    stopped: bool,
    /// The view had this runner's definition once: if it has another, a newer process gave it that.
    opened: bool,
    /// Events of the last page.
    folded: usize,
    derived: Vec<Arc<dyn Derivation<V::Row>>>,
    view: PhantomData<V>,
}

/// Where a view stands.
pub(super) struct Checkpoint {
    pub(super) generation: i32,
    /// What the table says.
    written: i64,
    /// Folded up to here; events after `written` led to no rows.
    pub(super) position: i64,
    /// The last batch hash that came with one of them, and with which position.
    claimed: Option<(i64, String)>,
    /// When the first of them was folded.
    unwritten_since: Option<Instant>,
}

impl Checkpoint {
    pub(super) fn at(generation: i32, position: i64) -> Self {
        Self {
            generation,
            written: position,
            position,
            claimed: None,
            unwritten_since: None,
        }
    }

    fn is_unwritten(&self) -> bool {
        self.position > self.written
    }
}

impl<V: View> Runner<V>
where
    V::Row: Merge,
{
    /// A runner; it creates the view's table at its first step.
    pub fn new(store: Store, feed: Feed) -> Self {
        Self {
            store,
            feed,
            at: None,
            skips: BTreeSet::new(),
            stopped: false,
            opened: false,
            folded: 0,
            derived: V::derived(),
            view: PhantomData,
        }
    }

    /// Folds one page; with none to fold, writes down how far the view has come. At an event that can not be
    /// folded it fails, as often as it is asked, until the event is skipped.
    pub async fn step(&mut self) -> Result<Progress, ViewError> {
        match self.page().await? {
            Progress::Advanced => Ok(Progress::Advanced),
            Progress::Idle => self.write_down().await,
        }
    }

    /// Folds one page. If it leads to rows, they are written together with the checkpoint.
    async fn page(&mut self) -> Result<Progress, ViewError> {
        self.folded = 0;
        if self.at.is_none() {
            self.look().await?;
        }
        let position = self.at.as_ref().map_or(0, |at| at.position);
        let limit = if self.stopped { 1 } else { PAGE };
        let mut page = self.feed.page_after(position, limit).await?;
        if page.is_empty() {
            return Ok(Progress::Idle);
        }
        self.stopped = false;
        let rows = match fold::<V>(&self.store, &page, &self.skips).await {
            // What stands before the poison is folded, so that the view stops right at it.
            Err(ViewError::Poison { position, .. }) if position > page[0].position() => {
                page.retain(|item| item.position() < position);
                fold::<V>(&self.store, &page, &self.skips).await?
            }
            Err(poison @ ViewError::Poison { .. }) => {
                // The table says where it stands, and whoever skips the event moves that.
                self.write_down().await?;
                self.at = None;
                self.stopped = true;
                return Err(poison);
            }
            folded => folded?,
        };
        // Whatever goes wrong, the checkpoint is read anew.
        let Some(mut at) = self.at.take() else {
            return Ok(Progress::Advanced);
        };
        self.folded = page.len();
        at.position = page[page.len() - 1].position();
        // The last claim there was stands for all before it, also when later events came from the log itself.
        let claim = |item: &Arc<Item>| Some((item.position(), item.claimed_batch_hash.clone()?));
        at.claimed = page.iter().rev().find_map(claim).or(at.claimed);
        if rows.is_empty() {
            at.unwritten_since.get_or_insert_with(Instant::now);
            self.at = Some(at);
        } else {
            self.write(at, rows).await?;
        }
        Ok(Progress::Advanced)
    }

    /// Moves the checkpoint past events that led to no rows.
    async fn write_down(&mut self) -> Result<Progress, ViewError> {
        match self.at.take_if(|at| at.is_unwritten()) {
            Some(at) => {
                self.write(at, Rows::<V::Row>::new()).await?;
                Ok(Progress::Advanced)
            }
            None => Ok(Progress::Idle),
        }
    }

    async fn write(&mut self, at: Checkpoint, rows: Rows<V::Row>) -> Result<(), ViewError> {
        let write = || ViewError::write(V::DEFINITION.name);
        let mut client = self.store.log().pool().get().await?;
        let transaction = client.transaction().await.map_err(write())?;
        // The checkpoint first: whoever swaps or folds this view meanwhile holds its row, and then the
        // rows below belong to a page already folded, or to a table already gone.
        let advanced = advance::<V>(&transaction, &at).await;
        if let Err(ViewError::DeadTimeline { position, .. }) = &advanced {
            self.store.log().went_back(*position);
        }
        if advanced? {
            crate::crash_point!("view.advanced");
            apply::<V>(&transaction, at.generation, rows, &self.derived).await?;
            crate::crash_point!("view.applied");
            transaction.commit().await.map_err(write())?;
            crate::crash_point!("view.committed");
            self.at = Some(Checkpoint::at(at.generation, at.position));
        }
        Ok(())
    }

    /// Reads the checkpoint, and then what is skipped: whoever skips moves the checkpoint, so that nobody
    /// folds on with an older list.
    async fn look(&mut self) -> Result<(), ViewError> {
        let earlier = match self.opened {
            true => Earlier::Refused,
            false => Earlier::StartOver,
        };
        let at = open::<V>(&self.store, &self.derived, earlier).await?;
        if !self.opened {
            drop_leftover::<V>(&self.store, &self.derived, at.generation).await?;
        }
        self.opened = true;
        self.skips = skipped::<V>(&self.store).await?;
        self.at = Some(at);
        Ok(())
    }

    /// Steps until told to stop, or until an event can not be folded.
    pub async fn run(&mut self, stop: CancellationToken) -> Result<(), ViewError> {
        let mut moves = self.feed.moves();
        let mut gather = GATHER;
        let mut outage = Outage::default();
        while !stop.is_cancelled() {
            let stepped = match self.page().await {
                Ok(_) if self.unwritten_for() >= UNWRITTEN => self.write_down().await,
                paged => paged,
            };
            let view = V::DEFINITION.name;
            if stepped.is_ok() && outage.is_over() {
                tracing::info!(view, "the view goes on");
            }
            match stepped {
                Ok(Progress::Advanced) => {
                    gather = if self.folded >= BUSY {
                        GATHER_BUSY
                    } else {
                        GATHER
                    };
                    continue;
                }
                Ok(Progress::Idle) => {}
                Err(error) if error.is_final() => return Err(error),
                Err(error) => {
                    let error = why(&error);
                    if outage.is_news(&error) {
                        tracing::warn!(view, error, "the view waits");
                    }
                }
            }
            let unwritten = self.at.as_ref().is_some_and(Checkpoint::is_unwritten);
            let timer = if unwritten { UNWRITTEN } else { SLOW_TIMER };
            tokio::select! {
                () = stop.cancelled() => {}
                () = gathered(&mut moves, gather) => {}
                () = tokio::time::sleep(timer) => {}
            }
        }
        // Without it the events are folded once more.
        drop(self.write_down().await);
        Ok(())
    }

    fn unwritten_for(&self) -> Duration {
        let since = self.at.as_ref().and_then(|at| at.unwritten_since);
        since.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

/// The feed has moved, and a moment has passed since the last page: one transaction for what comes
/// together, instead of one for each event.
async fn gathered(moves: &mut watch::Receiver<i64>, gather: Duration) {
    tokio::time::sleep(gather).await;
    // The feed lives as long as its readers: waiting can not fail.
    drop(moves.changed().await);
}

/// Rows by key. None is ever absent: the option lets a row be merged where it lies.
pub(super) type Rows<R> = HashMap<<R as super::Row>::Key, Option<R>>;

/// Adds a row to others of its key.
pub(super) fn add<R: Merge>(rows: &mut Rows<R>, row: R) {
    match rows.entry(row.key()) {
        Entry::Vacant(free) => {
            free.insert(Some(row));
        }
        Entry::Occupied(mut taken) => {
            let earlier = taken.get_mut().take();
            taken.insert(Some(match earlier {
                Some(earlier) => earlier.merge(row),
                None => row,
            }));
        }
    }
}

/// The rows a page of events leads to, one for each key.
pub(super) async fn fold<V: View>(
    store: &Store,
    page: &[impl Borrow<Item>],
    skips: &BTreeSet<i64>,
) -> Result<Rows<V::Row>, ViewError>
where
    V::Row: Merge,
{
    let ring = store.keys_of_items(page, V::OPENS).await?;
    let mut rows = Rows::<V::Row>::new();
    let mut of_event = Vec::new();
    for item in page {
        fold_one::<V>(item.borrow(), &ring, skips, &mut of_event, &mut rows)?;
    }
    Ok(rows)
}

/// Adds the rows one event leads to. `of_event` is empty before and after: room to work in.
pub(super) fn fold_one<V: View>(
    item: &Item,
    ring: &KeyRing,
    skips: &BTreeSet<i64>,
    of_event: &mut Vec<V::Row>,
    rows: &mut Rows<V::Row>,
) -> Result<(), ViewError>
where
    V::Row: Merge,
{
    let position = item.position();
    if skips.contains(&position) {
        return Ok(());
    }
    V::fold(item, ring, of_event).map_err(|source| ViewError::Poison {
        view: V::DEFINITION.name,
        position,
        source,
    })?;
    for mut row in of_event.drain(..) {
        row.make_storable();
        add(rows, row);
    }
    Ok(())
}

/// Merges rows into a generation's table and passes the changes on to the views derived from it.
pub(super) async fn apply<V: View>(
    transaction: &Transaction<'_>,
    generation: i32,
    rows: Rows<V::Row>,
    derived: &[Arc<dyn Derivation<V::Row>>],
) -> Result<(), ViewError>
where
    V::Row: Merge,
{
    let changes = Table::<V::Row>::new(&V::DEFINITION, generation)
        .merge(transaction, rows)
        .await?;
    for derivation in derived {
        derivation.apply(transaction, generation, &changes).await?;
    }
    Ok(())
}

/// Moves the checkpoint, if it is where this runner left it and the page is the log's own.
async fn advance<V: View>(
    transaction: &Transaction<'_>,
    at: &Checkpoint,
) -> Result<bool, ViewError> {
    let view = V::DEFINITION.name;
    let to = at.position;
    if let Some((position, claimed)) = &at.claimed
        && !holds(transaction, *position, claimed).await?
    {
        return Err(ViewError::DeadTimeline {
            view,
            position: *position,
        });
    }
    // Not waiting for the disk: after a crash of the server rows and checkpoint are both as they were a
    // moment before, and the page is folded again. Otherwise every view's pages queue up with the commits.
    let statement = transaction
        .prepare_cached(
            "update publishing_views set position = $4 where view = $1 and generation = $2 and position = $3 \
             returning set_config('synchronous_commit', 'off', true)",
        )
        .await
        .map_err(ViewError::write(view))?;
    let moved = transaction
        .execute(&statement, &[&view, &at.generation, &at.written, &to])
        .await
        .map_err(ViewError::write(view))?;
    Ok(moved == 1)
}
