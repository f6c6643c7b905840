//! What an owner of the database can do who knows how the hashes are made: rewrite the log and hash it anew, so that
//! it is sound in itself.

use tidings_event_store::Recorded;
use tidings_event_store::digest::{BatchHead, GROUP_EVENTS, Input, Placed, batch, event, group};
use tidings_proto::to_us;

use crate::platform::Platform;

/// Makes all digests and hashes anew from what the rows now hold.
pub async fn rehash(platform: &Platform) {
    let client = platform.pool.get().await.unwrap();
    let log = platform.store.log();
    let events = log.page_after(0, i64::MAX / 2).await.unwrap();
    for event in &events {
        client
            .execute(
                "update publishing_events set digest = $2 where position = $1",
                &[&event.position, &digest(event).as_slice()],
            )
            .await
            .unwrap();
    }
    let sql = "select first_position, last_position, committed_at, incarnation \
               from publishing_batches order by last_position";
    let mut previous_hash = [0; 32];
    for row in client.query(sql, &[]).await.unwrap() {
        let head = BatchHead {
            previous_hash,
            incarnation: row.get(3),
            first_position: row.get(0),
            last_position: row.get(1),
            committed_at_us: to_us(row.get(2)),
        };
        let of_batch: Vec<Placed> = events
            .iter()
            .filter(|it| (head.first_position..=head.last_position).contains(&it.position))
            .map(placed)
            .collect();
        let groups: Vec<[u8; 32]> = of_batch.chunks(GROUP_EVENTS).map(group).collect();
        let hash = batch(&head, &groups);
        client
            .execute(
                "update publishing_batches set previous_hash = $2, hash = $3 where last_position = $1",
                &[&head.last_position, &previous_hash.as_slice(), &hash.as_slice()],
            )
            .await
            .unwrap();
        previous_hash = hash;
    }
}

/// The digest of what an event holds.
pub fn digest(recorded: &Recorded) -> [u8; 32] {
    event(&Input {
        event_id: recorded.event_id,
        stream_id: recorded.stream_id,
        event_type: &recorded.event_type,
        subject: recorded.subject,
        occurred_at_us: to_us(recorded.occurred_at),
        actor: &recorded.actor,
        correlation_id: recorded.correlation_id,
        causation: recorded.causation,
        metadata: &recorded.metadata,
        payload: &recorded.payload,
    })
}

fn placed(event: &Recorded) -> Placed {
    Placed {
        position: event.position,
        version: event.version,
        digest: digest(event),
    }
}
