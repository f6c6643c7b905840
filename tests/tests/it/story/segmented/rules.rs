//! What of segments is refused: what can not be named, what is not said, what asks too much, and what would reach nobody.

use actix_web::http::header;
use actix_web::test::TestRequest;
use serde_json::{Value, json};
use tidings_domain::publication::{Aim, Publication};
use tidings_domain::topic::{ByDefault, Sender};
use tidings_tests::house::House;
use uuid::Uuid;

use super::super::bounced::{ask, house_commands};
use super::{
    LONDON, draft, not_scheduled, ok, post, publish, reached, reader, refused, revise, say,
    segment, try_draft, uuid,
};

fn errors(problem: &Value) -> Vec<String> {
    let errors = problem["errors"]
        .as_array()
        .unwrap_or_else(|| panic!("{problem}"))
        .iter();
    let error = |it: &Value| {
        let text = |key: &str| it[key].as_str().unwrap().to_owned();
        format!("{}: {}", text("pointer"), text("detail"))
    };
    errors.map(error).collect()
}

async fn archive(house: &House, segment: Uuid) {
    let path = format!("/api/v1/segments/{segment}/archive");
    ok(house, TestRequest::post().uri(&path)).await;
}

async fn redraft(house: &House, id: Uuid, channel: Uuid, besides: &Value) -> (u16, Value) {
    let mut body = json!({ "title": "T", "markdown": "Anew.", "channels": [channel] });
    let keys = besides.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(keys);
    let path = format!("/api/v1/publications/{id}");
    say(house, TestRequest::put().uri(&path).set_json(body)).await
}

async fn aim(house: &House, id: Uuid) -> Aim {
    let loaded = house.platform.store.load::<Publication>(id).await.unwrap();
    loaded.state.draft().unwrap().aim.clone()
}

#[actix_web::test]
async fn what_is_no_segment_and_what_is_no_way_to_one_is_named() {
    let house = House::start().await;
    let mail = house.email_channel().await;
    let slack = house.slack_channel("news").await;
    segment(&house, "vips", json!({ "tag": "vip" })).await;
    let old = segment(&house, "old", json!({ "tag": "old" })).await;
    archive(&house, old).await;
    let gone = segment(&house, "gone", json!({ "tag": "gone" })).await;
    let now = house.platform.clock.clock().now();
    let vault = house.platform.store.vault();
    vault.shred(&[gone], now).await.unwrap();
    let wrong = async |keys: Value| {
        let (status, problem) = try_draft(&house, &[mail, slack], "T", &keys).await;
        assert_eq!(status, 422, "{problem}");
        errors(&problem)
    };
    let all = json!({ "segments": ["vips", "none", "No", "old"], "excluded_segments": ["gone"] });
    assert_eq!(
        wrong(all).await,
        [
            "#/segments/1: There is no segment \"none\".",
            "#/segments/2: There is no segment \"No\".",
            "#/segments/3: The segment \"old\" is archived.",
            "#/excluded_segments/0: The segment \"gone\" can not be read any more: its key was destroyed.",
        ]
    );
    let twice = json!({ "segments": ["vips", "vips"] });
    assert_eq!(
        wrong(twice).await,
        ["#/segments: A segment is named twice; name each segment once."]
    );
    let both = json!({ "segments": ["vips"], "excluded_segments": ["vips"] });
    assert_eq!(
        wrong(both).await[0],
        "#/excluded_segments/0: The segment \"vips\" stands in `segments` too: whom it picks would get it, and not get it."
    );
    for keys in [
        json!({ "segments": ["vips"] }),
        json!({ "excluded_segments": ["vips"] }),
    ] {
        assert_eq!(
            wrong(keys).await,
            [
                "#/channels/1: Segments pick among subscribers, and whatever goes to a slack channel is one message that \
                 everybody there sees: leave the channel out, or the segments."
            ]
        );
    }
    let file = format!(
        "<title>T</title><meta name='tidings:channels' content='{mail}'>\n\
         <meta name='tidings:excluded_segments' content='vips, none'>"
    );
    let page = TestRequest::post()
        .uri("/api/v1/publications")
        .insert_header((header::CONTENT_TYPE, "text/html"))
        .set_payload(file);
    let (status, problem) = say(&house, page).await;
    assert_eq!(status, 422, "{problem}");
    assert_eq!(problem["errors"][0]["pointer"], "#/excluded_segments/1");
}

/// Who forgets a list does not send to more than before.
#[actix_web::test]
async fn a_draft_that_names_segments_is_only_revised_by_what_says_both_lists() {
    let house = House::start().await;
    let channel = house.email_channel().await;
    reader(&house, "ada", LONDON, json!(["vip"])).await;
    let vips = segment(&house, "vips", json!({ "tag": "vip" })).await;
    let old = segment(&house, "old", json!({ "tag": "old" })).await;
    let trials = segment(&house, "trials", json!({ "tag": "trial" })).await;
    let keys = json!({ "segments": ["vips", "old"] });
    let id = draft(&house, channel, "T", &keys).await;
    archive(&house, old).await;
    archive(&house, trials).await;
    let left_out = |key: &str| {
        format!(
            "#/{key}: The draft names segments, and without a word on this list it could go to more than it does by now: list \
             them again, or give an empty list for none."
        )
    };
    let both = ["segments", "excluded_segments"];
    for (keys, missing) in [
        (json!({}), &both[..]),
        (
            json!({ "segments": null, "excluded_segments": null }),
            &both[..],
        ),
        (json!({ "segments": ["vips"] }), &both[1..]),
        (json!({ "excluded_segments": [] }), &both[..1]),
    ] {
        let (status, problem) = redraft(&house, id, channel, &keys).await;
        let missing: Vec<String> = missing.iter().map(|key| left_out(key)).collect();
        assert_eq!((status, errors(&problem)), (422, missing));
    }
    // A file of the same draft as well.
    let file = format!("---\ntitle: T\nchannels: [{channel}]\nsegments: [vips]\n---\nAnew.\n");
    let path = format!("/api/v1/publications/{id}");
    let of_file = TestRequest::put()
        .uri(&path)
        .insert_header((header::CONTENT_TYPE, "text/markdown"))
        .set_payload(file);
    let (status, problem) = say(&house, of_file).await;
    assert_eq!((status, errors(&problem)), (422, vec![left_out(both[1])]));

    // One that was archived since may stay, in whichever list; another may not come in.
    let keys = json!({ "segments": ["vips"], "excluded_segments": ["old"] });
    let (status, answer) = redraft(&house, id, channel, &keys).await;
    assert_eq!(status, 200, "{answer}");
    let named = aim(&house, id).await;
    assert_eq!(named.segment_ids.as_slice(), [vips]);
    assert_eq!(named.excluded_segment_ids.as_slice(), [old]);
    let keys = json!({ "segments": ["vips"], "excluded_segments": ["trials"] });
    let (status, problem) = redraft(&house, id, channel, &keys).await;
    let archived = "#/excluded_segments/0: The segment \"trials\" is archived.".to_owned();
    assert_eq!((status, errors(&problem)), (422, vec![archived]));

    let keys = json!({ "segments": [], "excluded_segments": [] });
    let (status, answer) = redraft(&house, id, channel, &keys).await;
    assert_eq!(status, 200, "{answer}");
    assert!(!aim(&house, id).await.is_by_segments());
    // Nothing is named any more, so nothing has to be said; and who asks again hears what they heard, whatever it names by then.
    let without_a_word = || {
        let body = json!({ "title": "T", "markdown": "Newer.", "channels": [channel] });
        let request = TestRequest::put().uri(&path).set_json(body);
        request.insert_header(("Idempotency-Key", "without-a-word"))
    };
    let (status, first) = say(&house, without_a_word()).await;
    assert_eq!(status, 200, "{first}");
    let keys = json!({ "segments": ["vips"], "excluded_segments": [] });
    let (status, answer) = redraft(&house, id, channel, &keys).await;
    assert_eq!(status, 200, "{answer}");
    let (status, again) = say(&house, without_a_word()).await;
    assert_eq!(
        (status, &again["position"]),
        (200, &first["position"]),
        "{again}"
    );
    assert!(aim(&house, id).await.is_by_segments());
    publish(&house, id).await;
    let (status, problem) = redraft(&house, id, channel, &json!({})).await;
    assert_eq!(status, 409, "{problem}");
}

/// Conditions that compare with so many values.
fn comparing(values: usize) -> Value {
    let all: Vec<usize> = (0..values).collect();
    let each = all
        .chunks(100)
        .map(|is| json!({ "attribute": "zip", "is": is }));
    json!({ "any": each.collect::<Vec<_>>() })
}

#[actix_web::test]
async fn segments_that_ask_too_much_together_are_refused_at_the_draft_and_when_it_is_published() {
    // As many as one can ask: a hundred conditions, of which one is that any of the others holds.
    const MOST: usize = 9_900;
    let house = House::start().await;
    let channel = house.email_channel().await;
    segment(&house, "most", comparing(MOST)).await;
    segment(&house, "some", comparing(Aim::VALUES_MAX + 1 - MOST)).await;
    draft(&house, channel, "T", &json!({ "segments": ["most"] })).await;
    let keys = json!({ "segments": ["some"], "excluded_segments": ["most"] });
    let (status, problem) = try_draft(&house, &[channel], "T", &keys).await;
    let too_much = "#/excluded_segments: Its segments compare with 10001 values together; at most 10000 are allowed: name \
                    fewer, or simpler ones.";
    assert_eq!((status, errors(&problem)), (422, vec![too_much.to_owned()]));

    let grown = segment(&house, "grown", comparing(1)).await;
    let keys = json!({ "segments": ["some"], "excluded_segments": ["grown"] });
    let id = draft(&house, channel, "T", &keys).await;
    revise(&house, grown, comparing(MOST)).await;
    let why = refused(&house, id).await;
    assert!(
        why.contains("10001 values together, and 10000 are the most"),
        "{why}"
    );
    assert_eq!(not_scheduled(&house, id).await, why);
    assert_eq!(house.state(id).await, "draft");
}

#[actix_web::test]
async fn what_would_reach_nobody_now_is_not_published() {
    let house = House::start().await;
    let channel = house.email_channel().await;
    house
        .topic("markets", ByDefault::Out, Sender::default())
        .await;
    let to_all = draft(&house, channel, "all", &json!({})).await;
    let ada = reader(&house, "ada", LONDON, json!(["vip"])).await;
    segment(&house, "vips", json!({ "tag": "vip" })).await;
    let keys = json!({ "topics": ["markets"], "segments": ["vips"] });
    let id = draft(&house, channel, "T", &keys).await;
    assert_eq!(reached(&house, id).await, (0, false));
    assert_eq!(
        refused(&house, id).await,
        "Its segments pick nobody who would get it: name others, or none, or revise what they ask."
    );
    assert_eq!(house.state(id).await, "draft");
    // By the time of a schedule they may pick somebody.
    let path = format!("/api/v1/publications/{id}/schedule");
    let later = json!({ "local_time": "2036-03-01T08:00", "zone": "Europe/London" });
    ok(&house, post(&path, &later)).await;
    house.unsubscribe(ada).await;
    house.platform.settle().await;
    // Whoever is to get it by their own choice alone may be nobody yet.
    publish(&house, to_all).await;
    assert_eq!(house.state(to_all).await, "completed");

    let keys = json!({ "segments": ["vips"] });
    let id = draft(&house, channel, "T", &keys).await;
    refused(&house, id).await;
    // Somebody who has just come in is not nobody.
    let body = json!({ "email": "bob@example.org", "tags": ["vip"] });
    let signs_up = post("/api/v1/subscribers", &body);
    let (status, answer) = ask(&house, house_commands(&house), signs_up).await;
    assert_eq!(status, 201, "{answer}");
    let path = format!("/api/v1/publications/{id}/publish");
    let publishes = || {
        TestRequest::post()
            .uri(&path)
            .insert_header(("idempotency-key", "\"k\""))
    };
    let (status, problem) = ask(&house, house_commands(&house), publishes()).await;
    assert_eq!(status, 503, "{problem}");
    house.platform.settle().await;
    ok(&house, publishes()).await;
    assert_eq!(house.state(id).await, "completed");
    // Repeated when there is nobody left, it is what it was.
    let bob = uuid(&answer["id"]);
    house.unsubscribe(bob).await;
    house.platform.settle().await;
    ok(&house, publishes()).await;
    assert_eq!(house.smtp.count(), 1);
}

/// Whatever became of its segments since: it was said yes to.
#[actix_web::test]
async fn a_schedule_that_is_asked_for_again_is_what_it_was() {
    let house = House::start().await;
    let channel = house.email_channel().await;
    let vips = segment(&house, "vips", json!({ "tag": "vip" })).await;
    let id = draft(&house, channel, "T", &json!({ "segments": ["vips"] })).await;
    let path = format!("/api/v1/publications/{id}/schedule");
    let later = json!({ "local_time": "2036-03-01T08:00", "zone": "Europe/London" });
    let schedules = |key: &str| {
        let request = post(&path, &later);
        request.insert_header(("idempotency-key", format!("\"{key}\"")))
    };
    let first = ok(&house, schedules("k")).await;
    let now = house.platform.clock.clock().now();
    let vault = house.platform.store.vault();
    vault.shred(&[vips], now).await.unwrap();
    house.platform.settle().await;
    assert_eq!(ok(&house, schedules("k")).await, first);
    // Another request is told.
    let (status, problem) = say(&house, schedules("l")).await;
    assert_eq!(status, 409, "{problem}");
    assert_eq!(house.state(id).await, "scheduled");
}
