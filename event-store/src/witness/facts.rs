//! The facts about consent in a part of the log.

use prost::Message as _;
use tidings_proto::{EventMessage as _, subscriber, suppression};
use tokio_postgres::Row;
use uuid::Uuid;

use super::line::Fact;
use crate::log::{Log, ReadError};

/// The events whose facts go to the witness.
pub const CONSENT_FACTS: [&str; 4] = [
    subscriber::Unsubscribed::TYPE,
    subscriber::Resubscribed::TYPE,
    suppression::Added::TYPE,
    suppression::Lifted::TYPE,
];

/// Those after one position, up to and with another, in order.
pub(super) async fn between(log: &Log, after: i64, up_to: i64) -> Result<Vec<Fact>, ReadError> {
    let client = log.pool().get().await?;
    let sql = "select position, type, stream_id, event_id, occurred_at, recorded_at, payload from publishing_events \
               where position > $1 and position <= $2 and type = any($3) order by position";
    let statement = client.prepare_cached(sql).await?;
    let rows = client
        .query(&statement, &[&after, &up_to, &CONSENT_FACTS.as_slice()])
        .await?;
    rows.iter().map(|row| Ok(fact(row)?)).collect()
}

/// What a payload does not say, because it can not be read, stays away: the fact itself does not.
fn fact(row: &Row) -> Result<Fact, tokio_postgres::Error> {
    // Somebody may have tampered with the row: what `time` can not hold is an error, no panic.
    let mut fact = Fact {
        position: row.try_get(0)?,
        event_type: row.try_get(1)?,
        stream_id: row.try_get(2)?,
        event_id: row.try_get(3)?,
        occurred_at: row.try_get(4)?,
        recorded_at: row.try_get(5)?,
        topic_id: None,
        method: None,
        scope: None,
        reasons: Vec::new(),
    };
    let payload: &[u8] = row.try_get(6)?;
    match fact.event_type.as_str() {
        subscriber::Unsubscribed::TYPE => {
            let left = subscriber::Unsubscribed::decode(payload).unwrap_or_default();
            fact.topic_id = Uuid::from_slice(&left.topic_id).ok();
            fact.method = some(left.method);
        }
        subscriber::Resubscribed::TYPE => {
            let back = subscriber::Resubscribed::decode(payload).unwrap_or_default();
            fact.method = some(back.method);
        }
        suppression::Added::TYPE => {
            let added = suppression::Added::decode(payload).unwrap_or_default();
            fact.scope = some(added.scope);
            fact.reasons = some(added.reason).into_iter().collect();
        }
        suppression::Lifted::TYPE => {
            let lifted = suppression::Lifted::decode(payload).unwrap_or_default();
            fact.reasons = lifted.reasons;
        }
        _ => {}
    }
    Ok(fact)
}

fn some(code: String) -> Option<String> {
    (!code.is_empty()).then_some(code)
}
