//! Channel decisions.

use serde_json::json;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::circuit::MetBy;
use super::{Attempt, Channel, Circuit, Command, Event, Former};
use crate::aggregate::{Aggregate as _, fold};
use crate::personal::Personal;
use crate::testing::table;
use crate::value::{ChannelKind, ChannelName, Code, Credentials, Settings};

const PROBE_AT: OffsetDateTime = datetime!(2026-01-02 03:04:05 UTC);
const DEADLINE: OffsetDateTime = datetime!(2026-01-02 03:19:05 UTC);

const BY: Attempt = Attempt {
    delivery_id: Uuid::from_u128(1),
    attempt: 4,
};

fn open_circuit() -> Command {
    Command::OpenCircuit {
        reason: Code::from_static("connect_failed"),
        failures: 3,
        probe_at: PROBE_AT,
        openings: 1,
        by: BY,
    }
}

fn probe_at(now: OffsetDateTime) -> Command {
    Command::ProbeCircuit {
        by: BY,
        instance: Uuid::from_u128(2),
        now,
        deadline: now + Duration::minutes(15),
    }
}

fn after(history: &[Event], command: Command) -> Vec<Event> {
    let mut history = history.to_vec();
    let more = fold::<Channel>(&history).decide(command).unwrap();
    assert!(!more.is_empty(), "nothing changed");
    history.extend(more);
    history
}

fn name(text: &str) -> ChannelName {
    ChannelName::parse(text).unwrap()
}

fn settings(host: &str) -> Settings {
    Settings::parse(json!({ "host": host })).unwrap()
}

fn credentials(password: &str) -> Credentials {
    Credentials::parse(json!({ "password": password })).unwrap()
}

fn configured() -> Event {
    Event::Configured {
        kind: ChannelKind::parse("email").unwrap(),
        name: name("mail"),
        settings: settings("mx"),
        credentials: Some(Personal::Known(credentials("old"))),
    }
}

fn reconfigure(host: &str, password: Option<&str>) -> Command {
    Command::Reconfigure {
        name: name("mail"),
        settings: settings(host),
        credentials: password.map(credentials),
    }
}

#[test]
fn every_command_in_every_state() {
    let disabled = Event::Disabled {
        reason: Code::from_static("requested"),
    };
    let table = table::<Channel>(
        &[
            ("unknown", vec![]),
            ("enabled", vec![configured()]),
            ("disabled", vec![configured(), disabled]),
            ("open", after(&[configured()], open_circuit())),
            (
                "probing",
                after(&after(&[configured()], open_circuit()), probe_at(PROBE_AT)),
            ),
        ],
        &[
            ("configure", || Command::Configure {
                kind: ChannelKind::parse("file").unwrap(),
                name: name("files"),
                settings: settings("x"),
                credentials: None,
            }),
            ("reconfigure", || reconfigure("mx2", None)),
            ("same again", || reconfigure("mx", None)),
            ("same secrets", || reconfigure("mx", Some("old"))),
            ("new secrets", || reconfigure("mx", Some("new"))),
            ("enable", || Command::Enable),
            ("disable", || Command::Disable {
                reason: Code::from_static("requested"),
            }),
            ("open circuit", open_circuit),
            ("probe early", || probe_at(PROBE_AT - Duration::SECOND)),
            ("probe", || probe_at(PROBE_AT)),
            ("probe when overdue", || probe_at(DEADLINE)),
            ("close circuit", || Command::CloseCircuit { by: BY }),
        ],
    );
    insta::assert_snapshot!(table);
}

#[test]
fn secrets_stay_unless_new_ones_come() {
    let mut history = vec![configured()];
    history.extend(
        fold::<Channel>(&history)
            .decide(reconfigure("mx2", None))
            .unwrap(),
    );
    let setup = fold::<Channel>(&history).setup().cloned().unwrap();
    assert_eq!(setup.settings, settings("mx2"));
    assert_eq!(setup.credentials, Some(Personal::Known(credentials("old"))));
    history.extend(
        fold::<Channel>(&history)
            .decide(reconfigure("mx2", Some("new")))
            .unwrap(),
    );
    let setup = fold::<Channel>(&history).setup().cloned().unwrap();
    assert_eq!(setup.credentials, Some(Personal::Known(credentials("new"))));
}

#[test]
fn a_disabled_channel_stays_disabled_when_set_up_anew() {
    let disabled = Event::Disabled {
        reason: Code::from_static("requested"),
    };
    let mut history = vec![configured(), disabled];
    history.extend(
        fold::<Channel>(&history)
            .decide(reconfigure("mx2", None))
            .unwrap(),
    );
    assert!(!fold::<Channel>(&history).is_enabled());
    history.push(Event::Enabled);
    assert!(fold::<Channel>(&history).is_enabled());
}

#[test]
fn whoever_sets_it_up_anew_or_enables_it_closes_the_circuit() {
    let open = after(&[configured()], open_circuit());
    for command in [reconfigure("mx2", None), Command::Enable] {
        let state = fold::<Channel>(&after(&open, command));
        assert_eq!(state.circuit(), Circuit::Closed);
        assert!(state.is_enabled());
    }
}

#[test]
fn an_open_circuit_tells_one_delivery_that_meets_it_from_several() {
    let opened = |delivery_id| Event::CircuitOpened {
        reason: Code::from_static("server_error"),
        failures: 3,
        probe_at: PROBE_AT,
        openings: 1,
        by: Attempt {
            delivery_id,
            attempt: 1,
        },
    };
    let met_by = |history: &[Event]| fold::<Channel>(history).circuit().met_by();
    let one = Uuid::from_u128(1);
    let mut history = vec![configured(), opened(one)];
    assert_eq!(met_by(&history), MetBy::One(one));
    history.extend(
        fold::<Channel>(&history)
            .decide(probe_at(PROBE_AT))
            .unwrap(),
    );
    assert_eq!(met_by(&history), MetBy::One(one));
    history.push(opened(one));
    assert_eq!(met_by(&history), MetBy::One(one));
    history.push(opened(Uuid::from_u128(2)));
    assert_eq!(met_by(&history), MetBy::Several);
    // What it met before it was mended says nothing.
    history.extend([Event::Enabled, opened(one)]);
    assert_eq!(met_by(&history), MetBy::One(one));
}

#[test]
fn an_open_circuit_tells_that_several_were_refused_until_it_is_closed() {
    let opened = |reason| Event::CircuitOpened {
        reason: Code::from_static(reason),
        failures: 1,
        probe_at: PROBE_AT,
        openings: 1,
        by: Attempt {
            delivery_id: Uuid::from_u128(1),
            attempt: 1,
        },
    };
    let refuses = |history: &[Event]| fold::<Channel>(history).circuit().refuses();
    // Which one receiver alone may be enough for.
    assert!(!refuses(&[configured(), opened("sender_refused")]));
    let mut history = vec![configured(), opened("relay_refused")];
    assert!(refuses(&history));
    let probed = fold::<Channel>(&history).decide(probe_at(PROBE_AT));
    history.extend(probed.unwrap());
    assert!(refuses(&history));
    // A probe that found out nothing.
    history.push(opened("stale"));
    assert!(refuses(&history));
    history.push(Event::Enabled);
    assert!(!refuses(&history));
    history.push(opened("connect_failed"));
    assert!(!refuses(&history));
}

/// Those that were replaced are remembered with the time they were, the latest few; a change of the rest replaces nothing.
#[test]
fn former_credentials_are_remembered_with_what_replaced_them() {
    let configure = Command::Configure {
        kind: ChannelKind::parse("webhook").unwrap(),
        name: name("in"),
        settings: settings("a"),
        credentials: Some(credentials("0")),
    };
    let reconfigure = |host: &str, password: Option<&str>| Command::Reconfigure {
        name: name("in"),
        settings: settings(host),
        credentials: password.map(credentials),
    };
    let mut history = after(&[], configure);
    history = after(&history, reconfigure("a", Some("1")));
    history = after(&history, reconfigure("b", None));
    history = after(&history, reconfigure("b", Some("2")));
    let former = |history: &[Event]| fold::<Channel>(history).setup().unwrap().former.clone();
    let of = |password: &str, host: &str, replaced_by| Former {
        credentials: Personal::Known(credentials(password)),
        settings: settings(host),
        replaced_by,
    };
    assert_eq!(former(&history), [of("0", "a", 2), of("1", "b", 4)]);
    for n in 3..=6 {
        history = after(&history, reconfigure("b", Some(&n.to_string())));
    }
    let known = former(&history);
    assert_eq!(known.len(), Former::COUNT_MAX);
    assert_eq!(known.last(), Some(&of("5", "b", 8)));
}
