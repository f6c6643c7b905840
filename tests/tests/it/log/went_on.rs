//! A log that had gone on alone before anybody noticed that it was put back: what it holds since counts, and its
//! witness goes on.

use tidings_domain::subscriber::Standing;
use tidings_event_store::witness::{Growth, lost};

use super::restored::Witnessed;

/// Whoever wrote after that position had another clock than who took over.
async fn clock_was_ahead_after(it: &Witnessed, position: i64) {
    let client = it.house.platform.pool.get().await.unwrap();
    let sql = "update publishing_events set recorded_at = recorded_at + interval '1 hour' where position > $1";
    client.execute(sql, &[&position]).await.unwrap();
}

#[tokio::test]
async fn a_log_that_went_on_meanwhile_knows_better() {
    let it = Witnessed::new().await;
    let house = &it.house;
    let ada = house.subscriber("ada@example.org").await;
    let grace = house.subscriber("grace@example.org").await;
    it.witness().await;
    let common = it.head().await;
    // Lost: Ada leaves and comes back, Grace leaves.
    house.unsubscribe(ada).await;
    it.come_back(ada).await;
    house.unsubscribe(grace).await;
    clock_was_ahead_after(&it, common).await;
    it.witness().await;
    it.go_back_to(common).await;
    // On the replica that took over Ada leaves later, and others come.
    for n in 0..5 {
        house.subscriber(&format!("new{n}@example.org")).await;
    }
    house.unsubscribe(ada).await;
    let done = it
        .restore(house.platform.ids.next(), Growth::Possible)
        .await;
    assert_eq!(done.facts, 3);
    assert_eq!(it.standing(ada).await, Standing::Unsubscribed);
    assert_eq!(it.standing(grace).await, Standing::Unsubscribed);
    it.witness_finds_nothing_wrong().await;
}

/// What the log has in common with the one of before is no later word, also where no head was signed since.
#[tokio::test]
async fn a_word_from_before_the_parting_is_earlier_than_anything_lost() {
    let it = Witnessed::new().await;
    let house = &it.house;
    let ada = house.subscriber("ada@example.org").await;
    house.unsubscribe(ada).await;
    it.witness().await;
    let signed = it.head().await;
    it.come_back(ada).await;
    let parted = it.head().await;
    house.unsubscribe(ada).await;
    it.witness().await;
    it.go_back_to(parted).await;
    house.subscriber("grace@example.org").await;

    let log = house.platform.store.log();
    let end = it.head().await;
    let lost = lost(log, &it.folder, it.key, end, Growth::Possible).await;
    let lost = lost.unwrap();
    assert_eq!((lost.common, lost.same), (signed, parted));
    let incarnation = house.platform.ids.next();
    for _ in 0..2 {
        it.restore(incarnation, Growth::Possible).await;
        assert_eq!(it.standing(ada).await, Standing::Unsubscribed);
    }
    it.witness_finds_nothing_wrong().await;
}

/// However far it had gone: less than what it lost, or further.
#[tokio::test]
async fn the_witness_goes_on_after_a_log_that_had_gone_on_alone() {
    for others in [1, 8] {
        let it = Witnessed::new().await;
        let house = &it.house;
        let ada = house.subscriber("ada@example.org").await;
        let grace = house.subscriber("grace@example.org").await;
        it.witness().await;
        let common = it.head().await;
        house.unsubscribe(ada).await;
        for n in 0..3 {
            house.subscriber(&format!("lost{n}@example.org")).await;
        }
        it.witness().await;
        let through = it.head().await;
        it.go_back_to(common).await;
        house.unsubscribe(grace).await;
        for n in 0..others {
            house.subscriber(&format!("new{n}@example.org")).await;
        }
        assert_eq!(it.head().await < through, others == 1);

        it.restore(house.platform.ids.next(), Growth::Possible)
            .await;
        assert_eq!(it.standing(ada).await, Standing::Unsubscribed);
        assert_eq!(it.standing(grace).await, Standing::Unsubscribed);
        let report = it.witness_finds_nothing_wrong().await;
        let given_up: Vec<_> = report
            .given_up
            .iter()
            .map(|it| (it.after, it.through))
            .collect();
        assert_eq!(given_up, [(common, through)]);
        house
            .unsubscribe(house.subscriber("later@example.org").await)
            .await;
        it.witness_finds_nothing_wrong().await;
        // Lost once more, all of it is learnt from the witness.
        it.go_back_behind_restores_to(common).await;
        it.restore(house.platform.ids.next(), Growth::None).await;
        assert_eq!(it.standing(ada).await, Standing::Unsubscribed);
        assert_eq!(it.standing(grace).await, Standing::Unsubscribed);
        it.witness_finds_nothing_wrong().await;
    }
}
