//! What is in an export of many, and what another platform makes of it.

use actix_web::test::TestRequest;
use serde_json::{Value, json};
use tidings_tests::house::House;
use uuid::Uuid;

use super::{asked, counts, export, id, import, objects, post, send};

/// Somebody of each kind that there is.
async fn everybody(house: &House) -> Uuid {
    house.email_channel().await;
    house.platform.settle().await;
    let sports = json!({ "slug": "sports", "name": "Sports", "default": "in" });
    let sports = id(&post(house, "/topics", sports).await);
    let opera = json!({ "slug": "opera", "name": "Opera", "default": "out" });
    let opera = id(&post(house, "/topics", opera).await);
    let sign_up = async |email: &str, confirm: bool| {
        let confirmation = if confirm { "required" } else { "not_required" };
        let new = json!({ "email": email, "confirmation": confirmation, "name": "=1+1",
            "tags": ["early_bird", "vip"],
            "attributes": { "city": "'=Kyiv, \"the\"\ncity", "age": 36, "exact": { "number": "0.1" }, "is_member": true,
                "born": { "date": "1815-12-10" } } });
        id(&post(house, "/subscribers", new).await)
    };
    let ada = sign_up("+ada@example.org", false).await;
    let path = format!("/subscribers/{ada}/unsubscribe");
    post(house, &path, json!({ "topic_id": sports })).await;
    let path = format!("/subscribers/{ada}/resubscribe");
    post(house, &path, json!({ "topic_id": opera })).await;
    sign_up("pending@example.org", true).await;
    let left = sign_up("left@example.org", false).await;
    house.unsubscribe(left).await;
    let wavering = sign_up("wavering@example.org", true).await;
    house.unsubscribe(wavering).await;
    sign_up("suppressed@example.org", false).await;
    let whom = json!({ "address": "suppressed@example.org" });
    post(house, "/suppressions", whom).await;
    sign_up("eve@blocked.example", false).await;
    post(
        house,
        "/suppressions",
        json!({ "domain": "blocked.example" }),
    )
    .await;
    ada
}

/// What must be the same wherever it is: without ids, times and how they came.
fn elsewhere(jsonl: &str) -> Vec<Value> {
    let mut all = objects(jsonl);
    for it in &mut all {
        let of_their_own = ["id", "source", "signed_up_at", "unsubscribed_at"];
        for key in of_their_own {
            it.as_object_mut().unwrap().remove(key).unwrap();
        }
        for topic in it["topics"].as_array_mut().unwrap() {
            topic.as_object_mut().unwrap().remove("id").unwrap();
        }
        it["topics"]
            .as_array_mut()
            .unwrap()
            .sort_by_key(Value::to_string);
        // A file stands for addresses: of a domain nothing else is suppressed for it.
        for reason in it["suppressed"].as_array_mut().unwrap() {
            *reason = json!(reason.as_str().unwrap().trim_start_matches("domain:"));
        }
    }
    all.sort_by_key(|it| it["email"].to_string());
    all
}

#[actix_web::test]
async fn what_was_exported_is_the_same_on_another_platform() {
    let here = House::start().await;
    everybody(&here).await;
    let file = export(&here, "").await;
    assert!(!file.contains("\"=") && !file.contains("\"+"), "{file}");
    let there = House::start().await;
    let channel = there.email_channel().await;
    for (slug, default) in [("sports", "in"), ("opera", "out")] {
        let topic = json!({ "slug": slug, "name": slug, "default": default });
        post(&there, "/topics", topic).await;
    }
    let imported = import(&there, &file).await;
    assert_eq!(counts(&imported), [6, 0, 0, 0], "{imported}");
    let expected = elsewhere(&export(&here, "format=jsonl").await);
    assert_eq!(elsewhere(&export(&there, "format=jsonl").await), expected);
    let states: Vec<&str> = expected
        .iter()
        .map(|it| it["state"].as_str().unwrap())
        .collect();
    assert_eq!(
        states,
        [
            "active",
            "active",
            "unsubscribed",
            "pending",
            "active",
            "unsubscribed"
        ]
    );
    assert_eq!(expected[0]["name"], "=1+1");
    assert_eq!(expected[0]["attributes"]["city"], "'=Kyiv, \"the\"\ncity");

    // Only who wants it and may get it does.
    there.publish("News", "Hello", &[channel]).await;
    there.platform.settle().await;
    let got = expected.iter().map(|it| {
        let email = it["email"].as_str().unwrap();
        there.smtp.by_recipient(email).len()
    });
    assert_eq!(got.collect::<Vec<_>>(), [1, 0, 0, 0, 0, 0]);

    // From there on to a third, nothing grows and nothing is lost.
    let third = House::start().await;
    let onward = export(&there, "").await;
    assert_eq!(counts(&import(&third, &onward).await), [6, 0, 0, 0]);
    let again = export(&third, "").await;
    let cells = |file: &str| file.matches("'=").count();
    assert_eq!(cells(&again), cells(&file));
}

#[actix_web::test]
async fn a_file_that_comes_back_changes_nobody_but_who_came_back_meanwhile() {
    let house = House::start().await;
    everybody(&house).await;
    let file = export(&house, "").await;
    let before = house.platform.store.log().head().await.unwrap().position;
    // Of a domain's address, that nothing goes to it is said anew.
    assert_eq!(counts(&import(&house, &file).await), [0, 6, 0, 0]);
    let events = house
        .platform
        .store
        .log()
        .page_after(before, 100)
        .await
        .unwrap();
    let others = events
        .iter()
        .filter(|it| !it.event_type.starts_with("subscriber_import."));
    let others: Vec<&str> = others.map(|it| it.event_type.as_str()).collect();
    assert_eq!(others, ["suppression.Added"]);

    let left = objects(&export(&house, "format=jsonl&state=unsubscribed").await);
    assert_eq!(left.len(), 2);
    let back = left
        .iter()
        .find(|it| it["email"] == "left@example.org")
        .unwrap();
    let path = format!("/subscribers/{}/resubscribe", id(back));
    post(&house, &path, json!({})).await;
    assert_eq!(counts(&import(&house, &file).await), [0, 5, 1, 0]);
    let back = objects(&export(&house, "format=jsonl&state=active&suppressed=true").await);
    let back = back.iter().find(|it| it["email"] == "left@example.org");
    assert_eq!(back.unwrap()["suppressed"], json!(["unsubscribed"]));
}

/// Of people in a file: their state, whether they confirmed, and what they left.
async fn stands(house: &House, email: &str) -> Value {
    let all = objects(&export(house, "format=jsonl").await);
    let found = all.into_iter().find(|it| it["email"] == email).unwrap();
    let topics = found["topics"].as_array().unwrap().iter();
    let topics: Vec<&Value> = topics
        .filter(|it| it["wanted"] == json!(false))
        .map(|it| &it["id"])
        .collect();
    json!([found["state"], found["left_channel_ids"], topics])
}

#[actix_web::test]
async fn who_left_a_channel_does_not_come_back_by_a_file() {
    let here = House::start().await;
    let channel = here.email_channel().await;
    let left = here.subscriber("left@example.org").await;
    here.subscriber("stays@example.org").await;
    here.platform.settle().await;
    let path = format!("/subscribers/{left}/unsubscribe");
    post(&here, &path, json!({ "channel_id": channel })).await;
    let file = export(&here, "").await;
    assert_eq!(file.matches(&channel.to_string()).count(), 1, "{file}");

    let there = House::start().await;
    let known = there.email_channel().await;
    there.platform.settle().await;
    let strange = file.replace(&channel.to_string(), &Uuid::from_u128(7).to_string());
    assert_eq!(counts(&import(&there, &strange).await), [2, 0, 0, 0]);
    assert_eq!(
        stands(&there, "left@example.org").await,
        json!(["pending", [], []]),
        "nobody can tell what they left"
    );
    // Of a channel that is known, and of a topic that has no other name, it is told what they left.
    let sports = json!({ "slug": "sports", "name": "Sports", "default": "in" });
    let sports = id(&post(&there, "/topics", sports).await);
    let header = "email,status,confirmed,suppressed,topics_left,channels_left\n";
    let file = format!(
        "{header}ada@example.org,active,TRUE,,{sports},{known}\nbob@example.org,active,TRUE,,{known},\n"
    );
    assert_eq!(counts(&import(&there, &file).await), [2, 0, 0, 0]);
    let ada = stands(&there, "ada@example.org").await;
    assert_eq!(ada, json!(["active", [known], [sports]]));
    assert_eq!(
        stands(&there, "bob@example.org").await,
        json!(["pending", [], []]),
        "a channel is no topic"
    );
    there.publish("News", "Hello", &[known]).await;
    there.platform.settle().await;
    let got = ["stays", "left", "ada", "bob"];
    let got = got.map(|it| there.smtp.by_recipient(&format!("{it}@example.org")).len());
    assert_eq!(got, [1, 0, 0, 0]);
}

#[actix_web::test]
async fn a_file_does_not_bring_back_what_somebody_left_here_before_they_confirmed() {
    let house = House::start().await;
    house.email_channel().await;
    house.platform.settle().await;
    let mut topics = Vec::new();
    for slug in ["art", "opera", "sports"] {
        let topic = json!({ "slug": slug, "name": slug, "default": "in" });
        topics.push(id(&post(&house, "/topics", topic).await));
    }
    let new = json!({ "email": "ada@example.org", "confirmation": "required" });
    let ada = id(&post(&house, "/subscribers", new).await);
    let path = format!("/subscribers/{ada}/unsubscribe");
    post(&house, &path, json!({ "topic_id": topics[2] })).await;
    let file = "email,status,confirmed,suppressed,topics_left,topics_wanted,channels_left\n\
        ada@example.org,active,true,,opera,sports art,\n";
    assert_eq!(counts(&import(&house, file).await), [1, 0, 0, 0]);
    let all = objects(&export(&house, "format=jsonl").await);
    assert_eq!(all[0]["state"], "active");
    let mut said: Vec<(&Value, &Value)> = all[0]["topics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (&it["slug"], &it["wanted"]))
        .collect();
    said.sort_by_key(|(slug, _)| slug.to_string());
    assert_eq!(
        json!(said),
        json!([["art", true], ["opera", false], ["sports", false]])
    );
}

#[actix_web::test]
async fn all_attributes_that_somebody_may_have_come_along() {
    let house = House::start().await;
    let ada = house.subscriber("ada@example.org").await;
    house.platform.settle().await;
    let path = format!("/api/v1/subscribers/{ada}");
    for begins in ["a", "b", "c", "d"] {
        let each = (0..16).map(|n| (format!("{begins}{n}"), json!("\"\n".repeat(500))));
        let attributes = each.collect::<serde_json::Map<_, _>>();
        let body = json!({ "attributes": attributes });
        let request = TestRequest::patch().uri(&path).set_json(body);
        let (status, answer) = send(&house, request).await;
        assert!((200..300).contains(&status), "{answer}");
    }
    let file = export(&house, "").await;
    let there = House::start().await;
    assert_eq!(counts(&import(&there, &file).await), [1, 0, 0, 0]);
    let expected = elsewhere(&export(&house, "format=jsonl").await);
    assert_eq!(expected[0]["attributes"].as_object().unwrap().len(), 64);
    assert_eq!(elsewhere(&export(&there, "format=jsonl").await), expected);
}

#[actix_web::test]
async fn what_a_topic_is_called_is_waited_for() {
    let house = House::start().await;
    everybody(&house).await;
    house.platform.settle().await;
    // The list of topics has yet to learn of them.
    let client = house.platform.pool.get().await.unwrap();
    let behind = "update publishing_views set position = 1 where view = 'topic_list'";
    assert_eq!(client.execute(behind, &[]).await.unwrap(), 1);
    client
        .execute("delete from publishing_topic_list", &[])
        .await
        .unwrap();
    let (status, problem) = send(&house, asked("")).await;
    assert_eq!(status, 503, "{problem}");
}

#[actix_web::test]
async fn an_export_takes_the_filters_of_the_list() {
    let house = House::start().await;
    let ada = everybody(&house).await;
    let emails = async |query: &str| {
        let all = objects(&export(&house, &format!("format=jsonl&{query}")).await);
        all.iter()
            .map(|it| it["email"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(emails("state=pending").await, ["pending@example.org"]);
    assert_eq!(emails("suppressed=true").await.len(), 2);
    assert_eq!(emails("tag=vip").await.len(), 6);
    assert_eq!(emails("attribute=age:37").await.len(), 0);
    assert_eq!(emails("state=erased").await.len(), 0);
    let conditions = json!({ "all": [{ "state": "active" }, { "tag": "vip" }] });
    let segment = json!({ "slug": "vips", "name": "VIPs", "conditions": conditions });
    let segment = id(&post(&house, "/segments", segment).await);
    assert_eq!(
        emails(&format!("segment={segment}&suppressed=false")).await,
        ["+ada@example.org"]
    );
    // A file with nobody in it is still one.
    assert_eq!(export(&house, "state=erased").await.lines().count(), 1);
    // Nobody else was looked at for that.
    post(&house, &format!("/subscribers/{ada}/erase"), json!({})).await;
    assert_eq!(emails("tag=vip").await.len(), 5);
}
