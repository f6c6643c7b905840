//! The proof that one event is in the log: whoever holds it can check it with nothing but the witness's public key.
//! Of other events it shows position, version and digest of at most 31, and hashes of the rest. Its format never
//! changes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tidings_proto::{from_us, to_us};
use time::OffsetDateTime;
use uuid::Uuid;

use super::links::{
    Batch, Member, end_of, hash_of, heads, is_group_of, members, within, witnessed,
};
use super::range::{self, EVENT_COLUMNS};
use crate::copy::Rows;
use crate::digest::{self, GROUP_EVENTS, Input};
use crate::event::Recorded;
use crate::hex::{Hash, Hex};
use crate::log::{Log, ReadError};
use crate::witness::{self, Folder, PublicKey, WitnessError, WitnessReport};

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

impl Proven {
    /// The content of an event as it was read from the log.
    pub fn recorded(event: &Recorded) -> Self {
        Self {
            event_id: event.event_id,
            stream_id: event.stream_id,
            event_type: event.event_type.clone(),
            subject: event.subject,
            occurred_at_us: to_us(event.occurred_at),
            actor: event.actor.clone(),
            correlation_id: event.correlation_id,
            causation: event.causation,
            metadata: Hex(event.metadata.to_vec()),
            payload: Hex(event.payload.to_vec()),
        }
    }

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

    /// The digest of it.
    pub fn digest(&self) -> [u8; 32] {
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
        if !is_group_of(holds, self.position, &self.group) {
            return Err(ProofError::Group);
        }
        let head = end_of(self.previous_hash, &self.batches)?;
        let witnessed_at = witnessed(&self.witness, head, &found)?;
        Ok(Checked {
            position: self.position,
            version: member.version,
            event: self.event.clone(),
            recorded_at: from_us(holds.committed_at_us).ok_or(ProofError::Batches)?,
            witnessed_at,
            public_key: found,
        })
    }
}
