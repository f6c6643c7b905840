//! Derived ids: the same cause and purpose give the same id, so a reaction that runs twice
//! writes its event once. The derivation is part of the contract and never changes.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use uuid::Uuid;

const DERIVED: &[u8] = b"tidings.derived-id.v1";
const DERIVED_FROM: &[u8] = b"tidings.derived-from.v1";
const KEYED: &[u8] = b"tidings.keyed-id.v1";

/// An id derived from a recorded cause: a UUIDv8 whose first 48 bits are the milliseconds of the
/// cause's `recorded_at` (so that indexes stay local) and whose other 74 bits come from
/// SHA-256 over the length-prefixed purpose and parts.
pub fn derive(recorded_at: OffsetDateTime, purpose: &str, parts: &[&[u8]]) -> Uuid {
    let mut hash = Sha256::new();
    feed(&mut |bytes| hash.update(bytes), DERIVED, purpose, parts);
    let milliseconds = (recorded_at.unix_timestamp_nanos() / 1_000_000).max(0) as u64;
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&milliseconds.to_be_bytes()[2..]);
    bytes[6..].copy_from_slice(&hash.finalize()[..10]);
    Uuid::new_v8(bytes)
}

/// An id derived from another one, for use where no recorded time is at hand: a UUIDv8 that keeps
/// the other's first 48 bits (so that it sorts near it) and hashes it with the purpose and parts.
pub fn derive_from(id: Uuid, purpose: &str, parts: &[&[u8]]) -> Uuid {
    let mut hash = Sha256::new();
    let all: Vec<&[u8]> = [id.as_bytes().as_slice()]
        .into_iter()
        .chain(parts.iter().copied())
        .collect();
    feed(&mut |bytes| hash.update(bytes), DERIVED_FROM, purpose, &all);
    let mut bytes = *id.as_bytes();
    bytes[6..].copy_from_slice(&hash.finalize()[..10]);
    Uuid::new_v8(bytes)
}

/// The id of an intent's n-th event: the intent's own id, then ids derived from it.
pub fn nth_event(intent: Uuid, n: u32) -> Uuid {
    match n {
        0 => intent,
        n => derive_from(intent, "event", &[&n.to_be_bytes()]),
    }
}

/// The installation's secret for keyed ids: without it nobody can test a guess (an address, an
/// idempotency key) against an id.
#[derive(Clone)]
pub struct IdKey([u8; 32]);

impl IdKey {
    /// 32 random bytes, made once for an installation and never changed.
    pub fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// A UUIDv8 from the first 16 bytes of [`Self::digest`].
    pub fn derive(&self, purpose: &str, parts: &[&[u8]]) -> Uuid {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&self.digest(purpose, parts)[..16]);
        Uuid::new_v8(bytes)
    }

    /// HMAC-SHA256 over the length-prefixed purpose and parts.
    pub fn digest(&self, purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        feed(&mut |bytes| mac.update(bytes), KEYED, purpose, parts);
        mac.finalize().into_bytes().into()
    }
}

impl std::fmt::Debug for IdKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IdKey(***)")
    }
}

/// Every part behind its length (uint32, big-endian), so that no two inputs read the same.
fn feed(update: &mut dyn FnMut(&[u8]), tag: &[u8], purpose: &str, parts: &[&[u8]]) {
    for part in [tag, purpose.as_bytes()].iter().chain(parts) {
        update(&(part.len() as u32).to_be_bytes());
        update(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn known_answers_never_change() {
        let at = datetime!(2026-01-02 03:04:05.678 UTC);
        assert_eq!(
            derive(at, "delivery", &[b"a", b"bc"]).to_string(),
            "019b7ca9-8f2e-8312-80ad-99f2074216cb"
        );
        assert_eq!(
            IdKey::new([7; 32])
                .derive("address", &[b"ada@example.org"])
                .to_string(),
            "45bcf259-d225-85b3-aaef-9eb925c652cc"
        );
        assert_eq!(
            nth_event(Uuid::from_u128(1), 1).to_string(),
            "00000000-0000-8067-b303-3d31c165ec90"
        );
        assert_eq!(
            IdKey::new([7; 32]).digest("x", &[b"y"])[..4],
            [0xd0, 0x89, 0xd7, 0xaf]
        );
    }

    #[test]
    fn parts_do_not_run_together() {
        let at = datetime!(2026-01-02 03:04:05 UTC);
        assert_ne!(
            derive(at, "x", &[b"ab", b"c"]),
            derive(at, "x", &[b"a", b"bc"])
        );
        assert_ne!(derive(at, "x", &[b"ab"]), derive(at, "xa", &[b"b"]));
    }

    #[test]
    fn derived_ids_sort_by_the_time_of_their_cause() {
        let early = derive(datetime!(2026-01-02 03:04:05 UTC), "x", &[]);
        let late = derive(datetime!(2026-01-02 03:04:06 UTC), "x", &[]);
        assert!(early < late);
    }
}
