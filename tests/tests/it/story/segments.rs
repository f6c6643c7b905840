//! Segments: whom conditions pick, as the database says it and as a plain reading of them does.

use std::collections::{BTreeMap, BTreeSet};

use actix_web::test::TestRequest;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};
use tidings_domain::segment::{Condition, Ordering, Person};
use tidings_domain::subscriber::{Choices, Standing};
use tidings_domain::topic::{ByDefault, Sender};
use tidings_domain::value::{AttributeKey, AttributeValue, Tag};
use tidings_event_store::picking::{self, Values};
use tidings_event_store::tokio_postgres::types::ToSql;
use tidings_tests::house::House;
use uuid::Uuid;

use super::records::say;

async fn ok(house: &House, request: TestRequest) -> Value {
    let (status, answer) = say(house, request).await;
    assert!(status < 300, "{status}: {answer}");
    answer
}

fn post(path: &str, body: &Value) -> TestRequest {
    TestRequest::post().uri(path).set_json(body)
}

async fn reader(house: &House, email: &str, attributes: Value, tags: Value) -> Value {
    let body = json!({ "email": email, "attributes": attributes, "tags": tags });
    ok(house, post("/api/v1/subscribers", &body)).await["id"].clone()
}

#[actix_web::test]
async fn a_segment_is_tried_defined_revised_and_archived() {
    let house = House::start().await;
    let markets = house
        .topic("markets", ByDefault::Out, Sender::default())
        .await;
    reader(
        &house,
        "ada@a.example",
        json!({ "city": "London", "age": 36 }),
        json!(["vip"]),
    )
    .await;
    let bob = reader(
        &house,
        "bob@b.example",
        json!({ "city": "London", "age": 17 }),
        json!([]),
    )
    .await;
    let eve = reader(
        &house,
        "eve@e.example",
        json!({ "city": "Porto" }),
        json!(["vip"]),
    )
    .await;
    let path = format!("/api/v1/subscribers/{}/resubscribe", bob.as_str().unwrap());
    ok(&house, post(&path, &json!({ "topic_id": markets }))).await;
    let suppressed = json!({ "address": "eve@e.example" });
    ok(&house, post("/api/v1/suppressions", &suppressed)).await;

    let conditions = json!({ "any": [{ "tag": "vip" }, { "topic": markets }] });
    let preview = |conditions: &Value| {
        post(
            "/api/v1/segments/preview",
            &json!({ "conditions": conditions }),
        )
    };
    let tried = ok(&house, preview(&conditions)).await;
    assert_eq!(
        (&tried["matching"], &tried["reachable"]),
        (&json!(3), &json!(2))
    );
    let samples: Vec<&str> = tried["samples"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["email"].as_str().unwrap())
        .collect();
    assert_eq!(
        samples.into_iter().collect::<BTreeSet<_>>(),
        ["a…@a.example", "b…@b.example", "e…@e.example"].into()
    );

    let new = json!({ "slug": "vips", "name": "VIPs", "conditions": conditions });
    let keyed = || post("/api/v1/segments", &new).insert_header(("idempotency-key", "\"k\""));
    let made = ok(&house, keyed()).await;
    assert_eq!(ok(&house, keyed()).await, made);
    assert_eq!(say(&house, post("/api/v1/segments", &new)).await.0, 409);
    let segment = format!("/api/v1/segments/{}", made["id"].as_str().unwrap());
    let shown = ok(&house, TestRequest::get().uri(&segment)).await;
    assert_eq!(
        (&shown["slug"], &shown["conditions"]),
        (&json!("vips"), &conditions)
    );
    let of_it = format!("{segment}/preview");
    assert_eq!(ok(&house, TestRequest::get().uri(&of_it)).await, tried);

    let grown = json!({ "all": [{ "attribute": "city", "is": "London" }, { "attribute": "age", "at_least": 18 }] });
    let put = |body: &Value| TestRequest::put().uri(&segment).set_json(body);
    ok(
        &house,
        put(&json!({ "name": "Grown", "conditions": grown })),
    )
    .await;
    let now = ok(&house, TestRequest::get().uri(&of_it)).await;
    assert_eq!(
        (&now["matching"], &now["samples"][0]["email"]),
        (&json!(1), &json!("a…@a.example"))
    );
    let picked = |id: &Value| format!("/api/v1/subscribers?segment={}", id.as_str().unwrap());
    let page = ok(&house, TestRequest::get().uri(&picked(&made["id"]))).await;
    assert_eq!(page["items"], now["samples"]);
    let nobodys = TestRequest::get().uri(&picked(&eve));
    assert_eq!(say(&house, nobodys).await.0, 400);
    ok(
        &house,
        TestRequest::post().uri(&format!("{segment}/archive")),
    )
    .await;
    let revised = put(&json!({ "name": "Grown", "conditions": conditions }));
    assert_eq!(say(&house, revised).await.0, 409);
    let all = ok(&house, TestRequest::get().uri("/api/v1/segments")).await;
    assert_eq!(
        (&all["items"][0]["archived"], &all["items"][0]["name"]),
        (&json!(true), &json!("Grown"))
    );

    // Nobody gets everybody by a condition that is not understood.
    let wrong = json!({ "all": [{ "opened": "ferry" }, { "topic": eve }] });
    for request in [
        preview(&wrong),
        post(
            "/api/v1/segments",
            &json!({ "slug": "x", "name": "X", "conditions": wrong }),
        ),
    ] {
        let (status, problem) = say(&house, request).await;
        let named: Vec<&Value> = problem["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| &it["pointer"])
            .collect();
        assert_eq!(
            (status, named),
            (
                422,
                vec![
                    &json!("#/conditions/all/0/opened"),
                    &json!("#/conditions/all/1/topic")
                ]
            )
        );
    }
}

const TOPICS: [(Uuid, ByDefault); 2] = [
    (Uuid::from_u128(1), ByDefault::In),
    (Uuid::from_u128(2), ByDefault::Out),
];

fn some_value() -> impl Strategy<Value = Value> {
    let texts = prop::sample::select(vec![
        "",
        "a",
        "ab",
        "b%",
        "7",
        "x'y",
        "ä",
        "A",
        "2026-03-01",
    ]);
    let numbers = prop::sample::select(vec![
        "-7",
        "-0.5",
        "0",
        "0.5",
        "7",
        "7.25",
        "70",
        "10000000000000000000000.5",
    ]);
    let days = prop::sample::select(vec!["0999-12-31", "1999-12-31", "2026-03-01", "2026-10-01"]);
    prop_oneof![
        texts.prop_map(|text| json!(text)),
        numbers.prop_map(|number| json!({ "number": number })),
        any::<bool>().prop_map(|yes| json!(yes)),
        days.prop_map(|day| json!({ "date": day })),
    ]
}

fn some_condition() -> impl Strategy<Value = Value> {
    let ordered = some_value().prop_filter("numbers and dates", Value::is_object);
    let part = prop::sample::select(vec!["a", "%", "'", "ä", "b"]);
    let leaf = prop_oneof![
        "[a-c]".prop_map(|tag| json!({ "tag": tag })),
        prop::sample::select(Standing::ALL).prop_map(|state| json!({ "state": state.as_str() })),
        prop::sample::select(&TOPICS[..]).prop_map(|(topic, _)| json!({ "topic": topic })),
        "[a-c]".prop_map(|key| json!({ "attribute": key })),
        ("[a-c]", prop::collection::vec(some_value(), 1..3))
            .prop_map(|(key, values)| json!({ "attribute": key, "is": values })),
        ("[a-c]", ordered, prop::sample::select(Ordering::ALL))
            .prop_map(|(key, value, how)| json!({ "attribute": key, how.as_str(): value })),
        ("[a-c]", part).prop_map(|(key, part)| json!({ "attribute": key, "contains": part })),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let several = prop::collection::vec(inner.clone(), 1..4);
        prop_oneof![
            several.clone().prop_map(|all| json!({ "all": all })),
            several.prop_map(|any| json!({ "any": any })),
            inner.prop_map(|condition| json!({ "not": condition })),
        ]
    })
}

/// A row as the view may hold it: what was taken away stands there as null or false.
#[derive(Clone, Debug)]
struct Row {
    state: Standing,
    attributes: Option<BTreeMap<String, Option<Value>>>,
    tags: Option<BTreeMap<String, bool>>,
    topics: Option<Vec<Option<bool>>>,
}

fn some_row() -> impl Strategy<Value = Row> {
    let attributes = prop::collection::btree_map("[a-c]", prop::option::of(some_value()), 0..4);
    let tags = prop::collection::btree_map("[a-c]", any::<bool>(), 0..4);
    let topics = prop::collection::vec(any::<Option<bool>>(), 2);
    (
        prop::sample::select(Standing::ALL),
        prop::option::weighted(0.8, attributes),
        prop::option::weighted(0.8, tags),
        prop::option::weighted(0.8, topics),
    )
        .prop_map(|(state, attributes, tags, topics)| Row {
            state,
            attributes,
            tags,
            topics,
        })
}

impl Row {
    fn person(&self) -> Person {
        let attributes = self.attributes.iter().flatten().filter_map(|(key, value)| {
            let value = AttributeValue::parse(value.as_ref()?).unwrap();
            Some((AttributeKey::parse(key).unwrap(), value))
        });
        let tags = self.tags.iter().flatten().filter(|(_, has)| **has);
        let said = self.topics.iter().flatten().zip(TOPICS);
        let said = said.filter_map(|(wanted, (id, _))| Some((id, (*wanted)?)));
        Person {
            standing: self.state,
            attributes: attributes.collect(),
            tags: tags.map(|(tag, _)| Tag::parse(tag).unwrap()).collect(),
            choices: Choices::new(said.collect(), BTreeSet::new()),
        }
    }

    /// The columns attributes, tags and topics.
    fn columns(&self) -> [Option<Value>; 3] {
        let attributes = self.attributes.as_ref().map(|all| {
            let typed = |value: &Value| AttributeValue::parse(value).unwrap().to_typed();
            let of = |value: &Option<Value>| value.as_ref().map_or(Value::Null, typed);
            let fields = all.iter().map(|(key, value)| (key.clone(), of(value)));
            Value::Object(fields.collect())
        });
        let topics = self.topics.as_ref().map(|all| {
            let said = all.iter().zip(TOPICS);
            let said =
                said.filter_map(|(wanted, (id, _))| Some((id.to_string(), json!((*wanted)?))));
            Value::Object(said.collect::<Map<_, _>>())
        });
        [
            attributes,
            self.tags.as_ref().map(|tags| json!(tags)),
            topics,
        ]
    }
}

/// Any conditions over any rows: the database picks whom a plain reading of the condition picks.
#[tokio::test]
async fn the_database_picks_whom_a_condition_holds_of() {
    let house = House::start().await;
    house.platform.settle().await;
    let mut runner = TestRunner::deterministic();
    let people: Vec<(Uuid, Row)> = (0..80_u128)
        .map(|n| {
            (
                Uuid::from_u128(n + 1),
                some_row().new_tree(&mut runner).unwrap().current(),
            )
        })
        .collect();
    let client = house.platform.pool.get().await.unwrap();
    for (id, row) in &people {
        let [attributes, tags, topics] = row.columns();
        let state = row.state.as_str();
        let values: [&(dyn ToSql + Sync); 5] = [id, &state, &attributes, &tags, &topics];
        let sql = "insert into publishing_subscriber_profile \
                   (subscriber_id, state, attributes, tags, topics, signed_up_at, position) \
                   values ($1, $2, $3, $4, $5, now(), 1)";
        client.execute(sql, &values).await.unwrap();
    }
    let topics: BTreeMap<Uuid, ByDefault> = TOPICS.into();
    let (mut some, mut none) = (0, 0);
    for _ in 0..400 {
        let condition = some_condition().new_tree(&mut runner).unwrap().current();
        let condition = Condition::parse(&condition, &topics).unwrap();
        let mut values = Values::new();
        let picks = picking::sql(&condition, &mut values);
        let sql = format!("select s.subscriber_id, {picks} from publishing_subscriber_profile s");
        let rows = client
            .query(&sql, &picking::borrowed(&values))
            .await
            .unwrap();
        let picked: BTreeMap<Uuid, Option<bool>> =
            rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        for (id, row) in &people {
            let expected = condition.holds(&row.person());
            assert_eq!(
                picked[id],
                Some(expected),
                "{} of {row:?}: {picks}",
                condition.to_json()
            );
            if expected { some += 1 } else { none += 1 }
        }
    }
    assert!(some > 4_000 && none > 4_000, "{some} picked, {none} not");
}
