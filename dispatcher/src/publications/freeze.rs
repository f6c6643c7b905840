//! Deciding, once, who gets a publication.

use tidings_domain::aggregate::Aggregate as _;
use tidings_domain::publication::{Audience, Command, Publication, Stage};
use tidings_domain::stream_id::{self, reaction};
use tidings_event_store::{CommitError, Guard, Loaded, Past, Progress, crash_point};
use tidings_service::problem::chain;
use uuid::Uuid;

use super::last;
use crate::audience::{self, Reading, Whom};
use crate::core::{Core, DispatchError};

impl Core {
    /// Freezes the audience once the subscriber view has seen the publication.
    pub(super) async fn freeze(&self, id: Uuid) -> Result<Progress, DispatchError> {
        let loaded = self.store.load::<Publication>(id).await?;
        let Stage::Published(draft) = loaded.state.stage() else {
            return Ok(Progress::Idle);
        };
        let Some(published) = last(&loaded, "publication.Published") else {
            return Ok(Progress::Idle);
        };
        let mut guards = Vec::new();
        if draft.aim.is_by_segments() {
            let surroundings = self.surroundings.refresh().await?;
            // What was put back may lack how a segment was revised last, which an operator can still mend.
            if surroundings.held {
                return Ok(Progress::Idle);
            }
            guards.push(Guard {
                stream_id: stream_id::log(),
                version: surroundings.version,
            });
        }
        let (addressed, broadcast) = self.roster.reaches(draft.channel_ids.as_slice()).await?;
        let topics = self.causes.refresh(id).await?.topics.clone();
        let whom = Whom::now(&self.store, topics, &draft.aim, broadcast).await?;
        guards.extend(whom.asked.iter().map(|it| Guard {
            stream_id: it.segment_id,
            version: it.version,
        }));
        let pool = self.store.log().pool();
        let reading = Reading {
            publication_id: id,
            id: self.ids.next(),
        };
        let (from, addressed_any) = (published.position, addressed > 0);
        let within = self.limits.freeze_within;
        let frozen = audience::freeze(pool, reading, from, addressed_any, &whom, within).await?;
        let Some(frozen) = frozen else {
            return Ok(Progress::Idle);
        };
        let subscribers = frozen.subscribers as u64;
        let audience = Audience {
            view_position: frozen.view_position,
            subscribers,
            deliveries: subscribers * addressed + broadcast,
            digest: frozen.digest,
        };
        let command = Command::Freeze {
            audience,
            picked: frozen.picked,
        };
        let recorded = self
            .record_frozen(loaded, &published, command, guards)
            .await;
        crash_point!("freeze.recorded");
        // If something has moved on, all is read anew, should it still be to be frozen at all.
        let may_count = match &recorded {
            Ok(recorded) => *recorded,
            Err(error) => matches!(error, DispatchError::Commit(CommitError::Unknown)),
        };
        if !may_count && let Err(error) = audience::forget_reading(pool, reading).await {
            // It is dropped with the publication's others in the end.
            tracing::debug!(publication = %id, error = %chain(&error), "a reading that does not count is left");
        }
        recorded?;
        self.causes.refresh(id).await?;
        Ok(Progress::Advanced)
    }

    /// Gives whether that is on record: not, if anything it was read from has moved on.
    async fn record_frozen(
        &self,
        loaded: Loaded<Publication>,
        published: &Past,
        command: Command,
        guards: Vec<Guard>,
    ) -> Result<bool, DispatchError> {
        let intent = reaction(published.recorded_at, "freeze", published.event_id, &[]);
        let context = self
            .publication_context(loaded.id, published, intent)
            .await?;
        let events = loaded.state.decide(command);
        let events = events.map_err(|refusal| DispatchError::Refused(refusal.to_string()))?;
        let mut draft = self.store.draft(&context);
        for Guard { stream_id, version } in guards {
            draft.guard(stream_id, version);
        }
        draft.append(loaded, events);
        match draft.commit().await {
            Ok(_) => Ok(true),
            Err(CommitError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
