//! Who may call what, by what name, and that it is told.

use super::*;
use std::collections::BTreeSet;
use tidings_domain::value::Scope;
use tidings_service::access::{API_KEY_SCHEME, Access, scope_of};

#[test]
fn a_channel_of_any_kind_may_say_what_becomes_of_what_is_in_doubt() {
    let policy = tidings_service::outbound::Policy::strict();
    let environment = Environment {
        outbound: Outbound::new(policy).unwrap(),
        clock: Clock::system(),
        tls: email::system_trust().unwrap(),
        file_root: std::path::PathBuf::new(),
        allow_loopback: false,
        hello_name: "localhost".to_owned(),
        smtp_phase_max: None,
        paces: Paces::default(),
        accounts: Accounts::default(),
    };
    let wrong = |in_doubt: &str| {
        let settings = serde_json::json!({ "folder": "editions", "in_doubt": in_doubt });
        let checked = check_channel(&environment, "file", &settings, None);
        let wrong = checked.err().unwrap_or_default().into_iter();
        wrong.map(|error| error.pointer).collect::<Vec<_>>()
    };
    assert_eq!(wrong("resend"), [""; 0]);
    assert_eq!(wrong("perhaps"), ["#/settings/in_doubt"]);
}

/// Written down apart from the code: opening a route to somebody shows in review.
#[test]
fn who_may_call_what() {
    let mut rows: Vec<String> = every_route()
        .map(|(method, path, access)| {
            let who = match access {
                Access::Public => "anybody".to_owned(),
                Access::Roles(roles) => {
                    let mut roles: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
                    if roles.is_empty() {
                        roles.push("admin alone");
                    }
                    let scope = scope_of(method, path);
                    let key = scope.map_or("no key".to_owned(), |it| format!("keys {it}"));
                    format!("{}; {key}", roles.join(", "))
                }
            };
            format!("{path} {method}: {who}")
        })
        .collect();
    rows.sort_unstable();
    insta::assert_snapshot!(rows.join("\n"));
}

/// Whoever sets up a proxy goes by these words: what is missing there is a dead link in every mail.
#[test]
fn what_anybody_reaches_is_told() {
    let told = include_str!("../../../../../SECURITY.md");
    let told = told.split_once("- Without a token:").unwrap().1;
    let told = told.split_once("\n- ").unwrap().0;
    for (_, path, access) in every_route() {
        let first = path.split('/').nth(1).unwrap();
        let wanted = match path.contains('{') {
            true => format!("`/{first}/…`"),
            false => format!("`{path}`"),
        };
        let within = format!("`/{first}`");
        if *access == Access::Public {
            assert!(told.contains(&wanted) || told.contains(&within), "{path}");
        }
    }
}

/// What a key needs is said by each route's description, as the gate has it, and can be asked for.
#[test]
fn every_route_is_described_with_the_scope_its_gate_asks_for() {
    let described = serde_json::to_value(description()).unwrap();
    let mut told = BTreeSet::new();
    for (path, item) in described["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let mut alternatives = operation["security"].as_array().into_iter().flatten();
            let scope = alternatives.find_map(|it| it[API_KEY_SCHEME].as_array());
            let scope = scope.map(|it| it[0].as_str().unwrap().to_owned());
            told.insert((method.to_uppercase(), path.clone(), scope));
        }
    }
    let mut gates = BTreeSet::new();
    for (method, path, access) in every_route() {
        let scope = match access {
            Access::Public => None,
            Access::Roles(_) => scope_of(method, path),
        };
        gates.insert(((*method).to_owned(), (*path).to_owned(), scope));
    }
    assert_eq!(told, gates);
    for (scope, roles) in scopes(every_route()) {
        assert!(Scope::parse(&scope).is_ok(), "{scope}");
        assert!(!scope.starts_with("api-keys"));
        // Else it would be of use to keys of admins alone.
        assert!(!roles.is_empty(), "{scope}");
    }
}
