//! Folds the log into every view, each at its own pace.

use tidings_event_store::feed::Feed;
use tidings_event_store::view::ViewError;
use tidings_event_store::{Progress, ReadError, Store};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::registry::{Registered, Steps};
use crate::stops::Stops;

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
    /// What may be over when tried again. What can not be noted in [`Projector::stops`], and the view is
    /// left alone from then on.
    pub async fn step(&mut self) -> Result<Progress, ViewError> {
        let mut progress = Progress::Idle;
        for (name, view) in &mut self.views {
            if self.stops.why(name).is_some() {
                continue;
            }
            match view.step().await {
                Ok(stepped) => progress = progress.or(stepped),
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
                match tokio::spawn(view.run(stop)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => stops.stop(name, &error),
                    Err(panic) => stops.note(name, panic.to_string()),
                }
            });
        }
        while tasks.join_next().await.is_some() {}
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
