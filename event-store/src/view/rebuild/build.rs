//! One view on its way to its next generation.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use deadpool_postgres::{ClientWrapper, Transaction};
use futures_util::future::BoxFuture;

use super::ledger::{Entry, shredded};
use super::stage::{Stage, keep_through};
use super::swap::{Next, Swap, definitions, still_ours};
use super::{RebuildMode, RebuildOptions, Rebuilt, Sessions, Span, of_view};
use crate::crash_point;
use crate::feed::Item;
use crate::store::Store;
use crate::vault::KeyRing;
use crate::view::derived::{Derivation, Totals};
use crate::view::opening::{Earlier, fingerprint, open};
use crate::view::row::Merge;
use crate::view::runner::{Rows, fold_one};
use crate::view::skips::skipped;
use crate::view::{View, ViewError};

/// A view on its way, whatever its rows are.
pub(super) trait Building: Send {
    /// What it is rebuilt from.
    fn span(&self) -> Span;

    /// Makes the part of the view that one range leads to.
    fn parts(&self) -> Box<dyn Fn() -> Box<dyn Part> + Send + Sync>;

    /// Takes in the parts delivered since the last time.
    fn gather(&mut self);

    /// What its rows take in memory, bytes, about.
    fn bytes(&self) -> usize;

    /// Stages what is in memory, which the events up to a position have led to.
    fn stage<'a>(
        &'a mut self,
        transaction: &'a Transaction<'_>,
        through: i64,
    ) -> BoxFuture<'a, Result<(), ViewError>>;

    /// Fills the new tables.
    fn write<'a>(&'a mut self, sessions: &'a mut Sessions) -> BoxFuture<'a, Result<(), ViewError>>;

    /// Catches up, and swaps or compares.
    fn finish<'a>(
        &'a mut self,
        store: &'a Store,
        writer: &'a mut ClientWrapper,
        mode: RebuildMode,
    ) -> BoxFuture<'a, Result<Rebuilt, ViewError>>;
}

/// What one range of the log leads to in one view.
pub(super) trait Part: Send {
    /// Folds events in.
    fn fold(&mut self, items: &[Item], ring: &KeyRing) -> Result<(), ViewError>;

    /// Hands the rows over to the view; parts are delivered in the order of their ranges.
    fn deliver(self: Box<Self>);
}

/// Rows of parts on their way to the view.
type Inbox<R> = Arc<Mutex<Vec<Rows<R>>>>;

/// A view on its way.
pub(super) struct Build<V: View>
where
    V::Row: Merge,
{
    entry: Entry,
    derived: Vec<Arc<dyn Derivation<V::Row>>>,
    skips: Arc<BTreeSet<i64>>,
    from: i64,
    to: i64,
    inbox: Inbox<V::Row>,
    stage: Stage<V::Row>,
    totals: Vec<Box<dyn Totals<V::Row>>>,
}

impl<V: View> Build<V>
where
    V::Row: Merge,
{
    /// Makes the view's next tables, whose lock the session holds, or finds those of a rebuild that ended half way.
    pub(super) async fn begin(
        store: &Store,
        session: &mut ClientWrapper,
        options: &RebuildOptions,
    ) -> Result<Self, ViewError> {
        let view = V::DEFINITION.name;
        let derived = V::derived();
        let at = match options.mode {
            RebuildMode::Replace => open::<V>(store, &derived, Earlier::Serves).await?,
            RebuildMode::Verify => match open::<V>(store, &derived, Earlier::Refused).await {
                Err(ViewError::Redefined { view }) => {
                    return Err(ViewError::Incomparable { view });
                }
                at => at?,
            },
        };
        let skips = skipped::<V>(store).await?;
        let to = match options.mode {
            RebuildMode::Replace => store.log().head().await?.position,
            RebuildMode::Verify => at.position,
        };
        let transaction = of_view(view, session.transaction()).await?;
        let shredded = of_view(view, shredded(&transaction, V::OPENS)).await?;
        let entry = Entry {
            view,
            definition: fingerprint(V::DEFINITION, &derived),
            generation: at.generation + 1,
            skips: i32::try_from(skips.len()).unwrap_or(i32::MAX),
            shredded,
        };
        let staged = of_view(view, entry.staged(&transaction)).await?;
        let staged = staged.filter(|staged| !options.restart && *staged <= to);
        let from = staged.unwrap_or(0);
        let generation = entry.generation;
        let totals = derived.iter().map(|it| it.totals(generation, from > 0));
        let build = Self {
            derived: derived.clone(),
            skips: Arc::new(skips),
            from,
            to,
            inbox: Inbox::<V::Row>::default(),
            stage: Stage::new(V::DEFINITION, generation, from > 0),
            totals: totals.collect(),
            entry,
        };
        if staged.is_none() {
            of_view(view, build.stage.create(&transaction)).await?;
            for totals in &build.totals {
                totals.create(&transaction).await?;
            }
        } else {
            // There are none beyond it. If there were, what they hold would be counted twice.
            for definition in definitions::<V>(&derived) {
                let kept = keep_through(&transaction, &definition, generation, from);
                of_view(view, kept).await?;
            }
        }
        of_view(view, build.entry.begin(&transaction, from, to)).await?;
        of_view(view, transaction.commit()).await?;
        crash_point!("rebuild.begun");
        Ok(build)
    }

    /// Everything is in memory, or all of it is staged and nothing is.
    async fn prepare(&mut self, transaction: &Transaction<'_>) -> Result<(), ViewError> {
        let view = V::DEFINITION.name;
        still_ours::<V>(transaction, self.entry.generation - 1).await?;
        if self.stage.is_spilled() {
            self.spill(transaction, self.to).await?;
        }
        of_view(view, self.stage.compare_runs(transaction)).await
    }

    /// Stages the rows in memory and what they contributed to the totals, as the run that ends at a position,
    /// and puts that position on record. One without the others, and a rebuild that goes on from there
    /// would count the run twice or not at all.
    async fn spill(&mut self, transaction: &Transaction<'_>, run: i64) -> Result<(), ViewError> {
        let view = V::DEFINITION.name;
        let (stage, totals) = (&mut self.stage, &mut self.totals);
        let mut change = |before: Option<&V::Row>, after: Option<&V::Row>| {
            totals.iter_mut().for_each(|it| it.change(before, after));
        };
        of_view(view, stage.spill(transaction, run, &mut change)).await?;
        for totals in &mut self.totals {
            totals.spill(transaction, run).await?;
        }
        of_view(view, self.entry.advance(transaction, run)).await
    }

    async fn write_all(&mut self, sessions: &mut Sessions) -> Result<(), ViewError> {
        let view = V::DEFINITION.name;
        let Sessions { writer, reader } = sessions;
        let transaction = of_view(view, writer.transaction()).await?;
        self.prepare(&transaction).await?;
        of_view(view, transaction.commit()).await?;
        crash_point!("rebuild.prepared");

        let transaction = of_view(view, writer.transaction()).await?;
        still_ours::<V>(&transaction, self.entry.generation - 1).await?;
        // From here on nothing is staged that could be gone on with.
        of_view(view, self.entry.end(&transaction)).await?;
        let (stage, totals) = (&mut self.stage, &mut self.totals);
        let mut change = |before: Option<&V::Row>, after: Option<&V::Row>| {
            totals.iter_mut().for_each(|it| it.change(before, after));
        };
        of_view(view, stage.write(&transaction, reader, &mut change)).await?;
        crash_point!("rebuild.before_written");
        of_view(view, transaction.commit()).await?;
        crash_point!("rebuild.written");

        for totals in &mut self.totals {
            let transaction = of_view(view, writer.transaction()).await?;
            still_ours::<V>(&transaction, self.entry.generation - 1).await?;
            totals.settle(&transaction).await?;
            of_view(view, transaction.commit()).await?;
            let transaction = of_view(view, writer.transaction()).await?;
            still_ours::<V>(&transaction, self.entry.generation - 1).await?;
            totals.write(&transaction, reader).await?;
            of_view(view, transaction.commit()).await?;
            crash_point!("rebuild.totals_written");
        }
        Ok(())
    }
}

impl<V: View> Building for Build<V>
where
    V::Row: Merge,
{
    fn span(&self) -> Span {
        Span {
            view: V::DEFINITION.name,
            nouns: V::NOUNS,
            opens: V::OPENS,
            from: self.from,
            to: self.to,
        }
    }

    fn parts(&self) -> Box<dyn Fn() -> Box<dyn Part> + Send + Sync> {
        let (skips, inbox, from, to) = (self.skips.clone(), self.inbox.clone(), self.from, self.to);
        Box::new(move || {
            Box::new(Folding::<V> {
                from,
                to,
                skips: skips.clone(),
                rows: Rows::<V::Row>::new(),
                inbox: inbox.clone(),
            })
        })
    }

    fn gather(&mut self) {
        let parts = std::mem::take(&mut *self.inbox.lock().unwrap_or_else(PoisonError::into_inner));
        for rows in parts {
            self.stage.absorb(rows);
        }
    }

    fn bytes(&self) -> usize {
        let totals: usize = self.totals.iter().map(|totals| totals.bytes()).sum();
        self.stage.bytes() + totals
    }

    fn stage<'a>(
        &'a mut self,
        transaction: &'a Transaction<'_>,
        through: i64,
    ) -> BoxFuture<'a, Result<(), ViewError>> {
        Box::pin(async move {
            // What an earlier rebuild has staged already, or nobody asked for, leads to nothing new.
            if through <= self.from {
                return Ok(());
            }
            let through = through.min(self.to);
            still_ours::<V>(transaction, self.entry.generation - 1).await?;
            self.spill(transaction, through).await
        })
    }

    fn write<'a>(&'a mut self, sessions: &'a mut Sessions) -> BoxFuture<'a, Result<(), ViewError>> {
        Box::pin(self.write_all(sessions))
    }

    fn finish<'a>(
        &'a mut self,
        store: &'a Store,
        writer: &'a mut ClientWrapper,
        mode: RebuildMode,
    ) -> BoxFuture<'a, Result<Rebuilt, ViewError>> {
        Box::pin(async move {
            let mut swap = Swap::<V> {
                store,
                writer,
                next: Next {
                    generation: self.entry.generation,
                    derived: &self.derived,
                },
                skips: &self.skips,
                position: self.to,
                mode,
            };
            let (position, differences) = swap.run().await?;
            Ok(Rebuilt {
                view: V::DEFINITION.name,
                position,
                from: self.from,
                differences,
            })
        })
    }
}

/// A range being folded.
struct Folding<V: View>
where
    V::Row: Merge,
{
    from: i64,
    to: i64,
    skips: Arc<BTreeSet<i64>>,
    rows: Rows<V::Row>,
    inbox: Inbox<V::Row>,
}

impl<V: View> Part for Folding<V>
where
    V::Row: Merge,
{
    fn fold(&mut self, items: &[Item], ring: &KeyRing) -> Result<(), ViewError> {
        let mut of_event = Vec::new();
        // A pass may begin earlier, or end later, for the sake of other views.
        let wanted = |item: &&Item| item.position() > self.from && item.position() <= self.to;
        for item in items.iter().filter(wanted) {
            fold_one::<V>(item, ring, &self.skips, &mut of_event, &mut self.rows)?;
        }
        Ok(())
    }

    fn deliver(self: Box<Self>) {
        let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        inbox.push(self.rows);
    }
}
