//! What is written down of looks.

use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::{Access, Command, Event, File, Format, Method, NoticeKind, View};
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

const NOW: OffsetDateTime = datetime!(2026-03-02 09:00 UTC);

/// Issues a notice for each of these moments; whether there was one.
fn issued(moments: &[OffsetDateTime]) -> Vec<bool> {
    let mut history = vec![];
    let issue = |(n, now): (usize, &OffsetDateTime)| {
        let command = Command::Issue {
            subscriber_id: ADA,
            kind: NoticeKind::ConfirmSignUp,
            delivery_id: Uuid::from_u128(n as u128),
            now: *now,
            departures: 0,
            consent: None,
            evidence: None,
        };
        let events = fold::<Access>(&history).decide(command).unwrap();
        history.extend(events.iter().cloned());
        !events.is_empty()
    };
    moments.iter().enumerate().map(issue).collect()
}

#[test]
fn nobody_is_asked_more_than_three_times_in_a_day() {
    let hour = |n| NOW + Duration::hours(n);
    let moments = [0, 1, 2, 3, 23, 24, 24, 25].map(hour);
    let expected = [true, true, true, false, false, true, false, true];
    assert_eq!(issued(&moments), expected);
    // Nor with the help of a clock that goes back.
    let moments = [5, 4, 3, 2].map(hour);
    assert_eq!(issued(&moments), [true, true, true, false]);
}
