//! What a channel has not taken, for whoever has it sent again.

use tidings_domain::delivery::DoubtPolicy;
use tidings_domain::publication::RetriedClass;
use tidings_event_store::{Log, ReadError};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::channels::find;

/// A publication whose delivery a channel has not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotTaken {
    /// The publication.
    pub publication_id: Uuid,
    /// What became of the delivery.
    pub class: RetriedClass,
    /// When it was published.
    pub published_at: OffsetDateTime,
}

/// Whether receivers of this kind of channel know a copy of a message they have, so that it does no harm.
pub fn knows_copies(kind: &str) -> bool {
    find(kind).is_some_and(|kind| kind.doubt == DoubtPolicy::ResendOnce)
}

/// What was published from one instant on and before another, and that a broadcast channel has not taken, as the views
/// have it: the oldest first, at most so many.
///
/// # Errors
/// When the views can not be read.
pub async fn not_taken(
    log: &Log,
    channel_id: Uuid,
    (from, to): (OffsetDateTime, OffsetDateTime),
    limit: usize,
) -> Result<Vec<NotTaken>, ReadError> {
    let sql = "select s.publication_id, s.published_at, a.failed > 0 \
               from publishing_publication_accounting a \
               join publishing_publication_status s on s.publication_id = a.publication_id \
               where a.channel_id = $1 and (a.failed > 0 or a.in_doubt > 0) \
                 and s.published_at >= $2 and s.published_at < $3 and s.state in ('frozen', 'planned', 'completed', 'cancelled') \
               order by s.published_at, s.publication_id limit $4";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = log.query(sql, &[&channel_id, &from, &to, &limit]).await?;
    Ok(rows
        .iter()
        .map(|row| NotTaken {
            publication_id: row.get(0),
            published_at: row.get(1),
            class: match row.get(2) {
                true => RetriedClass::Failed,
                false => RetriedClass::InDoubt,
            },
        })
        .collect())
}
