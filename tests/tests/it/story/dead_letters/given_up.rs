//! A mail that is put off for days is given up, and says what it met; by that it is found when it is to be tried again.

use std::time::Duration;

use actix_web::test::TestRequest;
use serde_json::json;
use tidings_sinks::smtp::{Phase, Rule};
use tidings_tests::house::House;
use uuid::Uuid;

use super::super::bounced::{ask, delivery, house_commands};

const MARKDOWN: &str = "It runs again.\n";
/// Mail is tried for five days.
const HOURS: u64 = 6 * 24;

async fn retried(house: &House, id: Uuid, reason: &str) {
    let path = format!("/api/v1/publications/{id}/retry");
    let wish = json!({ "failed_reasons": [reason] });
    let request = TestRequest::post().uri(&path).set_json(wish);
    let (status, answer) = ask(house, house_commands(house), request).await;
    assert_eq!(status, 202, "{answer}");
    house.platform.settle().await;
    house.platform.clock.advance(Duration::from_secs(60));
    house.platform.settle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_that_was_full_for_days_is_told_of_and_is_found_by_that() {
    let house = House::start().await;
    let channel = house.email_channel().await;
    let ada = house.subscriber("ada@example.org").await;
    let full = Rule::reply(Phase::RcptTo, 452, "4.2.2 mailbox full");
    let full = house.smtp.add_rule(full);
    let id = house.publish("The ferry", MARKDOWN, &[channel]).await;
    house.platform.settle().await;
    let mut waited = 0;
    while house.accounting(id).await.failed == 0 {
        assert!(waited < HOURS, "it is not given up");
        waited += 1;
        house.platform.clock.advance(Duration::from_secs(3_600));
        house.platform.settle().await;
    }
    assert!(waited > 4 * 24, "it was given up after {waited} hours");
    assert!(house.smtp.hits(full) > 10);
    let it = delivery(&house, id, ada).await;
    assert_eq!(
        (&it["reason"], &it["deferred_reason"]),
        (&json!("gave_up"), &json!("mailbox_full"))
    );
    assert_eq!(
        it["explanation"],
        "It was given up: it could not be delivered for so long that it is not tried any more (the answer was 452). Before \
         that: the mailbox is full."
    );
    house.smtp.remove_rule(full);
    retried(&house, id, "rejected").await;
    assert_eq!(house.accounting(id).await.failed, 1);
    retried(&house, id, "mailbox_full").await;
    assert_eq!(house.accounting(id).await.sent, 1);
    assert_eq!(
        delivery(&house, id, ada).await["deferred_reason"],
        json!(null)
    );
}
