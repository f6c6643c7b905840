//! What is written down of looks.

use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::{
    Access, Command, Event, File, Format, LinkRefusal, Method, Moves, NotTheirs, Notice,
    NoticeKind, View, theirs,
};
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
            delivery_id: None,
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
fn issued(kind: NoticeKind, moments: &[OffsetDateTime]) -> Vec<bool> {
    let mut history = vec![];
    let issue = |(n, now): (usize, &OffsetDateTime)| {
        let command = Command::Issue {
            subscriber_id: ADA,
            kind,
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
    let asked = |moments: &[OffsetDateTime]| issued(NoticeKind::ConfirmSignUp, moments);
    assert_eq!(asked(&moments), expected);
    // Nor with the help of a clock that goes back.
    let moments = [5, 4, 3, 2].map(hour);
    assert_eq!(asked(&moments), [true, true, true, false]);
}

#[test]
fn nobody_is_sent_more_than_two_links_to_their_data_in_a_day_and_four_in_thirty() {
    let hour = |n| NOW + Duration::hours(n);
    let day = |n: i64| hour(n * 24);
    let moments = [hour(0), hour(1), hour(2), hour(24), hour(25), hour(26)];
    let expected = [true, true, false, true, true, false];
    assert_eq!(issued(NoticeKind::OwnData, &moments), expected);
    let moments = [0, 2, 4, 6, 8, 29, 30, 31, 32].map(day);
    let expected = [true, true, true, true, false, false, true, false, true];
    assert_eq!(issued(NoticeKind::OwnData, &moments), expected);
}

const LINK: Uuid = Uuid::from_u128(7);

fn notice(kind: NoticeKind) -> Event {
    Event::NoticeIssued {
        subscriber_id: ADA,
        notice: Notice {
            kind: Code::from_static(kind.as_str()),
            delivery_id: LINK,
            issued_at: NOW,
            departures: 0,
            consent: None,
        },
        evidence: None,
    }
}

fn download(delivery_id: Uuid) -> Command {
    Command::Export {
        subscriber_id: ADA,
        file: File {
            format: Format::Zip,
            method: Method::Link,
            digest: [7; 32],
            events: 12,
            through_position: 345,
            delivery_id: Some(delivery_id),
        },
        reason: None,
    }
}

#[test]
fn a_link_works_for_seven_days() {
    let state = fold::<Access>(&[notice(NoticeKind::OwnData)]);
    let works = |now| state.working_link(LINK, now).map(|it| it.delivery_id);
    let until = NOW + Duration::days(7);
    assert_eq!(works(NOW), Ok(LINK));
    assert_eq!(works(until - Duration::SECOND), Ok(LINK));
    assert_eq!(works(until), Err(LinkRefusal::Expired));
}

#[test]
fn a_link_is_good_for_five_files_and_each_counts_for_its_own() {
    let mut history = vec![notice(NoticeKind::OwnData)];
    // What an officer takes, and what another link brings, does not count.
    for other in [export(), download(Uuid::from_u128(8))] {
        history.extend(fold::<Access>(&history).decide(other).unwrap());
    }
    for _ in 0..5 {
        let state = fold::<Access>(&history);
        assert!(state.working_link(LINK, NOW).is_ok());
        history.extend(state.decide(download(LINK)).unwrap());
    }
    let state = fold::<Access>(&history);
    assert_eq!(state.working_link(LINK, NOW), Err(LinkRefusal::UsedUp));
    assert_eq!(state.exports, 7);
}

#[test]
fn only_the_notice_that_brings_a_link_to_the_data_makes_one() {
    for kind in [NoticeKind::ConfirmSignUp, NoticeKind::PreferencesChanged] {
        let state = fold::<Access>(&[notice(kind)]);
        assert_eq!(state.working_link(LINK, NOW), Err(LinkRefusal::Unknown));
    }
    let none = Access::default();
    assert_eq!(none.working_link(LINK, NOW), Err(LinkRefusal::Unknown));
}

mod whose {
    use super::*;
    use crate::subscriber::{
        self, ConfirmMethod, Confirmation, ErasureBasis, Source, Subscriber, UnsubscribeMethod,
        What,
    };
    use crate::value::EmailAddress;

    const ADDRESS: Uuid = Uuid::from_u128(2);
    const NEVER: Moves = Moves {
        last_at: None,
        since_issued: false,
    };

    fn signed_up(confirmation: Confirmation) -> subscriber::Event {
        subscriber::Event::SignedUp {
            email: Personal::Known(EmailAddress::parse("ada@example.org").unwrap()),
            name: None,
            attributes: None,
            address_id: Uuid::from_u128(1),
            address_suppression_id: ADDRESS,
            domain_suppression_id: Uuid::from_u128(3),
            source: Source::Api,
            import_id: None,
            confirmation,
            consent: None,
            evidence: None,
        }
    }

    fn active() -> subscriber::Event {
        signed_up(Confirmation::NotRequired)
    }

    fn pending() -> subscriber::Event {
        signed_up(Confirmation::Pending(Code::from_static("required")))
    }

    fn confirmed(method: ConfirmMethod) -> subscriber::Event {
        subscriber::Event::Confirmed {
            method,
            delivery_id: None,
            consent: None,
            evidence: None,
        }
    }

    fn left() -> subscriber::Event {
        subscriber::Event::Unsubscribed {
            method: UnsubscribeMethod::Page,
            delivery_id: None,
            evidence: None,
            what: What::Everything,
        }
    }

    fn erasing() -> subscriber::Event {
        subscriber::Event::ErasureRequested {
            basis: ErasureBasis::Request,
            asked_at: None,
            address_id: Uuid::from_u128(1),
            address_suppression_id: ADDRESS,
            restored_event_id: None,
        }
    }

    fn judged(history: &[subscriber::Event], address: Uuid, moves: Moves) -> Result<(), NotTheirs> {
        let state = fold::<Subscriber>(history);
        theirs(&state, address, moves, NOW).map(drop)
    }

    #[test]
    fn whoever_gets_mail_or_has_left_may_and_nobody_else() {
        for (history, expected) in [
            (vec![], Err(NotTheirs::Nobody)),
            (vec![active()], Ok(())),
            (vec![active(), left()], Ok(())),
            (vec![pending()], Err(NotTheirs::Nobody)),
            (vec![pending(), confirmed(ConfirmMethod::Link)], Ok(())),
            (vec![active(), erasing()], Err(NotTheirs::Nobody)),
        ] {
            assert_eq!(judged(&history, ADDRESS, NEVER), expected, "{history:?}");
        }
    }

    #[test]
    fn the_mailbox_of_another_address_may_not_nor_one_come_back_to_since() {
        let moved = Err(NotTheirs::Moved);
        assert_eq!(judged(&[active()], Uuid::from_u128(9), NEVER), moved);
        let since = Moves {
            last_at: Some(NOW - Duration::days(300)),
            since_issued: true,
        };
        assert_eq!(judged(&[active()], ADDRESS, since), moved);
    }

    #[test]
    fn a_changed_address_is_believed_after_thirty_days_unless_they_had_confirmed_by_themselves() {
        let days = |n| Moves {
            last_at: Some(NOW - Duration::days(n)),
            since_issued: false,
        };
        let unsure = Err(NotTheirs::Unsure);
        assert_eq!(judged(&[active()], ADDRESS, days(29)), unsure);
        assert_eq!(judged(&[active()], ADDRESS, days(30)), Ok(()));
        let by = |method| [pending(), confirmed(method)];
        assert_eq!(judged(&by(ConfirmMethod::Api), ADDRESS, days(1)), unsure);
        assert_eq!(judged(&by(ConfirmMethod::Link), ADDRESS, days(1)), Ok(()));
    }
}
