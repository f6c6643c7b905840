//! What a proof is made of: batches, groups, and the line of the witness that they lead to.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use super::proof::ProofError;
use super::range::{self, BATCH_COLUMNS};
use crate::copy::Rows;
use crate::digest::{self, BatchHead, GROUP_EVENTS, Placed};
use crate::hex::{Hash, Hex};
use crate::log::{Log, ReadError};
use crate::witness::{self, Entry, Line, PublicKey};

/// An event of which no more is shown than its place and its digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Member {
    pub(super) position: i64,
    pub(super) version: i32,
    pub(super) digest: Hash,
}

/// A batch of which no more is shown than the hashes of its groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Batch {
    pub(super) incarnation: Uuid,
    pub(super) first_position: i64,
    pub(super) last_position: i64,
    pub(super) committed_at_us: i64,
    pub(super) groups: Vec<Hash>,
}

/// The batches from the one that holds a position up to the one that ends at `head`, still without groups, and the
/// hash of the one before.
pub(super) async fn heads(
    log: &Log,
    position: i64,
    head: i64,
) -> Result<(Hash, Vec<Batch>), ReadError> {
    let client = log.pool().get().await?;
    let query = format!(
        "select {BATCH_COLUMNS} from publishing_batches where last_position >= {position} \
         and last_position <= {head} order by last_position"
    );
    let (mut previous, mut batches) = (None, Vec::new());
    let mut rows = Rows::of(&client, &query).await?;
    while let Some(row) = rows.next().await? {
        // A batch that can not be read is missing in the proof, whose own check then says so.
        if let Ok(batch) = range::Batch::of(&row) {
            previous = previous.or(Some(batch.previous_hash.unwrap_or_default()));
            batches.push(Batch {
                first_position: batch.first,
                last_position: batch.last,
                committed_at_us: batch.committed_at_us,
                incarnation: batch.incarnation,
                groups: Vec::new(),
            });
        }
    }
    Ok((Hex(previous.unwrap_or_default()), batches))
}

/// The events between two positions.
pub(super) async fn members(log: &Log, first: i64, last: i64) -> Result<Vec<Member>, ReadError> {
    let client = log.pool().get().await?;
    let sql = "select position, version, digest from publishing_events \
               where position >= $1 and position <= $2 order by position";
    let rows = client.query(sql, &[&first, &last]).await?;
    let members = rows.iter().map(|row| Member {
        position: row.get(0),
        version: row.get(1),
        digest: Hex(row.get::<_, &[u8]>(2).try_into().unwrap_or_default()),
    });
    Ok(members.collect())
}

/// Those of them between two positions.
pub(super) fn within(members: &[Member], first: i64, last: i64) -> &[Member] {
    let from = members.partition_point(|member| member.position < first);
    let to = members.partition_point(|member| member.position <= last);
    members.get(from..to).unwrap_or_default()
}

/// The hash of a group.
pub(super) fn hash_of(group: &[Member]) -> Hash {
    let placed: Vec<Placed> = group
        .iter()
        .map(|member| Placed {
            position: member.position,
            version: member.version,
            digest: member.digest.0,
        })
        .collect();
    Hex(digest::group(&placed))
}

/// Whether a group stands where the event's position belongs in the batch, and is whole.
pub(super) fn is_group_of(holds: &Batch, position: i64, group: &[Member]) -> bool {
    let group_events = GROUP_EVENTS as i64;
    let place = position.checked_sub(holds.first_position);
    let Some(place) = place.filter(|place| *place >= 0) else {
        return false;
    };
    let Ok(index) = usize::try_from(place / group_events) else {
        return false;
    };
    let first = position.saturating_sub(place % group_events);
    let last = holds
        .last_position
        .min(first.saturating_add(group_events - 1));
    let positions = group.iter().map(|member| member.position);
    let whole = position <= holds.last_position && positions.eq(first..=last);
    whole && holds.groups.get(index) == Some(&hash_of(group))
}

/// Where batches lead to: the last position and the hash of the last one. `previous`: the hash of the one before them.
pub(super) fn end_of(mut previous: Hash, batches: &[Batch]) -> Result<(i64, Hash), ProofError> {
    let mut last_position = None;
    for batch in batches {
        let events = batch.last_position.saturating_sub(batch.first_position);
        let groups = events / GROUP_EVENTS as i64 + 1;
        let follows =
            last_position.is_none_or(|last: i64| Some(batch.first_position) == last.checked_add(1));
        if !follows || events < 0 || i64::try_from(batch.groups.len()) != Ok(groups) {
            return Err(ProofError::Batches);
        }
        let head = BatchHead {
            previous_hash: previous.0,
            incarnation: batch.incarnation,
            first_position: batch.first_position,
            last_position: batch.last_position,
            committed_at_us: batch.committed_at_us,
        };
        let groups: Vec<[u8; 32]> = batch.groups.iter().map(|group| group.0).collect();
        previous = Hex(digest::batch(&head, &groups));
        last_position = Some(batch.last_position);
    }
    let last_position = last_position.ok_or(ProofError::Batches)?;
    Ok((last_position, previous))
}

/// When the witness has signed that the log ends there, with this hash. `line`: verbatim.
pub(super) fn witnessed(
    line: &str,
    head: (i64, Hash),
    key: &PublicKey,
) -> Result<OffsetDateTime, ProofError> {
    let parsed = Line::parse(line).map_err(|_| ProofError::Signature)?;
    witness::check_signature(line, key).map_err(|_| ProofError::Signature)?;
    match parsed.entry {
        Entry::Head {
            position,
            batch_hash,
            ..
        } if (position, batch_hash) == head => Ok(parsed.at),
        _ => Err(ProofError::Head),
    }
}
