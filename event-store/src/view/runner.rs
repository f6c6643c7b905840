//! Keeps a view up to date: a page of events, the rows they lead to, and the checkpoint, all in one
//! transaction. The checkpoint moves by compare-and-set, so whoever else folds the same view can not
//! fold the same page twice.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::Transaction;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::derived::Derivation;
use super::row::Merge;
use super::table::Table;
use super::{View, ViewError};
use crate::feed::{Feed, Item};
use crate::log::SLOW_TIMER;
use crate::progress::Progress;
use crate::store::Store;
use crate::stream::hex;
use crate::why::why;

const PAGE: usize = 1_000;
/// How long a view waits for more events to fold at once.
const GATHER: Duration = Duration::from_millis(10);
/// Guards the creation of views against two processes starting at once.
const CREATE_LOCK: i64 = 7_310_575_178_592_774_518;

/// Folds one view, live.
pub struct Runner<V: View> {
    store: Store,
    feed: Feed,
    at: Option<Checkpoint>,
    /// The view had this runner's definition once: if it has another, a newer process gave it that.
    opened: bool,
    derived: Vec<Arc<dyn Derivation<V::Row>>>,
    view: PhantomData<V>,
}

#[derive(Clone, Copy)]
struct Checkpoint {
    generation: i32,
    position: i64,
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
            opened: false,
            derived: V::derived(),
            view: PhantomData,
        }
    }

    /// Folds one page.
    pub async fn step(&mut self) -> Result<Progress, ViewError> {
        let at = match self.at {
            Some(at) => at,
            None => {
                let at = open::<V>(&self.store, &self.derived, !self.opened).await?;
                self.opened = true;
                *self.at.insert(at)
            }
        };
        let mut page = self.feed.page_after(at.position, PAGE).await?;
        if page.is_empty() {
            return Ok(Progress::Idle);
        }
        // Whatever goes wrong, the checkpoint is read anew.
        self.at = None;
        let rows = match fold::<V>(&self.store, &page).await {
            // What stands before the poison is folded, so that the view stops right at it.
            Err(ViewError::Poison { position, .. }) if position > page[0].position() => {
                page.retain(|item| item.position() < position);
                fold::<V>(&self.store, &page).await?
            }
            folded => folded?,
        };
        let last = page[page.len() - 1].position();
        let mut client = self.store.log().pool().get().await?;
        let transaction = client
            .transaction()
            .await
            .map_err(ViewError::write(V::DEFINITION.name))?;
        // The checkpoint first: whoever swaps or folds this view meanwhile holds its row, and then the
        // rows below belong to a page already folded, or to a table already gone.
        if advance::<V>(&transaction, at, last, &page).await? {
            apply::<V>(&transaction, at.generation, rows, &self.derived).await?;
            transaction
                .commit()
                .await
                .map_err(ViewError::write(V::DEFINITION.name))?;
            self.at = Some(Checkpoint {
                position: last,
                ..at
            });
        }
        Ok(Progress::Advanced)
    }

    /// Steps until told to stop, or until an event can not be folded.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), ViewError> {
        let mut moves = self.feed.moves();
        while !stop.is_cancelled() {
            match self.step().await {
                Ok(Progress::Advanced) => continue,
                Ok(Progress::Idle) => {}
                Err(error) if error.is_final() => return Err(error),
                Err(error) => {
                    let view = V::DEFINITION.name;
                    tracing::warn!(view, error = why(&error), "the view waits");
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = gathered(&mut moves) => {}
                () = tokio::time::sleep(SLOW_TIMER) => {}
            }
        }
        Ok(())
    }
}

/// The feed has moved, and a moment has passed since the last page: one transaction for what comes
/// together, instead of one for each event.
async fn gathered(moves: &mut watch::Receiver<i64>) {
    tokio::time::sleep(GATHER).await;
    // The feed lives as long as its readers: waiting can not fail.
    drop(moves.changed().await);
}

/// Adds a row to others of its key.
pub(super) fn add<R: Merge>(rows: &mut HashMap<R::Key, R>, row: R) {
    let key = row.key();
    let merged = match rows.remove(&key) {
        Some(earlier) => earlier.merge(row),
        None => row,
    };
    rows.insert(key, merged);
}

/// The rows a page of events leads to, one for each key.
pub(super) async fn fold<V: View>(
    store: &Store,
    page: &[Arc<Item>],
) -> Result<HashMap<<V::Row as super::Row>::Key, V::Row>, ViewError>
where
    V::Row: Merge,
{
    let ring = store.keys_of_items(page, V::OPENS).await?;
    let mut rows = HashMap::new();
    let mut of_event = Vec::new();
    for item in page {
        V::fold(item, &ring, &mut of_event).map_err(|source| ViewError::Poison {
            view: V::DEFINITION.name,
            position: item.position(),
            source,
        })?;
        for row in of_event.drain(..) {
            add(&mut rows, row);
        }
    }
    Ok(rows)
}

/// Merges rows into a generation's table and passes the changes on to the views derived from it.
pub(super) async fn apply<V: View>(
    transaction: &Transaction<'_>,
    generation: i32,
    rows: HashMap<<V::Row as super::Row>::Key, V::Row>,
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
    from: Checkpoint,
    to: i64,
    page: &[Arc<Item>],
) -> Result<bool, ViewError> {
    let view = V::DEFINITION.name;
    if let Some(claimed) = &page[page.len() - 1].claimed_batch_hash {
        let in_log = crate::log::batch_hash(transaction, to).await?;
        if in_log.map(|hash| hex(&hash)).as_ref() != Some(claimed) {
            return Err(ViewError::DeadTimeline { view, position: to });
        }
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
        .execute(&statement, &[&view, &from.generation, &from.position, &to])
        .await
        .map_err(ViewError::write(view))?;
    Ok(moved == 1)
}

/// Reads the checkpoint; creates the view, or starts it over if its definition has changed. Only the
/// first look of a process may: two versions side by side would start each other over for ever.
async fn open<V: View>(
    store: &Store,
    derived: &[Arc<dyn Derivation<V::Row>>],
    may_start_over: bool,
) -> Result<Checkpoint, ViewError>
where
    V::Row: Merge,
{
    let view = V::DEFINITION.name;
    let fingerprint = fingerprint(V::DEFINITION, derived);
    let mut client = store.log().pool().get().await?;
    let transaction = client.transaction().await.map_err(ViewError::write(view))?;
    transaction
        .execute("select pg_advisory_xact_lock($1)", &[&CREATE_LOCK])
        .await
        .map_err(ViewError::write(view))?;
    let row = transaction
        .query_opt(
            "select generation, position, definition from publishing_views where view = $1",
            &[&view],
        )
        .await
        .map_err(ViewError::write(view))?;
    let at = match row {
        Some(row) if row.get::<_, &str>(2) == fingerprint => Checkpoint {
            generation: row.get(0),
            position: row.get(1),
        },
        Some(_) if !may_start_over => return Err(ViewError::Redefined { view }),
        before => {
            // A changed definition starts over: the view is behind until it has caught up, never wrong.
            let before: Option<i32> = before.map(|row| row.get(0));
            let generation = before.unwrap_or(0) + 1;
            let definitions = derived.iter().map(|derivation| derivation.definition());
            for definition in [V::DEFINITION].into_iter().chain(definitions) {
                create(&transaction, &definition, generation, before)
                    .await
                    .map_err(ViewError::write(view))?;
            }
            transaction
                .execute(
                    "insert into publishing_views (view, definition, generation, position) values ($1, $2, $3, 0) \
                     on conflict (view) do update set definition = $2, generation = $3, position = 0",
                    &[&view, &fingerprint, &generation],
                )
                .await
                .map_err(ViewError::write(view))?;
            Checkpoint {
                generation,
                position: 0,
            }
        }
    };
    transaction.commit().await.map_err(ViewError::write(view))?;
    Ok(at)
}

async fn create(
    transaction: &Transaction<'_>,
    definition: &super::Definition,
    generation: i32,
    before: Option<i32>,
) -> Result<(), tokio_postgres::Error> {
    definition.create(transaction, generation).await?;
    definition.create_indexes(transaction, generation).await?;
    definition.serve(transaction, generation, before).await
}

/// Changes when the DDL of the view or of one derived from it changes.
pub(super) fn fingerprint<R>(
    definition: super::Definition,
    derived: &[Arc<dyn Derivation<R>>],
) -> String {
    let all = [definition]
        .into_iter()
        .chain(derived.iter().map(|derivation| derivation.definition()));
    all.map(|definition| definition.fingerprint())
        .collect::<Vec<_>>()
        .join("-")
}
