//! Events of a subscriber's stream.

use serde_json::json;
use time::macros::datetime;

use super::id;
use crate::personal::Personal::Known;
use crate::preferences::{Given, Part, Preferences};
use crate::value::{
    AttributeKey, AttributeValue, Attributes, DisplayName, EmailAddress, Evidence, Tag,
};
use crate::{record, subscriber};

pub(super) fn subscriber_events() -> Vec<subscriber::Event> {
    said().into_iter().chain(done()).collect()
}

fn said() -> Vec<subscriber::Event> {
    use subscriber::{
        ConfirmMethod, Confirmation, Event, PreferencesMethod, ResubscribeMethod, Source,
        UnsubscribeMethod, What,
    };
    let evidence = || Some(Known(Evidence::user_agent("Mail/7")));
    vec![
        Event::SignedUp {
            email: Known(EmailAddress::parse("Ada@example.org").unwrap()),
            name: Some(Known(DisplayName::parse("Ada").unwrap())),
            attributes: Some(Known(Attributes::parse_text(r#"{"city":"Kyiv"}"#).unwrap())),
            address_id: id(1),
            address_suppression_id: id(2),
            domain_suppression_id: id(3),
            source: Source::Import,
            import_id: Some(id(4)),
            confirmation: Confirmation::NotRequired,
            consent: None,
            evidence: None,
        },
        Event::Confirmed {
            method: ConfirmMethod::Link,
            delivery_id: Some(id(5)),
            consent: None,
            evidence: evidence(),
        },
        Event::Unsubscribed {
            method: UnsubscribeMethod::OneClick,
            delivery_id: Some(id(5)),
            evidence: evidence(),
            what: What::Topic(id(6)),
        },
        Event::Resubscribed {
            method: ResubscribeMethod::Page,
            evidence: evidence(),
            what: What::Everything,
        },
        Event::PreferencesChanged {
            preferences: Known(preferences()),
            changed: vec![Part::Topics, Part::Frequency],
            method: PreferencesMethod::Page,
            evidence: evidence(),
        },
    ]
}

/// What others do with what they said.
fn done() -> Vec<subscriber::Event> {
    use subscriber::{
        ContactMethod, ErasureBasis, Event, FormerAddress, Remains, Shreddable, Shredded,
    };
    let at = datetime!(2026-01-02 03:04:05.678901 UTC);
    vec![
        Event::ContactChanged {
            email: Known(EmailAddress::parse("ada@example.net").unwrap()),
            address_id: id(9),
            address_suppression_id: id(10),
            domain_suppression_id: id(11),
            former: FormerAddress {
                address_id: id(1),
                address_suppression_id: id(2),
            },
            method: ContactMethod::Api,
        },
        Event::ErasureRequested {
            basis: ErasureBasis::Restored,
            asked_at: Some(at),
            address_id: id(1),
            address_suppression_id: id(2),
            restored_event_id: Some(id(8)),
        },
        Event::Erased {
            shredded: vec![
                Shredded {
                    kind: Shreddable::Subscriber,
                    key_id: id(7),
                    at,
                },
                Shredded {
                    kind: Shreddable::Import,
                    key_id: id(4),
                    at,
                },
            ],
            remains: vec![Remains::Ids, Remains::AddressHash],
        },
    ]
}

pub(super) fn record_events() -> Vec<record::Event> {
    use record::{AttributePatch, Event, NameChange, TagPatch};
    let attributes = [
        ("age", Some(AttributeValue::parse(&json!(7.5)).unwrap())),
        (
            "born",
            Some(AttributeValue::parse(&json!({ "date": "2026-03-01" })).unwrap()),
        ),
        ("city", Some(AttributeValue::parse(&json!("Kyiv")).unwrap())),
        ("member", Some(AttributeValue::parse(&json!(true)).unwrap())),
        ("trial", None),
    ];
    let attributes = attributes.map(|(key, value)| (AttributeKey::parse(key).unwrap(), value));
    let tags = |names: &[&str]| names.iter().map(|tag| Tag::parse(tag).unwrap()).collect();
    vec![Event::Changed {
        subscriber_id: id(1),
        name: NameChange::Set(Known(DisplayName::parse("Ada").unwrap())),
        attributes: Some(Known(AttributePatch::new(attributes.into()))),
        tags: Some(Known(TagPatch {
            added: tags(&["early_bird", "vip"]),
            removed: tags(&["trial"]),
        })),
    }]
}

/// Where nothing but a name is taken away.
pub(super) fn record_events_without_a_name() -> Vec<record::Event> {
    vec![record::Event::Changed {
        subscriber_id: id(1),
        name: record::NameChange::Removed,
        attributes: None,
        tags: None,
    }]
}

fn preferences() -> Preferences {
    let text = |text: &str| Some(text.to_owned());
    let given = Given {
        weights: vec![(id(4).to_string(), 7)],
        frequency: text("weekly"),
        hour: Some(8),
        day: text("friday"),
        quiet_from: text("22:00"),
        quiet_to: text("07:00"),
        zone: text("Europe/Kyiv"),
        language: text("uk"),
        cap_messages: Some(3),
        cap_per: text("week"),
    };
    Preferences::parse(&given).unwrap()
}

/// Since one channel can be left, and one topic or channel be asked for.
pub(super) fn subscriber_events_one_by_one() -> Vec<subscriber::Event> {
    use subscriber::{Event, ResubscribeMethod, UnsubscribeMethod, What};
    vec![
        Event::Unsubscribed {
            method: UnsubscribeMethod::Page,
            delivery_id: None,
            evidence: None,
            what: What::Channel(id(7)),
        },
        Event::Resubscribed {
            method: ResubscribeMethod::Page,
            evidence: None,
            what: What::Topic(id(6)),
        },
    ]
}
