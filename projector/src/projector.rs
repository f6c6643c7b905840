//! Folds the log into every view, each at its own pace.

use std::time::Duration;

use tidings_event_store::feed::Feed;
use tidings_event_store::view::ViewError;
use tidings_event_store::{Progress, ReadError, Store};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::registry::{Registered, Steps};
use crate::stops::Stops;

/// How often a view that stands still looks whether it can go on.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The views of one process. A view that meets an event it can not fold stops, alone.
pub struct Projector {
    views: Vec<(&'static str, Box<dyn Steps>)>,
    stops: Stops,
}

impl Projector {
    /// A projector of the views of this room. Their tables are created at their first steps.
    pub fn new(store: &Store, feed: &Feed) -> Self {
        Self::of(&crate::VIEWS, store, feed)
    }

    /// A projector of these views.
    pub fn of(views: &[Registered], store: &Store, feed: &Feed) -> Self {
        let runner = |view: &Registered| (view.name(), view.runner(store.clone(), feed.clone()));
        Self {
            views: views.iter().map(runner).collect(),
            stops: Stops::default(),
        }
    }

    /// Which views stand still, and why: for readiness and for [`crate::Reader`].
    pub fn stops(&self) -> Stops {
        self.stops.clone()
    }

    /// Steps every view once.
    ///
    /// # Errors
    /// What may be over when tried again. What can not is noted in [`Projector::stops`]; such a view goes on
    /// when somebody has acted.
    pub async fn step(&mut self) -> Result<Progress, ViewError> {
        let mut progress = Progress::Idle;
        for (name, view) in &mut self.views {
            match view.step().await {
                Ok(stepped) => {
                    self.stops.clear(name);
                    progress = progress.or(stepped);
                }
                Err(error) if error.is_final() => self.stops.stop(name, &error),
                Err(error) => return Err(error),
            }
        }
        Ok(progress)
    }

    /// Folds until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        let mut tasks = JoinSet::new();
        for (name, view) in self.views {
            let (stops, stop) = (self.stops.clone(), stop.clone());
            tasks.spawn(async move {
                // A task of its own, so that a panic stops one view and is seen.
                let folding = tokio::spawn(keep(name, view, stops.clone(), stop));
                if let Err(panic) = folding.await {
                    stops.note(name, panic.to_string());
                }
            });
        }
        while tasks.join_next().await.is_some() {}
    }
}

/// Folds one view until told to stop. Standing still, it looks now and then whether it can go on: an operator
/// may have had it skip an event, here or in another process.
async fn keep(name: &'static str, mut view: Box<dyn Steps>, stops: Stops, stop: CancellationToken) {
    while !stop.is_cancelled() {
        match view.step().await {
            Ok(_) => stops.clear(name),
            Err(error) if error.is_final() => {
                stops.stop(name, &error);
                if !error.may_be_mended() {
                    return;
                }
                let pause = tokio::time::sleep(LOOK_EVERY);
                // Cut short or not: the loop sees whether it is to end.
                let _ = stop.run_until_cancelled(pause).await;
                continue;
            }
            // It may be over when tried again, which running does.
            Err(_) => {}
        }
        if let Err(error) = view.run(stop.clone()).await {
            stops.stop(name, &error);
        }
    }
}

/// Of each view that exists in the database: its name, how far it is, and how many events it has yet to fold.
///
/// # Errors
/// When the database does not answer.
pub async fn lags(store: &Store) -> Result<Vec<(String, i64, i64)>, ReadError> {
    let client = store.log().pool().get().await?;
    let sql = "select v.view, v.position, coalesce(b.head, 0) - v.position from publishing_views v \
               cross join (select max(last_position) as head from publishing_batches) b order by v.view";
    let statement = client.prepare_cached(sql).await?;
    let rows = client.query(&statement, &[]).await?;
    Ok(rows
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2)))
        .collect())
}
