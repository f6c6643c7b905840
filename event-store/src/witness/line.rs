//! One line of the witness. Its format never changes; later builds may write more kinds and more fields, which a
//! reader that does not know them passes over.
//!
//! A line is one JSON object that ends with `,"signature":"<128 digits>"}`. The signature is Ed25519 over
//! `tidings.witness.v1` and the bytes of the line before that ending, just as they stand: nobody has to write JSON
//! the way we do to check one. `previous` is the SHA-256 of the whole line before, signature included and newline
//! not, so that no line can be changed, moved or taken out without breaking all that follow.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use uuid::Uuid;

use super::key::{PublicKey, SigningKey};
use crate::hex::{Hash, Hex};

/// Names the format; stands in the first line of each file and before everything that is signed.
pub const FORMAT: &str = "tidings.witness.v1";

const BEFORE_SIGNATURE: &str = ",\"signature\":\"";
const AFTER_SIGNATURE: &str = "\"}";
const SIGNATURE_DIGITS: usize = 128;

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// 1, 2, 3, … through all files.
    pub line: u64,
    /// The SHA-256 of the line before; zeros in the very first.
    pub previous: Hash,
    /// When it was written, by the clock of the process.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The rest.
    #[serde(flatten)]
    pub entry: Entry,
}

/// The kinds of lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Entry {
    /// The first line of a file; inside a file where a build goes on, after a crash, that writes other facts.
    Opened {
        /// [`FORMAT`].
        format: String,
        /// Who signs; the same in all files of a witness.
        public_key: PublicKey,
        /// The incarnation of the log.
        incarnation: Uuid,
        /// The last position that was witnessed in earlier files; 0: none.
        position: i64,
        /// The hash of the batch that ends there; zeros for position 0, and where a restore left none that counts.
        batch_hash: Hash,
        /// The types of the facts that are all written down from here on, up to the next line of this kind.
        facts: Vec<String>,
    },
    /// The log reached so far. All facts about consent up to here stand before this line.
    Head {
        /// The last position of a batch.
        position: i64,
        /// The hash of that batch.
        batch_hash: Hash,
        /// The incarnation it was recorded in.
        incarnation: Uuid,
        /// When the log recorded it.
        #[serde(with = "time::serde::rfc3339")]
        recorded_at: OffsetDateTime,
    },
    /// Somebody left, came back, or may not be written to any more or again.
    Fact(Fact),
    /// The log was restored and goes on from an earlier position under another incarnation.
    Restored {
        /// The new incarnation.
        incarnation: Uuid,
        /// The last position of the old ones that still counts. The incarnation may begin later: up to there the log
        /// had gone on alone, and what it holds is witnessed anew.
        after_position: i64,
    },
    /// A kind that a later build writes: a line like any other, but it says nothing to this one.
    #[serde(other)]
    Other,
}

/// A fact about consent: an event of the log without what is sealed in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// Its position.
    pub position: i64,
    /// `subscriber.Unsubscribed` and the like.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The subscriber's id, or the suppression's keyed id.
    pub stream_id: Uuid,
    /// The event's id.
    pub event_id: Uuid,
    /// When it happened.
    #[serde(with = "time::serde::rfc3339")]
    pub occurred_at: OffsetDateTime,
    /// When the log recorded it.
    #[serde(with = "time::serde::rfc3339")]
    pub recorded_at: OffsetDateTime,
    /// The topic that was left, or come back to; absent, and no channel: everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic_id: Option<Uuid>,
    /// The channel that was left, or come back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel_id: Option<Uuid>,
    /// How a subscriber said so, as a code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The keyed id of a subscriber's address as a suppression: for a log that does not know the subscriber.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address_suppression_id: Option<Uuid>,
    /// What a suppression covers: `address` or `domain`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Why a suppression was added, or which reasons no longer stand, as codes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// The keys that were destroyed for an erasure.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key_ids: Vec<Uuid>,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// It is not a line of a witness.
    #[error("it is not of this format")]
    Malformed,
    /// The signature is not the key's over these bytes.
    #[error("its signature is wrong")]
    Signature,
    /// It does not follow the line before.
    #[error("it does not follow the line before it")]
    Chain,
    /// It says what can not follow from the lines before.
    #[error("it contradicts the lines before it")]
    Contradiction,
}

impl Line {
    /// The line as it is written, without its newline.
    pub fn sign(&self, key: &SigningKey) -> String {
        let text = serde_json::to_string(self).expect("lines are made of plain values");
        sign(FORMAT, text, key)
    }

    /// Reads a line without checking its signature.
    pub fn parse(text: &str) -> Result<Self, LineError> {
        split(text)?;
        serde_json::from_str(text).map_err(|_| LineError::Malformed)
    }
}

/// Whether the key has signed this line.
pub(crate) fn check_signature(text: &str, key: &PublicKey) -> Result<(), LineError> {
    check(FORMAT, text, key)
}

/// Ends a JSON object with its signature, made over a format's name and the bytes of the object before that ending.
pub(crate) fn sign(format: &str, mut object: String, key: &SigningKey) -> String {
    object.truncate(object.len() - 1);
    let signature = key.sign(&signed(format, &object));
    format!("{object}{BEFORE_SIGNATURE}{signature}{AFTER_SIGNATURE}")
}

/// Whether the key has signed an object of this format, see [`sign`].
pub(crate) fn check(format: &str, text: &str, key: &PublicKey) -> Result<(), LineError> {
    let (body, signature) = split(text)?;
    if key.signed(&signed(format, body), &signature) {
        Ok(())
    } else {
        Err(LineError::Signature)
    }
}

/// What the next line names as its previous one.
pub fn hash(text: &str) -> Hash {
    Hex(Sha256::digest(text).into())
}

fn signed(format: &str, body: &str) -> Vec<u8> {
    [format.as_bytes(), body.as_bytes()].concat()
}

fn split(text: &str) -> Result<(&str, Hex<[u8; 64]>), LineError> {
    let parted = || {
        let rest = text.strip_suffix(AFTER_SIGNATURE)?;
        let (rest, digits) = rest.split_at_checked(rest.len().checked_sub(SIGNATURE_DIGITS)?)?;
        let body = rest.strip_suffix(BEFORE_SIGNATURE)?;
        Some((body, digits.parse().ok()?))
    };
    parted().ok_or(LineError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    fn key() -> SigningKey {
        SigningKey::from_seed(b"a witness key for tests, 32 byte")
    }

    fn head() -> Line {
        Line {
            line: 7,
            previous: Hex([0xab; 32]),
            at: datetime!(2026-03-02 09:00:00.5 UTC),
            entry: Entry::Head {
                position: 40,
                batch_hash: Hex([0xcd; 32]),
                incarnation: Uuid::from_u128(1),
                recorded_at: datetime!(2026-03-02 08:59:59.25 UTC),
            },
        }
    }

    #[test]
    fn a_line_has_a_known_answer() {
        let text = head().sign(&key());
        let (body, signature) = text.split_once(",\"signature\":").unwrap();
        assert_eq!(
            body,
            "{\"line\":7,\
             \"previous\":\"abababababababababababababababababababababababababababababababab\",\
             \"at\":\"2026-03-02T09:00:00.5Z\",\"kind\":\"head\",\"position\":40,\
             \"batch_hash\":\"cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd\",\
             \"incarnation\":\"00000000-0000-0000-0000-000000000001\",\"recorded_at\":\"2026-03-02T08:59:59.25Z\""
        );
        assert_eq!(
            key().public().to_string(),
            "edaed98ac069c95d1a1a8f79bb42ad440aa7d33442bacf4dab3862036db593f2"
        );
        assert_eq!(
            signature,
            "\"a42842234126916c293537194c6f9f09ad5ccc4d6ed02487164b4e9287ba0e4b\
             b1b995e2f96716b6bc01555681c13d2c21bc970ed246ef1f2e636e8307e33f0d\"}"
        );
        assert_eq!(
            hash(&text).to_string(),
            "2b9975a8c70f3258c496bcb05216a3d8847f1e899ab3b66107a124ce28b2f89f"
        );
    }

    #[test]
    fn the_first_line_of_a_file_has_a_known_answer() {
        let opened = Entry::Opened {
            format: FORMAT.to_owned(),
            public_key: key().public(),
            incarnation: Uuid::from_u128(1),
            position: 0,
            batch_hash: Hex([0; 32]),
            facts: ["subscriber.Unsubscribed", "suppression.Added"]
                .map(str::to_owned)
                .to_vec(),
        };
        let line = Line {
            entry: opened,
            ..head()
        };
        assert_eq!(
            line.sign(&key()),
            "{\"line\":7,\
             \"previous\":\"abababababababababababababababababababababababababababababababab\",\
             \"at\":\"2026-03-02T09:00:00.5Z\",\"kind\":\"opened\",\"format\":\"tidings.witness.v1\",\
             \"public_key\":\"edaed98ac069c95d1a1a8f79bb42ad440aa7d33442bacf4dab3862036db593f2\",\
             \"incarnation\":\"00000000-0000-0000-0000-000000000001\",\"position\":0,\
             \"batch_hash\":\"0000000000000000000000000000000000000000000000000000000000000000\",\
             \"facts\":[\"subscriber.Unsubscribed\",\"suppression.Added\"],\
             \"signature\":\"c99ca94310dadeccceefed66c6f75b9566e43fb43bc4c53722439900ae7d980b\
             99b74ab3744fc37579e24432855e5bb8aed45db9a689c5eb0654e6935109990c\"}"
        );
    }

    #[test]
    fn what_a_later_build_says_besides_is_passed_over() {
        let text = head().sign(&key());
        let (body, _) = text.split_once(BEFORE_SIGNATURE).unwrap();
        let signed_anew = |body: String| {
            let signature = key().sign(&signed(FORMAT, &body));
            format!("{body}{BEFORE_SIGNATURE}{signature}{AFTER_SIGNATURE}")
        };
        let more = signed_anew(format!("{body},\"groups\":[1,{{\"of\":2}}]"));
        assert_eq!(Line::parse(&more), Ok(head()));
        let kind = "\"kind\":\"rotated\",\"reason\":{\"kind\":\"head\"},";
        let other = signed_anew(body.replace("\"kind\":\"head\",", kind));
        let expected = Line {
            entry: Entry::Other,
            ..head()
        };
        assert_eq!(Line::parse(&other), Ok(expected));
        assert_eq!(check_signature(&other, &key().public()), Ok(()));
        let none = signed_anew(body.replace("\"kind\":\"head\",", ""));
        assert_eq!(Line::parse(&none), Err(LineError::Malformed));
    }

    #[test]
    fn a_line_reads_as_it_was_written() {
        let lines = [
            head().entry,
            Entry::Opened {
                format: FORMAT.to_owned(),
                public_key: key().public(),
                incarnation: Uuid::from_u128(1),
                position: 0,
                batch_hash: Hex([0; 32]),
                facts: vec!["subscriber.Unsubscribed".to_owned()],
            },
            Entry::Fact(Fact {
                position: 39,
                event_type: "subscriber.Unsubscribed".to_owned(),
                stream_id: Uuid::from_u128(2),
                event_id: Uuid::from_u128(3),
                occurred_at: datetime!(2026-03-02 08:59:59 UTC),
                recorded_at: datetime!(2026-03-02 08:59:59 UTC),
                topic_id: Some(Uuid::from_u128(4)),
                channel_id: None,
                method: Some("one_click".to_owned()),
                address_suppression_id: Some(Uuid::from_u128(6)),
                scope: None,
                reasons: Vec::new(),
                key_ids: Vec::new(),
            }),
            Entry::Restored {
                incarnation: Uuid::from_u128(5),
                after_position: 12,
            },
        ];
        for entry in lines {
            let line = Line { entry, ..head() };
            let text = line.sign(&key());
            assert_eq!(Line::parse(&text), Ok(line));
            assert_eq!(check_signature(&text, &key().public()), Ok(()));
        }
    }

    #[test]
    fn whatever_is_changed_breaks_the_signature() {
        let text = head().sign(&key());
        let other = SigningKey::from_seed(&[7; 32]).public();
        assert_eq!(check_signature(&text, &other), Err(LineError::Signature));
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] ^= 1;
            let Ok(changed) = String::from_utf8(changed) else {
                continue;
            };
            assert!(
                check_signature(&changed, &key().public()).is_err(),
                "byte {at}"
            );
        }
        for wrong in ["", "{}", "{\"signature\":\"\"}", "ß\"}"] {
            assert_eq!(Line::parse(wrong), Err(LineError::Malformed), "{wrong}");
        }
    }
}
