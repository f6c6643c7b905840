//! API key decisions.

use super::*;
use crate::aggregate::fold;
use crate::testing::table;
use proptest::prelude::*;
use time::Duration;
use time::macros::datetime;

const AT: OffsetDateTime = datetime!(2026-03-01 10:00 UTC);
const END: OffsetDateTime = datetime!(2027-03-01 10:00 UTC);

fn card() -> Card {
    Card {
        name: KeyName::parse("Web shop").unwrap(),
        roles: vec![Code::from_static("service")],
        scopes: vec![Scope::parse("subscribers:write").unwrap()],
    }
}

fn secret(n: u8, until: OffsetDateTime) -> Secret {
    let hash = [n; 32];
    Secret { hash, until }
}

fn created() -> Event {
    Event::Created {
        card: card(),
        secret: secret(0, END),
        prefix: "tdk_AQ".to_owned(),
    }
}

fn rotated(n: u8, previous_until: OffsetDateTime) -> Event {
    Event::Rotated {
        secret: secret(n, END),
        previous_until: Some(previous_until),
        prefix: "tdk_AQ".to_owned(),
    }
}

fn revoked() -> Event {
    Event::Revoked {
        reason: Code::from_static("requested"),
    }
}

fn rotate(overlap: Duration) -> Command {
    Command::Rotate {
        hash: [9; 32],
        previous_until: (!overlap.is_zero()).then(|| AT + overlap),
        expires_at: None,
        prefix: "tdk_AQ".to_owned(),
        at: AT,
    }
}

/// Which secrets let somebody in.
fn living(history: &[Event], now: OffsetDateTime) -> Result<Vec<u8>, Shut> {
    let secrets = fold::<ApiKey>(history).secrets(now)?;
    Ok(secrets.iter().map(|it| it.hash[0]).collect())
}

#[test]
fn every_command_in_every_state() {
    let expired = Event::Created {
        card: card(),
        secret: secret(0, AT),
        prefix: String::new(),
    };
    let many = (1..5).map(|n| rotated(n, AT + Duration::DAY));
    let table = table::<ApiKey>(
        &[
            ("unknown", vec![]),
            ("issued", vec![created()]),
            (
                "five secrets",
                [created()].into_iter().chain(many).collect(),
            ),
            ("expired", vec![expired]),
            ("revoked", vec![created(), revoked()]),
        ],
        &[
            ("create", || Command::Create {
                card: card(),
                secret: secret(1, END),
                prefix: String::new(),
            }),
            ("rotate", || rotate(Duration::DAY)),
            ("rotate at once", || rotate(Duration::ZERO)),
            ("revoke", || Command::Revoke {
                reason: Code::from_static("leaked"),
            }),
        ],
    );
    insta::assert_snapshot!(table);
}

#[test]
fn an_earlier_secret_goes_on_until_its_end_and_gets_no_more_time() {
    let (soon, later) = (AT + Duration::HOUR, AT + Duration::DAY);
    let history = [created(), rotated(1, soon), rotated(2, later)];
    assert_eq!(living(&history, AT), Ok(vec![2, 1, 0]));
    assert_eq!(living(&history, soon), Ok(vec![2, 1]));
    assert_eq!(living(&history, later), Ok(vec![2]));
    assert_eq!(living(&history, END), Err(Shut::Expired));
    let ended = [created(), rotated(1, later), rotated(2, AT)];
    assert_eq!(living(&ended, AT), Ok(vec![2]));
    // At once means at once, also for whoever's clock is behind.
    let at_once = fold::<ApiKey>(&[created(), rotated(1, later)]);
    let at_once = at_once.decide(rotate(Duration::ZERO)).unwrap();
    let history = [&[created(), rotated(1, later)][..], &at_once].concat();
    assert_eq!(living(&history, AT - Duration::HOUR), Ok(vec![9]));
}

#[test]
fn a_key_is_given_more_time_with_a_new_secret_alone() {
    let more = END + Duration::days(365);
    let command = Command::Rotate {
        hash: [1; 32],
        previous_until: Some(AT + Duration::days(9_000)),
        prefix: String::new(),
        expires_at: Some(more),
        at: AT,
    };
    let mut history = vec![created()];
    history.extend(fold::<ApiKey>(&history).decide(command).unwrap());
    assert_eq!(living(&history, END - Duration::SECOND), Ok(vec![1, 0]));
    assert_eq!(living(&history, END), Ok(vec![1]));
    assert_eq!(living(&history, more), Err(Shut::Expired));
}

proptest! {
    #[test]
    fn what_is_revoked_lets_nobody_in_whatever_comes_after(
        before in prop::collection::vec(0..3_u8, 0..6),
        after in prop::collection::vec(0..3_u8, 0..6),
    ) {
        let event = |n: &u8| match n {
            0 => created(),
            1 => rotated(1, END),
            _ => revoked(),
        };
        let history: Vec<Event> = [created()].into_iter()
            .chain(before.iter().map(event))
            .chain([revoked()])
            .chain(after.iter().map(event))
            .collect();
        prop_assert_eq!(living(&history, AT), Err(Shut::Revoked));
    }
}
