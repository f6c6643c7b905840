//! Rebuilding views from the log while the old ones go on serving. Ranges of the log are read by COPY, side
//! by side, folded into every view that is rebuilt, and put together in order; what does not fit in memory
//! is staged; the new tables are filled, keyed, indexed and caught up, and put into service in one short
//! transaction each. What is staged is on record, so that a rebuild whose process died goes on from there.

mod build;
mod ledger;
mod leftover;
mod pass;
mod stage;
mod swap;

use std::future::Future;

use deadpool_postgres::{ClientWrapper, Object};
use futures_util::future::BoxFuture;

use super::row::Merge;
use super::{View, ViewError};
use crate::log::ReadError;
use crate::store::Store;

use build::{Build, Building};
pub use leftover::discard_staged;
pub(super) use leftover::drop_leftover;
use pass::Pass;
pub(super) use stage::Stage;

/// What to do with the rebuilt rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RebuildMode {
    /// They take the place of the old ones.
    Replace,
    /// They are compared with the old ones and dropped.
    Verify,
}

/// How to rebuild.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RebuildOptions {
    /// What to do with the rows.
    pub mode: RebuildMode,
    /// Ranges of the log read side by side; at least 1. Each takes a connection and a core.
    pub readers: usize,
    /// Forget what an earlier rebuild that ended half way has left, and begin anew.
    pub restart: bool,
    /// Limits, for tests to make small.
    pub bounds: Bounds,
}

impl RebuildOptions {
    /// With one reader, going on where an earlier rebuild ended.
    pub fn new(mode: RebuildMode) -> Self {
        Self {
            mode,
            readers: 1,
            restart: false,
            bounds: Bounds::default(),
        }
    }
}

/// Limits of a rebuild.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Positions of a range: what a reader folds before it hands on what came of it.
    pub range: i64,
    /// Bytes of rows in memory, their texts included, before they are staged. All views together.
    pub memory: usize,
    /// Positions after which rows are staged in any case, so that a rebuild that dies keeps so much.
    pub stage_every: i64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            range: 100_000,
            memory: 256 << 20,
            stage_every: 5_000_000,
        }
    }
}

/// What a rebuild is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Another rebuild of this view has to end first.
    Waiting(&'static str),
    /// The log is read.
    Folding,
    /// The table of a view is written and caught up.
    Writing(&'static str),
}

/// How far a rebuild is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RebuildProgress {
    /// What it is doing.
    pub phase: Phase,
    /// Where it began: 0, or where an earlier one ended.
    pub from: i64,
    /// Events folded.
    pub position: i64,
    /// Events there are.
    pub head: i64,
}

/// How a rebuild ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// The view.
    pub view: &'static str,
    /// The position its rows stand at.
    pub position: i64,
    /// Where the rebuild began: 0, or where an earlier one ended.
    pub from: i64,
    /// Rows of the new tables that differ from the old ones', and the other way round. Always 0 unless
    /// the mode was to verify.
    pub differences: i64,
}

/// A view to rebuild, whatever its rows are.
#[derive(Clone, Copy)]
pub struct Rebuildable {
    name: &'static str,
    begin: Begin,
}

type Begin = for<'a> fn(
    &'a Store,
    &'a mut ClientWrapper,
    &'a RebuildOptions,
) -> BoxFuture<'a, Result<Box<dyn Building>, ViewError>>;

impl Rebuildable {
    /// This view.
    pub const fn of<V: View>() -> Self
    where
        V::Row: Merge,
    {
        Self {
            name: V::DEFINITION.name,
            begin: |store, session, options| {
                Box::pin(async move {
                    let build = Build::<V>::begin(store, session, options).await?;
                    Ok(Box::new(build) as Box<dyn Building>)
                })
            },
        }
    }
}

/// A log that lacks events is not folded: the views would be made to agree with what is left of it, and what is
/// done by them would go on record.
async fn complete(client: &ClientWrapper) -> Result<(), ViewError> {
    let sql = "select coalesce((select max(last_position) from publishing_batches), 0) - count(*) \
               from publishing_events";
    let row = client.query_one(sql, &[]).await.map_err(ReadError::from)?;
    match row.get(0) {
        0 => Ok(()),
        missing => Err(ViewError::Incomplete { missing }),
    }
}

/// Rebuilds views in one pass over the log. One that is being rebuilt by somebody else is waited for.
/// `progress` is told after each range, and when a view's table is written.
///
/// # Errors
/// When an event can not be folded, or the database does not do what it is asked. Every view that was not
/// replaced by then serves on as before, and what is staged stays for the next time.
pub async fn rebuild(
    store: &Store,
    views: &[Rebuildable],
    options: &RebuildOptions,
    progress: &mut (dyn FnMut(RebuildProgress) + Send),
) -> Result<Vec<Rebuilt>, ViewError> {
    // In one order, so that two rebuilds do not wait for each other.
    let mut views = views.to_vec();
    views.sort_unstable_by_key(|view| view.name);
    let mut sessions = Sessions {
        writer: session(store).await?,
        reader: session(store).await?,
    };
    complete(&sessions.reader).await?;
    let mut builds = Vec::with_capacity(views.len());
    for view in views {
        take_turn(&sessions.writer, view.name, progress).await?;
        builds.push((view.begin)(store, &mut sessions.writer, options).await?);
    }
    let pass = Pass::over(store, &builds, options);
    pass.run(&mut builds, &mut sessions.writer, progress)
        .await?;
    let mut rebuilt = Vec::with_capacity(builds.len());
    for mut build in builds {
        let span = build.span();
        progress(RebuildProgress {
            phase: Phase::Writing(span.view),
            from: span.from,
            position: span.to,
            head: span.to,
        });
        build.write(&mut sessions).await?;
        rebuilt.push(
            build
                .finish(store, &mut sessions.writer, options.mode)
                .await?,
        );
    }
    Ok(rebuilt)
}

/// Takes the lock of a view's rebuilds, which the session holds until it ends. Says so if it has to wait.
async fn take_turn(
    session: &ClientWrapper,
    view: &'static str,
    progress: &mut (dyn FnMut(RebuildProgress) + Send),
) -> Result<(), ViewError> {
    let free = "select pg_try_advisory_lock(hashtext($1))";
    let row = of_view(view, session.query_one(free, &[&view])).await?;
    if row.get(0) {
        return Ok(());
    }
    progress(RebuildProgress {
        phase: Phase::Waiting(view),
        from: 0,
        position: 0,
        head: 0,
    });
    let lock = "select pg_advisory_lock(hashtext($1))";
    of_view(view, session.execute(lock, &[&view])).await?;
    Ok(())
}

/// Sessions of a rebuild's own, besides those of its readers. They are not the pool's: however the rebuild
/// ends they end with it, and so do the locks of the first.
struct Sessions {
    /// Holds the advisory locks, one rebuild of a view at a time, and writes.
    writer: ClientWrapper,
    /// Reads what is staged while the other writes.
    reader: ClientWrapper,
}

/// A session of a rebuild's own.
async fn session(store: &Store) -> Result<ClientWrapper, ViewError> {
    let session = Object::take(store.log().pool().get().await?);
    // Filling a table may take longer than anything else may, and so may reading a range: the database
    // waits while what it sent is folded.
    session
        .batch_execute("set statement_timeout = 0; set idle_in_transaction_session_timeout = 0")
        .await
        .map_err(ReadError::from)?;
    Ok(session)
}

/// What a view is rebuilt from.
#[derive(Clone, Copy, Debug)]
struct Span {
    view: &'static str,
    nouns: &'static [&'static str],
    opens: &'static [&'static str],
    /// Staged up to here by an earlier rebuild.
    from: i64,
    to: i64,
}

/// A future that ends with an answer of the database about a view.
async fn of_view<T>(
    view: &'static str,
    answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, ViewError> {
    answer.await.map_err(ViewError::write(view))
}
