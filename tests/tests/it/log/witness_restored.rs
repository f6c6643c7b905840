//! A witness over a restore: what was given up counts no more, neither for the comparison nor for a proof.

use std::fs;

use tidings_event_store::audit::prove;
use tidings_event_store::witness::{Entry, Keeper, WitnessError};

use super::witness::{Witnessed, caught_up, key};

async fn go_back_to(witnessed: &Witnessed, position: i64) {
    let client = witnessed.platform.pool.get().await.unwrap();
    let sql = format!(
        "delete from publishing_events where position > {position}; \
         delete from publishing_batches where last_position > {position}"
    );
    client.batch_execute(&sql).await.unwrap();
}

/// Takes the log back to a position, and begins the next incarnation there.
async fn restore_to(witnessed: &Witnessed, position: i64) {
    go_back_to(witnessed, position).await;
    let client = witnessed.platform.pool.get().await.unwrap();
    let sql = format!(
        "insert into publishing_incarnations values (gen_random_uuid(), 2, {position}, clock_timestamp(), {position})"
    );
    client.batch_execute(&sql).await.unwrap();
}

/// The heads that were given up stand further up in the file than those that count.
#[tokio::test]
async fn what_came_after_a_restore_is_proven_by_a_head_that_counts() {
    let witnessed = Witnessed::new().await;
    let platform = &witnessed.platform;
    let mut keeper = witnessed.keeper();
    for _ in 0..4 {
        platform.fill(1, 1).await;
        caught_up(&mut keeper, platform).await.unwrap();
    }
    drop(keeper);
    restore_to(&witnessed, 2).await;
    platform.fill(3, 1).await;
    witnessed.witness().await;
    let report = witnessed.report().unwrap();
    assert_eq!((report.given_up.len(), report.position), (1, 5));
    for position in 1..=5 {
        let log = platform.store.log();
        let proof = prove(log, &witnessed.folder, &report, position).await;
        let checked = proof.unwrap().check(Some(key().public())).unwrap();
        let event = &log.page_after(position - 1, 1).await.unwrap()[0];
        assert_eq!(checked.event.event_id, event.event_id, "{position}");
    }
}

/// Facts stand before their head: a crash between leaves facts without one, and a restore gives them up unnamed.
#[tokio::test]
async fn facts_that_never_had_a_head_are_given_up_by_a_restore() {
    let witnessed = Witnessed::new().await;
    let platform = &witnessed.platform;
    for _ in 0..2 {
        let left = witnessed.left(platform.ids.next());
        witnessed.commit(vec![left]).await;
        witnessed.witness().await;
    }
    witnessed.let_another_build_write(&|entry| match entry {
        Entry::Head { position: 2, .. } => Vec::new(),
        other => vec![other],
    });
    assert_eq!(witnessed.facts().len(), 2);
    restore_to(&witnessed, 1).await;
    platform.fill(2, 1).await;
    witnessed.witness().await;
    let report = witnessed.report().unwrap();
    assert!(report.given_up.is_empty(), "{report:?}");
    let compared = witnessed.compared().await;
    assert_eq!((compared.heads, compared.finding), (2, None));
}

/// A crash has left a fact without its head, and then the log lost it: no head is signed over another history.
#[tokio::test]
async fn a_fact_without_a_head_that_the_log_does_not_hold_ends_the_timeline() {
    let witnessed = Witnessed::new().await;
    let platform = &witnessed.platform;
    for _ in 0..2 {
        let left = witnessed.left(platform.ids.next());
        witnessed.commit(vec![left]).await;
        witnessed.witness().await;
    }
    witnessed.let_another_build_write(&|entry| match entry {
        Entry::Head { position: 2, .. } => Vec::new(),
        other => vec![other],
    });
    witnessed.keeper().compare().await.unwrap();
    go_back_to(&witnessed, 1).await;
    platform.fill(2, 1).await;
    let ended = caught_up(&mut witnessed.keeper(), platform).await;
    assert!(
        matches!(ended, Err(WitnessError::Diverged { position: 2 })),
        "{ended:?}"
    );
    assert!(platform.store.log().alive().is_err());
}

/// Nothing is taken, and a line that the keeper is about to write is left alone.
#[tokio::test]
async fn who_does_not_keep_the_witness_compares_with_it_all_the_same() {
    let witnessed = Witnessed::new().await;
    let platform = &witnessed.platform;
    let mut keeper = witnessed.keeper();
    for _ in 0..3 {
        platform.fill(1, 1).await;
        caught_up(&mut keeper, platform).await.unwrap();
    }
    let file = &witnessed.files()[0];
    let mut half_written = fs::read(file).unwrap();
    half_written.extend(b"{\"line\":");
    fs::write(file, &half_written).unwrap();
    let another = platform.another_store(platform.connect.clone());
    let other = Keeper::new(another.log().clone(), witnessed.folder.clone(), key());
    other.compare().await.unwrap();
    assert!(another.log().alive().is_ok());
    go_back_to(&witnessed, 2).await;
    let ended = other.compare().await;
    assert!(
        matches!(ended, Err(WitnessError::Diverged { position: 3 })),
        "{ended:?}"
    );
    assert!(another.log().alive().is_err());
    assert_eq!(fs::read(file).unwrap(), half_written);
}
