//! The key of a month of engagement that was destroyed in what a restored log has lost is destroyed again.

use tidings_domain::engagement::{self, Engagement, Hit};
use tidings_domain::personal::Personal;
use tidings_domain::stream_id;
use tidings_domain::value::{Code, Evidence, Month};
use tidings_event_store::vault::Under;
use tidings_event_store::witness::Growth;
use tidings_event_store::{Loaded, Recorded, Store};
use uuid::Uuid;

use super::restored::Witnessed;

/// A mail to somebody was opened.
async fn opened(it: &Witnessed, subscriber_id: Uuid) -> Uuid {
    let platform = &it.house.platform;
    let [delivery_id, publication_id, channel_id] = std::array::from_fn(|_| platform.ids.next());
    let month = Month::of(platform.clock.clock().now());
    let hit = Hit {
        cause: tidings_domain::delivery::Cause::Publication(publication_id),
        content_version: 1,
        channel_id,
        delivery_id,
        subscriber_id,
        month,
        agent: Code::from_static("reader"),
        machine: false,
        rules: 1,
        evidence: Some(Personal::Known(Evidence::user_agent("Canary/7"))),
    };
    let (id, context) = (stream_id::engagement(delivery_id), it.house.context());
    let mut draft = platform.store.draft(&context);
    let under = Under {
        owner: subscriber_id,
        period: Some(stream_id::engagement_period(month)),
    };
    let fresh = Loaded::known(id, Engagement::default(), 0);
    let event = engagement::Event::Opened(hit);
    draft.append_for(fresh, vec![event], under, Some(subscriber_id));
    draft.commit().await.unwrap();
    id
}

/// Whether the evidence of the only event of a stream opens, for a process that starts now.
async fn opens(it: &Witnessed, stream_id: Uuid) -> bool {
    let platform = &it.house.platform;
    let store: Store = platform.another_store(platform.connect.clone());
    let events: Vec<Recorded> = store.log().stream(stream_id).await.unwrap();
    let ring = store.keys_of(&events).await.unwrap();
    let loaded = tidings_event_store::understand::<Engagement>(&events[0], &ring).unwrap();
    loaded
        .hit()
        .evidence
        .as_ref()
        .and_then(Personal::known)
        .is_some()
}

/// As a backup from before has it: the database itself gives no destroyed key back.
async fn bring_back(it: &Witnessed, key_id: Uuid, wrapped: &[u8]) {
    let client = it.house.platform.pool.get().await.unwrap();
    let without_triggers = "set session_replication_role = replica";
    client.batch_execute(without_triggers).await.unwrap();
    let sql = "update publishing_keys set wrapped = $2, shredded_at = null where key_id = $1";
    client.execute(sql, &[&key_id, &wrapped]).await.unwrap();
    let with_them = "set session_replication_role = default";
    client.batch_execute(with_them).await.unwrap();
}

#[tokio::test]
async fn the_key_of_a_month_that_was_over_is_destroyed_again() {
    let it = Witnessed::new().await;
    let platform = &it.house.platform;
    let ada = it.house.subscriber("ada@example.org").await;
    let month = Month::of(platform.clock.clock().now());
    let key_id = stream_id::engagement_period(month);
    let hit = opened(&it, ada).await;
    it.witness().await;
    let backup = it.head().await;
    let client = platform.pool.get().await.unwrap();
    let sql = "select wrapped from publishing_keys where key_id = $1";
    let wrapped: Vec<u8> = client.query_one(sql, &[&key_id]).await.unwrap().get(0);
    assert!(opens(&it, hit).await);

    platform.clock.set(month.kept_until(13));
    platform.settle().await;
    assert!(!opens(&it, hit).await);
    it.witness().await;
    it.go_back_to(backup).await;
    bring_back(&it, key_id, &wrapped).await;
    assert!(opens(&it, hit).await, "as of then");

    let incarnation = platform.ids.next();
    let done = it.restore(incarnation, Growth::None).await;
    assert_eq!((done.facts, done.events.len()), (1, 0), "{done:?}");
    assert!(!opens(&it, hit).await);
    it.witness_finds_nothing_wrong().await;
}
