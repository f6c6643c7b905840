//! What ties the files of an export together: a manifest with the digest of each, signed with the key of the witness.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::hex::{Hash, Hex};
use crate::vault::random;
use crate::witness::{PublicKey, SigningKey, check_signed, sign_object};

/// Names the format; stands in each manifest and before what is signed.
pub const FORMAT: &str = "tidings.export.v1";

/// A file's digest is also there for each block of so many bytes, so that it can be said where it was changed.
pub const BLOCK_BYTES: usize = 4 << 10;

/// What is in an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`]
    pub format: String,
    /// Whose data.
    pub subscriber_id: Uuid,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub made_at: OffsetDateTime,
    /// Up to which position of the log.
    pub through_position: i64,
    /// How many events.
    pub events: u64,
    /// Random: without it somebody who knows a digest of the whole could test a guess at what is in it.
    pub salt: Hash,
    /// The files, in the order they lie there, but for this one.
    pub files: Vec<Entry>,
    /// Whose signature it is.
    pub public_key: PublicKey,
}

/// A file of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of it.
    pub sha256: Hash,
    /// SHA-256 of each [`BLOCK_BYTES`] of it; the last may be shorter.
    pub blocks: Vec<Hash>,
}

/// Why a manifest says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
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

impl Manifest {
    /// The manifest as it lies in the export: one JSON object that ends with its signature.
    pub fn sign(&self, key: &SigningKey) -> String {
        let text = serde_json::to_string(self).expect("a manifest is made of plain values");
        sign_object(FORMAT, text, key)
    }

    /// Reads a manifest, which is not checked yet; `None`: it is none of this format.
    pub fn read(text: &str) -> Option<Self> {
        let manifest: Self = serde_json::from_str(text).ok()?;
        (manifest.format == FORMAT).then_some(manifest)
    }

    /// Checks the signature of the text it was read from. `expected`: the public key as its holder knows it.
    ///
    /// # Errors
    /// Why it shows nothing.
    pub fn check(&self, text: &str, expected: Option<PublicKey>) -> Result<(), ManifestError> {
        let found = self.public_key;
        if let Some(expected) = expected.filter(|expected| *expected != found) {
            return Err(ManifestError::OtherKey { found, expected });
        }
        check_signed(FORMAT, text, &found).map_err(|_| ManifestError::Signature)
    }
}

/// The digests of a file, taken as it is written or read.
#[derive(Clone, Default)]
pub struct Digests {
    whole: Sha256,
    block: Sha256,
    in_block: usize,
    bytes: u64,
    blocks: Vec<Hash>,
}

impl Digests {
    /// Takes the next bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        self.whole.update(bytes);
        self.bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            let room = bytes.len().min(BLOCK_BYTES - self.in_block);
            let (now, later) = bytes.split_at(room);
            self.block.update(now);
            self.in_block += room;
            bytes = later;
            if self.in_block == BLOCK_BYTES {
                self.end_block();
            }
        }
    }

    /// The entry of a file that ends here.
    pub fn finish(mut self, name: &str) -> Entry {
        if self.in_block > 0 {
            self.end_block();
        }
        Entry {
            name: name.to_owned(),
            bytes: self.bytes,
            sha256: Hex(self.whole.finalize().into()),
            blocks: self.blocks,
        }
    }

    fn end_block(&mut self) {
        let block = std::mem::take(&mut self.block);
        self.blocks.push(Hex(block.finalize().into()));
        self.in_block = 0;
    }
}

/// Random bytes for [`Manifest::salt`].
#[must_use]
pub fn salt() -> Hash {
    Hex(random())
}

/// SHA-256 of a whole stream of bytes.
///
/// # Errors
/// When it cannot be read.
pub fn digest_of(mut file: impl std::io::Read) -> std::io::Result<[u8; 32]> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finalize().into()),
            n => hash.update(&buffer[..n]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn a_manifest_has_a_known_answer_and_whatever_is_changed_is_found() {
        let key = SigningKey::from_seed(&[7; 32]);
        let mut digests = Digests::default();
        digests.update(&[1; BLOCK_BYTES - 1]);
        digests.update(&[1, 2, 3]);
        let manifest = Manifest {
            format: FORMAT.to_owned(),
            subscriber_id: Uuid::from_u128(9),
            made_at: datetime!(2026-03-01 10:00 UTC),
            through_position: 41,
            events: 7,
            salt: Hex([5; 32]),
            files: vec![digests.finish("profile.json")],
            public_key: key.public(),
        };
        let text = manifest.sign(&key);
        insta::assert_snapshot!(text);
        let read = Manifest::read(&text).unwrap();
        assert_eq!(read, manifest);
        assert_eq!(read.check(&text, Some(key.public())), Ok(()));
        let changed = text.replace("profile.json", "profile.jsom");
        assert_eq!(read.check(&changed, None), Err(ManifestError::Signature));
        let other = SigningKey::from_seed(&[8; 32]).public();
        let of_another = read.check(&text, Some(other));
        assert!(matches!(of_another, Err(ManifestError::OtherKey { .. })));
        assert_eq!(Manifest::read("{}"), None);
    }
}
