//! The Ed25519 key that signs the witness, and its public half.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use crate::hex::{Hex, NotHex};

/// Signs lines. Prints nothing of itself.
#[derive(Debug)]
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// The key of this seed.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(seed).expect("any 32 bytes are a seed"))
    }

    /// What its signatures are checked with.
    pub fn public(&self) -> PublicKey {
        let bytes = self.0.public_key().as_ref();
        PublicKey(Hex(bytes.try_into().expect("an Ed25519 key has 32 bytes")))
    }

    pub(super) fn sign(&self, message: &[u8]) -> Hex<[u8; 64]> {
        let signature = self.0.sign(message);
        Hex(signature
            .as_ref()
            .try_into()
            .expect("an Ed25519 signature has 64 bytes"))
    }
}

/// Checks signatures. Written as 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKey(Hex<[u8; 32]>);

impl PublicKey {
    pub(super) fn signed(&self, message: &[u8], signature: &Hex<[u8; 64]>) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0.0)
            .verify(message, &signature.0)
            .is_ok()
    }
}

impl FromStr for PublicKey {
    type Err = NotHex;

    fn from_str(text: &str) -> Result<Self, NotHex> {
        text.parse().map(Self)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
