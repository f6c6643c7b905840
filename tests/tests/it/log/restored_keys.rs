//! An API key that was revoked, or whose secret was replaced, in what a restored log has lost, lets nobody in again.

use tidings_domain::api_key::{ApiKey, Card, Command, Secret, Shut};
use tidings_domain::value::{Code, KeyName, Scope};
use tidings_event_store::witness::Growth;
use time::Duration;
use uuid::Uuid;

use super::restored::Witnessed;

async fn carry_out(it: &Witnessed, key: Uuid, command: impl Fn() -> Command + Send + Sync) {
    let platform = &it.house.platform;
    let context = it.house.context();
    let done = platform
        .store
        .execute::<ApiKey>(key, &context, None, command);
    done.await.unwrap();
}

async fn key(it: &Witnessed, hash: [u8; 32]) -> Uuid {
    let id = it.house.platform.ids.next();
    let until = it.house.platform.clock.clock().now() + Duration::days(90);
    let create = || Command::Create {
        card: Card {
            name: KeyName::parse("Web shop").unwrap(),
            roles: vec![Code::parse("service").unwrap()],
            scopes: vec![Scope::parse("subscribers:write").unwrap()],
        },
        secret: Secret { hash, until },
        prefix: "tdk_AQ".to_owned(),
    };
    carry_out(it, id, create).await;
    id
}

async fn living(it: &Witnessed, key: Uuid) -> Result<Vec<u8>, Shut> {
    let platform = &it.house.platform;
    let loaded = platform.store.load::<ApiKey>(key).await.unwrap();
    let secrets = loaded.state.secrets(platform.clock.clock().now())?;
    Ok(secrets.iter().map(|secret| secret.hash[0]).collect())
}

#[tokio::test]
async fn a_key_that_was_revoked_or_rotated_lets_nobody_in_again() {
    let it = Witnessed::new().await;
    let [leaked, rotated, kept] = [key(&it, [1; 32]), key(&it, [2; 32]), key(&it, [3; 32])];
    let (leaked, rotated, kept) = (leaked.await, rotated.await, kept.await);
    it.witness().await;
    let backup = it.head().await;

    let revoke = || Command::Revoke {
        reason: Code::parse("leaked").unwrap(),
    };
    carry_out(&it, leaked, revoke).await;
    let at = it.house.platform.clock.clock().now();
    let rotate = || Command::Rotate {
        hash: [9; 32],
        previous_until: None,
        expires_at: None,
        prefix: "tdk_AQ".to_owned(),
        at,
    };
    carry_out(&it, rotated, rotate).await;
    let unknown = key(&it, [4; 32]).await;
    carry_out(&it, unknown, revoke).await;
    it.witness().await;
    it.go_back_to(backup).await;
    assert_eq!(living(&it, leaked).await, Ok(vec![1]), "as of then");

    let incarnation = it.house.platform.ids.next();
    let done = it.restore(incarnation, Growth::None).await;
    assert_eq!(done.facts, 3);
    assert_eq!(done.events.get("api_key.Revoked"), Some(&2), "{done:?}");
    assert_eq!(living(&it, leaked).await, Err(Shut::Revoked));
    // Its new secret is lost, and the one before may be what it was rotated for.
    assert_eq!(living(&it, rotated).await, Err(Shut::Revoked));
    assert_eq!(living(&it, unknown).await, Err(Shut::Unknown));
    assert_eq!(living(&it, kept).await, Ok(vec![3]));
    let again = it.restore(incarnation, Growth::None).await;
    assert!(again.events.is_empty(), "{again:?}");
    it.witness_finds_nothing_wrong().await;
}
