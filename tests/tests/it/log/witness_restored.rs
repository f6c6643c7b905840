//! A witness over a restore: what was given up counts no more, neither for the comparison nor for a proof.

use tidings_event_store::audit::prove;
use tidings_event_store::witness::Entry;

use super::witness::{Witnessed, caught_up, key};

/// Takes the log back to a position, and begins the next incarnation there.
async fn restore_to(witnessed: &Witnessed, position: i64) {
    let client = witnessed.platform.pool.get().await.unwrap();
    let sql = format!(
        "delete from publishing_events where position > {position}; \
         delete from publishing_batches where last_position > {position}; \
         insert into publishing_incarnations values (gen_random_uuid(), 2, {position}, clock_timestamp(), {position})"
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
