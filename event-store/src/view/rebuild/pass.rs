//! One pass over the log for all views that are rebuilt: ranges of positions are read and folded side by
//! side, and what came of them is put together in order.

use std::sync::{Arc, Mutex, PoisonError};

use deadpool_postgres::ClientWrapper;
use futures_util::{StreamExt as _, stream};
use tokio_util::task::AbortOnDropHandle;

use super::build::{Building, Part};
use super::{Bounds, Phase, RebuildOptions, RebuildProgress, Span, session};
use crate::ReadError;
use crate::copy::copy_range;
use crate::crash_point;
use crate::feed::Item;
use crate::store::Store;
use crate::view::ViewError;

/// Events decoded before they are folded, at most: their keys are fetched at once.
const PAGE: usize = 2_000;

/// A pass.
pub(super) struct Pass {
    reader: Reader,
    from: i64,
    to: i64,
    readers: usize,
    bounds: Bounds,
}

/// Reads and folds ranges. Clones share their sessions.
#[derive(Clone)]
struct Reader {
    store: Store,
    /// Nouns of the streams that are read; none: of all.
    nouns: Vec<&'static str>,
    /// Nouns of the streams whose keys are fetched.
    opens: Vec<&'static str>,
    /// Sessions that are between two ranges. They are not the pool's: the keys come through that while a
    /// range is read, and readers that held all of it would wait for each other.
    idle: Arc<Mutex<Vec<ClientWrapper>>>,
}

/// Positions after one up to and with another.
#[derive(Clone, Copy, Debug)]
struct Range {
    after: i64,
    through: i64,
}

impl Pass {
    /// The pass that brings all of these from where they are to where they shall be.
    pub(super) fn over(
        store: &Store,
        builds: &[Box<dyn Building>],
        options: &RebuildOptions,
    ) -> Self {
        let spans: Vec<Span> = builds
            .iter()
            .map(|build| build.span())
            .filter(|span| span.from < span.to)
            .collect();
        let all = |of: fn(&Span) -> &'static [&'static str]| {
            let mut nouns: Vec<&str> = spans.iter().flat_map(of).copied().collect();
            nouns.sort_unstable();
            nouns.dedup();
            nouns
        };
        let everything = spans.iter().any(|span| span.nouns.is_empty());
        Self {
            reader: Reader {
                store: store.clone(),
                nouns: if everything {
                    Vec::new()
                } else {
                    all(|span| span.nouns)
                },
                opens: all(|span| span.opens),
                idle: Arc::default(),
            },
            from: spans.iter().map(|span| span.from).min().unwrap_or(0),
            to: spans.iter().map(|span| span.to).max().unwrap_or(0),
            readers: options.readers.max(1),
            bounds: options.bounds,
        }
    }

    /// Reads, folds, and stages now and then.
    pub(super) async fn run(
        &self,
        builds: &mut [Box<dyn Building>],
        writer: &mut ClientWrapper,
        progress: &mut (dyn FnMut(RebuildProgress) + Send),
    ) -> Result<(), ViewError> {
        let parts: Vec<_> = builds.iter().map(|build| build.parts()).collect();
        let mut folded = stream::iter(self.ranges())
            .map(|range| {
                let parts = parts.iter().map(|make| make()).collect();
                let reading = self.reader.clone().read(range, parts);
                AbortOnDropHandle::new(tokio::spawn(reading))
            })
            .buffered(self.readers);
        let mut staged = self.from;
        while let Some(ended) = folded.next().await {
            // Nobody cancels a reader but this pass when it ends, so what ended otherwise has panicked.
            let (range, parts) =
                ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?;
            for part in parts {
                part.deliver();
            }
            builds.iter_mut().for_each(|build| build.gather());
            crash_point!("rebuild.folded");
            let memory: usize = builds.iter().map(|build| build.bytes()).sum();
            let far = range.through - staged >= self.bounds.stage_every;
            if range.through < self.to && (far || memory > self.bounds.memory) {
                stage(builds, writer, range.through).await?;
                staged = range.through;
            }
            progress(RebuildProgress {
                phase: Phase::Folding,
                from: self.from,
                position: range.through,
                head: self.to,
            });
        }
        Ok(())
    }

    fn ranges(&self) -> impl Iterator<Item = Range> + Send + use<> {
        let (to, length) = (self.to, self.bounds.range.max(1));
        let mut after = self.from;
        std::iter::from_fn(move || {
            let range = Range {
                after,
                through: to.min(after + length),
            };
            after = range.through;
            (range.after < to).then_some(range)
        })
    }
}

/// Stages what is in memory, and puts on record how far that is.
async fn stage(
    builds: &mut [Box<dyn Building>],
    writer: &mut ClientWrapper,
    through: i64,
) -> Result<(), ViewError> {
    let transaction = writer.transaction().await.map_err(ReadError::from)?;
    for build in builds.iter_mut() {
        build.stage(&transaction, through).await?;
    }
    transaction.commit().await.map_err(ReadError::from)?;
    crash_point!("rebuild.staged");
    Ok(())
}

impl Reader {
    /// Reads and folds one range.
    async fn read(
        self,
        range: Range,
        mut parts: Vec<Box<dyn Part>>,
    ) -> Result<(Range, Vec<Box<dyn Part>>), ViewError> {
        let session = self.session().await?;
        let mut rows = copy_range(&session, range.after, range.through, &self.nouns).await?;
        loop {
            let page = rows.page(PAGE).await?;
            if page.is_empty() {
                self.give_back(session);
                return Ok((range, parts));
            }
            let items: Vec<Item> = page
                .into_iter()
                .map(|recorded| Item::new(recorded, None))
                .collect();
            let ring = self.store.keys_of_items(&items, &self.opens).await?;
            for part in &mut parts {
                part.fold(&items, &ring)?;
            }
        }
    }

    /// One that an earlier range has left, or a new one.
    async fn session(&self) -> Result<ClientWrapper, ViewError> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        match idle {
            Some(session) => Ok(session),
            None => session(&self.store).await,
        }
    }

    fn give_back(&self, session: ClientWrapper) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(session);
    }
}
