//! Channel decisions.

use serde_json::json;

use super::{Channel, Command, Event};
use crate::aggregate::{Aggregate as _, fold};
use crate::personal::Personal;
use crate::testing::table;
use crate::value::{ChannelKind, ChannelName, Code, Credentials, Settings};

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
