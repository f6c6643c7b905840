//! A frozen audience that was lost is read again from the log, and must be the one that was frozen.

use tidings_event_store::Store;
use uuid::Uuid;

use super::Planning;
use crate::audience::{self, Obstacle, Whom, WhomError};
use crate::core::DispatchError;

/// Subscribers judged at once, with all that is known of them in memory.
const JUDGED: usize = 500;

/// An audience as the log tells it.
#[derive(Default)]
struct Again {
    /// Who was in it.
    subscribers: Vec<Uuid>,
    /// Of so many besides nobody can tell any more: segments had picked them, or not, by what was erased since.
    untold: u64,
}

impl Planning<'_> {
    /// The table must hold the audience that was frozen; if it was lost, it is read again. Gives how many subscribers of it
    /// stay lost.
    pub(super) async fn check_audience(&self) -> Result<u64, DispatchError> {
        let pool = self.core.store.log().pool();
        let frozen = (self.audience.subscribers as i64, self.audience.digest);
        if audience::stored(pool, self.id).await? == frozen {
            return Ok(0);
        }
        tracing::warn!(publication = %self.id, "the frozen audience was lost and is read again");
        let again = self.read_again(&self.core.store).await?;
        audience::put_back(pool, self.id, &again.subscribers).await?;
        let stored = audience::stored(pool, self.id).await?;
        if stored == frozen {
            return Ok(0);
        }
        // Whoever nobody can tell of is left out: the digest is that of others, but how many there were is known.
        match self.audience.subscribers.checked_sub(stored.0 as u64) {
            Some(lost @ 1..) if lost <= again.untold => Ok(lost),
            _ => Err(DispatchError::Refused(format!(
                "the audience of publication {} can not be read again",
                self.id
            ))),
        }
    }

    async fn read_again(&self, store: &Store) -> Result<Again, DispatchError> {
        let position = self.audience.view_position;
        let topics = self.core.causes.refresh(self.id).await?.topics.clone();
        let versions = &self.audience.segment_versions;
        let wanting = audience::wanting(store, position, &topics).await?;
        let condition = match Whom::at(store, topics, &self.aim, versions).await {
            Ok(Whom {
                condition: None, ..
            }) => {
                return Ok(Again {
                    subscribers: wanting,
                    untold: 0,
                });
            }
            Ok(whom) => whom.condition,
            // Whom it picked, nobody will ever tell.
            Err(WhomError::Obstacle(Obstacle::Destroyed(_))) => None,
            Err(error) => return Err(error.into()),
        };
        let mut again = Again::default();
        for subscribers in wanting.chunks(JUDGED) {
            let judged = match &condition {
                Some(condition) => audience::judge(store, position, subscribers, condition).await?,
                None => vec![None; subscribers.len()],
            };
            let judged = || subscribers.iter().copied().zip(judged.iter().copied());
            let untold = judged().filter(|(_, held)| held.is_none());
            let untold: Vec<Uuid> = untold.map(|(id, _)| id).collect();
            let planned = self.planned_to(&untold).await?;
            again.untold += (untold.len() - planned.len()) as u64;
            let held = judged().filter(|(id, held)| held.unwrap_or(planned.contains(id)));
            again.subscribers.extend(held.map(|(id, _)| id));
        }
        Ok(again)
    }

    /// To whom of these deliveries are planned already: they were in the audience.
    async fn planned_to(&self, subscribers: &[Uuid]) -> Result<Vec<Uuid>, DispatchError> {
        let mut planned_to = Vec::new();
        for receivers in self.addressed(subscribers).await? {
            let ids: Vec<Uuid> = receivers.iter().map(|it| self.delivery_id(*it)).collect();
            let planned = self.planned_before(&ids).await?;
            let receivers = ids.iter().zip(subscribers);
            let receivers = receivers.filter(|(id, _)| planned.contains(*id));
            planned_to.extend(receivers.map(|(_, subscriber)| *subscriber));
        }
        planned_to.sort_unstable();
        planned_to.dedup();
        Ok(planned_to)
    }
}
