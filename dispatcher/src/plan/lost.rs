//! A frozen audience that was lost is read again from the log, and must be the one that was frozen.

use tidings_domain::publication::{Event, Picked, Publication};
use tidings_event_store::vault::KeyRing;
use tidings_event_store::{LoadError, understand};
use uuid::Uuid;

use super::Planning;
use crate::audience;
use crate::core::DispatchError;

impl Planning<'_> {
    /// The table must hold the audience that was frozen; if it was lost, it is read again.
    pub(super) async fn check_audience(&self) -> Result<(), DispatchError> {
        let pool = self.core.store.log().pool();
        let frozen = (self.audience.subscribers as i64, self.audience.digest);
        if audience::stored(pool, self.id).await? == frozen {
            return Ok(());
        }
        tracing::warn!(publication = %self.id, "the frozen audience was lost and is read again");
        let subscribers = self.read_again().await?;
        if !self.audience.is_of(&subscribers) {
            return Err(self.can_not("the log leads to another one"));
        }
        Ok(audience::put_back(pool, self.id, &subscribers).await?)
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
