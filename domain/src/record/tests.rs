//! What becomes of a record.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::aggregate::fold;
use crate::subscriber::{Choices, Source};
use crate::value::{Attributes, EmailAddress};

const ADA: Uuid = Uuid::from_u128(1);

fn profile(attributes: Value) -> Profile {
    Profile {
        email: Personal::Known(EmailAddress::parse("ada@example.org").unwrap()),
        name: Some(Personal::Known(DisplayName::parse("Ada").unwrap())),
        attributes: Some(Personal::Known(Attributes::parse(attributes).unwrap())),
        address_id: Uuid::nil(),
        address_suppression_id: Uuid::nil(),
        domain_suppression_id: Uuid::nil(),
        source: Source::Api,
        import_id: None,
        confirmed: true,
        consent: None,
        confirmed_by_link: false,
        choices: Choices::default(),
        preferences: None,
        departures: 0,
        former: Vec::new(),
    }
}

fn signed_up() -> Profile {
    profile(json!({ "city": "Kyiv", "Age": 7 }))
}

fn key(text: &str) -> AttributeKey {
    AttributeKey::parse_any(text).unwrap()
}

fn tags(names: &[&str]) -> BTreeSet<Tag> {
    names.iter().map(|name| Tag::parse(name).unwrap()).collect()
}

/// By key; null: away with it.
fn attributes(of: &Value) -> Command {
    let changes = of.as_object().unwrap().iter().map(|(name, value)| {
        let value = (!value.is_null()).then(|| AttributeValue::parse(value).unwrap());
        (key(name), value)
    });
    Command::Change {
        subscriber_id: ADA,
        profile: Box::new(signed_up()),
        name: None,
        attributes: changes.collect(),
        tags: None,
    }
}

fn tagged(tags: Tags) -> Command {
    Command::Change {
        subscriber_id: ADA,
        profile: Box::new(signed_up()),
        name: None,
        attributes: BTreeMap::new(),
        tags: Some(tags),
    }
}

fn named(name: Option<&str>) -> Command {
    Command::Change {
        subscriber_id: ADA,
        profile: Box::new(signed_up()),
        name: Some(name.map(|name| DisplayName::parse(name).unwrap())),
        attributes: BTreeMap::new(),
        tags: None,
    }
}

/// Carries them out one after the other; how many events each led to.
fn carried_out(commands: Vec<Command>) -> (Record, Vec<usize>) {
    let mut history = vec![];
    let mut counts = vec![];
    for command in commands {
        let events = fold::<Record>(&history).decide(command).unwrap();
        counts.push(events.len());
        history.extend(events);
    }
    (fold::<Record>(&history), counts)
}

fn shown(record: &Record) -> Value {
    let all = record.attributes(&signed_up());
    let fields = all
        .iter()
        .map(|(key, value)| (key.to_string(), value.to_json()));
    Value::Object(fields.collect())
}

#[test]
fn a_record_is_laid_over_the_sign_up() {
    let (record, counts) = carried_out(vec![
        attributes(&json!({ "city": "Lviv", "vip": true, "born": { "date": "1990-02-01" } })),
        attributes(&json!({ "Age": null, "vip": true })),
        attributes(&json!({ "Age": null, "city": "Lviv", "gone": null })),
    ]);
    assert_eq!(counts, [1, 1, 0], "what is so already is no event");
    let expected = json!({ "city": "Lviv", "vip": true, "born": { "date": "1990-02-01" } });
    assert_eq!(shown(&record), expected);
}

#[test]
fn only_what_changes_is_written() {
    let (record, _) = carried_out(vec![attributes(&json!({ "city": "Lviv" }))]);
    let events = record
        .decide(attributes(
            &json!({ "city": "Lviv", "age": 8, "Age": null }),
        ))
        .unwrap();
    let [
        Event::Changed {
            attributes: Some(Personal::Known(patch)),
            ..
        },
    ] = events.as_slice()
    else {
        panic!("{events:?}");
    };
    assert_eq!(
        patch.to_json(),
        r#"{"removed":["Age"],"set":{"age":{"number":"8"}}}"#
    );
}

#[test]
fn a_name_is_given_and_taken_away() {
    let of_sign_up = signed_up();
    let (record, counts) = carried_out(vec![named(Some("Ada")), named(Some("Ada L."))]);
    assert_eq!(counts, [0, 1]);
    assert_eq!(record.name(&of_sign_up).unwrap().as_str(), "Ada L.");
    let (record, counts) = carried_out(vec![named(None), named(None)]);
    assert_eq!(counts, [1, 0]);
    assert_eq!(record.name(&of_sign_up), None);
}

#[test]
fn tags_are_added_removed_and_said_as_a_whole() {
    let patch = |added: &[&str], removed: &[&str]| {
        tagged(Tags::Patch(TagPatch {
            added: tags(added),
            removed: tags(removed),
        }))
    };
    let (record, counts) = carried_out(vec![
        patch(&["vip", "early"], &["never_had"]),
        patch(&["vip"], &["never_had"]),
        patch(&["late"], &["early", "late"]),
    ]);
    assert_eq!(counts, [1, 0, 1]);
    assert_eq!(record.tags(), &tags(&["late", "vip"]));
    let (record, counts) = carried_out(vec![
        patch(&["vip", "early"], &[]),
        tagged(Tags::All(tags(&["early", "new"]))),
        tagged(Tags::All(tags(&["new", "early"]))),
    ]);
    assert_eq!(counts, [1, 1, 0]);
    assert_eq!(record.tags(), &tags(&["early", "new"]));
}

#[test]
fn nobody_has_more_than_there_is_room_for() {
    let many = |n: usize| Value::Object((0..n).map(|i| (format!("k{i}"), json!(i))).collect());
    let record = Record::default();
    assert!(record.decide(attributes(&many(62))).is_ok());
    assert_eq!(
        record.decide(attributes(&many(63))),
        Err(Refusal::TooManyAttributes(65))
    );
    let all = |n: usize| {
        let names: Vec<String> = (0..n).map(|i| format!("t{i}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        tagged(Tags::All(tags(&names)))
    };
    assert!(record.decide(all(50)).is_ok());
    assert_eq!(record.decide(all(51)), Err(Refusal::TooManyTags(51)));
}

#[test]
fn what_was_erased_says_nothing() {
    let erased = Event::Changed {
        subscriber_id: ADA,
        name: NameChange::Set(Personal::Erased),
        attributes: Some(Personal::Erased),
        tags: Some(Personal::Erased),
    };
    let record = fold::<Record>(&[erased]);
    assert_eq!(record.name(&signed_up()), None);
    assert!(record.tags().is_empty());
}

/// Nothing writes both of one key or tag; a log that holds it is read in one way all the same, here and by views.
#[test]
fn what_is_said_to_be_there_and_gone_at_once_is_gone() {
    let patch = TagPatch {
        added: tags(&["early", "vip"]),
        removed: tags(&["trial", "vip"]),
    };
    let gone =
        r#"{"removed": ["city"], "set": {"city": {"text": "Lviv"}, "age": {"number": "8"}}}"#;
    let both = Event::Changed {
        subscriber_id: ADA,
        name: NameChange::Unchanged,
        attributes: Some(Personal::Known(AttributePatch::recorded(gone).unwrap())),
        tags: Some(Personal::Known(
            TagPatch::recorded(&patch.to_json()).unwrap(),
        )),
    };
    let record = fold::<Record>(&[both]);
    assert_eq!(record.tags(), &tags(&["early"]));
    assert_eq!(shown(&record), json!({ "Age": 7, "age": 8 }));
}

#[test]
fn a_patch_that_says_more_than_this_build_knows_is_not_understood() {
    let attributes = |text: &str| AttributePatch::recorded(text).is_some();
    let tags = |text: &str| TagPatch::recorded(text).is_some();
    assert!(attributes(
        r#"{"set": {"vip": {"yes_no": true}}, "removed": ["city"]}"#
    ));
    assert!(tags(r#"{"added": ["vip"], "removed": []}"#) && attributes("{}") && tags("{}"));
    for more in [
        r#"{"set": {}, "expires": {}}"#,
        r#"{"set": {"vip": {"yes_no": true, "text": "x"}}}"#,
        r#"{"set": {"vip": {"money": "1"}}}"#,
        r#"{"set": {"vip": {"yes_no": "true"}}}"#,
        r#"{"set": {"vip": true}}"#,
        r#"{"removed": [7]}"#,
        "[]",
        "null",
    ] {
        assert!(!attributes(more), "{more}");
    }
    for more in [r#"{"added": [], "all": []}"#, r#"{"added": null}"#, "[]"] {
        assert!(!tags(more), "{more}");
    }
}

fn some_patch() -> impl Strategy<Value = Value> {
    let value = prop_oneof![
        Just(json!(null)),
        Just(json!("x")),
        Just(json!(7)),
        Just(json!(true))
    ];
    prop::collection::btree_map("[a-d]", value, 0..4).prop_map(|fields| json!(fields))
}

proptest! {
    #[test]
    fn patches_come_to_what_a_merge_comes_to(patches in prop::collection::vec(some_patch(), 0..6)) {
        let mut model = serde_json::Map::from_iter([("city".to_owned(), json!("Kyiv")), ("Age".to_owned(), json!(7))]);
        for patch in &patches {
            for (key, value) in patch.as_object().unwrap() {
                match value.is_null() {
                    true => model.remove(key),
                    false => model.insert(key.clone(), value.clone()),
                };
            }
        }
        let (record, _) = carried_out(patches.iter().map(attributes).collect());
        prop_assert_eq!(shown(&record), Value::Object(model));
    }
}
