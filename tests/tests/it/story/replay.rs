//! An operator has a webhook sent again what it has not taken.

use std::sync::Arc;
use std::time::Duration;

use actix_web::test::TestRequest;
use actix_web::web::{self, ServiceConfig};
use serde_json::{Value, json};
use tidings_command_api::{Missed, NotTaken, Wanted};
use tidings_dispatcher::replay;
use tidings_domain::token::LinkKeys;
use tidings_event_store::Store;
use tidings_sinks::webhook::{self, Action, Rule};
use tidings_tests::api;
use tidings_tests::house::{Accounting, House};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::commands::commands;

const SIGNED_BY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// How the dispatcher finds what was not taken.
fn not_taken(store: Store) -> NotTaken {
    Arc::new(move |wanted: Wanted| {
        let store = store.clone();
        Box::pin(async move {
            if !replay::knows_copies(&wanted.kind) {
                return Ok(None);
            }
            let span = (wanted.from, wanted.to);
            let found =
                replay::not_taken(store.log(), wanted.channel_id, span, wanted.limit).await?;
            let missed = found.into_iter().map(|it| Missed {
                publication_id: it.publication_id,
                class: it.class,
                published_at: it.published_at,
            });
            Ok(Some(missed.collect()))
        })
    })
}

/// Asks for a replay, under this key; gives the status and the answer.
async fn ask(house: &House, channel: Uuid, key: &str, span: &Value) -> (u16, Value) {
    let platform = &house.platform;
    let link_keys = LinkKeys::clone(&house.link_keys);
    let commands = commands(platform, house.id_key.clone(), link_keys)
        .with_replays(not_taken(platform.store.clone()));
    let rooms = |cfg: &mut ServiceConfig| {
        cfg.app_data(web::Data::new(commands));
        tidings_command_api::routes(cfg);
    };
    let request = TestRequest::post()
        .uri(&format!("/api/v1/channels/{channel}/replay"))
        .insert_header(("Idempotency-Key", key))
        .set_json(span);
    api::ask(platform, rooms, request).await
}

async fn later(house: &House, seconds: u64) -> OffsetDateTime {
    house.platform.clock.advance(Duration::from_secs(seconds));
    house.platform.settle().await;
    house.platform.clock.clock().now()
}

#[actix_web::test]
async fn a_webhook_gets_again_what_it_has_not_taken_in_a_span_of_time_and_nothing_else() {
    let house = House::start().await;
    let clock = house.platform.clock.clock();
    let options = webhook::Options {
        rate_limit: webhook::Limit::None,
        clock: tidings_sinks::Clock::from_fn(move || clock.now()),
        ..webhook::Options::default()
    };
    let knows = webhook::Receiver {
        secrets: vec![SIGNED_BY.to_owned()],
    };
    let sink = webhook::start(options, &knows).await.unwrap();
    let settings = json!({ "url": sink.url("in") });
    let credentials = Some(json!({ "secret": SIGNED_BY }));
    let channel = house.channel("webhook", settings, credentials).await;
    // What the receiver says no to, or says nothing to, it has seen.
    let given_up = async |title: &str| {
        let refused = sink.add_rule(Rule::reply(400, "no").recorded());
        let id = house.publish(title, "text", &[channel]).await;
        house.platform.settle().await;
        // Ten attempts over three days, or four.
        for _ in 0..28 {
            later(&house, 6 * 3_600).await;
        }
        sink.remove_rule(refused);
        id
    };

    let before = given_up("Before").await;
    let from = later(&house, 3_600).await;
    let taken = house.publish("Taken", "text", &[channel]).await;
    house.platform.settle().await;
    let failed = given_up("Failed").await;
    sink.add_rule(Rule::new(Action::Cut).times(2).recorded());
    let doubtful = house.publish("Doubtful", "text", &[channel]).await;
    house.platform.settle().await;
    // It is sent once more by itself, half a minute later.
    later(&house, 60).await;
    let to = later(&house, 3_600).await;
    let after = given_up("After").await;
    let class = async |id| {
        let is = house.accounting(id).await;
        (is.sent, is.failed, is.in_doubt)
    };
    let classes = async || {
        let mut classes = Vec::new();
        for id in [before, taken, failed, doubtful, after] {
            classes.push(class(id).await);
        }
        classes
    };
    let (is_sent, is_failed, is_in_doubt) = ((1, 0, 0), (0, 1, 0), (0, 0, 1));
    let expected = [is_failed, is_sent, is_failed, is_in_doubt, is_failed];
    assert_eq!(classes().await, expected);
    let ids_of = |id: Uuid| {
        let all = sink.messages();
        let of = all
            .iter()
            .filter(|it| it.payload["data"]["publication_id"] == id.to_string());
        of.map(|it| it.id.clone()).collect::<Vec<_>>()
    };
    let copies = [failed, doubtful].map(|id| ids_of(id).len());
    assert_eq!(copies, [10, 2]);
    let seen = sink.count();

    let rfc3339 = |at: OffsetDateTime| at.format(&Rfc3339).unwrap();
    let span = json!({ "from": rfc3339(from), "to": rfc3339(to) });
    let (status, answer) = ask(&house, channel, "once", &span).await;
    assert_eq!(status, 202, "{answer}");
    assert_eq!(answer["requested"], json!([failed, doubtful]));
    assert_eq!(
        (&answer["passed_over"], &answer["next"]),
        (&json!([]), &Value::Null)
    );
    // Asked for once more before it has come to anything, and after.
    let (_, again) = ask(&house, channel, "once", &span).await;
    assert_eq!(again["requested"], answer["requested"]);
    let (_, other) = ask(&house, channel, "twice", &span).await;
    assert_eq!(other["passed_over"].as_array().unwrap().len(), 2, "{other}");
    house.platform.settle().await;
    let (_, again) = ask(&house, channel, "once", &span).await;
    assert_eq!(
        (&again["requested"], &again["position"]),
        (&json!([]), &json!(0))
    );
    house.platform.settle().await;

    let expected = [is_failed, is_sent, is_sent, is_sent, is_failed];
    assert_eq!(classes().await, expected);
    let planned = Accounting {
        planned: 1,
        sent: 1,
        ..Accounting::default()
    };
    assert_eq!(house.accounting(doubtful).await, planned);
    assert_eq!(house.state(doubtful).await, "completed");
    // One copy more of each, under the id it had.
    assert_eq!(sink.count(), seen + 2);
    for (id, copies) in [(failed, 11), (doubtful, 3)] {
        let ids = ids_of(id);
        assert_eq!(ids, vec![ids[0].clone(); copies]);
    }
}

#[actix_web::test]
async fn whoever_cannot_tell_a_copy_gets_none_and_a_span_has_a_beginning_before_its_end() {
    let house = House::start().await;
    let slack = house.slack_channel("news").await;
    let span = json!({ "from": "2020-01-01T00:00:00Z" });
    let status = async |channel, span: &Value| ask(&house, channel, "key", span).await.0;
    assert_eq!(status(slack, &span).await, 409);
    assert_eq!(status(Uuid::from_u128(9), &span).await, 404);
    for (wrong, pointer) in [
        (json!({ "from": "yesterday" }), "#/from"),
        (json!({ "from": "2020-01-01T00:00:00Z", "to": 7 }), "#/to"),
        (
            json!({ "from": "2020-01-01T00:00:00Z", "to": "2020-01-01" }),
            "#/to",
        ),
        (
            json!({ "from": "2020-01-01T00:00:00Z", "to": "2020-01-01T00:00:00Z" }),
            "#/from",
        ),
        // It has not begun.
        (json!({ "from": "2999-01-01T00:00:00Z" }), "#/from"),
    ] {
        let (status, problem) = ask(&house, slack, "key", &wrong).await;
        assert_eq!(status, 422, "{wrong}: {problem}");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
}
