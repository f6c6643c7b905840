//! The proof that one event is in the log: whoever holds it can check it with nothing but the witness's public key.
//! Of other events it shows position, version and digest of at most 31, and hashes of the rest. Its format never
//! changes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tidings_proto::from_us;
use time::OffsetDateTime;
use uuid::Uuid;

use super::range::{self, BATCH_COLUMNS, EVENT_COLUMNS};
use crate::copy::Rows;
use crate::digest::{self, BatchHead, GROUP_EVENTS, Input, Placed};
use crate::hex::{Hash, Hex};
use crate::log::{Log, ReadError};
use crate::witness::{self, Entry, Folder, Line, PublicKey, WitnessError, WitnessReport};

/// Names the format.
const FORMAT: &str = "tidings.proof.v1";

/// The proof, as it is written to a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    format: String,
    /// Its place in the log.
    position: i64,
    event: Proven,
    /// The events that are hashed together, this one among them, in order.
    group: Vec<Member>,
    /// The hash of the batch before the first of `batches`.
    previous_hash: Hash,
    /// The batch that holds the event, and those after it up to the witnessed head.
    batches: Vec<Batch>,
    /// The line of the witness that signs the head, verbatim.
    witness: String,
    public_key: PublicKey,
}

/// All that the event's digest is made over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proven {
    /// Its id.
    pub event_id: Uuid,
    /// Its stream.
    pub stream_id: Uuid,
    /// Its type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The subscriber the stream is about, where the event names one.
    pub subject: Option<Uuid>,
    /// When it happened, microseconds since the Unix epoch.
    pub occurred_at_us: i64,
    /// Who did it.
    pub actor: String,
    /// What it belongs to.
    pub correlation_id: Uuid,
    /// Position of the event that caused it.
    pub causation: Option<i64>,
    /// Serialized metadata.
    pub metadata: Hex<Vec<u8>>,
    /// The serialized event; what is personal in it is sealed.
    pub payload: Hex<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Member {
    position: i64,
    version: i32,
    digest: Hash,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch {
    incarnation: Uuid,
    first_position: i64,
    last_position: i64,
    committed_at_us: i64,
    groups: Vec<Hash>,
}

/// What a proof that holds says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// The event's position.
    pub position: i64,
    /// Its version in its stream.
    pub version: i32,
    /// The event.
    pub event: Proven,
    /// When the log recorded it.
    #[serde(with = "time::serde::rfc3339")]
    pub recorded_at: OffsetDateTime,
    /// When the witness signed a head that covers it.
    #[serde(with = "time::serde::rfc3339")]
    pub witnessed_at: OffsetDateTime,
    /// Whose signature that is.
    pub public_key: PublicKey,
}

/// Why a proof proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// Not a proof at all.
    #[error("the file is not a proof of this format")]
    Format(#[source] Option<serde_json::Error>),
    /// The event is another one.
    #[error("the event is not the one whose digest the proof holds: its content was changed")]
    Event,
    /// The group is not of the batch.
    #[error(
        "the events beside it are not those of its batch: a position, a version or a digest was changed"
    )]
    Group,
    /// The batches do not follow each other.
    #[error("the batches do not follow one another up to the witnessed one")]
    Batches,
    /// The head is not the witness's.
    #[error("the witness has signed another batch hash: the log was another one")]
    Head,
    /// The signature is wrong.
    #[error("the signature of the witness is wrong")]
    Signature,
    /// Somebody else's signature.
    #[error("the proof is signed by the key {found}, not by {expected}")]
    OtherKey {
        /// Whose it is.
        found: PublicKey,
        /// Whose was expected.
        expected: PublicKey,
    },
}

/// Why a proof can not be made.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// No such event.
    #[error("the log has no event at position {0}")]
    NoEvent(i64),
    /// The witness has not come so far.
    #[error(
        "position {position} is not witnessed yet, only {witnessed} is: the platform must run for a moment first"
    )]
    NotWitnessed {
        /// The position that was asked for.
        position: i64,
        /// The last witnessed one.
        witnessed: i64,
    },
    /// The log is not sound there.
    #[error(
        "no proof can be made of what the log holds there: see `tidings audit verify --witness`"
    )]
    Unsound(#[source] ProofError),
    /// The witness can not be read, or was tampered with.
    #[error(transparent)]
    Witness(#[from] WitnessError),
    /// The log can not be read.
    #[error("the log cannot be read")]
    Read(#[from] ReadError),
}

/// Makes the proof for one position, up to the first head that the witness has signed at or after it. `report`: the
/// witness was checked.
///
/// # Errors
/// When there is nothing to prove, or it is not witnessed yet.
pub async fn prove(
    log: &Log,
    folder: &Folder,
    report: &WitnessReport,
    position: i64,
) -> Result<Proof, ProveError> {
    let event = event(log, position).await?;
    let event = event.ok_or(ProveError::NoEvent(position))?;
    let not_witnessed = || ProveError::NotWitnessed {
        position,
        witnessed: report.position,
    };
    let head = witness::head_after(folder, report, position)?;
    let (witness, head) = head.ok_or_else(not_witnessed)?;
    let (previous_hash, heads) = heads(log, position, head).await?;
    let first = heads.first().map_or(position, |head| head.first_position);
    let members = members(log, first, head).await?;
    let groups: BTreeMap<i64, &[Member]> = heads
        .iter()
        .flat_map(|head| {
            let of_batch = within(&members, head.first_position, head.last_position);
            of_batch.chunks(GROUP_EVENTS)
        })
        .filter_map(|group| Some((group.first()?.position, group)))
        .collect();
    let group = groups.range(..=position).next_back();
    let group = group.map_or(&[][..], |(_, group)| group).to_vec();
    let batches = heads
        .iter()
        .map(|head| Batch {
            groups: groups
                .range(head.first_position..=head.last_position)
                .map(|(_, group)| hash_of(group))
                .collect(),
            ..head.clone()
        })
        .collect();
    let proof = Proof {
        format: FORMAT.to_owned(),
        position,
        event,
        group,
        previous_hash,
        batches,
        witness,
        public_key: report.public_key,
    };
    match proof.check(Some(report.public_key)) {
        Ok(_) => Ok(proof),
        Err(error) => Err(ProveError::Unsound(error)),
    }
}

/// The event at a position. Rows are read as verification reads them: nothing is taken for granted of them.
async fn event(log: &Log, position: i64) -> Result<Option<Proven>, ReadError> {
    let client = log.pool().get().await?;
    let query =
        format!("select {EVENT_COLUMNS} from publishing_events where position = {position}");
    let row = Rows::of(&client, &query).await?.next().await?;
    Ok(row.and_then(|row| range::content_of(&row).map(|input| Proven::of(&input))))
}

/// The batches from the one that holds a position up to the one that ends at `head`, still without groups, and the
/// hash of the one before.
async fn heads(log: &Log, position: i64, head: i64) -> Result<(Hash, Vec<Batch>), ReadError> {
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

async fn members(log: &Log, first: i64, last: i64) -> Result<Vec<Member>, ReadError> {
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

fn within(members: &[Member], first: i64, last: i64) -> &[Member] {
    let from = members.partition_point(|member| member.position < first);
    let to = members.partition_point(|member| member.position <= last);
    members.get(from..to).unwrap_or_default()
}

fn hash_of(group: &[Member]) -> Hash {
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

impl Proven {
    fn of(input: &Input<'_>) -> Self {
        Self {
            event_id: input.event_id,
            stream_id: input.stream_id,
            event_type: input.event_type.to_owned(),
            subject: input.subject,
            occurred_at_us: input.occurred_at_us,
            actor: input.actor.to_owned(),
            correlation_id: input.correlation_id,
            causation: input.causation,
            metadata: Hex(input.metadata.to_vec()),
            payload: Hex(input.payload.to_vec()),
        }
    }

    fn digest(&self) -> [u8; 32] {
        digest::event(&Input {
            event_id: self.event_id,
            stream_id: self.stream_id,
            event_type: &self.event_type,
            subject: self.subject,
            occurred_at_us: self.occurred_at_us,
            actor: &self.actor,
            correlation_id: self.correlation_id,
            causation: self.causation,
            metadata: &self.metadata.0,
            payload: &self.payload.0,
        })
    }
}

impl Proof {
    /// Reads a proof; it is not checked yet.
    ///
    /// # Errors
    /// When it is none of this format.
    pub fn read(json: &[u8]) -> Result<Self, ProofError> {
        let proof: Self =
            serde_json::from_slice(json).map_err(|error| ProofError::Format(Some(error)))?;
        if proof.format == FORMAT {
            Ok(proof)
        } else {
            Err(ProofError::Format(None))
        }
    }

    /// The file.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("a proof is made of plain values");
        text.push('\n');
        text
    }

    /// Checks it, with nothing but itself. `expected`: the witness's public key as its holder knows it; without, the
    /// proof shows no more than that whoever has the key it names says so.
    ///
    /// # Errors
    /// Why it proves nothing.
    pub fn check(&self, expected: Option<PublicKey>) -> Result<Checked, ProofError> {
        let found = self.public_key;
        if let Some(expected) = expected.filter(|expected| *expected != found) {
            return Err(ProofError::OtherKey { found, expected });
        }
        let member = self.group.iter().find(|it| it.position == self.position);
        let member = member.ok_or(ProofError::Group)?;
        if member.digest.0 != self.event.digest() {
            return Err(ProofError::Event);
        }
        let holds = self.batches.first().ok_or(ProofError::Batches)?;
        self.check_group(holds)?;
        let head = self.check_batches()?;
        let line = Line::parse(&self.witness).map_err(|_| ProofError::Signature)?;
        witness::check_signature(&self.witness, &found).map_err(|_| ProofError::Signature)?;
        let Entry::Head {
            position,
            batch_hash,
            ..
        } = line.entry
        else {
            return Err(ProofError::Head);
        };
        if (position, batch_hash) != head {
            return Err(ProofError::Head);
        }
        Ok(Checked {
            position: self.position,
            version: member.version,
            event: self.event.clone(),
            recorded_at: from_us(holds.committed_at_us).ok_or(ProofError::Batches)?,
            witnessed_at: line.at,
            public_key: found,
        })
    }

    /// The group must stand where the event's position belongs in its batch, and be whole.
    fn check_group(&self, holds: &Batch) -> Result<(), ProofError> {
        let group_events = GROUP_EVENTS as i64;
        let place = self.position.checked_sub(holds.first_position);
        let place = place.filter(|place| *place >= 0).ok_or(ProofError::Group)?;
        let index = usize::try_from(place / group_events).map_err(|_| ProofError::Group)?;
        let first = self.position.saturating_sub(place % group_events);
        let last = holds
            .last_position
            .min(first.saturating_add(group_events - 1));
        let positions = self.group.iter().map(|member| member.position);
        let whole = self.position <= holds.last_position && positions.eq(first..=last);
        if whole && holds.groups.get(index) == Some(&hash_of(&self.group)) {
            Ok(())
        } else {
            Err(ProofError::Group)
        }
    }

    /// Where the batches lead to: the last position and the hash of the last one.
    fn check_batches(&self) -> Result<(i64, Hash), ProofError> {
        let mut previous = self.previous_hash;
        let mut last_position = None;
        for batch in &self.batches {
            let events = batch.last_position.saturating_sub(batch.first_position);
            let groups = events / GROUP_EVENTS as i64 + 1;
            let follows = last_position
                .is_none_or(|last: i64| Some(batch.first_position) == last.checked_add(1));
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
}
