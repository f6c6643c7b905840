//! What is no preference is refused by its field.

use actix_web::test::TestRequest;
use serde_json::{Value, json};
use tidings_domain::topic::{ByDefault, Sender};
use tidings_tests::house::House;

use crate::story::bounced::{ask, house_commands};

#[actix_web::test]
async fn what_is_no_topic_says_nothing_or_is_no_place_is_refused_by_its_field() {
    let house = House::start().await;
    let ada = house.subscriber("ada@example.org").await;
    let topic = house
        .topic("markets", ByDefault::In, Sender::default())
        .await;
    // There is something with this id, and it is no topic.
    let channel = house.email_channel().await;
    let wrong = async |body: Value| {
        let uri = format!("/api/v1/subscribers/{ada}/preferences");
        let request = TestRequest::put().uri(&uri).set_json(body);
        let (status, problem) = ask(&house, house_commands(&house), request).await;
        assert_eq!(status, 422, "{problem}");
        let errors = problem["errors"].as_array().unwrap().iter();
        let pointers: Vec<_> = errors.map(|it| it["pointer"].as_str().unwrap()).collect();
        pointers.join(" ")
    };
    let weights = json!({ channel.to_string(): 3, topic.to_string(): 3 });
    assert_eq!(
        wrong(json!({ "topics": weights })).await,
        format!("#/topics/{channel}")
    );
    assert_eq!(
        wrong(json!({ "quiet_hours": {}, "frequency_cap": {} })).await,
        "#/quiet_hours/from #/quiet_hours/to #/frequency_cap/messages"
    );
    assert_eq!(wrong(json!({ "zone": "Etc/Unknown" })).await, "#/zone");
}
