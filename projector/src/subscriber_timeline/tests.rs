//! Every event has words.

use tidings_proto::{EVENT_TYPES, Event, access, engagement};

use super::held::About;
use super::phrases::phrase;
use super::words::{Known, fallback, sentence};
use crate::opened::Words;
use crate::test_support::sample;

/// Nouns of the streams that are about a subscriber.
const ABOUT_THEM: [&str; 7] = [
    "access",
    "address",
    "delivery",
    "engagement",
    "record",
    "subscriber",
    "suppression",
];

#[test]
fn every_event_type_has_words_and_those_about_a_subscriber_a_sentence() {
    for event_type in EVENT_TYPES {
        assert!(phrase(event_type).is_some(), "{event_type} needs a phrase");
        let about_them = ABOUT_THEM.contains(&event_type.split_once('.').unwrap().0);
        let own = sentence(&sample(event_type, 1), &Known::default());
        assert_eq!(own.is_some(), about_them, "{event_type} needs a sentence");
    }
    assert_eq!(phrase("subscriber.Unheard"), None);
    assert_eq!(
        fallback("subscriber.Unheard"),
        "An event subscriber.Unheard, which only a later version has words for."
    );
}

#[test]
fn that_a_link_was_asked_for_and_used_is_told_of_whoever_had_it() {
    let told = |event: &Event| sentence(event, &Known::default()).unwrap();
    let asked = access::NoticeIssued {
        kind: "own_data".to_owned(),
        ..Default::default()
    };
    assert_eq!(
        told(&asked.into()),
        "Somebody with one of their mails asked for all that is held about them: a mail is to bring them a link to it."
    );
    let file = |method: &str| access::Exported {
        format: "zip".to_owned(),
        method: method.to_owned(),
        events: 1,
        ..Default::default()
    };
    let by_link = told(&file("link").into());
    assert!(
        by_link.contains("in a file, by the link of a mail to them: 1 event"),
        "{by_link}"
    );
    let by_officer = told(&file("api").into());
    assert!(by_officer.contains("in a file: 1 event"), "{by_officer}");
}

/// What a person did and what a program does by itself are told apart, and what is gone is said to be.
#[test]
fn what_a_message_told_is_told_of_people_and_of_programs() {
    let kept = |json: &str| [("evidence".to_owned(), Words::Known(json.to_owned()))];
    let tell = |event: &Event, opened: &[(String, Words)]| {
        let known = Known {
            opened,
            title: Some("Good news"),
            ..Known::default()
        };
        sentence(event, &known).unwrap()
    };
    let clicked = |agent: &str, machine| engagement::Clicked {
        agent: agent.to_owned(),
        machine,
        ..Default::default()
    };
    let both = kept(r#"{"user_agent":"Browser/7","url":"https://example.org/a"}  "#);
    assert_eq!(
        tell(&clicked("reader", false).into(), &both),
        "The message “Good news” was read: a link to “https://example.org/a” in it was followed by a browser or mail program \
         (“Browser/7”)."
    );
    let told = tell(&clicked("scanner", true).into(), &both);
    assert!(
        told.ends_with("; that does not say that anybody did."),
        "{told}"
    );
    let opened = engagement::Opened {
        agent: "proxy".to_owned(),
        ..Default::default()
    };
    let gone = [("evidence".to_owned(), Words::Erased)];
    for nothing in [gone.as_slice(), &[]] {
        assert_eq!(
            tell(&opened.clone().into(), nothing),
            "The message “Good news” was opened: its picture was fetched by a mail provider's program, which does so when a mail \
             is opened. What else was known of it is no longer kept."
        );
    }
}

#[test]
fn the_sentences_read_well() {
    let opened = |text: fn(&str) -> Words| {
        [
            "email",
            "name",
            "attributes",
            "tags",
            "evidence",
            "consent",
            "preferences",
            "reply",
            "detail",
            "reason",
        ]
        .map(|field| (field.to_owned(), text(field)))
    };
    let known = opened(|field| Words::Known(format!("the {field}")));
    let erased = opened(|_| Words::Erased);
    let mut all = Vec::new();
    for event_type in EVENT_TYPES {
        let about = About {
            what: "ada@example.org".to_owned(),
            standing: vec!["manual".to_owned(), "complaint".to_owned()],
            domain_standing: vec!["import".to_owned()],
            ..About::default()
        };
        let tell = |opened, title: Option<&'static str>, channel: Option<&'static str>| {
            let known = Known {
                opened,
                title,
                channel,
                part: channel.map(|_| "Harbour news"),
                held: channel.map(|_| &about),
                topics: None,
            };
            sentence(&sample(event_type, 1), &known)
        };
        let first = tell(known.as_slice(), Some("Good news"), Some("House mail"));
        let then = tell(erased.as_slice(), None, None);
        if let (Some(first), Some(then)) = (first, then) {
            all.push(format!("{event_type}\n  {first}\n  {then}"));
        }
    }
    insta::assert_snapshot!(all.join("\n"));
}
