//! A frozen audience that was lost is read again from the log, and must be the one that was frozen.

use tidings_domain::publication::{Event, Picked, Publication};
use tidings_event_store::vault::KeyRing;
use tidings_event_store::{LoadError, understand};
use uuid::Uuid;

use super::Planning;
use crate::audience::{self, Reading};
use crate::core::DispatchError;

impl Planning<'_> {
    /// The audience that was frozen, in the table; if it was lost, it is read again.
    pub(super) async fn reading(&self) -> Result<Reading, DispatchError> {
        let pool = self.core.store.log().pool();
        if let Some(reading) = audience::find(pool, self.id, &self.audience).await? {
            return Ok(reading);
        }
        let anew = Reading {
            publication_id: self.id,
            id: self.core.ids.next(),
        };
        // Nobody is what a reading without rows is of.
        if self.audience.is_of(&[]) {
            return Ok(anew);
        }
        tracing::warn!(publication = %self.id, "the frozen audience was lost and is read again");
        let subscribers = self.read_again().await?;
        if !self.audience.is_of(&subscribers) {
            return Err(self.can_not("the log leads to another one"));
        }
        audience::put_back(pool, anew, &subscribers).await?;
        Ok(anew)
    }

    async fn read_again(&self) -> Result<Vec<Uuid>, DispatchError> {
        let store = &self.core.store;
        let topics = self.core.causes.refresh(self.id).await?.topics.clone();
        let position = self.audience.view_position;
        let candidates = audience::candidates(store, position, &topics).await?;
        let Some(picked) = self.picked().await? else {
            return Ok(candidates);
        };
        let among = picked.among(&candidates);
        among.ok_or_else(|| {
            self.can_not("its segments have picked among others than the log leads to")
        })
    }

    /// What segments have said at the freeze. It may be much, so nothing else carries it along.
    async fn picked(&self) -> Result<Option<Picked>, DispatchError> {
        let events = self.core.store.log().stream(self.id).await?;
        let frozen = events.iter().find(|it| it.event_id == self.frozen.event_id);
        let Some(frozen) = frozen else {
            return Ok(None);
        };
        let understood = understand::<Publication>(frozen, &KeyRing::default());
        let understood = understood.map_err(|source| LoadError::Codec {
            position: frozen.position,
            source,
        })?;
        match understood {
            Event::AudienceFrozen { picked, .. } => Ok(picked),
            _ => Ok(None),
        }
    }

    fn can_not(&self, why: &str) -> DispatchError {
        DispatchError::Refused(format!(
            "the audience of publication {} can not be read again: {why}",
            self.id
        ))
    }
}
