//! AES-256-GCM, twice: the master key wraps data keys, data keys seal values.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::rand;
use uuid::Uuid;

const KEY_BYTES: usize = 32;
/// First byte of a wrapped key: which way of wrapping.
const WRAP_FORMAT: u8 = 1;
const WRAP_TAG: &[u8] = b"tidings.wrapped-key.v1";

/// The key that wraps all others. It comes from a file or the environment, never from the database.
#[derive(Clone)]
pub struct MasterKey([u8; KEY_BYTES]);

/// The bytes handed in are no master key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the master key has {0} bytes; it must have exactly 32")]
pub struct MasterKeyError(usize);

/// A key that seals values; one for each owner.
#[derive(Clone)]
pub struct DataKey([u8; KEY_BYTES]);

impl MasterKey {
    /// From exactly 32 bytes.
    pub fn new(bytes: &[u8]) -> Result<Self, MasterKeyError> {
        bytes
            .try_into()
            .map(Self)
            .map_err(|_| MasterKeyError(bytes.len()))
    }

    /// Format byte, nonce, ciphertext and tag; bound to the owner.
    pub(super) fn wrap(&self, owner: Uuid, key: &DataKey) -> Vec<u8> {
        let nonce = random_nonce();
        let mut wrapped = vec![WRAP_FORMAT];
        wrapped.extend_from_slice(&nonce);
        wrapped.extend(seal(&self.0, nonce, &wrap_aad(owner), key.0.to_vec()));
        wrapped
    }

    pub(super) fn unwrap(&self, owner: Uuid, wrapped: &[u8]) -> Option<DataKey> {
        let (&WRAP_FORMAT, rest) = wrapped.split_first()? else {
            return None;
        };
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_LEN>()?;
        let key = open(&self.0, *nonce, &wrap_aad(owner), ciphertext.to_vec())?;
        key.try_into().ok().map(DataKey)
    }
}

impl DataKey {
    pub(super) fn random() -> Self {
        Self(random())
    }

    /// A known key, for tests with known answers.
    pub fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    pub(super) fn secret(&self) -> [u8; KEY_BYTES] {
        self.0
    }

    pub(super) fn seal(&self, nonce: [u8; NONCE_LEN], aad: &[u8], plaintext: Vec<u8>) -> Vec<u8> {
        seal(&self.0, nonce, aad, plaintext)
    }

    pub(super) fn open(
        &self,
        nonce: [u8; NONCE_LEN],
        aad: &[u8],
        ciphertext: Vec<u8>,
    ) -> Option<Vec<u8>> {
        open(&self.0, nonce, aad, ciphertext)
    }
}

pub(super) fn random_nonce() -> [u8; NONCE_LEN] {
    random()
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("the operating system has random bytes");
    bytes
}

fn wrap_aad(owner: Uuid) -> Vec<u8> {
    [WRAP_TAG, owner.as_bytes()].concat()
}

fn cipher(key: &[u8; KEY_BYTES]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("AES-256 takes 32 bytes"))
}

fn seal(key: &[u8; KEY_BYTES], nonce: [u8; NONCE_LEN], aad: &[u8], mut bytes: Vec<u8>) -> Vec<u8> {
    cipher(key)
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(aad),
            &mut bytes,
        )
        .expect("AES-GCM seals up to 64 GiB");
    bytes
}

fn open(
    key: &[u8; KEY_BYTES],
    nonce: [u8; NONCE_LEN],
    aad: &[u8],
    mut bytes: Vec<u8>,
) -> Option<Vec<u8>> {
    let length = cipher(key)
        .open_in_place(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(aad),
            &mut bytes,
        )
        .ok()?
        .len();
    bytes.truncate(length);
    Some(bytes)
}
