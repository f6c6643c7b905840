//! One pass over the log for all views that are rebuilt: ranges of positions are read and folded side by
//! side, and what came of them is put together in order.

use deadpool_postgres::ClientWrapper;
use futures_util::{StreamExt as _, stream};
use tokio_util::task::AbortOnDropHandle;

use super::build::{Building, Part};
use super::{Bounds, Phase, RebuildOptions, RebuildProgress, Span};
use crate::ReadError;
use crate::copy::copy_range;
use crate::crash_point;
use crate::feed::Item;
use crate::store::Store;
use crate::view::ViewError;

/// Events decoded before they are folded: their keys are fetched at once.
const PAGE: usize = 2_000;

/// A pass.
pub(super) struct Pass {
    store: Store,
    nouns: Vec<&'static str>,
    opens: Vec<&'static str>,
    from: i64,
    to: i64,
    readers: usize,
    bounds: Bounds,
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
            store: store.clone(),
            nouns: if everything {
                Vec::new()
            } else {
                all(|span| span.nouns)
            },
            opens: all(|span| span.opens),
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
                let reading = read(
                    self.store.clone(),
                    range,
                    self.nouns.clone(),
                    self.opens.clone(),
                    parts,
                );
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
    Ok(())
}

/// Reads and folds one range.
async fn read(
    store: Store,
    range: Range,
    nouns: Vec<&'static str>,
    opens: Vec<&'static str>,
    mut parts: Vec<Box<dyn Part>>,
) -> Result<(Range, Vec<Box<dyn Part>>), ViewError> {
    let client = store.log().pool().get().await?;
    let mut rows = copy_range(&client, range.after, range.through, &nouns).await?;
    loop {
        let page = rows.page(PAGE).await?;
        if page.is_empty() {
            return Ok((range, parts));
        }
        let items: Vec<Item> = page
            .into_iter()
            .map(|recorded| Item::new(recorded, None))
            .collect();
        let ring = store.keys_of_items(&items, &opens).await?;
        for part in &mut parts {
            part.fold(&items, &ring)?;
        }
    }
}
