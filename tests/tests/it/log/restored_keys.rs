//! API keys of a log that was put back: what was taken from them stays taken.

use tidings_domain::api_key::{ApiKey, Card, Command, Secret};
use tidings_domain::value::{Code, KeyName, Scope};
use tidings_event_store::witness::Growth;
use time::Duration;
use uuid::Uuid;

use super::restored::Witnessed;

async fn act(it: &Witnessed, id: Uuid, command: Command) {
    let context = it.house.context();
    let store = &it.house.platform.store;
    store
        .execute::<ApiKey>(id, &context, None, || command.clone())
        .await
        .unwrap();
}

async fn create(it: &Witnessed) -> Uuid {
    let id = it.house.platform.ids.next();
    let now = it.house.platform.clock.clock().now();
    let command = Command::Create {
        card: Card {
            name: KeyName::parse("Web shop").unwrap(),
            roles: vec![Code::from_static("service")],
            scopes: vec![Scope::parse("topics:read").unwrap()],
        },
        secret: Secret {
            hash: [1; 32],
            until: now + Duration::days(365),
        },
        prefix: "tdk_AQ".to_owned(),
    };
    act(it, id, command).await;
    id
}

async fn rotate(it: &Witnessed, id: Uuid) {
    let at = it.house.platform.clock.clock().now();
    let command = Command::Rotate {
        hash: [2; 32],
        previous_until: at,
        expires_at: None,
        at,
    };
    act(it, id, command).await;
}

async fn revoke(it: &Witnessed, id: Uuid) {
    let reason = Code::from_static("leaked");
    act(it, id, Command::Revoke { reason }).await;
}

async fn is_revoked(it: &Witnessed, id: Uuid) -> bool {
    let loaded = it.house.platform.store.load::<ApiKey>(id).await.unwrap();
    matches!(loaded.state, ApiKey::Revoked { .. })
}

#[tokio::test]
async fn a_key_that_was_revoked_or_rotated_since_lets_nobody_in() {
    let it = Witnessed::new().await;
    let [rotated, revoked, untouched] = [create(&it).await, create(&it).await, create(&it).await];
    it.witness().await;
    let backup = it.head().await;
    rotate(&it, rotated).await;
    revoke(&it, revoked).await;
    let unknown = create(&it).await;
    revoke(&it, unknown).await;
    it.witness().await;
    it.go_back_to(backup).await;
    assert!(!is_revoked(&it, revoked).await);

    let incarnation = it.house.platform.ids.next();
    let done = it.restore(incarnation, Growth::None).await;
    assert_eq!((done.facts, done.events["api_key.Revoked"]), (3, 2));
    assert!(is_revoked(&it, rotated).await && is_revoked(&it, revoked).await);
    assert!(!is_revoked(&it, untouched).await);
    let lost = it
        .house
        .platform
        .store
        .load::<ApiKey>(unknown)
        .await
        .unwrap();
    assert_eq!(lost.state, ApiKey::Unknown);
    // Doing it again does nothing.
    let again = it.restore(incarnation, Growth::None).await;
    assert_eq!(again.events.len(), 0);
    it.witness_finds_nothing_wrong().await;
}
