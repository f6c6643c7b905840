//! The proof that many events are in the log, such as all of one subscriber: what they have in common of batches and
//! signed heads is in it once. Its format never changes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tidings_proto::from_us;
use time::OffsetDateTime;

use super::links::{
    Batch, Member, end_of, hash_of, heads, is_group_of, members, within, witnessed,
};
use super::proof::{ProofError, ProveError};
use crate::digest::GROUP_EVENTS;
use crate::hex::Hash;
use crate::log::Log;
use crate::witness::{Folder, PublicKey, SignedHead, signed_heads};

/// Names the format.
const FORMAT: &str = "tidings.proof-of-many.v1";

/// The proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProofOfMany {
    format: String,
    public_key: PublicKey,
    /// In the order of the log.
    spans: Vec<Span>,
}

/// From the batch that holds the first of some events up to the signed head after the last of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// The hash of the batch before the first of `batches`.
    previous_hash: Hash,
    batches: Vec<Batch>,
    /// The groups that hold the events, in order, with the other events they were hashed together with.
    groups: Vec<Vec<Member>>,
    /// The line of the witness that signs the head, verbatim.
    witness: String,
}

/// What is proven of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its version in its stream.
    pub version: i32,
    /// Its digest.
    pub digest: [u8; 32],
    /// When the log recorded it.
    pub recorded_at: OffsetDateTime,
    /// When the witness signed a head that covers it.
    pub witnessed_at: OffsetDateTime,
}

/// The signed heads that cover these positions, which rise, each with those it covers.
///
/// # Errors
/// When the witness has not come so far, or cannot be read.
pub fn covering(
    folder: &Folder,
    positions: &[i64],
) -> Result<Vec<(SignedHead, Vec<i64>)>, ProveError> {
    let heads = signed_heads(folder, positions)?;
    let mut covered = Vec::with_capacity(heads.len());
    let mut rest = positions;
    for head in heads {
        let (here, beyond) = rest.split_at(rest.partition_point(|it| *it <= head.position));
        covered.push((head, here.to_vec()));
        rest = beyond;
    }
    match rest.last() {
        None => Ok(covered),
        Some(position) => Err(ProveError::NotWitnessed {
            position: *position,
            witnessed: covered.last().map_or(0, |(head, _)| head.position),
        }),
    }
}

/// The part of the proof up to one signed head. `key`: whoever signs the witness.
///
/// # Errors
/// When the log cannot be read, or is not sound there.
pub async fn span(
    log: &Log,
    key: PublicKey,
    head: &SignedHead,
    positions: &[i64],
) -> Result<Span, ProveError> {
    let first = positions.first().copied().unwrap_or(head.position);
    let (previous_hash, mut batches) = heads(log, first, head.position).await?;
    let from = batches.first().map_or(first, |batch| batch.first_position);
    let members = members(log, from, head.position).await?;
    let mut groups = Vec::new();
    for batch in &mut batches {
        let of_batch = within(&members, batch.first_position, batch.last_position);
        for group in of_batch.chunks(GROUP_EVENTS) {
            batch.groups.push(hash_of(group));
            let wanted = |member: &Member| positions.binary_search(&member.position).is_ok();
            if group.iter().any(wanted) {
                groups.push(group.to_vec());
            }
        }
    }
    let span = Span {
        previous_hash,
        batches,
        groups,
        witness: head.line.clone(),
    };
    let proven = span.check(key).map_err(ProveError::Unsound)?;
    match positions.iter().find(|it| !proven.contains_key(*it)) {
        None => Ok(span),
        Some(position) => Err(ProveError::NoEvent(*position)),
    }
}

impl Span {
    /// What stands where, if it leads to the signed head.
    fn check(&self, key: PublicKey) -> Result<BTreeMap<i64, Place>, ProofError> {
        let head = end_of(self.previous_hash, &self.batches)?;
        let witnessed_at = witnessed(&self.witness, head, &key)?;
        let mut places = BTreeMap::new();
        for group in &self.groups {
            let first = group.first().ok_or(ProofError::Group)?.position;
            let before = |batch: &Batch| batch.last_position < first;
            let holds = self.batches.get(self.batches.partition_point(before));
            let holds = holds.ok_or(ProofError::Group)?;
            if !is_group_of(holds, first, group) {
                return Err(ProofError::Group);
            }
            let recorded_at = from_us(holds.committed_at_us).ok_or(ProofError::Batches)?;
            places.extend(group.iter().map(|member| {
                let place = Place {
                    version: member.version,
                    digest: member.digest.0,
                    recorded_at,
                    witnessed_at,
                };
                (member.position, place)
            }));
        }
        Ok(places)
    }
}

impl ProofOfMany {
    /// The text before, between and after its spans, so that it can be written one by one.
    pub fn frame(key: PublicKey) -> (String, &'static str, &'static str) {
        let before = format!("{{\"format\":\"{FORMAT}\",\"public_key\":\"{key}\",\"spans\":[\n");
        (before, ",\n", "\n]}\n")
    }

    /// Reads a proof; it is not checked yet.
    ///
    /// # Errors
    /// When it is none of this format.
    pub fn read(json: &[u8]) -> Result<Self, ProofError> {
        let proof: Self =
            serde_json::from_slice(json).map_err(|error| ProofError::Format(Some(error)))?;
        match proof.format == FORMAT {
            true => Ok(proof),
            false => Err(ProofError::Format(None)),
        }
    }

    /// Whose signatures it holds.
    pub fn public_key(&self) -> PublicKey {
        self.public_key
    }

    /// What is proven of which position, with nothing but the proof itself. `expected`: the witness's public key as its
    /// holder knows it; without, it shows no more than that whoever has the key it names says so.
    ///
    /// # Errors
    /// Why it proves nothing.
    pub fn check(&self, expected: Option<PublicKey>) -> Result<BTreeMap<i64, Place>, ProofError> {
        let found = self.public_key;
        if let Some(expected) = expected.filter(|expected| *expected != found) {
            return Err(ProofError::OtherKey { found, expected });
        }
        let mut places = BTreeMap::new();
        for span in &self.spans {
            places.extend(span.check(found)?);
        }
        Ok(places)
    }
}
