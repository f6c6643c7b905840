//! The definitions of the command line: consistent, and helpful as they are shown.

use clap::CommandFactory as _;

use super::{Cli, run_with};

#[test]
fn the_definitions_are_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn every_verb_teaches_with_an_example() {
    let mut help = String::new();
    for verb in [
        "up", "token", "migrate", "rebuild", "views", "doctor", "backup", "restore", "access",
    ] {
        help.push_str(&help_of(&["tidings", verb, "--help"]));
        help.push_str("\n----\n");
    }
    for (group, verb) in [
        ("import", "subscribers"),
        ("subscribers", "list"),
        ("subscribers", "export"),
        ("subscribers", "show"),
        ("subscribers", "set"),
        ("segments", "preview"),
        ("suppressions", "list"),
        ("suppressions", "find"),
        ("suppressions", "add"),
        ("suppressions", "lift"),
        ("api-keys", "create"),
        ("api-keys", "list"),
        ("api-keys", "rotate"),
        ("api-keys", "revoke"),
        ("keys", "status"),
        ("keys", "rotate"),
        ("audit", "verify"),
        ("audit", "prove"),
        ("audit", "check"),
        ("publications", "draft"),
        ("publications", "revise"),
        ("publications", "publish"),
        ("channels", "list"),
        ("channels", "health"),
        ("channels", "test"),
        ("channels", "enable"),
        ("channels", "disable"),
        ("channels", "replay"),
        ("senders", "check"),
        ("erase", "subscriber"),
        ("export", "subscriber"),
        ("timeline", "subscriber"),
        ("views", "skip"),
        ("dispatch", "show"),
        ("dispatch", "release"),
    ] {
        help.push_str(&help_of(&["tidings", group, verb, "--help"]));
        help.push_str("\n----\n");
    }
    assert_eq!(help.matches("\nExample").count(), 44);
    insta::assert_snapshot!("verbs", help);
    insta::assert_snapshot!("tidings", help_of(&["tidings", "--help"]));
}

fn help_of(arguments: &[&str]) -> String {
    let command = Cli::command().term_width(100);
    let shown = command.try_get_matches_from(arguments).unwrap_err();
    // Trailing spaces and the terminal's width are not what this is about.
    let text = shown.render().to_string();
    text.lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect()
}

async fn code(arguments: &[&str]) -> String {
    let arguments = arguments.iter().map(Into::into);
    format!("{:?}", run_with(arguments).await)
}

fn ended_with(number: u8) -> String {
    format!("{:?}", std::process::ExitCode::from(number))
}

#[tokio::test]
async fn who_does_not_say_whom_or_why_is_told_so() {
    for wrong in [
        &["tidings", "export", "subscriber", "x", "--out", "x.zip"][..],
        &["tidings", "timeline", "subscriber", "x"],
        &["tidings", "timeline", "subscriber", "x", "--reason", " "],
        &["tidings", "subscribers", "export"],
        &["tidings", "access", "--subscriber", "x"],
        &["tidings", "access", "--since", "then"],
    ] {
        assert_eq!(code(wrong).await, ended_with(64), "{wrong:?}");
    }
}

#[tokio::test]
async fn what_is_wrong_about_an_api_key_is_said_before_anything_is_asked() {
    const KEY: &str = "019b7cba-7a2e-8000-9c5e-0d8f6f2f3b11";
    for wrong in [
        &["tidings", "api-keys", "create", "--name", "x"][..],
        &["tidings", "api-keys", "create", "--scope", "x:read"],
        &[
            "tidings", "api-keys", "create", "--name", "x", "--scope", "x",
        ],
        &["tidings", "api-keys", "rotate", "x"],
        &["tidings", "api-keys", "rotate", KEY, "--overlap", "soon"],
        &["tidings", "api-keys", "revoke", KEY, "--reason", "Oh no!"],
    ] {
        assert_eq!(code(wrong).await, ended_with(64), "{wrong:?}");
    }
}

#[tokio::test]
async fn bad_usage_is_64_and_help_is_no_failure() {
    for wrong in [
        &["tidings"][..],
        &["tidings", "fly"],
        &["tidings", "token"],
        &["tidings", "token", "--role", "king"],
        &["tidings", "token", "--role", "editor", "--ttl", "soon"],
        &["tidings", "up", "--listen", "here"],
        &["tidings", "up", "--exit-when-settled"],
        &["tidings", "rebuild"],
        &["tidings", "rebuild", "no_such_view"],
        &["tidings", "audit"],
        &["tidings", "suppressions"],
        &["tidings", "suppressions", "lift", "ada@example.org"],
        &["tidings", "backup"],
        &["tidings", "erase", "subscriber"],
        &["tidings", "erase", "subscriber", "x", "--basis", "restored"],
        &["tidings", "erase", "subscriber", "x", "--asked-at", "then"],
        &["tidings", "restore"],
        &["tidings", "restore", "x", "--in-place"],
        &["tidings", "restore", "x", "--without-stream"],
        &[
            "tidings",
            "restore",
            "x",
            "--witness",
            "y",
            "--without-witness",
        ],
        &["tidings", "dispatch"],
        &["tidings", "audit", "prove", "0", "--out", "x"],
        &["tidings", "audit", "prove", "7"],
        &[
            "tidings",
            "audit",
            "verify",
            "--witness",
            "x",
            "--public-key",
            "no key",
        ],
        &["tidings", "rebuild", "all", "--readers", "0"],
        &[
            "tidings",
            "views",
            "skip",
            "channel_list",
            "0",
            "--reason",
            "x",
        ],
        &["tidings", "views", "skip", "channel_list", "7"],
        &[
            "tidings",
            "views",
            "skip",
            "no_such_view",
            "7",
            "--reason",
            "x",
        ],
    ] {
        assert_eq!(code(wrong).await, ended_with(64), "{wrong:?}");
    }
    assert_eq!(code(&["tidings", "--help"]).await, ended_with(0));
    assert_eq!(code(&["tidings", "--version"]).await, ended_with(0));
}
