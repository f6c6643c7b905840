//! The master key: wraps all other keys, has an id that tells nothing about it, and never enters the database.

use std::fmt;

use aws_lc_rs::hmac;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::VaultError;
use super::cipher::{KEY_BYTES, Material, NONCE_BYTES, TAG_BYTES, open, random_nonce, seal};

/// First byte of a wrapped key: which way of wrapping.
const WRAP_FORMAT: u8 = 1;
const WRAP_TAG: &[u8] = b"tidings.wrapped-key.v1";
const ID_TAG: &[u8] = b"tidings.master-key-id.v1";
const ID_BYTES: usize = 8;
const WRAPPED_BYTES: usize = 1 + ID_BYTES + NONCE_BYTES + KEY_BYTES + TAG_BYTES;

/// The key that wraps all others. It comes from a file, the environment or a command, never from the database.
#[derive(Clone)]
pub struct MasterKey {
    id: MasterId,
    key: Material,
}

/// Names a master key: the first 8 bytes of an HMAC under it, so that it tells nothing about the key. Prints as
/// 16 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MasterId([u8; ID_BYTES]);

/// The bytes handed in are no master key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the master key has {0} bytes; it must have exactly 32")]
pub struct MasterKeyError(usize);

impl MasterId {
    /// As the database and [`MasterId::bytes`] have it; `None` for any other length.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Its 8 bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for MasterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl MasterKey {
    /// From exactly 32 bytes.
    pub fn new(bytes: &[u8]) -> Result<Self, MasterKeyError> {
        let wrong = MasterKeyError(bytes.len());
        let key = Zeroizing::new(bytes.try_into().map_err(|_| wrong)?);
        let signing = hmac::Key::new(hmac::HMAC_SHA256, bytes);
        let tag = hmac::sign(&signing, ID_TAG);
        let id = MasterId::from_slice(&tag.as_ref()[..ID_BYTES]).ok_or(wrong)?;
        Ok(Self { id, key })
    }

    /// Its name.
    pub fn id(&self) -> MasterId {
        self.id
    }

    /// Format byte, master key id, nonce, ciphertext and tag; bound to the master key id and the owner.
    pub(super) fn wrap(&self, owner: Uuid, key: &Material) -> Vec<u8> {
        self.wrap_with(random_nonce(), owner, key)
    }

    fn wrap_with(&self, nonce: [u8; NONCE_BYTES], owner: Uuid, key: &Material) -> Vec<u8> {
        // With room for the tag, so that no copy of the key stays behind where it stood before.
        let mut plain = Vec::with_capacity(KEY_BYTES + TAG_BYTES);
        plain.extend_from_slice(key.as_slice());
        let sealed = seal(&self.key, nonce, &wrap_aad(self.id, owner), plain);
        [&[WRAP_FORMAT], self.id.bytes(), &nonce, &sealed].concat()
    }

    /// The key inside.
    pub(super) fn unwrap(
        &self,
        owner: Uuid,
        wrapped: &Wrapped<'_>,
    ) -> Result<Material, VaultError> {
        if wrapped.by != self.id {
            return Err(VaultError::WrongMasterKey(wrapped.by));
        }
        let aad = wrap_aad(self.id, owner);
        let opened = open(&self.key, wrapped.nonce, &aad, wrapped.sealed.to_vec());
        let opened = Zeroizing::new(opened.ok_or(VaultError::Damaged(owner))?);
        let key: Result<[u8; KEY_BYTES], _> = opened.as_slice().try_into();
        key.map(Zeroizing::new)
            .map_err(|_| VaultError::Damaged(owner))
    }
}

/// A wrapped key, taken apart.
pub(super) struct Wrapped<'a> {
    /// Who wrapped it.
    pub(super) by: MasterId,
    nonce: [u8; NONCE_BYTES],
    sealed: &'a [u8],
}

impl<'a> Wrapped<'a> {
    /// `None`: of no form that this version knows.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (&WRAP_FORMAT, rest) = bytes.split_first()? else {
            return None;
        };
        let (by, rest) = rest.split_first_chunk::<ID_BYTES>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_BYTES>()?;
        (bytes.len() == WRAPPED_BYTES).then_some(Self {
            by: MasterId(*by),
            nonce: *nonce,
            sealed,
        })
    }
}

fn wrap_aad(master: MasterId, owner: Uuid) -> Vec<u8> {
    [WRAP_TAG, master.bytes(), owner.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::cipher::random_key;

    /// Made with another implementation, from the description of the format alone: the key 00 01 … 1f, wrapped under
    /// the master key 40 41 … 5f for the owner 10 11 … 1f with the nonce a0 a1 … ab.
    const WRAPPED: &str = "01bef60ac403208117a0a1a2a3a4a5a6a7a8a9aaabd78e043ce6ee9a2a71664bf585b13ef9ff06e7d4f87a933afac5f481f5df60e7d50a3aeabefd4b07919cd55f83ea5b75";
    const ID: &str = "bef60ac403208117";

    fn counting<const N: usize>(first: u8) -> [u8; N] {
        std::array::from_fn(|n| first + n as u8)
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn the_known_answer() {
        let master = MasterKey::new(&counting::<32>(0x40)).unwrap();
        let owner = Uuid::from_bytes(counting(0x10));
        assert_eq!(master.id().to_string(), ID);
        let key = Zeroizing::new(counting(0));
        let wrapped = master.wrap_with(counting(0xa0), owner, &key);
        assert_eq!(hex(&wrapped), WRAPPED);
        let taken = Wrapped::read(&wrapped).unwrap();
        assert_eq!(taken.by, master.id());
        let unwrapped = master.unwrap(owner, &taken).unwrap();
        assert_eq!(unwrapped, key);
    }

    #[test]
    fn a_changed_byte_another_owner_or_another_master_key_unwraps_nothing() {
        let master = MasterKey::new(&[1; 32]).unwrap();
        let owner = Uuid::from_bytes([2; 16]);
        let wrapped = master.wrap(owner, &random_key());
        let unwraps = |master: &MasterKey, owner, bytes: &[u8]| {
            Wrapped::read(bytes).is_some_and(|wrapped| master.unwrap(owner, &wrapped).is_ok())
        };
        assert!(unwraps(&master, owner, &wrapped));
        assert!(!unwraps(&master, Uuid::nil(), &wrapped));
        assert!(!unwraps(
            &MasterKey::new(&[3; 32]).unwrap(),
            owner,
            &wrapped
        ));
        for byte in 0..wrapped.len() {
            let mut changed = wrapped.clone();
            changed[byte] ^= 1;
            assert!(!unwraps(&master, owner, &changed), "byte {byte}");
        }
        assert!(Wrapped::read(&wrapped[..WRAPPED_BYTES - 1]).is_none());
        assert!(Wrapped::read(&[wrapped.as_slice(), &[0]].concat()).is_none());
        assert!(Wrapped::read(&[]).is_none());
        assert_eq!(MasterKey::new(&[0; 31]).err(), Some(MasterKeyError(31)));
    }
}
