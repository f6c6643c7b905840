//! The facts in a part of the log that a restored one must learn again: about consent, about who is let in, and about what is no
//! longer kept.

use prost::Message as _;
use tidings_proto::{EventMessage as _, api_key, engagement_period, subscriber, suppression};
use time::OffsetDateTime;
use tokio_postgres::Row;
use uuid::Uuid;

use super::line::Fact;
use crate::event::Recorded;
use crate::log::{Log, ReadError};

/// The events whose facts go to the witness.
pub const FACT_TYPES: [&str; 9] = [
    subscriber::Unsubscribed::TYPE,
    subscriber::Resubscribed::TYPE,
    subscriber::ErasureRequested::TYPE,
    subscriber::Erased::TYPE,
    suppression::Added::TYPE,
    suppression::Lifted::TYPE,
    api_key::Rotated::TYPE,
    api_key::Revoked::TYPE,
    engagement_period::Shredded::TYPE,
];

/// The events of a subscriber's stream that say where mail goes; the last one counts.
pub(crate) const CONTACT: [&str; 2] =
    [subscriber::SignedUp::TYPE, subscriber::ContactChanged::TYPE];

/// Those after one position, up to and with another, in order.
pub(super) async fn between(log: &Log, after: i64, up_to: i64) -> Result<Vec<Fact>, ReadError> {
    let client = log.pool().get().await?;
    let sql = "select e.position, e.type, e.stream_id, e.event_id, e.occurred_at, e.recorded_at, e.payload, \
                 s.type, s.payload \
               from publishing_events e left join lateral ( \
                 select type, payload from publishing_events s \
                   where s.stream_id = e.stream_id and s.version < e.version and s.type = any($4) \
                   order by s.version desc limit 1 \
               ) s on true \
               where e.position > $1 and e.position <= $2 and e.type = any($3) order by e.position";
    let statement = client.prepare_cached(sql).await?;
    let (facts, contact) = (FACT_TYPES.as_slice(), CONTACT.as_slice());
    let rows = client
        .query(&statement, &[&after, &up_to, &facts, &contact])
        .await?;
    rows.iter().map(|row| Ok(fact(row)?)).collect()
}

/// The fact in an event that was read elsewhere; `None`: it is none of [`FACT_TYPES`]. `contact`: the event of a subscriber's
/// stream before it that says where mail goes, if it is at hand.
pub(crate) fn of_event(recorded: &Recorded, contact: Option<&Recorded>) -> Option<Fact> {
    if !FACT_TYPES.contains(&recorded.event_type.as_str()) {
        return None;
    }
    let mut fact = blank(recorded.position, recorded.event_type.clone());
    fact.stream_id = recorded.stream_id;
    fact.event_id = recorded.event_id;
    fact.occurred_at = recorded.occurred_at;
    fact.recorded_at = recorded.recorded_at;
    fact.address_suppression_id =
        contact.and_then(|event| address_of(&event.event_type, &event.payload));
    fill(&mut fact, &recorded.payload);
    Some(fact)
}

fn fact(row: &Row) -> Result<Fact, tokio_postgres::Error> {
    // Somebody may have tampered with the row: what `time` can not hold is an error, no panic.
    let mut fact = blank(row.try_get(0)?, row.try_get(1)?);
    fact.stream_id = row.try_get(2)?;
    fact.event_id = row.try_get(3)?;
    fact.occurred_at = row.try_get(4)?;
    fact.recorded_at = row.try_get(5)?;
    let contact = row.try_get::<_, Option<&str>>(7)?;
    let contact = contact.zip(row.try_get::<_, Option<&[u8]>>(8)?);
    fact.address_suppression_id =
        contact.and_then(|(event_type, payload)| address_of(event_type, payload));
    fill(&mut fact, row.try_get(6)?);
    Ok(fact)
}

/// Id of the `suppression` stream of the address that an event of [`CONTACT`] names.
fn address_of(event_type: &str, payload: &[u8]) -> Option<Uuid> {
    let named = match event_type {
        subscriber::SignedUp::TYPE => {
            subscriber::SignedUp::decode(payload)
                .ok()?
                .address_suppression_id
        }
        subscriber::ContactChanged::TYPE => {
            subscriber::ContactChanged::decode(payload)
                .ok()?
                .address_suppression_id
        }
        _ => return None,
    };
    Uuid::from_slice(&named).ok()
}

fn blank(position: i64, event_type: String) -> Fact {
    Fact {
        position,
        event_type,
        stream_id: Uuid::nil(),
        event_id: Uuid::nil(),
        occurred_at: OffsetDateTime::UNIX_EPOCH,
        recorded_at: OffsetDateTime::UNIX_EPOCH,
        topic_id: None,
        channel_id: None,
        method: None,
        address_suppression_id: None,
        scope: None,
        reasons: Vec::new(),
        key_ids: Vec::new(),
    }
}

/// What a payload does not say, because it can not be read, stays away: the fact itself does not.
fn fill(fact: &mut Fact, payload: &[u8]) {
    match fact.event_type.as_str() {
        subscriber::Unsubscribed::TYPE => {
            let left = subscriber::Unsubscribed::decode(payload).unwrap_or_default();
            fact.topic_id = Uuid::from_slice(&left.topic_id).ok();
            fact.channel_id = Uuid::from_slice(&left.channel_id).ok();
            fact.method = some(left.method);
        }
        subscriber::Resubscribed::TYPE => {
            let back = subscriber::Resubscribed::decode(payload).unwrap_or_default();
            fact.topic_id = Uuid::from_slice(&back.topic_id).ok();
            fact.channel_id = Uuid::from_slice(&back.channel_id).ok();
            fact.method = some(back.method);
        }
        subscriber::ErasureRequested::TYPE => {
            let requested = subscriber::ErasureRequested::decode(payload).unwrap_or_default();
            let address = Uuid::from_slice(&requested.address_suppression_id).ok();
            fact.address_suppression_id = address.or(fact.address_suppression_id);
            fact.method = some(requested.basis);
        }
        subscriber::Erased::TYPE => {
            let erased = subscriber::Erased::decode(payload).unwrap_or_default();
            let keys = erased.shredded.iter();
            fact.key_ids = keys
                .filter_map(|it| Uuid::from_slice(&it.key_id).ok())
                .collect();
        }
        engagement_period::Shredded::TYPE => {
            let shredded = engagement_period::Shredded::decode(payload).unwrap_or_default();
            fact.key_ids = Uuid::from_slice(&shredded.key_id).into_iter().collect();
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
}

fn some(code: String) -> Option<String> {
    (!code.is_empty()).then_some(code)
}
