//! A shredded key opens nothing any more: not in the database, not in memory, not in another process that has heard
//! of it, and whoever tries to bring it back.

use std::time::Duration;

use futures_util::future::{join, join_all};
use tidings_domain::personal::{Open as _, Seal as _};
use tidings_event_store::vault::{EventOpener, EventSealer, KeyRing, Vault};
use tidings_tests::Platform;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::vault::{TYPE, known, opened, platform_with_known_key};

#[tokio::test]
async fn a_shredded_key_opens_nothing_and_never_comes_back() {
    let platform = platform_with_known_key().await;
    let (owner, stream, event) = known();
    let now = platform.clock.clock().now();
    let vault = platform.store.vault();
    assert_eq!(
        opened(&vault.keys(&[owner]).await.unwrap()),
        Some(b"amy@example.org".to_vec())
    );
    // Another process knows the key by heart; it forgets after a while, and learns nothing new.
    vault.shred(&[owner], now).await.unwrap();
    for _ in 0..2 {
        let ring = vault.ensure(&[owner], now).await.unwrap();
        assert_eq!(opened(&ring), None);
        let sealer = EventSealer::new(&ring, owner, stream, event, TYPE);
        let for_nobody = sealer.seal("email", b"bounce quoting amy@example.org");
        assert_eq!(for_nobody.scheme, 0);
        assert!(for_nobody.ciphertext.is_empty() && for_nobody.nonce.is_empty());
        let opener = EventOpener::new(&ring, stream, event, TYPE);
        assert_eq!(opener.open("email", &for_nobody).unwrap(), None);
    }
    let other = platform.another_store(platform.connect.clone());
    assert_eq!(
        opened(&other.vault().ensure(&[owner], now).await.unwrap()),
        None
    );
    // A key that never was can be shredded too: its owner will never have one.
    let nobody = platform.ids.next();
    vault.shred(&[nobody], now).await.unwrap();
    vault.ensure(&[nobody], now).await.unwrap();
    let client = platform.pool.get().await.unwrap();
    let sql =
        "select count(*) from publishing_keys where wrapped is null and shredded_at is not null";
    assert_eq!(
        client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0),
        2
    );
    let revive = client
        .execute("update publishing_keys set wrapped = 'x'", &[])
        .await;
    assert!(revive.is_err(), "the table itself refuses it");
}

fn seals(ring: &KeyRing, owner: Uuid) -> bool {
    let (_, stream, event) = known();
    let sealed = EventSealer::new(ring, owner, stream, event, TYPE).seal("email", b"amy");
    sealed.scheme != 0
}

/// The vault of another process.
fn another(platform: &Platform) -> Vault {
    let store = platform.another_store(platform.connect.clone());
    store.vault().clone()
}

#[tokio::test]
async fn after_shredding_nothing_opens_in_memory_neither() {
    let platform = platform_with_known_key().await;
    let (owner, ..) = known();
    let now = platform.clock.clock().now();
    let (here, there) = (platform.store.vault().clone(), another(&platform));
    // A commit in the making and a running fold hold such rings.
    let ring_here = here.keys(&[owner]).await.unwrap();
    let ring_there = there.keys(&[owner]).await.unwrap();
    assert!(opened(&ring_here).is_some() && seals(&ring_there, owner));
    here.shred(&[owner], now).await.unwrap();
    assert_eq!(opened(&ring_here), None);
    assert!(!seals(&ring_here, owner));
    // The other process has not looked yet; once it has, all its rings know.
    assert!(opened(&ring_there).is_some());
    assert_eq!(there.forget_shredded().await.unwrap(), 1);
    assert_eq!(opened(&ring_there), None);
    assert!(!seals(&ring_there, owner));
    assert_eq!(opened(&there.keys(&[owner]).await.unwrap()), None);
    assert_eq!(there.forget_shredded().await.unwrap(), 0);
}

#[tokio::test]
async fn another_process_hears_of_it() {
    let platform = platform_with_known_key().await;
    let (owner, ..) = known();
    let now = platform.clock.clock().now();
    let (there, stop) = (another(&platform), CancellationToken::new());
    let watching = tokio::spawn(
        there
            .clone()
            .watch(platform.connect.clone(), stop.child_token()),
    );
    let ring = there.keys(&[owner]).await.unwrap();
    assert!(opened(&ring).is_some());
    platform.store.vault().shred(&[owner], now).await.unwrap();
    let heard = async {
        while opened(&ring).is_some() {
            tokio::task::yield_now().await;
        }
    };
    let heard = tokio::time::timeout(Duration::from_secs(30), heard).await;
    assert!(heard.is_ok(), "it never heard");
    stop.cancel();
    watching.await.unwrap();
}

/// How long a process keeps a key that it does not use.
const KEPT_FOR: Duration = Duration::from_secs(60);

/// Nobody asks for it, and nobody shreds it: its age alone takes it from memory.
#[tokio::test]
async fn a_key_that_nobody_uses_leaves_the_memory_of_whoever_watches() {
    let platform = platform_with_known_key().await;
    let (owner, ..) = known();
    let now = platform.clock.clock().now();
    let (there, stop) = (another(&platform), CancellationToken::new());
    drop(there.keys(&[owner]).await.unwrap());
    // Whoever holds one keeps it in memory.
    let held = platform.ids.next();
    let ring = there.ensure(&[held], now).await.unwrap();
    let watching = tokio::spawn(there.clone().watch(platform.connect.clone(), stop));
    let client = platform.pool.get().await.unwrap();
    // It listens, and its first look at what was shredded was answered.
    let listens = "select count(*) from pg_stat_activity where state = 'idle' and datname = current_database() \
                   and (query = 'listen publishing_keys' or query like 'select key_id from publishing_keys%wrapped is null')";
    while client
        .query_one(listens, &[])
        .await
        .unwrap()
        .get::<_, i64>(0)
        < 2
    {
        tokio::task::yield_now().await;
    }
    // It has heard that long before these are answered, and waits for its timer.
    for _ in 0..100 {
        client.query_one("select 1", &[]).await.unwrap();
    }
    tokio::time::pause();
    tokio::time::advance(KEPT_FOR).await;
    // Its timer has come.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    tokio::time::resume();
    // Not told to stop: then it would forget once more.
    watching.abort();

    let here = platform.store.vault();
    here.shred(&[owner, held], now).await.unwrap();
    assert_eq!(there.forget_shredded().await.unwrap(), 1, "the held one");
    assert!(!seals(&ring, held));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_while_a_key_is_shredded_has_nothing_afterwards() {
    let platform = Platform::start().await;
    let now = platform.clock.clock().now();
    let (here, there) = (platform.store.vault().clone(), another(&platform));
    for _ in 0..20 {
        let owner = platform.ids.next();
        let asked = join_all((0..8).map(|n| {
            let vault = if n % 2 == 0 { &here } else { &there };
            async move { vault.ensure(&[owner], now).await.unwrap() }
        }));
        let (rings, shredded) = join(asked, here.shred(&[owner], now)).await;
        shredded.unwrap();
        there.forget_shredded().await.unwrap();
        for ring in rings {
            assert!(!seals(&ring, owner));
        }
        for vault in [&here, &there] {
            assert!(!seals(&vault.ensure(&[owner], now).await.unwrap(), owner));
        }
    }
}

#[tokio::test]
async fn no_statement_brings_a_tombstone_back() {
    let platform = platform_with_known_key().await;
    let (owner, ..) = known();
    let now = platform.clock.clock().now();
    let client = platform.pool.get().await.unwrap();
    let sql = "select wrapped from publishing_keys where key_id = $1";
    let wrapped: Vec<u8> = client.query_one(sql, &[&owner]).await.unwrap().get(0);
    platform.store.vault().shred(&[owner], now).await.unwrap();
    let revive = client
        .execute(
            "update publishing_keys set wrapped = $2, shredded_at = null where key_id = $1",
            &[&owner, &wrapped],
        )
        .await;
    assert!(revive.unwrap_err().to_string().contains("db error"));
    let insert = client
        .execute(
            "insert into publishing_keys (key_id, wrapped, created_at) values ($1, $2, now()) \
             on conflict (key_id) do update set wrapped = excluded.wrapped, shredded_at = null",
            &[&owner, &wrapped],
        )
        .await;
    assert!(insert.is_err());
    for statement in ["delete from publishing_keys", "truncate publishing_keys"] {
        assert!(
            client.batch_execute(statement).await.is_err(),
            "{statement}"
        );
    }
    let kept: Option<Vec<u8>> = client.query_one(sql, &[&owner]).await.unwrap().get(0);
    assert_eq!(kept, None);
}

#[tokio::test]
async fn a_pages_keys_are_read_once_and_need_no_database_afterwards() {
    let platform = Platform::start().await;
    let now = platform.clock.clock().now();
    let owners: Vec<Uuid> = (0..200).map(|_| platform.ids.next()).collect();
    let store = platform.another_store(platform.connect.clone());
    store.vault().ensure(&owners, now).await.unwrap();
    store.log().pool().close();
    for owner in owners {
        let ring = store.vault().ensure(&[owner], now).await.unwrap();
        assert!(seals(&ring, owner));
    }
}
