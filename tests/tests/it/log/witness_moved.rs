//! What the witness knows of addresses that were changed.

use tidings_event_store::uuid_bytes;
use tidings_proto::subscriber;
use uuid::Uuid;

use super::witness::{Witnessed, caught_up};

/// Nothing goes to the address they have, should the log lose them; the one they gave up is another's by now.
#[tokio::test]
async fn who_left_is_witnessed_with_the_address_they_had_then() {
    let witnessed = Witnessed::new().await;
    let platform = &witnessed.platform;
    let mut keeper = witnessed.keeper();
    let ada = platform.ids.next();
    let [first, second] = [1, 2].map(|n| uuid_bytes(Uuid::from_u128(n)));
    let signed_up = subscriber::SignedUp {
        address_suppression_id: first.clone(),
        ..Default::default()
    };
    let moved = subscriber::ContactChanged {
        address_suppression_id: second,
        former_address_suppression_id: first,
        ..Default::default()
    };
    witnessed
        .commit(vec![witnessed.event(ada, &signed_up)])
        .await;
    witnessed.commit(vec![witnessed.left(ada)]).await;
    witnessed.commit(vec![witnessed.event(ada, &moved)]).await;
    witnessed.commit(vec![witnessed.left(ada)]).await;
    caught_up(&mut keeper, platform).await.unwrap();
    let facts = witnessed.facts();
    let addresses: Vec<_> = facts.iter().map(|it| it.address_suppression_id).collect();
    assert_eq!(addresses, [1, 2].map(|n| Some(Uuid::from_u128(n))));
}
