//! What is written down of looks.

use uuid::Uuid;

use super::{Access, Command, Event, File, Format, Method, View};
use crate::aggregate::{Aggregate as _, fold};
use crate::personal::Personal;
use crate::value::{Code, LookReason};

const ADA: Uuid = Uuid::from_u128(1);

fn view() -> Command {
    Command::View {
        subscriber_id: ADA,
        what: View::Timeline,
        reason: Some(LookReason::parse("A request by mail").unwrap()),
    }
}

fn export() -> Command {
    Command::Export {
        subscriber_id: ADA,
        file: File {
            format: Format::Zip,
            method: Method::Api,
            digest: [7; 32],
            events: 12,
            through_position: 345,
        },
        reason: None,
    }
}

#[test]
fn every_look_is_written_down_with_its_words() {
    let events = Access::default().decide(view()).unwrap();
    let viewed = Event::Viewed {
        subscriber_id: ADA,
        what: Code::from_static("timeline"),
        reason: Some(Personal::Known(
            LookReason::parse("A request by mail").unwrap(),
        )),
    };
    assert_eq!(events, [viewed]);
}

#[test]
fn a_look_that_is_repeated_is_one_more_look() {
    let mut history = vec![];
    for command in [view(), view(), export()] {
        let events = fold::<Access>(&history).decide(command).unwrap();
        history.extend(events);
    }
    let state = fold::<Access>(&history);
    assert_eq!((state.views, state.exports), (2, 1));
}
