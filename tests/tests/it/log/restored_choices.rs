//! What was left or asked for one by one, in what a restored log has lost, counts again as it was said.

use tidings_domain::subscriber::{Choices, Standing, Subscriber, What};
use tidings_domain::topic::ByDefault;
use tidings_event_store::witness::Growth;
use uuid::Uuid;

use super::restored::Witnessed;

async fn choices(it: &Witnessed, subscriber_id: Uuid) -> Choices {
    let store = &it.house.platform.store;
    let loaded = store.load::<Subscriber>(subscriber_id).await.unwrap();
    loaded.state.profile().unwrap().choices.clone()
}

#[tokio::test]
async fn topics_and_channels_are_left_and_asked_for_again_alone() {
    let it = Witnessed::new().await;
    let house = &it.house;
    let [council, markets, channel] = std::array::from_fn(|_| house.platform.ids.next());
    let ada = house.subscriber("ada@example.org").await;
    let bob = house.subscriber("bob@example.org").await;
    house.come_back(bob, What::Topic(markets)).await;
    house.leave(bob, What::Channel(channel)).await;
    it.witness().await;
    let backup = it.head().await;

    house.leave(ada, What::Topic(council)).await;
    house.come_back(ada, What::Topic(markets)).await;
    house.leave(ada, What::Channel(channel)).await;
    house.leave(bob, What::Topic(markets)).await;
    house.come_back(bob, What::Channel(channel)).await;
    house.leave(bob, What::Everything).await;
    house.come_back(bob, What::Topic(council)).await;
    let said = [choices(&it, ada).await, choices(&it, bob).await];
    it.witness().await;
    it.go_back_to(backup).await;
    assert!(choices(&it, ada).await.wants(council, ByDefault::In));

    let done = it.restore(house.platform.ids.next(), Growth::None).await;
    assert_eq!((done.facts, done.unknown), (7, 0));
    assert_eq!([choices(&it, ada).await, choices(&it, bob).await], said);
    assert_eq!(it.standing(ada).await, Standing::Active);
    assert_eq!(it.standing(bob).await, Standing::Unsubscribed);
    it.witness_finds_nothing_wrong().await;
}
