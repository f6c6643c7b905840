//! The throw-away pair of a test process: quick, real, and gone afterwards.

use std::path::Path;

use crate::support::{connect, folder, held_folder, hold, options, ping, start_holder};
use tidings_servers::template::EphemeralServers;
use tokio_postgres::error::SqlState;

#[tokio::test]
async fn outages_end_and_the_urls_stay() {
    let servers = EphemeralServers::start().await.unwrap();
    let client = connect(servers.database_url()).await.unwrap();
    client
        .batch_execute("CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)")
        .await
        .unwrap();
    assert_eq!(ping(servers.nats_url(), None).await.unwrap(), "PONG");
    client
        .batch_execute("CREATE DATABASE another")
        .await
        .unwrap();
    connect(&servers.database_url_of("another").unwrap())
        .await
        .unwrap();
    let absent = connect(&servers.database_url_of("absent").unwrap()).await;
    assert_eq!(
        absent.err().unwrap().code(),
        Some(&SqlState::INVALID_CATALOG_NAME)
    );

    servers.kill_postgres_immediate().await.unwrap();
    servers.kill_nats().await.unwrap();
    assert!(connect(servers.database_url()).await.is_err());
    assert!(ping(servers.nats_url(), None).await.is_err());
    // A second kill finds nothing to do.
    servers.kill_nats().await.unwrap();

    let url = servers.nats_url().to_owned();
    servers.restart_postgres().await.unwrap();
    servers.restart_nats().await.unwrap();
    let client = connect(servers.database_url()).await.unwrap();
    let kept: i32 = client
        .query_one("SELECT n FROM kept", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(kept, 7, "what was committed outlives a crash");
    assert_eq!(ping(&url, None).await.unwrap(), "PONG");
    // Running ones are stopped first.
    servers.restart_postgres().await.unwrap();
    servers.restart_nats().await.unwrap();
    assert_eq!(ping(&url, None).await.unwrap(), "PONG");
    connect(servers.database_url()).await.unwrap();
}

#[tokio::test]
async fn a_drop_leaves_nothing() {
    let servers = EphemeralServers::start().await.unwrap();
    let location = servers.location().to_owned();
    let url = servers.nats_url().to_owned();
    drop(servers);
    assert!(!location.exists());
    assert!(ping(&url, None).await.is_err());
    assert!(!any_process_names(&location));
}

#[tokio::test]
async fn a_killed_test_process_leaves_nothing() {
    let dir = folder();
    let (mut holder, location) = start_holder("ephemeral::holder", dir.dir());
    assert!(any_process_names(&location));
    holder.kill().unwrap();
    holder.wait().unwrap();
    let gone = async {
        while location.exists() || any_process_names(&location) {
            tokio::task::yield_now().await;
        }
    };
    let limit = std::time::Duration::from_secs(30);
    tokio::time::timeout(limit, gone)
        .await
        .expect("all of it goes by itself");
}

#[tokio::test]
#[ignore = "the process that another test kills"]
async fn holder() {
    if let Some(dir) = held_folder() {
        let servers = EphemeralServers::start_with(options(&dir, "unused"))
            .await
            .unwrap();
        hold(servers.location());
    }
}

fn any_process_names(location: &Path) -> bool {
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let cmdline = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&cmdline).contains(location.to_str().unwrap())
    })
}
