//! What is in an export of many, and what another platform makes of it.

use serde_json::{Value, json};
use tidings_tests::house::House;
use uuid::Uuid;

use super::{counts, export, id, import, objects, post};

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
