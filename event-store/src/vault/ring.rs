//! Opened keys, and sealing and opening the fields of one event with them.

use std::collections::HashMap;

use bytes::Bytes;
use tidings_domain::personal::{Open, OpenError, Seal};
use tidings_proto::common::Sealed;
use uuid::Uuid;

use super::cipher::{DataKey, random_nonce};
use crate::event::uuid_bytes;

const SCHEME_NOBODY: u32 = 0;
const SCHEME_AES_256_GCM: u32 = 1;
const SEALED: &[u8] = b"tidings.sealed.v1";
/// Plaintexts are padded to a multiple of this, so that their length tells little after erasure.
const PADDED_TO: usize = 32;
const PAD_START: u8 = 0x80;

/// Keys by owner; `None`: shredded.
#[derive(Clone, Default)]
pub struct KeyRing {
    keys: HashMap<Uuid, Option<DataKey>>,
}

impl KeyRing {
    /// Adds a key, or the knowledge that it was shredded.
    pub fn insert(&mut self, owner: Uuid, key: Option<DataKey>) {
        self.keys.insert(owner, key);
    }

    pub(super) fn extend(&mut self, other: Self) {
        self.keys.extend(other.keys);
    }

    pub(crate) fn knows(&self, owner: Uuid) -> bool {
        self.keys.contains_key(&owner)
    }

    pub(super) fn get(&self, owner: Uuid) -> Option<&DataKey> {
        self.keys.get(&owner).and_then(Option::as_ref)
    }

    pub(super) fn live(&self) -> impl Iterator<Item = (Uuid, &DataKey)> {
        self.keys
            .iter()
            .filter_map(|(owner, key)| key.as_ref().map(|key| (*owner, key)))
    }
}

/// Where a sealed value stands: bound to the ciphertext, so that it opens nowhere else.
#[derive(Clone, Copy)]
struct Place<'a> {
    stream_id: Uuid,
    event_id: Uuid,
    event_type: &'a str,
}

impl Place<'_> {
    fn aad(&self, key_id: &[u8], field: &str) -> Vec<u8> {
        let parts = [
            SEALED,
            key_id,
            self.stream_id.as_bytes(),
            self.event_id.as_bytes(),
            self.event_type.as_bytes(),
            field.as_bytes(),
        ];
        let mut aad = Vec::with_capacity(128);
        for part in parts {
            aad.extend_from_slice(&(part.len() as u32).to_be_bytes());
            aad.extend_from_slice(part);
        }
        aad
    }
}

/// Seals the fields of one event under one owner's key.
pub struct EventSealer<'a> {
    place: Place<'a>,
    owner: Uuid,
    key: Option<&'a DataKey>,
}

impl<'a> EventSealer<'a> {
    /// For the event with this identity; a shredded key seals for nobody. So does an
    /// unknown one: a draft makes sure beforehand that it knows its owners.
    pub fn new(
        ring: &'a KeyRing,
        owner: Uuid,
        stream_id: Uuid,
        event_id: Uuid,
        event_type: &'a str,
    ) -> Self {
        Self {
            place: Place {
                stream_id,
                event_id,
                event_type,
            },
            owner,
            key: ring.get(owner),
        }
    }
}

impl Seal for EventSealer<'_> {
    fn seal(&self, field: &str, plaintext: &[u8]) -> Sealed {
        let key_id = uuid_bytes(self.owner);
        let Some(key) = self.key else {
            return Sealed {
                scheme: SCHEME_NOBODY,
                key_id,
                ..Sealed::default()
            };
        };
        let nonce = random_nonce();
        let aad = self.place.aad(&key_id, field);
        Sealed {
            scheme: SCHEME_AES_256_GCM,
            key_id,
            nonce: Bytes::copy_from_slice(&nonce),
            ciphertext: key.seal(nonce, &aad, pad(plaintext)).into(),
        }
    }
}

/// Opens the fields of one event with whatever keys there are.
pub struct EventOpener<'a> {
    place: Place<'a>,
    ring: &'a KeyRing,
}

impl<'a> EventOpener<'a> {
    /// For the event with this identity.
    pub fn new(ring: &'a KeyRing, stream_id: Uuid, event_id: Uuid, event_type: &'a str) -> Self {
        Self {
            place: Place {
                stream_id,
                event_id,
                event_type,
            },
            ring,
        }
    }
}

impl Open for EventOpener<'_> {
    fn open(&self, field: &str, sealed: &Sealed) -> Result<Option<Vec<u8>>, OpenError> {
        let wrong = || OpenError {
            field: field.to_owned(),
        };
        if sealed.scheme == SCHEME_NOBODY {
            return Ok(None);
        }
        let owner = Uuid::from_slice(&sealed.key_id).map_err(|_| wrong())?;
        let Some(key) = self.ring.get(owner) else {
            return Ok(None);
        };
        let nonce = sealed.nonce.as_ref().try_into().map_err(|_| wrong())?;
        if sealed.scheme != SCHEME_AES_256_GCM {
            return Err(wrong());
        }
        let aad = self.place.aad(&sealed.key_id, field);
        let padded = key
            .open(nonce, &aad, sealed.ciphertext.to_vec())
            .ok_or_else(wrong)?;
        unpad(padded).map(Some).ok_or_else(wrong)
    }
}

fn pad(plaintext: &[u8]) -> Vec<u8> {
    let length = (plaintext.len() / PADDED_TO + 1) * PADDED_TO;
    // Room for the tag, so that sealing in place does not move the bytes.
    let mut padded = Vec::with_capacity(length + 16);
    padded.extend_from_slice(plaintext);
    padded.push(PAD_START);
    padded.resize(length, 0);
    padded
}

fn unpad(mut padded: Vec<u8>) -> Option<Vec<u8>> {
    let end = padded.iter().rposition(|byte| *byte != 0)?;
    (padded[end] == PAD_START).then(|| {
        padded.truncate(end);
        padded
    })
}
