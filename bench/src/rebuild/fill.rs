//! A log of deliveries as a publication writes them: planned in chunks, then attempted, and half of them
//! sent. It goes in by COPY, since nobody here asks for the chain.

use futures_util::pin_mut;
use prost::Message as _;
use tidings_event_store::uuid_bytes;
use tidings_proto::common::Metadata;
use tidings_proto::{Event, delivery, to_us};
use time::{Duration, OffsetDateTime};
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use crate::Error;
use crate::site::{Database, Site};

/// Deliveries planned before the first of them is attempted.
const CHUNK: usize = 2_000;
const TYPES: [Type; 14] = [
    Type::INT8,
    Type::UUID,
    Type::INT4,
    Type::UUID,
    Type::TEXT,
    Type::UUID,
    Type::TIMESTAMPTZ,
    Type::TIMESTAMPTZ,
    Type::TEXT,
    Type::UUID,
    Type::INT8,
    Type::BYTEA,
    Type::BYTEA,
    Type::BYTEA,
];

/// Events of so many deliveries: each is planned and attempted, half of them are sent.
pub(crate) const fn events(deliveries: usize) -> usize {
    deliveries * 2 + deliveries / 2
}

/// Writes the events of so many deliveries, thousands of them, after what is in the log; gives its new head.
pub(crate) async fn deliveries(
    database: &Database,
    site: &Site,
    deliveries: usize,
) -> Result<i64, Error> {
    let head = database.log().head().await?.position;
    let sink = database
        .client
        .copy_in("copy publishing_events from stdin (format binary)")
        .await?;
    let writer = BinaryCopyInWriter::new(sink, &TYPES);
    pin_mut!(writer);
    let source = Source {
        publication: site.ids.next(),
        channel: site.ids.next(),
        instance: site.ids.next(),
        start: site.clock.now(),
    };
    let metadata = Metadata {
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
        ..Metadata::default()
    };
    let (metadata, digest) = (metadata.encode_to_vec(), [0_u8; 32].as_slice());
    let mut position = head;
    for first in (0..deliveries).step_by(CHUNK) {
        for (stream, version, event) in source.chunk(first, site) {
            position += 1;
            let at = source.start + Duration::milliseconds(position);
            let (event_id, payload) = (site.ids.next(), event.encode_to_vec());
            let row: [&(dyn ToSql + Sync); 14] = [
                &position,
                &stream,
                &version,
                &event_id,
                &event.event_type(),
                &None::<Uuid>,
                &at,
                &at,
                &"system:dispatcher",
                &source.publication,
                &Some(1_i64),
                &metadata,
                &payload,
                &digest,
            ];
            writer.as_mut().write(&row).await?;
        }
    }
    writer.finish().await?;
    let batch = "insert into publishing_batches select $1, $2, sha256(''), sha256(''), clock_timestamp(), incarnation \
                 from publishing_incarnations";
    database
        .client
        .execute(batch, &[&position, &(head + 1)])
        .await?;
    // As autovacuum leaves a log that is not new.
    database
        .client
        .batch_execute("vacuum analyze publishing_events")
        .await?;
    Ok(position)
}

/// What the deliveries have in common.
struct Source {
    publication: Uuid,
    channel: Uuid,
    instance: Uuid,
    start: OffsetDateTime,
}

impl Source {
    /// The events of some deliveries: stream, version, event.
    fn chunk(&self, first: usize, site: &Site) -> Vec<(Uuid, i32, Event)> {
        let ids: Vec<(usize, Uuid)> = (first..first + CHUNK)
            .map(|n| (n, site.ids.next()))
            .collect();
        let planned = ids.iter().map(|(n, id)| (*id, 1, self.planned(*n)));
        let outcomes = ids.iter().flat_map(|(n, id)| {
            let sent = n.is_multiple_of(2).then(|| (*id, 3, self.sent()));
            [(*id, 2, self.attempted())].into_iter().chain(sent)
        });
        planned.chain(outcomes).collect()
    }

    fn planned(&self, n: usize) -> Event {
        delivery::Planned {
            cause_kind: "publication".to_owned(),
            cause_id: uuid_bytes(self.publication),
            content_version: 1,
            channel_id: uuid_bytes(self.channel),
            subscriber_id: uuid_bytes(Uuid::from_u128(n as u128)),
            due_at_us: to_us(self.start),
            priority: 0,
        }
        .into()
    }

    fn attempted(&self) -> Event {
        delivery::Attempted {
            attempt: 1,
            instance: uuid_bytes(self.instance),
            deadline_at_us: to_us(self.start),
            subscriber_version: 1,
            channel_version: 1,
        }
        .into()
    }

    fn sent(&self) -> Event {
        delivery::Sent {
            attempt: 1,
            code: 250,
            ..delivery::Sent::default()
        }
        .into()
    }
}
