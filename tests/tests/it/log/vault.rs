//! Sealed values open where they were sealed, with the key they were sealed under, and nowhere else.

use bytes::Bytes;
use futures_util::future::join_all;
use proptest::prelude::*;
use tidings_domain::personal::{Open as _, Seal as _};
use tidings_event_store::vault::{
    DataKey, EventOpener, EventSealer, KeyRing, MasterKey, Vault, VaultError,
};
use tidings_proto::common::Sealed;
use tidings_tests::Platform;
use uuid::Uuid;

pub(super) const TYPE: &str = "subscriber.SignedUp";

/// Made with another implementation of AES-256-GCM, from the description of the format alone:
/// the key 00 01 … 1f, wrapped under the tests' master key for [`known`]'s owner.
const WRAPPED: &str = "011af1a476300d8918a0a1a2a3a4a5a6a7a8a9aaab109946ec03529074673eb302fe2ff6532de981f33b5179f6c0e419dd6bfb0e156cd984bcd9676fa3920d90bafb16ce57";
/// `amy@example.org`, sealed under that key as the field `email` of [`known`]'s event.
const CIPHERTEXT: &str = "f83823eb89b5da323794f28ca22fef42843c49d2152e8f355ece82f15c82f216c68ba4eac6704903b048fe40b70159cf";

/// Bytes counting up, as ids of the known answers: owner, stream, event.
pub(super) fn known() -> (Uuid, Uuid, Uuid) {
    let id = |first: u8| Uuid::from_bytes(std::array::from_fn(|n| first + n as u8));
    (id(0x10), id(0x20), id(0x30))
}

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn sealed() -> Sealed {
    Sealed {
        scheme: 1,
        key_id: Bytes::copy_from_slice(known().0.as_bytes()),
        nonce: (0xb0..0xbc).collect(),
        ciphertext: bytes(CIPHERTEXT).into(),
        period_key_id: Bytes::new(),
    }
}

pub(super) async fn platform_with_known_key() -> Platform {
    let platform = Platform::start().await;
    let client = platform.pool.get().await.unwrap();
    client
        .execute(
            "insert into publishing_keys (key_id, wrapped, created_at) values ($1, $2, now())",
            &[&known().0, &bytes(WRAPPED)],
        )
        .await
        .unwrap();
    drop(client);
    platform
}

#[tokio::test]
async fn known_answers_open() {
    let platform = platform_with_known_key().await;
    let (owner, stream, event) = known();
    let ring = platform.store.vault().keys(&[owner]).await.unwrap();
    let opener = EventOpener::new(&ring, stream, event, TYPE);
    let opened = opener.open("email", &sealed()).unwrap().unwrap();
    assert_eq!(opened, b"amy@example.org");
}

#[tokio::test]
async fn another_master_key_opens_nothing() {
    let platform = platform_with_known_key().await;
    let vault = Vault::new(platform.pool.clone(), MasterKey::new(&[7; 32]).unwrap());
    let refused = vault.keys(&[known().0]).await.err().unwrap();
    assert_eq!(
        refused.to_string(),
        "keys are wrapped by the master key 1af1a476300d8918, which is not at hand"
    );
    assert!(MasterKey::new(&[7; 31]).is_err());
}

#[tokio::test]
async fn a_wrapped_key_that_was_moved_to_another_owner_opens_nothing() {
    let platform = platform_with_known_key().await;
    let client = platform.pool.get().await.unwrap();
    let other = platform.ids.next();
    client
        .execute("update publishing_keys set key_id = $1", &[&other])
        .await
        .unwrap();
    let refused = platform.store.vault().keys(&[other]).await.err().unwrap();
    assert!(matches!(refused, VaultError::Damaged(owner) if owner == other));
}

#[tokio::test]
async fn a_value_that_was_moved_or_changed_is_refused() {
    let platform = platform_with_known_key().await;
    let (owner, stream, event) = known();
    let ring = platform.store.vault().keys(&[owner]).await.unwrap();
    let open = |stream, event, event_type: &str, field: &str, sealed: &Sealed| {
        EventOpener::new(&ring, stream, event, event_type).open(field, sealed)
    };
    let other = platform.ids.next();
    let good = sealed();
    assert!(open(other, event, TYPE, "email", &good).is_err());
    assert!(open(stream, other, TYPE, "email", &good).is_err());
    assert!(open(stream, event, "subscriber.ContactChanged", "email", &good).is_err());
    assert!(open(stream, event, TYPE, "name", &good).is_err());
    for byte in 0..good.ciphertext.len() {
        let mut ciphertext = good.ciphertext.to_vec();
        ciphertext[byte] ^= 1;
        let changed = Sealed {
            ciphertext: ciphertext.into(),
            ..good.clone()
        };
        assert!(open(stream, event, TYPE, "email", &changed).is_err());
    }
    for changed in [
        Sealed {
            scheme: 3,
            ..good.clone()
        },
        Sealed {
            nonce: vec![0; 12].into(),
            ..good.clone()
        },
        Sealed {
            nonce: Bytes::new(),
            ..good.clone()
        },
        Sealed {
            key_id: Bytes::from_static(b"nobody"),
            ..good.clone()
        },
        Sealed {
            ciphertext: Bytes::new(),
            ..good.clone()
        },
    ] {
        assert!(open(stream, event, TYPE, "email", &changed).is_err());
    }
}

#[tokio::test]
async fn what_is_sealed_opens_and_its_length_is_hidden() {
    let platform = Platform::start().await;
    let (owner, stream, event) = known();
    let now = platform.clock.clock().now();
    let ring = platform.store.vault().ensure(&[owner], now).await.unwrap();
    let sealer = EventSealer::new(&ring, owner, stream, event, TYPE);
    let opener = EventOpener::new(&ring, stream, event, TYPE);
    for length in 0..100 {
        // Ends like padding, which must not be taken for it.
        let plaintext: Vec<u8> = (0..length)
            .map(|n| if n % 3 == 0 { 0x80 } else { 0 })
            .collect();
        let sealed = sealer.seal("name", &plaintext);
        assert_eq!(opener.open("name", &sealed).unwrap(), Some(plaintext));
        assert_eq!(sealed.ciphertext.len(), (length / 32 + 1) * 32 + 16);
    }
    assert_ne!(sealer.seal("name", b"amy"), sealer.seal("name", b"amy"));
}

pub(super) fn opened(ring: &KeyRing) -> Option<Vec<u8>> {
    let (_, stream, event) = known();
    EventOpener::new(ring, stream, event, TYPE)
        .open("email", &sealed())
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_first_all_get_the_same_key() {
    let platform = Platform::start().await;
    let now = platform.clock.clock().now();
    let (_, stream, event) = known();
    for _ in 0..10 {
        let owner = platform.ids.next();
        // Each a process of its own, so that none knows another's key.
        let rings = join_all((0..6).map(|_| async {
            let store = platform.another_store(platform.connect.clone());
            store.vault().ensure(&[owner], now).await.unwrap()
        }))
        .await;
        let sealer = EventSealer::new(&rings[0], owner, stream, event, TYPE);
        let sealed = sealer.seal("email", b"amy@example.org");
        for ring in &rings {
            let opener = EventOpener::new(ring, stream, event, TYPE);
            let opened = opener.open("email", &sealed).unwrap();
            assert_eq!(opened.as_deref(), Some(&b"amy@example.org"[..]));
        }
    }
}

#[tokio::test]
async fn the_keys_table_does_not_hold_keys_in_the_clear() {
    let platform = platform_with_known_key().await;
    let vault = platform.store.vault();
    let now = platform.clock.clock().now();
    vault.ensure(&[platform.ids.next()], now).await.unwrap();
    let client = platform.pool.get().await.unwrap();
    let rows = client
        .query("select wrapped from publishing_keys", &[])
        .await
        .unwrap();
    let key: Vec<u8> = (0..32).collect();
    assert_eq!(rows.len(), 2);
    for row in rows {
        let wrapped: &[u8] = row.get(0);
        assert_eq!(wrapped.len(), 1 + 8 + 12 + 32 + 16);
        assert!(!wrapped.windows(32).any(|bytes| bytes == key));
    }
}

/// Where a value stands.
#[derive(Clone, Debug, PartialEq)]
struct Place {
    owner: u128,
    stream: u128,
    event: u128,
    event_type: String,
    field: String,
}

fn places() -> impl Strategy<Value = Place> {
    let ids = (0..2u128, 0..2u128, 0..2u128);
    // Words that run into each other, so that only their lengths tell them apart.
    (ids, "a{1,3}", "a{1,3}").prop_map(|((owner, stream, event), event_type, field)| Place {
        owner,
        stream,
        event,
        event_type,
        field,
    })
}

fn seal_at(ring: &KeyRing, place: &Place, plaintext: &[u8]) -> Sealed {
    let [owner, stream, event] = [place.owner, place.stream, place.event].map(Uuid::from_u128);
    EventSealer::new(ring, owner, stream, event, &place.event_type).seal(&place.field, plaintext)
}

/// What is found at `place`, with the value claiming to be sealed under that place's owner.
fn open_at(ring: &KeyRing, place: &Place, sealed: &Sealed) -> Option<Vec<u8>> {
    let [owner, stream, event] = [place.owner, place.stream, place.event].map(Uuid::from_u128);
    let claimed = Sealed {
        key_id: Bytes::copy_from_slice(owner.as_bytes()),
        ..sealed.clone()
    };
    let opener = EventOpener::new(ring, stream, event, &place.event_type);
    opener.open(&place.field, &claimed).ok().flatten()
}

proptest! {
    #[test]
    fn a_value_opens_where_it_was_sealed_and_nowhere_else(
        here in places(),
        there in places(),
        plaintext in prop::collection::vec(any::<u8>(), 0..200),
        one_key_for_all in any::<bool>(),
    ) {
        let mut ring = KeyRing::default();
        for owner in 0..2u8 {
            // Even if two owners had the same key, a value stays with its owner.
            let key = if one_key_for_all { [9; 32] } else { [owner; 32] };
            ring.insert(Uuid::from_u128(owner.into()), Some(DataKey::from_bytes(key)));
        }
        let sealed = seal_at(&ring, &here, &plaintext);
        prop_assert_eq!(open_at(&ring, &here, &sealed), Some(plaintext.clone()));
        let expected = (here == there).then_some(plaintext);
        prop_assert_eq!(open_at(&ring, &there, &sealed), expected);
    }
}
