//! The receipt of an erasure: what was destroyed, what remains and why, signed with the key of the witness. It is made
//! from the log alone, so it is the same whenever it is asked for.

use serde::{Deserialize, Serialize};
use tidings_domain::aggregate::CodecError;
use tidings_proto::{Event, EventMessage as _, from_us, subscriber};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::event::Recorded;
use crate::hex::{Hash, Hex};
use crate::log::ReadError;
use crate::store::{LoadError, Store, UnderstandError};
use crate::witness::{PublicKey, SigningKey, check_signed, sign_object};

/// Names the format; stands in each receipt and before what is signed.
pub const FORMAT: &str = "tidings.erasure-receipt.v1";

/// What each code of what remains means. A sentence never changes: it is part of what was signed.
const WHY: [(&str, &str); 10] = [
    (
        "ids",
        "ids, times, counts and codes: the log's proof of what happened, with no name in it",
    ),
    (
        "address_hash",
        "a keyed hash of the address: so that nothing is sent to it, and no file brings it back",
    ),
    (
        "choices",
        "which topics and channels were left or asked for, and when a message was to arrive: by id and time alone",
    ),
    (
        "segments",
        "of publications that named segments, whether these picked them: a bit each, while the names of the segments, and what \
         they ask, are kept",
    ),
    (
        "links",
        "of messages that told when a link of theirs was followed, which link that was: a keyed id, sealed until what is known of \
         that month ends",
    ),
    (
        "sealed_bytes",
        "what was sealed under the destroyed keys: nobody can open it any more",
    ),
    (
        "storage",
        "freed pages and write-ahead log of the database, until they are written over",
    ),
    (
        "backups",
        "backups and standbys from before the erasure, until they expire: restored, they are erased again",
    ),
    (
        "mail_folder",
        "mails in the operator's folder for returned mail that were not understood",
    ),
    (
        "delivered_messages",
        "messages that were delivered lie with whoever received and carried them",
    ),
];

/// A receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// `tidings.erasure-receipt.v1`
    pub format: String,
    /// Who was erased.
    pub subscriber_id: Uuid,
    /// request, operator or restored.
    pub basis: String,
    /// When they asked.
    #[serde(with = "time::serde::rfc3339")]
    pub asked_at: OffsetDateTime,
    /// The request on record.
    pub requested: Entry,
    /// For the basis `restored`: the event that the log has lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored_event_id: Option<Uuid>,
    /// The erasure on record.
    pub erased: Entry,
    /// The hash of the batch that holds it: names the log.
    pub batch_hash: Hash,
    /// The keys that were destroyed.
    pub destroyed: Vec<Destroyed>,
    /// What is kept, or out of reach.
    pub remains: Vec<Remaining>,
    /// Whose signature it is.
    pub public_key: PublicKey,
}

/// An event of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its id.
    pub event_id: Uuid,
    /// Its position.
    pub position: i64,
    /// When it happened.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Who did it.
    pub actor: String,
}

/// A key that was destroyed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destroyed {
    /// What it sealed: `subscriber` or `import`.
    pub kind: String,
    /// The key.
    pub key_id: Uuid,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

/// Something that remains.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remaining {
    /// A stable code.
    pub what: String,
    /// What it is, and why it remains.
    pub why: String,
}

/// How far an erasure is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Erasure {
    /// Nobody asked for one; or there is no such subscriber.
    None,
    /// Under way: nothing is sent any more, and the data are being destroyed.
    Requested {
        /// Since when.
        requested: Entry,
        /// When their key was destroyed; none: it is not yet.
        key_destroyed_at: Option<OffsetDateTime>,
    },
    /// Done: the receipt as it is handed out.
    Erased(String),
}

/// Why a file is no receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// Another key signed it.
    #[error("it is signed with the key {found}, not with {expected}")]
    OtherKey {
        /// The key it names.
        found: PublicKey,
        /// The one that was given.
        expected: PublicKey,
    },
    /// The signature is not the key's over these bytes.
    #[error("its signature is wrong: it was changed, or never signed")]
    Signature,
}

/// How far a subscriber's erasure is, as the log has it.
///
/// # Errors
/// When the log or the key of the witness cannot be read.
pub async fn erasure(store: &Store, subscriber_id: Uuid) -> Result<Erasure, LoadError> {
    let events = store.log().stream(subscriber_id).await?;
    let of = |event_type| events.iter().find(|it| it.event_type == event_type);
    let Some(requested) = of(subscriber::ErasureRequested::TYPE) else {
        return Ok(Erasure::None);
    };
    let Some(erased) = of(subscriber::Erased::TYPE) else {
        let destroyed = store.vault().shredded(&[subscriber_id]).await?;
        return Ok(Erasure::Requested {
            requested: entry(requested),
            key_destroyed_at: destroyed.first().map(|(_, at)| *at),
        });
    };
    let batch_hash = store.log().batch_hash(erased.position).await?;
    let batch_hash = batch_hash.ok_or(ReadError::Garbled)?;
    // The witness has made it long before.
    let key = store.vault().witness_key(erased.occurred_at).await?;
    let receipt = receipt(requested, erased, batch_hash, &key);
    let receipt = receipt.map_err(|source| LoadError::Codec {
        position: erased.position,
        source,
    })?;
    Ok(Erasure::Erased(receipt.sign(&key)))
}

fn receipt(
    requested: &Recorded,
    erased: &Recorded,
    batch_hash: [u8; 32],
    key: &SigningKey,
) -> Result<Receipt, UnderstandError> {
    let Event::SubscriberErasureRequested(asked) = requested.decode()? else {
        return Err(unsaid(subscriber::ErasureRequested::TYPE, "type"));
    };
    let Event::SubscriberErased(done) = erased.decode()? else {
        return Err(unsaid(subscriber::Erased::TYPE, "type"));
    };
    let asked_at = match asked.asked_at_us {
        0 => requested.occurred_at,
        us => {
            from_us(us).ok_or_else(|| unsaid(subscriber::ErasureRequested::TYPE, "asked_at_us"))?
        }
    };
    let restored = Some(&asked.restored_event_id).filter(|id| !id.is_empty());
    let restored = restored.map(|id| {
        Uuid::from_slice(id)
            .map_err(|_| unsaid(subscriber::ErasureRequested::TYPE, "restored_event_id"))
    });
    let remains = done.remains.into_iter().map(remaining);
    let destroyed = done.shredded.into_iter().map(destroyed);
    Ok(Receipt {
        format: FORMAT.to_owned(),
        subscriber_id: requested.stream_id,
        basis: asked.basis,
        asked_at,
        requested: entry(requested),
        restored_event_id: restored.transpose()?,
        erased: entry(erased),
        batch_hash: Hex(batch_hash),
        destroyed: destroyed.collect::<Result<_, _>>()?,
        remains: remains.collect::<Result<_, _>>()?,
        public_key: key.public(),
    })
}

fn entry(event: &Recorded) -> Entry {
    Entry {
        event_id: event.event_id,
        position: event.position,
        at: event.occurred_at,
        actor: event.actor.clone(),
    }
}

/// What is signed is what the log says, and nothing in its place.
fn unsaid(event_type: &'static str, field: &'static str) -> UnderstandError {
    CodecError::Field { event_type, field }.into()
}

fn destroyed(it: subscriber::erased::Shredded) -> Result<Destroyed, UnderstandError> {
    let unsaid = |field| unsaid(subscriber::Erased::TYPE, field);
    Ok(Destroyed {
        kind: it.kind,
        key_id: Uuid::from_slice(&it.key_id).map_err(|_| unsaid("shredded.key_id"))?,
        at: from_us(it.shredded_at_us).ok_or_else(|| unsaid("shredded.shredded_at_us"))?,
    })
}

/// # Errors
/// A later version wrote the code: what it means would be missing in what we sign.
fn remaining(what: String) -> Result<Remaining, UnderstandError> {
    let why = WHY.iter().find(|(code, _)| *code == what);
    let (_, why) = why.ok_or_else(|| unsaid(subscriber::Erased::TYPE, "remains"))?;
    Ok(Remaining {
        why: (*why).to_owned(),
        what,
    })
}

impl Receipt {
    /// The receipt as it is handed out: one JSON object that ends with its signature.
    pub fn sign(&self, key: &SigningKey) -> String {
        let text = serde_json::to_string(self).expect("a receipt is made of plain values");
        sign_object(FORMAT, text, key)
    }

    /// Reads a receipt, which is not checked yet; `None`: it is none of this format.
    pub fn read(text: &str) -> Option<Self> {
        let receipt: Self = serde_json::from_str(text).ok()?;
        (receipt.format == FORMAT).then_some(receipt)
    }

    /// Checks the signature of the text it was read from. `expected`: the witness's public key as its holder knows it;
    /// without, it shows no more than that whoever has the key it names says so.
    ///
    /// # Errors
    /// Why it shows nothing.
    pub fn check(&self, text: &str, expected: Option<PublicKey>) -> Result<(), ReceiptError> {
        let found = self.public_key;
        if let Some(expected) = expected.filter(|expected| *expected != found) {
            return Err(ReceiptError::OtherKey { found, expected });
        }
        check_signed(FORMAT, text.trim_end(), &found).map_err(|_| ReceiptError::Signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_domain::subscriber::Remains;
    use time::macros::datetime;

    fn key() -> SigningKey {
        SigningKey::from_seed(&[7; 32])
    }

    fn a_receipt() -> Receipt {
        let entry = |n: u128| Entry {
            event_id: Uuid::from_u128(n),
            position: 40 + n as i64,
            at: datetime!(2026-03-01 10:00:00.5 UTC),
            actor: "user:ada".to_owned(),
        };
        Receipt {
            format: FORMAT.to_owned(),
            subscriber_id: Uuid::from_u128(9),
            basis: "request".to_owned(),
            asked_at: datetime!(2026-02-27 00:00 UTC),
            requested: entry(1),
            restored_event_id: None,
            erased: entry(2),
            batch_hash: Hex([5; 32]),
            destroyed: vec![Destroyed {
                kind: "subscriber".to_owned(),
                key_id: Uuid::from_u128(9),
                at: datetime!(2026-03-01 10:00:01 UTC),
            }],
            remains: vec![remaining("ids".to_owned()).unwrap()],
            public_key: key().public(),
        }
    }

    #[test]
    fn a_receipt_has_a_known_answer() {
        insta::assert_snapshot!(a_receipt().sign(&key()));
    }

    #[test]
    fn every_code_of_what_remains_says_what_it_is() {
        let codes: Vec<&str> = WHY.iter().map(|(code, _)| *code).collect();
        let all: Vec<&str> = Remains::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(codes, all);
    }

    #[test]
    fn no_receipt_is_made_without_a_word_on_everything_that_remains() {
        assert!(remaining("segments".to_owned()).is_ok());
        assert!(remaining("of_later".to_owned()).is_err());
    }

    fn recorded(event: &Event) -> Recorded {
        Recorded {
            position: 41,
            stream_id: Uuid::from_u128(9),
            version: 2,
            event_id: Uuid::from_u128(1),
            event_type: event.event_type().to_owned(),
            subject: None,
            occurred_at: datetime!(2026-03-01 10:00 UTC),
            recorded_at: datetime!(2026-03-01 10:00 UTC),
            actor: "user:ada".to_owned(),
            correlation_id: Uuid::nil(),
            causation: None,
            metadata: Vec::new().into(),
            payload: event.encode_to_vec().into(),
            digest: [0; 32],
        }
    }

    /// Nor is anything signed in place of what can not be read.
    #[test]
    fn no_receipt_is_made_of_what_can_not_be_read() {
        let asked = subscriber::ErasureRequested {
            basis: "request".to_owned(),
            ..Default::default()
        };
        let done = subscriber::Erased {
            shredded: vec![subscriber::erased::Shredded {
                kind: "subscriber".to_owned(),
                key_id: Uuid::from_u128(9).as_bytes().to_vec().into(),
                shredded_at_us: 1_772_359_200_000_000,
            }],
            remains: vec!["ids".to_owned()],
        };
        let made = |asked: &subscriber::ErasureRequested, done: &subscriber::Erased| {
            let [asked, done] = [asked.clone().into(), done.clone().into()].map(|it| recorded(&it));
            receipt(&asked, &done, [5; 32], &key())
        };
        let made_of_all = made(&asked, &done).unwrap();
        assert_eq!(made_of_all.asked_at, datetime!(2026-03-01 10:00 UTC));
        assert_eq!(made_of_all.restored_event_id, None);
        let mut wrong = Vec::new();
        let (mut asked_at, mut restored) = (asked.clone(), asked.clone());
        asked_at.asked_at_us = i64::MAX;
        restored.restored_event_id = vec![7].into();
        wrong.extend([asked_at, restored].map(|asked| made(&asked, &done)));
        let (mut key_id, mut at) = (done.clone(), done.clone());
        key_id.shredded[0].key_id = vec![7].into();
        at.shredded[0].shredded_at_us = i64::MAX;
        wrong.extend([key_id, at].map(|done| made(&asked, &done)));
        let field = |it: Result<Receipt, UnderstandError>| match it {
            Err(UnderstandError::Codec(CodecError::Field { field, .. })) => field,
            other => panic!("{other:?}"),
        };
        let fields: Vec<&str> = wrong.into_iter().map(field).collect();
        assert_eq!(
            fields,
            [
                "asked_at_us",
                "restored_event_id",
                "shredded.key_id",
                "shredded.shredded_at_us"
            ]
        );
        let another = recorded(&done.clone().into());
        assert!(receipt(&another, &another, [5; 32], &key()).is_err());
    }

    #[test]
    fn it_reads_as_it_was_signed_and_whatever_is_changed_is_found() {
        let text = a_receipt().sign(&key());
        let ours = Some(key().public());
        let read = Receipt::read(&text).unwrap();
        assert_eq!(read, a_receipt());
        assert_eq!(read.check(&format!("{text}\n"), ours), Ok(()));
        let changed = text.replace("request", "operator");
        assert_eq!(read.check(&changed, ours), Err(ReceiptError::Signature));
        let other = SigningKey::from_seed(&[8; 32]).public();
        let of_another = read.check(&text, Some(other));
        assert!(matches!(of_another, Err(ReceiptError::OtherKey { .. })));
        for none in ["{}".to_owned(), text.replace(FORMAT, "tidings.witness.v1")] {
            assert_eq!(Receipt::read(&none), None);
        }
    }
}
