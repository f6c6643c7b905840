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

/// Keys by owner; `None`: shredded. A key that is shredded while a ring holds it opens and seals nothing from then
/// on, as if the ring had been read afterwards.
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

    /// Whether a key is known to be destroyed.
    pub fn is_shredded(&self, owner: Uuid) -> bool {
        self.keys.get(&owner).is_some_and(Option::is_none)
    }

    pub(crate) fn knows(&self, owner: Uuid) -> bool {
        self.keys.contains_key(&owner)
    }

    pub(super) fn get(&self, owner: Uuid) -> Option<&DataKey> {
        self.keys.get(&owner).and_then(Option::as_ref)
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
        let nonce = random_nonce();
        let aad = self.place.aad(&key_id, field);
        let ciphertext = self
            .key
            .and_then(|key| key.seal(nonce, &aad, pad(plaintext)));
        match ciphertext {
            Some(ciphertext) => Sealed {
                scheme: SCHEME_AES_256_GCM,
                key_id,
                nonce: Bytes::copy_from_slice(&nonce),
                ciphertext: ciphertext.into(),
            },
            None => Sealed {
                scheme: SCHEME_NOBODY,
                key_id,
                ..Sealed::default()
            },
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
        let Some(opened) = key.open(nonce, &aad, sealed.ciphertext.to_vec()) else {
            return Ok(None);
        };
        let padded = opened.ok_or_else(wrong)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with another implementation, from the description of the format alone: `amy@example.org` as the field
    /// `email` of a `subscriber.SignedUp`, under the key 00 01 … 1f, with the nonce b0 b1 … bb; owner 10 11 … 1f,
    /// stream 20 21 … 2f, event 30 31 … 3f.
    const AAD: &str = "00000011746964696e67732e7365616c65642e763100000010101112131415161718191a1b1c1d1e1f00000010202122232425262728292a2b2c2d2e2f00000010303132333435363738393a3b3c3d3e3f00000013737562736372696265722e5369676e6564557000000005656d61696c";
    const CIPHERTEXT: &str = "f83823eb89b5da323794f28ca22fef42843c49d2152e8f355ece82f15c82f216c68ba4eac6704903b048fe40b70159cf";

    fn counting<const N: usize>(first: u8) -> [u8; N] {
        std::array::from_fn(|n| first + n as u8)
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn the_known_answer() {
        let place = Place {
            stream_id: Uuid::from_bytes(counting(0x20)),
            event_id: Uuid::from_bytes(counting(0x30)),
            event_type: "subscriber.SignedUp",
        };
        let aad = place.aad(&counting::<16>(0x10), "email");
        assert_eq!(hex(&aad), AAD);
        let key = DataKey::from_bytes(counting(0));
        let sealed = key.seal(counting(0xb0), &aad, pad(b"amy@example.org"));
        assert_eq!(hex(&sealed.unwrap()), CIPHERTEXT);
    }
}
