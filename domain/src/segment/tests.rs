//! Whom conditions pick, and that they are read as they were written.

use crate::testing::GlassVault;
use std::collections::BTreeMap;
use tidings_proto::Message as _;

use proptest::prelude::*;
use serde_json::{Value, json};
use tidings_proto::common as wire;
use uuid::Uuid;

use super::*;
use crate::aggregate::fold;
use crate::subscriber::{Choices, Standing, What};
use crate::testing::table;
use crate::topic::ByDefault;
use crate::value::{AttributeKey, AttributeValue, Tag};

const MARKETS: Uuid = Uuid::from_u128(1);
const COUNCIL: Uuid = Uuid::from_u128(2);

fn topics() -> BTreeMap<Uuid, ByDefault> {
    [(MARKETS, ByDefault::Out), (COUNCIL, ByDefault::In)].into()
}

fn parse(value: &Value) -> Condition {
    Condition::parse(value, &topics()).unwrap()
}

fn definition(name: &str) -> Definition {
    Definition {
        name: SegmentName::parse(name).unwrap(),
        description: None,
        condition: Personal::Known(parse(&json!({ "tag": "vip" }))),
    }
}

fn defined() -> Event {
    Event::Defined {
        slug: Slug::parse("readers").unwrap(),
        definition: definition("Readers"),
    }
}

fn archived() -> Event {
    Event::Archived {
        reason: Code::from_static("requested"),
    }
}

#[test]
fn every_command_in_every_state() {
    let table = table::<Segment>(
        &[
            ("unknown", vec![]),
            ("open", vec![defined()]),
            ("archived", vec![defined(), archived()]),
        ],
        &[
            ("define", || Command::Define {
                slug: Slug::parse("readers").unwrap(),
                definition: definition("Readers"),
            }),
            ("revise", || Command::Revise(definition("All readers"))),
            ("same again", || Command::Revise(definition("Readers"))),
            ("archive", || Command::Archive {
                reason: Code::from_static("requested"),
            }),
        ],
    );
    insta::assert_snapshot!(table);
}

#[test]
fn the_last_definition_counts() {
    let revised = Event::Revised(Definition {
        condition: Personal::Known(parse(&json!({ "tag": "new" }))),
        ..definition("Readers")
    });
    let segment = fold::<Segment>(&[defined(), revised, archived()]);
    assert_eq!(segment.condition(), Some(&parse(&json!({ "tag": "new" }))));
}

fn ada() -> Person {
    let attribute = |(key, value): (&str, Value)| {
        let value = AttributeValue::parse(&value).unwrap();
        (AttributeKey::parse(key).unwrap(), value)
    };
    let mut choices = Choices::default();
    choices.say(What::Topic(MARKETS), true);
    Person {
        standing: Standing::Active,
        attributes: [
            ("city", json!("London")),
            ("age", json!(36.5)),
            ("member", json!(true)),
            ("born", json!({ "date": "1815-12-10" })),
        ]
        .map(attribute)
        .into(),
        tags: [Tag::parse("vip").unwrap()].into(),
        choices,
    }
}

#[test]
fn a_condition_holds_or_does_not() {
    let born = |how: &str, day: &str| json!({ "attribute": "born", how: { "date": day } });
    let holds = [
        json!({ "tag": "VIP" }),
        json!({ "state": "active" }),
        json!({ "topic": MARKETS }),
        json!({ "topic": COUNCIL }),
        json!({ "attribute": "city" }),
        json!({ "attribute": "city", "is": ["Kyiv", "London"] }),
        json!({ "attribute": "city", "contains": "ondo" }),
        json!({ "attribute": "age", "above": 7 }),
        json!({ "attribute": "age", "at_least": 36.5 }),
        json!({ "attribute": "age", "at_most": { "number": "36.50" } }),
        json!({ "attribute": "member", "is": true }),
        born("below", "1815-12-11"),
        born("at_most", "1815-12-10"),
        json!({ "all": [{ "tag": "vip" }, { "not": { "tag": "new" } }] }),
        json!({ "any": [{ "tag": "new" }, { "state": "active" }] }),
    ];
    let does_not = [
        json!({ "tag": "new" }),
        json!({ "state": "pending" }),
        json!({ "attribute": "zip" }),
        json!({ "attribute": "city", "is": "london" }),
        json!({ "attribute": "city", "contains": "LON" }),
        json!({ "attribute": "city", "above": 7 }),
        json!({ "attribute": "age", "is": "36.5" }),
        json!({ "attribute": "age", "contains": "36" }),
        json!({ "attribute": "zip", "below": 7 }),
        born("above", "1815-12-10"),
        json!({ "all": [{ "tag": "vip" }, { "tag": "new" }] }),
        json!({ "any": [{ "tag": "new" }, { "state": "erased" }] }),
    ];
    for (conditions, expected) in [(&holds[..], true), (&does_not[..], false)] {
        for condition in conditions {
            assert_eq!(parse(condition).holds(&ada()), expected, "{condition}");
            let not = json!({ "not": condition });
            assert_eq!(parse(&not).holds(&ada()), !expected, "{not}");
        }
    }
}

#[test]
fn all_that_is_compared_with_counts() {
    for (condition, values) in [
        (json!({ "tag": "vip" }), 1),
        (json!({ "attribute": "city" }), 1),
        (json!({ "attribute": "age", "above": 7 }), 1),
        (json!({ "attribute": "city", "is": ["Porto", "London"] }), 2),
        (
            json!({ "any": [
                { "not": { "attribute": "city", "is": ["Porto", "London"] } },
                { "all": [{ "state": "active" }, { "topic": MARKETS }] },
            ] }),
            4,
        ),
    ] {
        assert_eq!(parse(&condition).values(), values, "{condition}");
    }
}

#[test]
fn what_is_wrong_is_named_where_it_stands() {
    let wrong = |value: Value| {
        let all = Condition::parse(&value, &topics()).unwrap_err();
        all.into_iter().map(|it| it.pointer).collect::<Vec<_>>()
    };
    let nobodys = Uuid::from_u128(9);
    let all = json!({ "all": [
        { "tag": "no tag" }, { "any": [] }, { "not": { "state": "gone" } }, { "topic": nobodys },
        { "attribute": "age", "above": "7" }, { "attribute": "age", "about": 7 }, { "attribute": "" },
        { "attribute": "age", "above": 7, "below": 9 }, { "attribute": "x", "is": [] }, { "opened": 7 }, [],
    ] });
    let expected = [
        "/all/0/tag",
        "/all/1/any",
        "/all/2/not/state",
        "/all/3/topic",
        "/all/4/above",
        "/all/5/about",
        "/all/6/attribute",
        "/all/7",
        "/all/8/is",
        "/all/9/opened",
        "/all/10",
    ];
    assert_eq!(wrong(all), expected);
    // No view could be kept with it.
    assert_eq!(wrong(json!({ "attribute": "a\0b" })), ["/attribute"]);
    assert_eq!(wrong(json!({})), [""]);
    assert_eq!(wrong(json!({ "tag": "a", "state": "active" })), [""]);
}

#[test]
fn conditions_are_bounded() {
    let tag = || json!({ "tag": "vip" });
    let deep = |depth: usize| (1..depth).fold(tag(), |inner, _| json!({ "not": inner }));
    let wide = |n: usize| json!({ "any": vec![tag(); n - 1] });
    let is = |n: usize| json!({ "attribute": "n", "is": (0..n).collect::<Vec<_>>() });
    for (good, bad) in [
        (deep(8), deep(9)),
        (wide(100), wide(101)),
        (is(100), is(101)),
    ] {
        assert!(Condition::parse(&good, &topics()).is_ok());
        assert_eq!(Condition::parse(&bad, &topics()).unwrap_err().len(), 1);
    }
    assert!(Condition::topics_named_in(&deep(100)).is_empty());
}

fn some_condition() -> impl Strategy<Value = Value> {
    let value = prop_oneof![
        Just(json!("a")),
        (-9..9_i64).prop_map(|n| json!(n)),
        any::<bool>().prop_map(|yes| json!(yes)),
        Just(json!({ "date": "2026-03-01" })),
    ];
    let leaf = prop_oneof![
        "[a-c]".prop_map(|tag| json!({ "tag": tag })),
        Just(json!({ "state": "pending" })),
        prop_oneof![Just(MARKETS), Just(COUNCIL)].prop_map(|topic| json!({ "topic": topic })),
        "[a-c]".prop_map(|key| json!({ "attribute": key })),
        ("[a-c]", value).prop_map(|(key, value)| json!({ "attribute": key, "is": value })),
        ("[a-c]", -9..9_i64, prop::sample::select(Ordering::ALL))
            .prop_map(|(key, n, how)| json!({ "attribute": key, how.as_str(): n })),
        "[a-c]".prop_map(|key| json!({ "attribute": key, "contains": "x" })),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        let several = prop::collection::vec(inner.clone(), 1..4);
        prop_oneof![
            several.clone().prop_map(|all| json!({ "all": all })),
            several.prop_map(|any| json!({ "any": any })),
            inner.prop_map(|condition| json!({ "not": condition })),
        ]
    })
}

proptest! {
    #[test]
    fn a_condition_is_read_as_it_was_written(value in some_condition()) {
        let condition = parse(&value);
        prop_assert_eq!(condition.to_json(), value);
        let written = condition.to_wire().encode_to_vec();
        prop_assert_eq!(Condition::read(&written), Some(condition));
    }
}

#[test]
fn a_condition_of_a_later_build_is_none() {
    let not_known = || wire::Condition { test: None };
    let within = |condition| wire::Condition {
        test: Some(wire::condition::Test::Any(wire::condition::Several {
            conditions: vec![parse(&json!({ "tag": "vip" })).to_wire(), condition],
        })),
    };
    let state = |state: &str| wire::Condition {
        test: Some(wire::condition::Test::State(state.to_owned())),
    };
    let test = |test: &str, values| wire::Condition {
        test: Some(wire::condition::Test::Attribute(
            wire::condition::Attribute {
                key: "a".to_owned(),
                test: test.to_owned(),
                values,
            },
        )),
    };
    let value = || wire::condition::attribute::Value { value: None };
    for later in [
        not_known(),
        within(not_known()),
        state("dormant"),
        test("resembles", vec![]),
        test("is", vec![value()]),
        test("is", vec![]),
    ] {
        let written = later.encode_to_vec();
        assert_eq!(Condition::read(&written), None, "{later:?}");
        let event = tidings_proto::segment::Defined {
            condition: Some(GlassVault.seal("condition", &written)),
            ..Default::default()
        };
        let decoded = Segment::decode(&event.into(), &GlassVault);
        assert!(decoded.is_err());
    }
}
