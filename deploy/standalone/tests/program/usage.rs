//! What a mistyped word leads to: one sentence, the exit code of bad usage, and nothing made.

use std::net::TcpListener;

use serde_json::Value;

use super::{ask, folder, get, said, tidings};

#[test]
fn a_wrong_setting_is_named_with_its_place() {
    let root = folder();
    std::fs::write(root.path().join("tidings.toml"), "lissten = \"x\"\n").unwrap();
    let (code, text) = said(&tidings(root.path()).arg("migrate").output().unwrap());
    assert_eq!(code, Some(64));
    insta::assert_snapshot!(text, @"error: the configuration cannot be used: unknown setting `lissten` in tidings.toml; did you mean `listen`?");

    let missing = ["migrate", "--config", "nowhere.toml"];
    let (code, text) = said(&tidings(root.path()).args(missing).output().unwrap());
    assert_eq!(code, Some(64), "{text}");
    assert!(text.contains("cannot read nowhere.toml"), "{text}");
}

#[test]
fn a_data_folder_that_is_a_file_is_named() {
    let root = folder();
    std::fs::write(root.path().join("data"), "").unwrap();
    let output = tidings(root.path())
        .args(["token", "--role", "editor"])
        .output()
        .unwrap();
    let (code, text) = said(&output);
    assert_eq!(code, Some(64));
    assert!(text.contains("choose another with --data"), "{text}");
}

#[test]
fn a_mistyped_data_folder_is_not_taken_for_a_platform() {
    let root = folder();
    let key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    for arguments in [
        &["dispatch", "show"][..],
        &["dispatch", "release", "--yes"],
        &["backup", "backups"],
        &["restore", "--in-place", "--without-witness"],
        &["doctor"],
        &["token", "--role", "admin"],
        &["migrate"],
        &["import", "subscribers", "/dev/null"],
        &["publications", "draft", "ferry.md"],
    ] {
        let mut command = tidings(root.path());
        let output = command.args(arguments).env("TIDINGS_MASTER_KEY", key);
        let (code, text) = said(&output.output().unwrap());
        assert_eq!(code, Some(64), "{arguments:?}: {text}");
        assert!(text.contains("no platform has run over"), "{text}");
        let made = std::fs::read_dir(root.path()).unwrap().count();
        assert_eq!(made, 0, "{arguments:?} made something");
    }
}

/// It would not go on with a log that was restored without it.
#[test]
fn a_witness_that_is_there_is_not_left_out_of_a_restore() {
    let root = folder();
    let witness = root.path().join("data/witness");
    std::fs::create_dir_all(&witness).unwrap();
    let line = "what somebody has written down\n";
    std::fs::write(witness.join("witness-00000001.jsonl"), line).unwrap();
    std::fs::create_dir_all(root.path().join("kept/postgres")).unwrap();
    let backup = serde_json::json!({
        "format": "tidings.backup.v1", "version": "1", "taken_at": "2026-01-02T03:04:05Z",
        "incarnation": "01890000-0000-7000-8000-000000000000", "position": 1, "batch_hash": "00".repeat(32),
        "postgres": "18.0"
    });
    std::fs::write(root.path().join("kept/backup.json"), backup.to_string()).unwrap();
    let mut command = tidings(root.path());
    let output = command.args(["restore", "kept", "--without-witness"]);
    let (code, text) = said(&output.output().unwrap());
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("leave out --without-witness"), "{text}");
    assert!(!root.path().join("data/restore.json").exists());
}

#[test]
fn a_token_is_made_without_any_server_and_keeps_its_secret() {
    let root = folder();
    // As a restore leaves it, which brings no secret: the first token makes it.
    std::fs::create_dir_all(root.path().join("data/postgres")).unwrap();
    std::fs::write(root.path().join("data/postgres/PG_VERSION"), "18\n").unwrap();
    let token = |role: &str| {
        let arguments = ["token", "--role", role, "--json"];
        let output = tidings(root.path()).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", said(&output).1);
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let made = token("editor");
    assert_eq!(made["token"].as_str().unwrap().split('.').count(), 3);
    assert_eq!(made["roles"][0], "editor");
    let secret = std::fs::read(root.path().join("data/jwt.secret")).unwrap();
    token("operator");
    assert_eq!(
        std::fs::read(root.path().join("data/jwt.secret")).unwrap(),
        secret
    );
    assert!(!root.path().join("state").exists());
}

#[test]
fn a_taken_port_is_one_clear_sentence_before_any_server_starts() {
    let root = folder();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = tidings(root.path())
        .args(["up", "--listen", &address])
        .output()
        .unwrap();
    let (code, text) = said(&output);
    assert_eq!(code, Some(1));
    let expected = format!(
        "error: {address} is taken by another program: stop it, or choose another address with --listen\n"
    );
    assert!(text.starts_with(&expected), "{text}");
    assert!(!root.path().join("state").exists());
}

#[test]
fn a_token_under_a_configured_secret_needs_no_folder_and_makes_none() {
    let root = folder();
    let secret = "0123456789abcdef0123456789abcdef";
    let output = tidings(root.path())
        .args(["token", "--role", "editor"])
        .env("TIDINGS_AUTH__HS256_SECRET", secret)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output).1);
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
}

#[test]
fn what_was_mistyped_is_told_first_and_nothing_is_made() {
    let root = folder();
    let run = |arguments: &[&str]| said(&tidings(root.path()).args(arguments).output().unwrap());
    let (code, text) = run(&["restore", "nowhere"]);
    assert_eq!(code, Some(64));
    insta::assert_snapshot!(text, @"error: nowhere is no backup that this version reads: name a folder that `tidings backup` made");
    let (code, text) = run(&["backup", "nope/x"]);
    assert_eq!(code, Some(64));
    insta::assert_snapshot!(text, @"error: there is no folder nope: make it first, or name another one for the backups");
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
}

#[test]
fn a_value_that_is_none_is_told_without_a_parsers_words() {
    let root = folder();
    let run = |arguments: &[&str]| {
        let (code, text) = said(&tidings(root.path()).args(arguments).output().unwrap());
        assert_eq!(code, Some(64), "{text}");
        text.lines().next().unwrap_or_default().to_owned()
    };
    let skip = ["views", "skip", "channel_list", "abc", "--reason", "x"];
    insta::assert_snapshot!(run(&["up", "--listen", "8099"]), @"error: invalid value '8099' for '--listen <ADDR>': it must be an IP address and a port, such as 127.0.0.1:8099 or [::1]:8099");
    insta::assert_snapshot!(run(&skip), @"error: invalid value 'abc' for '<POSITION>': it must be a position of the log, 1 or more, such as 4711");
    insta::assert_snapshot!(run(&["channels", "test", "abc"]), @"error: invalid value 'abc' for '<ID>': it must be the id of a channel, as `tidings channels list` shows it");
}

/// Up to the master key, which is read once the database runs.
#[test]
fn a_master_key_that_cannot_be_had_is_a_wrong_setting() {
    let root = folder();
    for (variable, value, words) in [
        ("TIDINGS_MASTER_KEY_FILE", "/nope", "/nope: check the path"),
        (
            "TIDINGS_MASTER_KEY_COMMAND",
            "/nope x",
            "/nope can not be started",
        ),
    ] {
        let mut command = tidings(root.path());
        command.args(["up", "--listen", "127.0.0.1:0"]);
        let (code, text) = said(&command.env(variable, value).output().unwrap());
        assert_eq!(code, Some(64), "{text}");
        assert!(text.contains(words), "{text}");
    }
}

/// Of a platform that runs: every route that wants a token, as it is described.
pub(super) fn no_route_takes_a_parameter_it_does_not_know(url: &str, token: &str) {
    let described = get(url, "/openapi.json");
    let (_, described) = described.split_once("\r\n\r\n").unwrap();
    let described: Value = serde_json::from_str(described).unwrap();
    let headers = format!("Authorization: Bearer {token}\r\nContent-Length: 0\r\n");
    let mut asked = 0;
    for (path, methods) in described["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            if operation["security"].is_null() {
                continue;
            }
            asked += 1;
            for status in ["400", "401", "403"] {
                let said = &operation["responses"][status]["description"];
                assert!(said.is_string(), "{method} {path} says nothing of {status}");
            }
            let id = "019b7cba-7a2e-8000-9c5e-0d8f6f2f3b11";
            let path = path.replace("{id}", id).replace("{view}", "channel_list");
            let path = format!("{path}?nonsense=1");
            let answer = ask(url, &method.to_uppercase(), &path, &headers);
            assert!(
                answer.starts_with("HTTP/1.1 400"),
                "{method} {path}: {answer}"
            );
            assert!(
                answer.contains("`nonsense` is no query parameter here"),
                "{answer}"
            );
        }
    }
    assert!(asked > 20, "{asked} routes");
    let answer = ask(url, "GET", "/api/v1/channels/abc", &headers);
    assert!(
        answer.contains("`abc` in the path is no id: it must be an id, such as"),
        "{answer}"
    );
    let answer = ask(url, "GET", "/api/v1/channels?at_least=abc", &headers);
    assert!(
        answer.contains("`at_least` is `abc`; it must be a whole number"),
        "{answer}"
    );
}
