//! The checker over a program with private servers of its own, for tests that have no [`World`](crate::world::World).

use std::time::Duration;

use tidings_event_store::session::connect_plain;
use tidings_event_store::stream::StreamName;
use tidings_event_store::{Log, Store};
use tidings_servers::{Options, Servers};
use tidings_sinks::smtp;
use tidings_tests::checker::deliveries::{Deliveries, Received};
use tidings_tests::checker::readers::Handed;
use tidings_tests::checker::{Evidence, settled};
use tidings_tests::program::{ASK_AGAIN, Program};
use uuid::Uuid;

use crate::master_keys::MasterKeys;
use crate::settle::UNFINISHED;
use crate::world::{connect_nats, pool};

/// Far more than what is left takes when everything is settled.
const ENDED_WITHIN: Duration = Duration::from_secs(60);

/// Which copies the log need not explain.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lost {
    /// It explains all of them.
    Nothing,
    /// Those of deliveries it has lost: what the stream of before knew of it, it knows.
    Deliveries,
    /// Those of attempts it has lost: it was restored from a backup, without the stream of before.
    Attempts,
}

impl Lost {
    fn is(self, log: &Deliveries, copy: &Received) -> bool {
        match self {
            Self::Nothing => false,
            Self::Deliveries => !log.knows(copy),
            Self::Attempts => !log.attempted_as(copy),
        }
    }
}

/// Checks log, stream, journal and what callers were told, once everything has come to its end. The program runs.
/// `readers`: whoever was brought, by whatever way.
pub(crate) async fn check(program: &Program, sink: &smtp::Handle, readers: &[String], lost: Lost) {
    let (servers, store) = servers_of(program).await;
    let nats = connect_nats(servers.nats_url().unwrap()).await;
    let stream = StreamName::new("tidings", store.log().incarnation().await.unwrap());
    let ended = tokio::time::timeout(ENDED_WITHIN, all_ended(&store, &nats, &stream)).await;
    assert!(ended.is_ok(), "something never ended:\n{}", program.said());

    let head = store.log().head().await.unwrap().position;
    let deliveries = Deliveries::of(&store.log().page_after(0, head).await.unwrap());
    let mut copies = Received::mails_at(sink);
    copies.retain(|copy| !lost.is(&deliveries, copy));
    let files = [Handed {
        import_id: None,
        addresses: readers.to_vec(),
    }];
    let evidence = Evidence {
        log: store.log(),
        vault: store.vault(),
        nats: &nats,
        stream: &stream,
        copies: &copies,
        files: &files,
        told: &program.told(),
        shredded: &[],
    };
    assert!(!evidence.told.is_empty(), "somebody was told something");
    settled(&evidence).await;
}

/// The servers of the program, which goes on using them, and what it has in its database.
pub(crate) async fn servers_of(program: &Program) -> (Servers, Store) {
    let options = Options {
        state_dir: program.dir().join("state"),
        ..Options::from_env(program.data())
    };
    let servers = Servers::start(options).await.unwrap();
    assert!(servers.adopted(), "the program has started them");
    let url = servers.database_url().unwrap();
    let connections = pool(&url);
    let keys = MasterKeys::in_file(program.data().join("master.key"));
    let vault = keys.vault(connections.clone());
    let log = Log::open(connect_plain(url.parse().unwrap()), connections);
    let store = Store::new(log, vault);
    (servers, store)
}

/// Every publication has come to its end, and the stream has all of it.
async fn all_ended(store: &Store, nats: &async_nats::Client, stream: &StreamName) {
    let jetstream = async_nats::jetstream::new(nats.clone());
    loop {
        let head = store.log().head().await.unwrap().position;
        if ids(store, UNFINISHED).await.is_empty()
            && let Ok(stream) = jetstream.get_stream(&stream.stream).await
            && stream.cached_info().state.last_sequence as i64 == head
        {
            return;
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

async fn ids(store: &Store, sql: &str) -> Vec<Uuid> {
    let client = store.log().pool().get().await.unwrap();
    let rows = client.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// The addresses that `newsroom::publish` brings.
pub(crate) fn brought(count: usize) -> Vec<String> {
    (0..count)
        .map(|n| format!("reader{n}@example.org"))
        .collect()
}
