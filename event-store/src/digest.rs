//! The hashes that make the log tamper-evident. Their input is part of the contract and never changes.
//! The database computes groups and batches as it commits; the same functions here verify them.

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// Events hashed together before the batch; a proof for one event shows its group and only the
/// hashes of the others.
pub const GROUP_EVENTS: usize = 32;

const EVENT: &[u8] = b"tidings.event.v1";
const GROUP: &[u8] = b"tidings.group.v1";
const BATCH: &[u8] = b"tidings.batch.v1";
/// In place of a length: the optional part is absent.
const ABSENT: [u8; 4] = [0xff; 4];

/// What an event's digest covers: everything but the place the log gave it.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The event's id.
    pub event_id: Uuid,
    /// Its stream.
    pub stream_id: Uuid,
    /// Its type.
    pub event_type: &'a str,
    /// The subscriber it names as the stream's subject, if any.
    pub subject: Option<Uuid>,
    /// When it happened, microseconds since the epoch.
    pub occurred_at_us: i64,
    /// Who did it.
    pub actor: &'a str,
    /// What it belongs to.
    pub correlation_id: Uuid,
    /// What caused it.
    pub causation: Option<i64>,
    /// Serialized metadata.
    pub metadata: &'a [u8],
    /// Serialized event.
    pub payload: &'a [u8],
}

/// SHA-256 over a tag and every part, each behind its length as uint32 big-endian.
pub fn event(input: &Input<'_>) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut part = |bytes: Option<&[u8]>| match bytes {
        Some(bytes) => {
            hash.update((bytes.len() as u32).to_be_bytes());
            hash.update(bytes);
        }
        None => hash.update(ABSENT),
    };
    part(Some(EVENT));
    part(Some(input.event_id.as_bytes()));
    part(Some(input.stream_id.as_bytes()));
    part(Some(input.event_type.as_bytes()));
    part(input.subject.as_ref().map(|id| id.as_bytes().as_slice()));
    part(Some(&input.occurred_at_us.to_be_bytes()));
    part(Some(input.actor.as_bytes()));
    part(Some(input.correlation_id.as_bytes()));
    part(
        input
            .causation
            .map(i64::to_be_bytes)
            .as_ref()
            .map(<[u8; 8]>::as_slice),
    );
    part(Some(input.metadata));
    part(Some(input.payload));
    hash.finalize().into()
}

/// An event's place in the log and its digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Position in the log.
    pub position: i64,
    /// Version in its stream.
    pub version: i32,
    /// [`event`] over its content.
    pub digest: [u8; 32],
}

/// The hash of up to [`GROUP_EVENTS`] events, in position order.
pub fn group(events: &[Placed]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(GROUP);
    for event in events {
        hash.update(event.position.to_be_bytes());
        hash.update(i64::from(event.version).to_be_bytes());
        hash.update(event.digest);
    }
    hash.finalize().into()
}

/// What a batch's hash covers beside its groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHead {
    /// The hash of the batch before; zeros for the first.
    pub previous_hash: [u8; 32],
    /// The log's incarnation.
    pub incarnation: Uuid,
    /// First position of the batch.
    pub first_position: i64,
    /// Last position of the batch.
    pub last_position: i64,
    /// When it was recorded, microseconds since the epoch.
    pub committed_at_us: i64,
}

/// The hash of a batch over the hashes of its groups, in order.
pub fn batch(head: &BatchHead, groups: &[[u8; 32]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(BATCH);
    hash.update(head.previous_hash);
    hash.update(head.incarnation.as_bytes());
    hash.update(head.first_position.to_be_bytes());
    hash.update(head.last_position.to_be_bytes());
    hash.update(head.committed_at_us.to_be_bytes());
    for group in groups {
        hash.update(group);
    }
    hash.finalize().into()
}
