//! Who said that somebody left is known after a restore too: what a file said an operator may put right, and what they said
//! themselves nobody may.

use tidings_domain::stream_id;
use tidings_domain::suppression::{Reason, Suppression};
use tidings_domain::value::EmailAddress;
use tidings_event_store::witness::Growth;
use tidings_event_store::{Context, IMPORTER, is_their_word};
use uuid::Uuid;

use super::restored::{Witnessed, add};

/// A file says that nothing may go to an address, since its owner left elsewhere.
async fn a_file_says_so(it: &Witnessed, address: Uuid) {
    let context = Context {
        actor: IMPORTER.to_owned(),
        ..it.house.context()
    };
    let command = || add(Reason::Unsubscribed);
    let store = &it.house.platform.store;
    let executed = store.execute::<Suppression>(address, &context, None, command);
    executed.await.unwrap();
}

/// Whether they have said so themselves, and how often it was said.
async fn said(it: &Witnessed, address: Uuid) -> (bool, usize) {
    let history = it.house.platform.store.log().stream(address).await;
    let history = history.unwrap();
    (is_their_word(&history), history.len())
}

#[tokio::test]
async fn that_they_left_outlives_a_restore_where_a_file_had_said_so_before() {
    let it = Witnessed::new().await;
    let house = &it.house;
    let [ada, bob, eve] = ["ada@example.org", "bob@example.org", "eve@example.org"].map(|email| {
        let email = EmailAddress::parse(email).unwrap();
        stream_id::address_suppression(&house.id_key, &email)
    });
    for address in [ada, bob, eve] {
        a_file_says_so(&it, address).await;
    }
    it.witness().await;
    let backup = it.head().await;
    // She signs up all the same, and leaves; of him it is said by a bounce alone; of her nothing more.
    let signed_up = house.subscriber("ada@example.org").await;
    house.unsubscribe(signed_up).await;
    it.suppression(bob, add(Reason::HardBounce)).await;
    it.witness().await;
    it.go_back_to(backup).await;
    for address in [ada, bob, eve] {
        assert_eq!(said(&it, address).await, (false, 1));
    }

    let incarnation = house.platform.ids.next();
    let done = it.restore(incarnation, Growth::None).await;
    assert_eq!(done.unknown, 1);
    assert_eq!(said(&it, ada).await, (true, 2));
    assert_eq!(said(&it, bob).await, (false, 2));
    assert_eq!(said(&it, eve).await, (false, 1));
    assert_eq!(it.reasons(ada).await, [Reason::Unsubscribed]);
    // Once more, as after a kill, and by a restore to before that one.
    it.restore(incarnation, Growth::None).await;
    assert_eq!(said(&it, ada).await, (true, 2));
    it.witness_finds_nothing_wrong().await;
    it.go_back_behind_restores_to(backup).await;
    it.restore(house.platform.ids.next(), Growth::None).await;
    assert_eq!(said(&it, ada).await, (true, 2));
    it.witness_finds_nothing_wrong().await;
}
