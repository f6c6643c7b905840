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
const SCHEME_AES_256_GCM_TWO_KEYS: u32 = 2;
const SEALED: &[u8] = b"tidings.sealed.v1";
const SEALED_BY_TWO: &[u8] = b"tidings.sealed.v2";
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

    /// Whether there is such a key, or was.
    pub fn knows(&self, owner: Uuid) -> bool {
        self.keys.contains_key(&owner)
    }

    pub(super) fn get(&self, owner: Uuid) -> Option<&DataKey> {
        self.keys.get(&owner).and_then(Option::as_ref)
    }

    /// The key that seals what goes with whichever of its keys goes first.
    fn under(&self, under: Under) -> Option<DataKey> {
        let owner = self.get(under.owner)?;
        match under.period {
            None => Some(owner.clone()),
            Some(period) => owner.with(self.get(period)?, SEALED_BY_TWO),
        }
    }
}

/// Whose keys seal a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Under {
    /// Whom it belongs to.
    pub owner: Uuid,
    /// The period it is kept for: it opens as long as both keys exist. None: as long as the owner's does.
    pub period: Option<Uuid>,
}

impl From<Uuid> for Under {
    fn from(owner: Uuid) -> Self {
        Self {
            owner,
            period: None,
        }
    }
}

impl Under {
    /// The keys it takes.
    pub(crate) fn keys(self) -> impl Iterator<Item = Uuid> {
        std::iter::once(self.owner).chain(self.period)
    }

    /// As a sealed value says it.
    fn of(sealed: &Sealed) -> Option<Self> {
        let id = |bytes| Uuid::from_slice(bytes).ok();
        let owner = id(&sealed.key_id)?;
        let period = match sealed.scheme {
            SCHEME_AES_256_GCM_TWO_KEYS => Some(id(&sealed.period_key_id)?),
            _ => None,
        };
        Some(Self { owner, period })
    }
}

/// The keys that open a sealed value.
pub(crate) fn keys_of_value(sealed: &Sealed) -> impl Iterator<Item = Uuid> {
    Under::of(sealed).into_iter().flat_map(Under::keys)
}

/// Where a sealed value stands: bound to the ciphertext, so that it opens nowhere else.
#[derive(Clone, Copy)]
struct Place<'a> {
    stream_id: Uuid,
    event_id: Uuid,
    event_type: &'a str,
}

impl Place<'_> {
    fn aad(&self, under: Under, field: &str) -> Vec<u8> {
        let tag = match under.period {
            None => SEALED,
            Some(_) => SEALED_BY_TWO,
        };
        let period = under.period.as_ref().map(|id| id.as_bytes().as_slice());
        let parts = [Some(tag), Some(under.owner.as_bytes()), period];
        let parts = parts.into_iter().flatten().chain([
            self.stream_id.as_bytes().as_slice(),
            self.event_id.as_bytes(),
            self.event_type.as_bytes(),
            field.as_bytes(),
        ]);
        let mut aad = Vec::with_capacity(128);
        for part in parts {
            aad.extend_from_slice(&(part.len() as u32).to_be_bytes());
            aad.extend_from_slice(part);
        }
        aad
    }
}

/// Seals the fields of one event under one owner's key, and a period's where there is one.
pub struct EventSealer<'a> {
    place: Place<'a>,
    under: Under,
    key: Option<DataKey>,
    /// The period's key alone.
    of_period: Option<DataKey>,
}

impl<'a> EventSealer<'a> {
    /// For the event with this identity; a shredded key seals for nobody. So does an
    /// unknown one: a draft makes sure beforehand that it knows its owners.
    pub fn new(
        ring: &KeyRing,
        under: impl Into<Under>,
        stream_id: Uuid,
        event_id: Uuid,
        event_type: &'a str,
    ) -> Self {
        let under = under.into();
        Self {
            place: Place {
                stream_id,
                event_id,
                event_type,
            },
            under,
            key: ring.under(under),
            of_period: under.period.and_then(|period| ring.get(period)).cloned(),
        }
    }

    fn sealed(&self, under: Under, key: Option<&DataKey>, field: &str, plain: &[u8]) -> Sealed {
        let key_id = uuid_bytes(under.owner);
        let period_key_id = under.period.map(uuid_bytes).unwrap_or_default();
        let nonce = random_nonce();
        let aad = self.place.aad(under, field);
        let ciphertext = key.and_then(|key| key.seal(nonce, &aad, pad(plain)));
        match ciphertext {
            Some(ciphertext) => Sealed {
                scheme: match under.period {
                    None => SCHEME_AES_256_GCM,
                    Some(_) => SCHEME_AES_256_GCM_TWO_KEYS,
                },
                key_id,
                nonce: Bytes::copy_from_slice(&nonce),
                ciphertext: ciphertext.into(),
                period_key_id,
            },
            None => Sealed {
                scheme: SCHEME_NOBODY,
                key_id,
                period_key_id,
                ..Sealed::default()
            },
        }
    }
}

impl Seal for EventSealer<'_> {
    fn seal(&self, field: &str, plaintext: &[u8]) -> Sealed {
        self.sealed(self.under, self.key.as_ref(), field, plaintext)
    }

    /// Without a period nobody can open it.
    fn seal_by_period(&self, field: &str, plaintext: &[u8]) -> Sealed {
        let under = Under::from(self.under.period.unwrap_or_default());
        self.sealed(under, self.of_period.as_ref(), field, plaintext)
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
        let under = Under::of(sealed).ok_or_else(wrong)?;
        let Some(key) = self.ring.under(under) else {
            return Ok(None);
        };
        let nonce = sealed.nonce.as_ref().try_into().map_err(|_| wrong())?;
        if !matches!(
            sealed.scheme,
            SCHEME_AES_256_GCM | SCHEME_AES_256_GCM_TWO_KEYS
        ) {
            return Err(wrong());
        }
        let aad = self.place.aad(under, field);
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
        let aad = place.aad(Uuid::from_bytes(counting(0x10)).into(), "email");
        assert_eq!(hex(&aad), AAD);
        let key = DataKey::from_bytes(counting(0));
        let sealed = key.seal(counting(0xb0), &aad, pad(b"amy@example.org"));
        assert_eq!(hex(&sealed.unwrap()), CIPHERTEXT);
    }

    /// Made in the same way: `{"user_agent":"Mail/7"}` as the field `evidence` of an `engagement.Opened`, period 40 41 … 4f, whose
    /// key is 60 61 … 7f.
    const AAD_BY_TWO: &str = "00000011746964696e67732e7365616c65642e763200000010101112131415161718191a1b1c1d1e1f00000010404142434445464748494a4b4c4d4e4f00000010202122232425262728292a2b2c2d2e2f00000010303132333435363738393a3b3c3d3e3f00000011656e676167656d656e742e4f70656e65640000000865766964656e6365";
    const CIPHERTEXT_BY_TWO: &str = "98b56764457c9093a4e97249dd828d9285680128fea9f5b9561385f5fec6dd0b94232f90616adfdd06f12ab2da4f22d0";

    fn by_two() -> (KeyRing, Under) {
        let under = Under {
            owner: Uuid::from_bytes(counting(0x10)),
            period: Some(Uuid::from_bytes(counting(0x40))),
        };
        let mut ring = KeyRing::default();
        ring.insert(under.owner, Some(DataKey::from_bytes(counting(0))));
        let period = DataKey::from_bytes(counting(0x60));
        ring.insert(under.period.unwrap(), Some(period));
        (ring, under)
    }

    #[test]
    fn the_known_answer_of_two_keys() {
        let place = Place {
            stream_id: Uuid::from_bytes(counting(0x20)),
            event_id: Uuid::from_bytes(counting(0x30)),
            event_type: "engagement.Opened",
        };
        let (ring, under) = by_two();
        let aad = place.aad(under, "evidence");
        assert_eq!(hex(&aad), AAD_BY_TWO);
        let key = ring.under(under).unwrap();
        let sealed = key.seal(counting(0xb0), &aad, pad(br#"{"user_agent":"Mail/7"}"#));
        assert_eq!(hex(&sealed.unwrap()), CIPHERTEXT_BY_TWO);
    }

    #[test]
    fn what_two_keys_sealed_is_gone_with_either_and_what_the_period_sealed_with_the_period() {
        let (ring, under) = by_two();
        let [stream, event] = [1, 2].map(Uuid::from_u128);
        let sealer = EventSealer::new(&ring, under, stream, event, "engagement.Clicked");
        let (evidence, link) = (
            sealer.seal("evidence", b"e"),
            sealer.seal_by_period("link", b"l"),
        );
        let open = |ring: &KeyRing, field, sealed: &Sealed| {
            let opener = EventOpener::new(ring, stream, event, "engagement.Clicked");
            opener.open(field, sealed)
        };
        let both = |ring: &KeyRing| {
            [("evidence", &evidence), ("link", &link)]
                .map(|(field, sealed)| open(ring, field, sealed).unwrap().is_some())
        };
        assert_eq!(both(&ring), [true, true]);
        let without = |gone: Uuid| {
            let mut ring = ring.clone();
            ring.insert(gone, None);
            ring
        };
        assert_eq!(both(&without(under.owner)), [false, true]);
        assert_eq!(both(&without(under.period.unwrap())), [false, false]);
        // One key's value is not taken for the other's, nor for another place's.
        assert!(open(&ring, "link", &evidence).is_err());
        let of_one = Sealed {
            scheme: SCHEME_AES_256_GCM,
            ..evidence.clone()
        };
        assert!(open(&ring, "evidence", &of_one).is_err());
        let needed: Vec<Uuid> = keys_of_value(&evidence).collect();
        assert_eq!(needed, [under.owner, under.period.unwrap()]);
    }

    #[test]
    fn sealed_for_nobody_says_whose_keys_it_would_have_taken() {
        let (_, under) = by_two();
        let sealer = EventSealer::new(&KeyRing::default(), under, Uuid::nil(), Uuid::nil(), "a.B");
        let sealed = sealer.seal("evidence", b"e");
        assert_eq!(sealed.scheme, SCHEME_NOBODY);
        assert_eq!(sealed.period_key_id, uuid_bytes(under.period.unwrap()));
        assert!(sealed.ciphertext.is_empty());
    }
}
