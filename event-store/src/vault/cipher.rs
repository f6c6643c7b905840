//! AES-256-GCM, and keys that can be destroyed under whoever holds them.

use std::sync::{Arc, PoisonError, RwLock, Weak};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use aws_lc_rs::rand;
use zeroize::Zeroizing;

pub(super) const KEY_BYTES: usize = 32;
pub(super) const TAG_BYTES: usize = 16;
pub(super) const NONCE_BYTES: usize = NONCE_LEN;

/// Key material, overwritten when it is dropped.
pub(super) type Material = Zeroizing<[u8; KEY_BYTES]>;

/// A key that seals values; one for each owner. Clones are the same key: once it is destroyed, none of them
/// opens or seals anything.
#[derive(Clone)]
pub struct DataKey(Arc<RwLock<Option<Material>>>);

/// Finds a key again while somebody holds it, without holding it.
pub(super) struct WeakKey(Weak<RwLock<Option<Material>>>);

impl DataKey {
    pub(super) fn new(key: Material) -> Self {
        Self(Arc::new(RwLock::new(Some(key))))
    }

    /// A known key, for tests with known answers.
    pub fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self::new(Zeroizing::new(bytes))
    }

    /// Destroys the key in memory, in this and every other clone.
    pub(super) fn destroy(&self) {
        // Assigning drops the old value where it stands, and dropping overwrites it.
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(super) fn downgrade(&self) -> WeakKey {
        WeakKey(Arc::downgrade(&self.0))
    }

    /// The key itself; `None` once destroyed.
    pub(super) fn secret(&self) -> Option<Material> {
        self.read(Clone::clone)
    }

    /// `None` once destroyed.
    pub(super) fn seal(
        &self,
        nonce: [u8; NONCE_LEN],
        aad: &[u8],
        plaintext: Vec<u8>,
    ) -> Option<Vec<u8>> {
        self.read(|key| seal(key, nonce, aad, plaintext))
    }

    /// The plaintext; inside, `None` when the ciphertext is not of this key and place. `None` once destroyed.
    pub(super) fn open(
        &self,
        nonce: [u8; NONCE_LEN],
        aad: &[u8],
        ciphertext: Vec<u8>,
    ) -> Option<Option<Vec<u8>>> {
        self.read(|key| open(key, nonce, aad, ciphertext))
    }

    /// The key that both together make (HKDF-SHA256, RFC 5869: `tag` is the salt, this key's bytes and then the other's are what it
    /// is made from). `None` once either is destroyed.
    pub(super) fn with(&self, other: &Self, tag: &[u8]) -> Option<Self> {
        let (one, other) = (self.secret()?, other.secret()?);
        let both = Zeroizing::new([one.as_slice(), other.as_slice()].concat());
        let extracted = Salt::new(HKDF_SHA256, tag).extract(&both);
        let mut material = Material::default();
        extracted
            .expand(&[], HKDF_SHA256)
            .and_then(|expanded| expanded.fill(material.as_mut_slice()))
            .expect("HKDF-SHA256 gives 32 bytes");
        Some(Self::new(material))
    }

    fn read<T>(&self, with: impl FnOnce(&Material) -> T) -> Option<T> {
        let key = self.0.read().unwrap_or_else(PoisonError::into_inner);
        key.as_ref().map(with)
    }
}

impl WeakKey {
    pub(super) fn upgrade(&self) -> Option<DataKey> {
        self.0.upgrade().map(DataKey)
    }

    pub(super) fn is_held(&self) -> bool {
        self.0.strong_count() > 0
    }
}

pub(super) fn random_key() -> Material {
    Zeroizing::new(random())
}

pub(super) fn random_nonce() -> [u8; NONCE_LEN] {
    random()
}

pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("the operating system has random bytes");
    bytes
}

fn cipher(key: &[u8; KEY_BYTES]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("AES-256 takes 32 bytes"))
}

pub(super) fn seal(
    key: &[u8; KEY_BYTES],
    nonce: [u8; NONCE_LEN],
    aad: &[u8],
    mut bytes: Vec<u8>,
) -> Vec<u8> {
    cipher(key)
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(aad),
            &mut bytes,
        )
        .expect("AES-GCM seals up to 64 GiB");
    bytes
}

pub(super) fn open(
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
