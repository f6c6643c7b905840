//! What is known of the log as it was before: by its witness, and by the stream that carried it.

use std::collections::HashSet;

use serde::Serialize;
use tidings_domain::log::Log;
use tidings_domain::stream_id;
use tidings_event_store::restore::{self as log_restore, Attempt, Before, InStream, RestoreError};
use tidings_event_store::stream::StreamName;
use tidings_event_store::witness::{self, Fact, Growth, Incarnation, Lost};
use tidings_service::nats;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Restore, RestoringError, Source};
use crate::home::Restoring;
use crate::platform::{Backing, Core, StartError};

/// How far a witness goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Witnessed {
    /// The last witnessed position.
    pub position: i64,
    /// When that was written.
    #[serde(with = "time::serde::rfc3339::option")]
    pub at: Option<OffsetDateTime>,
}

/// What is known.
pub(super) struct Known {
    source: Source,
    lost: Option<Lost>,
    /// None: it was not read.
    stream: Option<InStream>,
}

impl Known {
    /// Asks whoever may know what comes after the log, which ends at `end`.
    ///
    /// # Errors
    /// When the witness is of no use, or the stream cannot be read or has not got what it should have.
    pub(super) async fn of(
        restore: &Restore<'_>,
        (core, backing): (&Core, &Backing),
        restoring: &Restoring,
        end: i64,
    ) -> Result<Self, RestoringError> {
        let mut known = Self {
            source: restore.source.clone(),
            lost: lost(restore, core, end).await?,
            stream: None,
        };
        if known.source.reads_stream() {
            let read = known.in_stream(restore, (core, backing), restoring, end);
            known.stream = match (read.await, &known.source) {
                // The NATS of another place, or one that was lost with the database.
                (
                    Err(RestoringError::Restore(RestoreError::NoStream { .. })),
                    Source::Backup { .. },
                ) => None,
                (read, _) => Some(read?),
            };
        }
        Ok(known)
    }

    /// Whether the stream of before was read.
    pub(super) fn has_read_stream(&self) -> bool {
        self.stream.is_some()
    }

    async fn in_stream(
        &self,
        restore: &Restore<'_>,
        (core, backing): (&Core, &Backing),
        restoring: &Restoring,
        end: i64,
    ) -> Result<InStream, RestoringError> {
        let log = core.store.log();
        let mut in_log = log.incarnations().await?;
        in_log.retain(|it| *it != restoring.incarnation);
        let Some(before) = last(&in_log, self.incarnations()) else {
            return Ok(InStream::default());
        };
        let name = StreamName::new(&restore.config.nats_subject_prefix, before);
        let client = nats::connect(backing.nats_url(), "tidings restore").await;
        let client = client.map_err(StartError::Nats)?;
        let without_it = Before {
            same: self.lost.as_ref().map_or(0, |lost| lost.same),
            witnessed: self.lost.as_ref().map_or(0, |lost| lost.through),
            end,
        };
        match log_restore::in_stream(log, client, &name, without_it).await {
            Err(RestoreError::NoStream { .. })
                if matches!(self.source, Source::InPlace { .. })
                    && self.is_complete(core, before, end).await? =>
            {
                Err(RestoringError::Complete(before))
            }
            // What was backed up has not gone on: a stream that has other messages up to there is another log's.
            Ok(InStream { same, through, .. })
                if matches!(self.source, Source::Backup { .. }) && same < end.min(through) =>
            {
                Err(RestoringError::OtherStream {
                    stream: name.stream,
                    position: same + 1,
                })
            }
            read => Ok(read?),
        }
    }

    /// Whether an earlier run has restored the log as this incarnation, and the witness knows of nothing since: then
    /// there is no stream because nobody has run over the log.
    async fn is_complete(
        &self,
        core: &Core,
        incarnation: Uuid,
        end: i64,
    ) -> Result<bool, RestoringError> {
        let log = core.store.load::<Log>(stream_id::log()).await;
        let log = log.map_err(RestoreError::Load)?;
        let held_by = log.state.held_by();
        // Positions of an incarnation of before say nothing of this one.
        let is_witnessed = self
            .incarnations()
            .iter()
            .any(|it| it.incarnation == incarnation);
        let goes_no_further = self
            .lost
            .as_ref()
            .is_some_and(|lost| !is_witnessed || lost.through <= end);
        Ok(goes_no_further && held_by.is_some_and(|it| it.incarnation == incarnation))
    }

    /// How far the witness goes; none: there is none.
    pub(super) fn witnessed(&self) -> Option<Witnessed> {
        let report = self.lost.as_ref().map(|lost| &lost.report)?;
        Some(Witnessed {
            position: report.position,
            at: report.at,
        })
    }

    /// The incarnations that were witnessed, oldest first.
    pub(super) fn incarnations(&self) -> &[Incarnation] {
        self.lost.as_ref().map_or(&[], |lost| &lost.incarnations)
    }

    /// The last position at which a witness shows that the log is the one of before; none: it has not gone on.
    pub(super) fn parted_after(&self) -> Option<i64> {
        match self.source {
            Source::Backup { .. } => None,
            Source::InPlace { .. } => {
                let common = self.lost.as_ref().map_or(0, |lost| lost.common);
                Some(self.parted_in_stream().map_or(common, |it| it.min(common)))
            }
        }
    }

    /// The last position that the log has in common with the one of before, by all that is known.
    pub(super) fn same(&self, after_position: i64) -> i64 {
        match self.source {
            Source::Backup { .. } => after_position,
            Source::InPlace { .. } => {
                let witnessed = self.lost.as_ref().map_or(0, |lost| lost.same);
                let in_stream = self.stream.as_ref().map_or(0, |stream| stream.same);
                let parted = self.parted_in_stream();
                parted.unwrap_or(witnessed.max(in_stream))
            }
        }
    }

    /// Where the stream shows that the log parted from it; none: it holds nothing but what is the log's. It knows better
    /// than the witness, which may have gone on with the log after they parted.
    fn parted_in_stream(&self) -> Option<i64> {
        let InStream { same, through, .. } = self.stream.as_ref()?;
        (through > same).then_some(*same)
    }

    /// The last position of before.
    pub(super) fn through(&self) -> i64 {
        let lost = self.lost.as_ref();
        // All that was witnessed is in the log: perhaps because the witness went on with it.
        let witnessed = lost.filter(|lost| lost.through > lost.common);
        let witnessed = witnessed.map_or(0, |lost| lost.through);
        let in_stream = self.stream.as_ref().map_or(0, |stream| stream.through);
        witnessed.max(in_stream)
    }

    /// Attempts to deliver that only the stream knows.
    pub(super) fn attempts(&self) -> &[Attempt] {
        self.stream.as_ref().map_or(&[], |stream| &stream.attempts)
    }

    /// The facts that the log lacks, by both sources, in the order they happened, each once.
    pub(super) fn facts(&self) -> Vec<Fact> {
        let mut facts = self
            .lost
            .as_ref()
            .map_or(Vec::new(), |lost| lost.facts.clone());
        let known: HashSet<Uuid> = facts.iter().map(|fact| fact.event_id).collect();
        let more = self.stream.iter().flat_map(|stream| &stream.facts);
        facts.extend(more.filter(|it| !known.contains(&it.event_id)).cloned());
        facts.sort_by_key(|fact| fact.position);
        facts
    }
}

async fn lost(
    restore: &Restore<'_>,
    core: &Core,
    end: i64,
) -> Result<Option<Lost>, RestoringError> {
    let Some(folder) = &restore.witness else {
        return Ok(None);
    };
    let store = &core.store;
    let key = store.vault().witness_key(restore.ground.clock.now()).await;
    let key = key.map_err(RestoringError::Vault)?.public();
    let growth = match restore.source {
        Source::Backup { .. } => Growth::None,
        Source::InPlace { .. } => Growth::Possible,
    };
    let lost = witness::lost(store.log(), folder, key, end, growth).await?;
    Ok(Some(lost))
}

/// The incarnation that was the last one before: as the witness has it, if the log has lost it.
fn last(in_log: &[Uuid], witnessed: &[Incarnation]) -> Option<Uuid> {
    let mut witnessed = witnessed.iter().map(|it| it.incarnation);
    let lacking = witnessed.rfind(|it| !in_log.contains(it));
    lacking.or_else(|| in_log.last().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_incarnation_before_is_the_one_that_was_witnessed_last() {
        let [a, b, c] = [1, 2, 3].map(Uuid::from_u128);
        let witnessed = |ids: &[Uuid]| {
            let named = |incarnation: &Uuid| Incarnation {
                incarnation: *incarnation,
                after_position: 0,
                at: OffsetDateTime::UNIX_EPOCH,
            };
            ids.iter().map(named).collect::<Vec<_>>()
        };
        assert_eq!(last(&[], &[]), None);
        assert_eq!(last(&[a], &[]), Some(a));
        assert_eq!(last(&[a], &witnessed(&[a])), Some(a));
        // The log went back behind a restore.
        assert_eq!(last(&[a], &witnessed(&[a, b, c])), Some(c));
        // The witness lags behind one.
        assert_eq!(last(&[a, b], &witnessed(&[a])), Some(b));
    }
}
