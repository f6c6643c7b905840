//! Migrations: once, by whoever comes first, and never backwards.

use futures_util::future::join_all;
use tidings_event_store::migrate::{MigrateError, migrate};
use tidings_schema::MIGRATIONS;
use tidings_tests::Platform;
use tokio_postgres::{Client, NoTls};

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

fn all() -> Vec<i32> {
    MIGRATIONS
        .iter()
        .map(|migration| migration.number)
        .collect()
}

#[tokio::test]
async fn the_second_time_there_is_nothing_left_to_do() {
    let mut client = connect(&Platform::empty_database().await).await;
    assert_eq!(migrate(&mut client).await.unwrap(), all());
    assert_eq!(migrate(&mut client).await.unwrap(), Vec::<i32>::new());
}

#[tokio::test]
async fn of_several_at_once_one_migrates() {
    let url = Platform::empty_database().await;
    let applied = join_all((0..6).map(|_| async {
        let mut client = connect(&url).await;
        migrate(&mut client).await.unwrap()
    }))
    .await;
    assert_eq!(applied.concat(), all());
}

#[tokio::test]
async fn a_newer_database_is_left_alone() {
    let mut client = connect(&Platform::empty_database().await).await;
    migrate(&mut client).await.unwrap();
    client
        .execute(
            "insert into publishing_migrations (number, name) values (9999, 'later')",
            &[],
        )
        .await
        .unwrap();
    let refused = migrate(&mut client).await.unwrap_err();
    let last = MIGRATIONS.last().unwrap().number;
    assert!(
        matches!(refused, MigrateError::TooNew { found: 9999, known } if known == last),
        "{refused:?}"
    );
}

#[test]
fn numbers_count_up_and_every_file_is_listed() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../schema/migrations");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let listed = MIGRATIONS
        .iter()
        .map(|it| format!("{:04}_{}.sql", it.number, it.name));
    assert_eq!(listed.collect::<Vec<_>>(), files);
    assert_eq!(all(), (1..=files.len() as i32).collect::<Vec<_>>());
}
