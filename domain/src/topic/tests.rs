//! Topic decisions.

use super::*;
use crate::aggregate::fold;
use crate::testing::table;

fn card(name: &str) -> Card {
    Card {
        name: TopicName::parse(name).unwrap(),
        description: None,
        sender: Sender::default(),
    }
}

fn defined() -> Event {
    Event::Defined {
        slug: Slug::parse("markets").unwrap(),
        by_default: ByDefault::Out,
        card: card("Markets"),
    }
}

fn archived() -> Event {
    Event::Archived {
        reason: Code::from_static("requested"),
    }
}

#[test]
fn every_command_in_every_state() {
    let table = table::<Topic>(
        &[
            ("unknown", vec![]),
            ("open", vec![defined()]),
            ("archived", vec![defined(), archived()]),
        ],
        &[
            ("define", || Command::Define {
                slug: Slug::parse("markets").unwrap(),
                by_default: ByDefault::In,
                card: card("Markets"),
            }),
            ("revise", || Command::Revise {
                card: card("All markets"),
            }),
            ("same again", || Command::Revise {
                card: card("Markets"),
            }),
            ("archive", || Command::Archive {
                reason: Code::from_static("requested"),
            }),
        ],
    );
    insta::assert_snapshot!(table);
}

#[test]
fn whoever_did_not_ask_for_it_never_comes_to_get_it() {
    let revised = Event::Revised {
        card: card("All markets"),
    };
    for history in [
        vec![],
        vec![defined(), revised],
        vec![defined(), archived()],
        // Only the first word counts.
        vec![
            defined(),
            Event::Defined {
                slug: Slug::parse("markets").unwrap(),
                by_default: ByDefault::In,
                card: card("Markets"),
            },
        ],
    ] {
        assert_eq!(fold::<Topic>(&history).by_default(), ByDefault::Out);
    }
}
