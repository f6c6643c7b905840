//! Another master key takes the place of the one in use, while everybody goes on and whatever is killed.

use std::sync::{Arc, Mutex};

use futures_util::FutureExt as _;
use futures_util::future::join;
use tidings_domain::personal::Seal as _;
use tidings_event_store::Progress;
use tidings_event_store::vault::{
    EventSealer, MasterKey, MasterSource, RotateError, Rotation, Vault, VaultError,
};
use tidings_tests::{MASTER_KEY, Platform};
use time::OffsetDateTime;
use uuid::Uuid;

use super::vault::{TYPE, known, opened, platform_with_known_key};

/// More than two pages of a rotation.
const KEYS: usize = 1_100;

fn master(byte: u8) -> MasterKey {
    MasterKey::new(&[byte; 32]).unwrap()
}

fn old() -> MasterKey {
    MasterKey::new(&MASTER_KEY).unwrap()
}

/// What a source holds at the moment, shared by several processes like a folder.
#[derive(Clone)]
struct Shelf(Arc<Mutex<Vec<MasterKey>>>);

impl Shelf {
    fn holding(keys: Vec<MasterKey>) -> Self {
        Self(Arc::new(Mutex::new(keys)))
    }

    fn hold(&self, keys: Vec<MasterKey>) {
        *self.0.lock().unwrap() = keys;
    }

    /// A process that starts now.
    fn process(&self, platform: &Platform) -> Vault {
        let keys = self.0.lock().unwrap().clone();
        let shelf = self.clone();
        let source: MasterSource = Arc::new(move || {
            let keys = shelf.0.lock().unwrap().clone();
            Box::pin(async move { Ok(keys) })
        });
        let store = platform.another_store(platform.connect.clone());
        Vault::with_source(store.log().pool().clone(), keys, source)
    }
}

async fn owners(platform: &Platform, vault: &Vault, count: usize) -> Vec<Uuid> {
    let owners: Vec<Uuid> = (0..count).map(|_| platform.ids.next()).collect();
    vault.ensure(&owners, now(platform)).await.unwrap();
    owners
}

fn now(platform: &Platform) -> OffsetDateTime {
    platform.clock.clock().now()
}

async fn finish(platform: &Platform, mut rotation: Rotation) {
    while rotation.step(now(platform)).await.unwrap() == Progress::Advanced {}
}

/// All of these are live, and can be had by this process.
async fn all_open(vault: &Vault, owners: &[Uuid]) {
    let ring = vault.keys(owners).await.unwrap();
    let (_, stream, event) = known();
    for owner in owners {
        let sealed = EventSealer::new(&ring, *owner, stream, event, TYPE).seal("email", b"amy");
        assert_eq!(sealed.scheme, 1, "{owner}");
    }
}

#[tokio::test]
async fn a_rotation_that_is_killed_anywhere_is_finished_by_the_next_and_no_key_is_ever_lost() {
    let platform = platform_with_known_key().await;
    let shelf = Shelf::holding(vec![old()]);
    let vault = shelf.process(&platform);
    let live = owners(&platform, &vault, KEYS).await;
    let dead = owners(&platform, &vault, 10).await;
    vault.shred(&dead, now(&platform)).await.unwrap();
    shelf.hold(vec![old(), master(1)]);

    let mut finished = false;
    for killed_after in 0.. {
        let mut rotation = vault.rotate(master(1), now(&platform)).await.unwrap();
        for _ in 0..killed_after {
            finished = rotation.step(now(&platform)).await.unwrap() == Progress::Idle;
        }
        // In the middle of a step: what it had begun is rolled back or done.
        drop(rotation.step(now(&platform)).now_or_never());
        drop(rotation);
        let fresh = shelf.process(&platform);
        all_open(&fresh, &live).await;
        assert!(opened(&fresh.keys(&[known().0]).await.unwrap()).is_some());
        assert_eq!(fresh.forget_shredded().await.unwrap(), 0);
        if finished {
            break;
        }
    }
    let status = vault.status().await.unwrap();
    assert_eq!(status.wrapped_by, [(master(1).id(), status.live)]);
    assert_eq!((status.live, status.shredded), (KEYS as u64 + 1, 10));
    assert!(!status.rotating);
    all_open(&Shelf::holding(vec![master(1)]).process(&platform), &live).await;
    let late = Shelf::holding(vec![old()]).process(&platform);
    let refused = late.keys(&live[..1]).await.err().unwrap();
    assert!(matches!(refused, VaultError::WrongMasterKey(id) if id == master(1).id()));
    let ring = vault.ensure(&dead, now(&platform)).await.unwrap();
    let (_, stream, event) = known();
    let sealer = EventSealer::new(&ring, dead[0], stream, event, TYPE);
    assert_eq!(
        sealer.seal("email", b"amy").scheme,
        0,
        "a tombstone stays one"
    );
}

#[tokio::test]
async fn other_processes_learn_of_a_rotation_when_they_need_to() {
    let platform = Platform::start().await;
    let shelf = Shelf::holding(vec![old()]);
    let (rotating, other) = (shelf.process(&platform), shelf.process(&platform));
    let before = owners(&platform, &other, 3).await;
    shelf.hold(vec![old(), master(1)]);
    let rotation = rotating.rotate(master(1), now(&platform)).await.unwrap();

    // It wraps with the old key, is refused, and finds the new one.
    let during = owners(&platform, &other, 4).await;
    let status = other.status().await.unwrap();
    assert_eq!(status.wrapped_by, [(master(1).id(), 4), (old().id(), 3)]);
    assert!(status.rotating);
    // One that starts now, and one whose source was not told.
    all_open(
        &shelf.process(&platform),
        &[before.clone(), during.clone()].concat(),
    )
    .await;
    let untold = Shelf::holding(vec![old()]).process(&platform);
    let refused = untold.ensure(&[platform.ids.next()], now(&platform)).await;
    let refused = refused.err().unwrap();
    assert!(matches!(refused, VaultError::WrongMasterKey(id) if id == master(1).id()));
    assert!(refused.is_temporary());

    finish(&platform, rotation).await;
    shelf.hold(vec![master(1)]);
    let after = owners(&platform, &other, 3).await;
    all_open(&shelf.process(&platform), &[before, during, after].concat()).await;
    // Whatever process has slept through all of it: the table takes nothing of the old key.
    let client = platform.pool.get().await.unwrap();
    let sql = "update publishing_keys set wrapped = set_byte(wrapped, 1, 0)";
    assert!(client.batch_execute(sql).await.is_err());
}

/// By a read it learns the new master key, and its source has the old one no more.
#[tokio::test]
async fn a_process_that_reads_after_a_rotation_makes_keys_as_before() {
    let platform = Platform::start().await;
    let shelf = Shelf::holding(vec![old()]);
    let (rotating, other) = (shelf.process(&platform), shelf.process(&platform));
    let before = owners(&platform, &rotating, 3).await;
    shelf.hold(vec![old(), master(1)]);
    let rotation = rotating.rotate(master(1), now(&platform)).await.unwrap();
    finish(&platform, rotation).await;
    shelf.hold(vec![master(1)]);
    all_open(&other, &before).await;
    let after = owners(&platform, &other, 3).await;
    all_open(&shelf.process(&platform), &after).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_shredded_or_made_during_a_rotation_is_as_if_there_were_none() {
    let platform = Platform::start().await;
    let shelf = Shelf::holding(vec![old()]);
    let (rotating, other) = (shelf.process(&platform), shelf.process(&platform));
    let shredded = owners(&platform, &other, KEYS).await;
    shelf.hold(vec![old(), master(1)]);
    let rotation = rotating.rotate(master(1), now(&platform)).await.unwrap();
    let meanwhile = async {
        let mut made = Vec::new();
        for page in shredded.chunks(50) {
            other.shred(page, now(&platform)).await.unwrap();
            made.extend(owners(&platform, &other, 5).await);
        }
        made
    };
    let ((), made) = join(finish(&platform, rotation), meanwhile).await;
    let status = rotating.status().await.unwrap();
    assert_eq!(status.wrapped_by, [(master(1).id(), made.len() as u64)]);
    assert_eq!(status.shredded, KEYS as u64);
    all_open(&Shelf::holding(vec![master(1)]).process(&platform), &made).await;
}

#[tokio::test]
async fn one_rotation_at_a_time_and_no_way_back() {
    let platform = Platform::start().await;
    let shelf = Shelf::holding(vec![old(), master(1), master(2)]);
    let vault = shelf.process(&platform);
    owners(&platform, &vault, 3).await;
    let rotation = vault.rotate(master(1), now(&platform)).await.unwrap();
    let second = vault.rotate(master(2), now(&platform)).await.err().unwrap();
    assert!(matches!(second, RotateError::Unfinished(id) if id == master(1).id()));
    finish(&platform, rotation).await;
    let back = vault.rotate(old(), now(&platform)).await.err().unwrap();
    assert!(matches!(back, RotateError::UsedBefore(id) if id == old().id()));
    // What wraps the keys must be at hand before anything is changed.
    let stranger = Shelf::holding(vec![master(3)]).process(&platform);
    let refused = stranger
        .rotate(master(3), now(&platform))
        .await
        .err()
        .unwrap();
    assert!(matches!(
        refused,
        RotateError::Vault(VaultError::WrongMasterKey(id)) if id == master(1).id()
    ));
    assert_eq!(vault.status().await.unwrap().in_use, Some(master(1).id()));
}
