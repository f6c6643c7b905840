//! What happens between the moment segments are read and that in which an audience is on record.

use std::time::Duration;

use actix_web::test::TestRequest;
use serde_json::{Value, json};
use tidings_dispatcher::{Dispatcher, Limits};
use tidings_event_store::Progress;
use tidings_tests::house::House;
use uuid::Uuid;

use super::super::bounced::{ask, house_commands};
use super::super::frozen::stands_still;
use super::super::held::{release, restored};
use super::{LONDON, draft, frozen, publish, reader, revise, segment, versions};

/// A house in which nobody delivers, a segment of two readers, and a publication to it that is about to be frozen.
async fn about_to_freeze() -> (House, Uuid, Uuid) {
    let house = House::start_without_delivery().await;
    let channel = house.email_channel().await;
    reader(&house, "ada", LONDON, json!(["vip"])).await;
    reader(&house, "bob", LONDON, json!(["vip", "trial"])).await;
    let vips = segment(&house, "vips", json!({ "tag": "vip" })).await;
    let id = draft(&house, channel, "T", &json!({ "segments": ["vips"] })).await;
    publish(&house, id).await;
    (house, vips, id)
}

async fn until_frozen(house: &House, id: Uuid, dispatcher: &mut Dispatcher) {
    while house.state(id).await != "frozen" {
        dispatcher.step().await.unwrap();
        house.platform.settle().await;
    }
}

#[actix_web::test]
async fn a_segment_that_is_revised_while_subscribers_are_read_is_asked_anew() {
    let (house, vips, id) = about_to_freeze().await;
    let mut dispatcher = house.dispatcher();
    let revised = revise(&house, vips, json!({ "tag": "trial" }));
    stands_still(&house, &mut dispatcher, revised).await;
    until_frozen(&house, id, &mut dispatcher).await;
    let frozen = frozen(&house, id).await;
    assert_eq!((versions(&frozen), frozen.subscribers), (vec![2], 1));
}

/// Of what was put back, the segment may be an older one.
#[actix_web::test]
async fn what_was_read_before_a_restore_freezes_nothing_after_it() {
    let (house, vips, id) = about_to_freeze().await;
    let mut dispatcher = house.dispatcher();
    let put_back = async {
        restored(&house).await;
        house.platform.settle().await;
    };
    stands_still(&house, &mut dispatcher, put_back).await;
    while dispatcher.step().await.unwrap() == Progress::Advanced {
        house.platform.settle().await;
    }
    assert_eq!(house.state(id).await, "published");
    revise(&house, vips, json!({ "tag": "nobody" })).await;
    release(&house).await;
    house.platform.settle().await;
    until_frozen(&house, id, &mut dispatcher).await;
    assert_eq!(frozen(&house, id).await.subscribers, 0);
}

/// Who is picked is known as of one position: the segments' words are before it.
#[actix_web::test]
async fn no_audience_is_read_before_the_subscribers_are_as_far_as_the_segments() {
    let (house, vips, id) = about_to_freeze().await;
    let revised = json!({ "name": "Revised", "conditions": { "tag": "trial" } });
    let path = format!("/api/v1/segments/{vips}");
    let request = TestRequest::put().uri(&path).set_json(revised);
    let (status, answer): (u16, Value) = ask(&house, house_commands(&house), request).await;
    assert_eq!(status, 200, "{answer}");
    let mut dispatcher = house.dispatcher();
    dispatcher.step().await.unwrap();
    house.platform.settle().await;
    assert_eq!(house.state(id).await, "published");
    until_frozen(&house, id, &mut dispatcher).await;
    let events = house.platform.store.log().stream(vips).await.unwrap();
    let frozen = frozen(&house, id).await;
    assert_eq!(versions(&frozen), [2]);
    assert!(frozen.view_position >= events[1].position);
}

/// While subscribers are read nothing else is frozen.
#[actix_web::test]
async fn an_audience_that_takes_too_long_to_read_rests_and_others_go_out() {
    let (house, _, id) = about_to_freeze().await;
    let channel = house.email_channel().await;
    let other = draft(&house, channel, "Other", &json!({})).await;
    let platform = &house.platform;
    let within = |limits| Limits {
        freeze_within: Duration::from_secs(5),
        ..limits
    };
    let mut dispatcher =
        house.dispatcher_within(platform.store.clone(), platform.feed.clone(), within);
    let mut client = platform.pool.get().await.unwrap();
    let transaction = client.transaction().await.unwrap();
    let lock = "lock table publishing_dispatch_audience in exclusive mode";
    transaction.batch_execute(lock).await.unwrap();
    dispatcher.step().await.unwrap();
    transaction.rollback().await.unwrap();

    publish(&house, other).await;
    while house.state(other).await != "completed" {
        dispatcher.step().await.unwrap();
        platform.settle().await;
    }
    assert_eq!(house.state(id).await, "published");
    platform.clock.advance(Duration::from_secs(30));
    until_frozen(&house, id, &mut dispatcher).await;
    assert_eq!(frozen(&house, id).await.subscribers, 2);
}
