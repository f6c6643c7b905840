//! Publications to segments: who gets one, how many that is before it goes out, and what keeps it from going to anybody.

mod lost;
mod raced;
mod rules;

use std::time::Duration;

use actix_web::test::TestRequest;
use serde_json::{Value, json};
use tidings_dispatcher::Dispatcher;
use tidings_domain::publication::{self, Aim, Content};
use tidings_domain::topic::{ByDefault, Sender};
use tidings_domain::value::{ChannelIds, Markdown, SegmentIds, Title};
use tidings_event_store::{CONTRACT_REVISION, Guard};
use tidings_proto::Event;
use tidings_proto::common::Metadata;
use tidings_proto::publication::AudienceFrozen;
use tidings_tests::audit;
use tidings_tests::house::{Accounting, House};
use uuid::Uuid;

use super::desk;
use super::held::{release, restored};
use super::records::say;

async fn ok(house: &House, request: TestRequest) -> Value {
    let (status, answer) = say(house, request).await;
    assert!(status < 300, "{status}: {answer}");
    answer
}

fn post(path: &str, body: &Value) -> TestRequest {
    TestRequest::post().uri(path).set_json(body)
}

fn uuid(value: &Value) -> Uuid {
    value.as_str().unwrap().parse().unwrap()
}

/// Somebody with a city and tags.
async fn reader(house: &House, name: &str, city: &str, tags: Value) -> Uuid {
    let email = format!("{name}@example.org");
    let body = json!({ "email": email, "attributes": { "city": city }, "tags": tags });
    uuid(&ok(house, post("/api/v1/subscribers", &body)).await["id"])
}

async fn segment(house: &House, slug: &str, conditions: Value) -> Uuid {
    let body = json!({ "slug": slug, "name": slug, "conditions": conditions });
    uuid(&ok(house, post("/api/v1/segments", &body)).await["id"])
}

async fn revise(house: &House, segment: Uuid, conditions: Value) {
    let path = format!("/api/v1/segments/{segment}");
    let body = json!({ "name": "Revised", "conditions": conditions });
    ok(house, TestRequest::put().uri(&path).set_json(body)).await;
}

/// A draft with these keys besides.
async fn draft(house: &House, channel: Uuid, title: &str, besides: &Value) -> Uuid {
    let (status, answer) = try_draft(house, &[channel], title, besides).await;
    assert_eq!(status, 201, "{answer}");
    uuid(&answer["id"])
}

async fn try_draft(house: &House, channels: &[Uuid], title: &str, besides: &Value) -> (u16, Value) {
    let mut body = json!({ "title": title, "markdown": "It runs.", "channels": channels });
    let keys = besides.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(keys);
    say(house, post("/api/v1/publications", &body)).await
}

async fn publish(house: &House, id: Uuid) {
    let path = format!("/api/v1/publications/{id}/publish");
    ok(house, TestRequest::post().uri(&path)).await;
}

/// Why it is not published.
async fn refused(house: &House, id: Uuid) -> String {
    let path = format!("/api/v1/publications/{id}/publish");
    let (status, problem) = say(house, TestRequest::post().uri(&path)).await;
    assert_eq!(status, 409, "{problem}");
    problem["detail"].as_str().unwrap().to_owned()
}

/// Why it is not scheduled.
async fn not_scheduled(house: &House, id: Uuid) -> String {
    let path = format!("/api/v1/publications/{id}/schedule");
    let body = json!({ "local_time": "2036-03-01T08:00", "zone": "Europe/London" });
    let (status, problem) = say(house, post(&path, &body)).await;
    assert_eq!(status, 409, "{problem}");
    problem["detail"].as_str().unwrap().to_owned()
}

/// A publication of a house in which nobody delivers, until its audience is frozen; gives who froze it.
async fn freeze(house: &House, id: Uuid) -> Dispatcher {
    publish(house, id).await;
    let mut dispatcher = house.dispatcher();
    while house.state(id).await != "frozen" {
        dispatcher.step().await.unwrap();
        house.platform.settle().await;
    }
    dispatcher
}

/// How many it reaches, and whether that is settled.
async fn reached(house: &House, id: Uuid) -> (i64, bool) {
    let (status, answer) = desk::get(house, &format!("/api/v1/publications/{id}/audience")).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["subscribers"], answer["deliveries"]);
    let frozen = answer["frozen"].as_bool().unwrap();
    (answer["subscribers"].as_i64().unwrap(), frozen)
}

/// Why it goes to nobody.
async fn obstacle(house: &House, id: Uuid) -> String {
    let (status, answer) = desk::get(house, &format!("/api/v1/publications/{id}/audience")).await;
    assert_eq!(status, 409, "{answer}");
    answer["detail"].as_str().unwrap().to_owned()
}

async fn frozen(house: &House, id: Uuid) -> AudienceFrozen {
    let events = house.platform.store.log().stream(id).await.unwrap();
    let frozen = events.iter().find_map(|event| match event.decode() {
        Ok(Event::PublicationAudienceFrozen(it)) => Some(it),
        _ => None,
    });
    *frozen.unwrap()
}

/// At which versions segments were asked.
fn versions(frozen: &AudienceFrozen) -> Vec<i32> {
    frozen.segments.iter().map(|it| it.version).collect()
}

/// The names of those who have got a publication of this title, in order.
fn got(house: &House, names: &[&str], title: &str) -> String {
    let has = |name: &&&str| {
        let mails = house.smtp.by_recipient(&format!("{name}@example.org"));
        mails
            .iter()
            .any(|it| it.header("Subject").as_deref() == Some(title))
    };
    let got: Vec<&str> = names.iter().filter(has).copied().collect();
    got.join(" ")
}

const LONDON: &str = "London";

#[actix_web::test]
async fn it_goes_to_whom_its_segments_pick_and_not_to_whom_others_do() {
    let house = House::start().await;
    let markets = house
        .topic("markets", ByDefault::Out, Sender::default())
        .await;
    let channel = house.email_channel().await;
    reader(&house, "ada", LONDON, json!(["vip"])).await;
    let bob = reader(&house, "bob", LONDON, json!([])).await;
    let cyd = reader(&house, "cyd", "Porto", json!(["vip", "trial"])).await;
    reader(&house, "dan", "Porto", json!([])).await;
    let eve = reader(&house, "eve", LONDON, json!(["vip"])).await;
    house.unsubscribe(eve).await;
    for asking in [bob, cyd] {
        let path = format!("/api/v1/subscribers/{asking}/resubscribe");
        ok(&house, post(&path, &json!({ "topic_id": markets }))).await;
    }
    let vips = segment(&house, "vips", json!({ "tag": "vip" })).await;
    let city = json!({ "attribute": "city", "is": LONDON });
    let london = segment(&house, "london", city).await;
    let trials = segment(&house, "trials", json!({ "tag": "trial" })).await;
    let names = ["ada", "bob", "cyd", "dan", "eve"];
    for (title, keys, expected, asked) in [
        ("all", json!({}), "ada bob cyd dan", 0),
        ("vips", json!({ "segments": ["vips"] }), "ada cyd", 1),
        (
            "any",
            json!({ "segments": ["vips", "london"] }),
            "ada bob cyd",
            2,
        ),
        (
            "but",
            json!({ "excluded_segments": ["london", "trials"] }),
            "dan",
            2,
        ),
        (
            "both",
            json!({ "segments": ["vips", "london"], "excluded_segments": ["trials"] }),
            "ada bob",
            3,
        ),
        (
            "topic",
            json!({ "topics": ["markets"], "segments": ["vips"] }),
            "cyd",
            1,
        ),
    ] {
        let id = draft(&house, channel, title, &keys).await;
        let many = expected.split_whitespace().count() as i64;
        assert_eq!(reached(&house, id).await, (many, false), "{title}");
        publish(&house, id).await;
        assert_eq!(got(&house, &names, title), expected, "{title}");
        let frozen = frozen(&house, id).await;
        assert_eq!(
            (frozen.subscribers, versions(&frozen)),
            (many, vec![1; asked])
        );
        assert_eq!(reached(&house, id).await, (many, true), "{title}");
        assert_eq!(house.state(id).await, "completed");
        let path = format!("/api/v1/publications/{id}");
        let shown = ok(&house, TestRequest::get().uri(&path)).await;
        let picks = |key: &str| {
            let slugs = keys[key].as_array().cloned().unwrap_or_default();
            let ids = slugs.iter().map(|slug| match slug.as_str().unwrap() {
                "vips" => vips,
                "london" => london,
                _ => trials,
            });
            json!(ids.collect::<Vec<_>>())
        };
        assert_eq!(shown["segment_ids"], picks("segments"));
        assert_eq!(shown["excluded_segment_ids"], picks("excluded_segments"));
        // Whoever does not know of segments would send it to everybody.
        let drafted = &house.platform.store.log().stream(id).await.unwrap()[0];
        assert_eq!(drafted.metadata().min_reader, if asked > 0 { 4 } else { 0 });
    }
}

#[actix_web::test]
async fn the_conditions_at_the_freeze_count_and_no_later_ones() {
    let house = House::start_without_delivery().await;
    let channel = house.email_channel().await;
    let ada = reader(&house, "ada", LONDON, json!(["vip"])).await;
    reader(&house, "bob", "Porto", json!([])).await;
    let its = segment(&house, "its", json!({ "tag": "vip" })).await;
    let id = draft(&house, channel, "T", &json!({ "segments": ["its"] })).await;
    let porto = json!({ "attribute": "city", "is": "Porto" });
    revise(&house, its, json!({ "any": [{ "tag": "vip" }, porto] })).await;
    // Nothing new can name it; what names it already goes out as it was meant.
    let path = format!("/api/v1/segments/{its}/archive");
    ok(&house, TestRequest::post().uri(&path)).await;
    assert_eq!(reached(&house, id).await, (2, false));
    let first = freeze(&house, id).await;
    assert_eq!(versions(&frozen(&house, id).await), [3]);

    let other = segment(&house, "other", json!({ "tag": "vip" })).await;
    let second = draft(&house, channel, "U", &json!({ "segments": ["other"] })).await;
    drop(first);
    let dispatcher = freeze(&house, second).await;
    assert_eq!(frozen(&house, second).await.subscribers, 1);
    revise(&house, other, porto).await;
    let path = format!("/api/v1/subscribers/{ada}");
    let no_vip = json!({ "tags": { "remove": ["vip"] } });
    let changed = TestRequest::patch().uri(&path).set_json(no_vip);
    let (status, answer) = say(&house, changed).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(reached(&house, second).await, (1, true));
    house.add_dispatcher(dispatcher).await;
    house.platform.settle().await;
    assert_eq!(got(&house, &["ada", "bob"], "T"), "ada bob");
    assert_eq!(got(&house, &["ada", "bob"], "U"), "ada");
}

#[actix_web::test]
async fn a_segment_that_nobody_can_read_gets_it_to_nobody() {
    let house = House::start().await;
    let channel = house.email_channel().await;
    reader(&house, "ada", LONDON, json!(["vip"])).await;
    let gone = segment(&house, "gone", json!({ "tag": "vip" })).await;
    let later = segment(&house, "later", json!({ "tag": "vip" })).await;
    let excluding = json!({ "excluded_segments": ["gone"] });
    let of_gone = draft(&house, channel, "gone", &excluding).await;
    let of_later = draft(&house, channel, "later", &json!({ "segments": ["later"] })).await;
    let slack = house.slack_channel("news").await;
    let of_slack = by_segments(&house, &[channel, slack], later).await;
    let of_all = draft(&house, channel, "all", &json!({})).await;

    let now = house.platform.clock.clock().now();
    let vault = house.platform.store.vault();
    vault.shred(&[gone], now).await.unwrap();
    let metadata = Metadata {
        min_reader: CONTRACT_REVISION + 1,
        ..Metadata::default()
    };
    let mut revised = house.platform.event(later, Vec::new(), &metadata);
    revised.event_type = "segment.Revised";
    let guard = Guard {
        stream_id: later,
        version: 1,
    };
    house
        .platform
        .commit(vec![guard], vec![revised])
        .await
        .unwrap();

    let obstructed = [
        (of_gone, "key was destroyed"),
        (of_later, "does not understand"),
        (of_slack, "single receivers"),
    ];
    for (id, why) in obstructed {
        let found = obstacle(&house, id).await;
        assert!(found.contains(why), "{found}");
        assert_eq!(refused(&house, id).await, found);
        assert_eq!(not_scheduled(&house, id).await, found);
        // As one that was scheduled goes out all the same.
        house
            .publication(id, || publication::Command::Publish)
            .await;
        assert_eq!(obstacle(&house, id).await, found);
    }
    // The trouble of one is not that of others.
    publish(&house, of_all).await;
    house.platform.clock.advance(Duration::from_secs(60));
    house.platform.settle().await;
    for (id, _) in obstructed {
        assert_eq!(house.state(id).await, "published");
        assert_eq!(house.accounting(id).await, Accounting::default());
        let path = format!("/api/v1/publications/{id}/cancel");
        ok(&house, TestRequest::post().uri(&path)).await;
        assert_eq!(house.state(id).await, "cancelled");
    }
    assert_eq!(house.smtp.count(), 1);
    assert_eq!(house.slack.count(), 0);
    assert_eq!(got(&house, &["ada"], "all"), "ada");
    assert_eq!(
        obstacle(&house, of_gone).await,
        "It was cancelled before anybody was to get it."
    );
    let events = audit::sound_log(house.platform.store.log()).await;
    let planned = events
        .iter()
        .filter(|it| it.event_type == "delivery.Planned");
    assert_eq!(planned.count(), 1);
}

/// A draft as the API takes none.
async fn by_segments(house: &House, channels: &[Uuid], segment: Uuid) -> Uuid {
    let id = house.platform.ids.next();
    house
        .publication(id, || publication::Command::Draft {
            content: Content::new(
                Title::parse("T").unwrap(),
                Markdown::parse("It runs.").unwrap(),
            ),
            channel_ids: ChannelIds::parse(channels.to_vec()).unwrap(),
            aim: Aim {
                segment_ids: SegmentIds::parse(vec![segment]).unwrap(),
                ..Aim::default()
            },
        })
        .await;
    id
}

/// The log that was put back may lack how a segment was revised last.
#[tokio::test(flavor = "multi_thread")]
async fn no_audience_is_frozen_by_segments_between_a_restore_and_its_release() {
    let house = House::start().await;
    let channel = house.email_channel().await;
    reader(&house, "ada", "London", json!(["vip"])).await;
    let vip = segment(&house, "vip", json!({ "tag": "vip" })).await;
    let id = draft(&house, channel, "Held", &json!({ "segments": ["vip"] })).await;
    house.platform.settle().await;
    restored(&house).await;
    publish(&house, id).await;
    house.platform.settle().await;
    assert_eq!(house.state(id).await, "published");
    let why = obstacle(&house, id).await;
    assert!(why.contains("the log was restored"), "{why}");

    revise(&house, vip, json!({ "tag": "nobody" })).await;
    release(&house).await;
    house.platform.settle().await;
    assert_eq!(house.accounting(id).await, Accounting::default());
    assert_eq!(house.state(id).await, "completed");
    assert_eq!(house.smtp.count(), 0);
}
