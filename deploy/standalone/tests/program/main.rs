//! The program as its users start it: exit codes, messages, `run.json`, and a whole life over private servers.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod browser;
mod demo;
mod doctored;
mod erased;
mod journey;
mod usage;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

const STARTS_WITHIN: Duration = Duration::from_secs(120);

/// A folder for one test, which the servers' account may pass through.
fn folder() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    std::fs::set_permissions(root.path(), PermissionsExt::from_mode(0o755)).unwrap();
    root
}

/// The program in `root`, with nothing but what is needed of our environment.
fn tidings(root: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
    command
        .current_dir(root)
        .env("TIDINGS_STATE_DIR", root.join("state"));
    command.env("TIDINGS_DATA", root.join("data"));
    command
}

fn said(output: &Output) -> (Option<i32>, String) {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), text)
}

/// A started program that is killed if the test fails.
struct Up(Child);

impl Drop for Up {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Up {
    /// Starts it and waits for the line that says where it is.
    fn start(root: &Path) -> (Self, Value) {
        let mut child = tidings(root)
            .args(["up", "--json", "--token", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let up = Self(child);
        let mut line = Vec::new();
        let mut byte = [0];
        while stdout.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
            line.push(byte[0]);
        }
        (up, serde_json::from_slice(&line).unwrap())
    }

    fn stop(mut self) -> Option<i32> {
        let pid = Pid::from_raw(i32::try_from(self.0.id()).unwrap());
        kill(pid, Signal::SIGTERM).unwrap();
        self.0.wait().unwrap().code()
    }
}

/// The status line and body of a GET.
fn get(url: &str, path: &str) -> String {
    get_with(url, path, "")
}

/// The same with further header lines, each ended by CRLF.
fn get_with(url: &str, path: &str, headers: &str) -> String {
    ask(url, "GET", path, headers)
}

/// The same by any method, without a body.
fn ask(url: &str, method: &str, path: &str, headers: &str) -> String {
    ask_with(url, method, path, headers, "")
}

/// The same with a body, whose length the headers say.
fn ask_with(url: &str, method: &str, path: &str, headers: &str, body: &str) -> String {
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}Connection: close\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    // A picture is none.
    String::from_utf8_lossy(&answer).into_owned()
}

/// `/readyz` waits up to 2 s by itself, so this asks rarely.
fn becomes_ready(url: &str) {
    let started = Instant::now();
    loop {
        let text = get(url, "/readyz");
        if text.starts_with("HTTP/1.1 200") {
            return;
        }
        assert!(started.elapsed() < STARTS_WITHIN, "{text}");
    }
}

#[test]
fn a_platform_lives_is_found_and_ends_in_order() {
    let root = folder();
    let (up, said_of_it) = Up::start(root.path());
    let url = said_of_it["url"].as_str().unwrap();
    becomes_ready(url);
    let token = said_of_it["token"].as_str().unwrap();
    let bearer = format!("Authorization: Bearer {token}\r\n");
    let channels = get_with(url, "/api/v1/channels", &bearer);
    assert!(channels.starts_with("HTTP/1.1 200"), "{channels}");
    let run = std::fs::read(root.path().join("data/run.json")).unwrap();
    let run: Value = serde_json::from_slice(&run).unwrap();
    assert_eq!(
        (&run["url"], &run["pid"]),
        (&said_of_it["url"], &said_of_it["pid"])
    );
    let key = root.path().join("data/master.key").metadata().unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
    assert!(get(url, "/openapi.json").contains("/api/v1/publications/{id}/accounting"));

    // Other verbs find it.
    let second = tidings(root.path())
        .args(["up", "--listen", "127.0.0.1:0"])
        .output()
        .unwrap();
    let (code, text) = said(&second);
    assert_eq!(code, Some(1));
    assert!(text.contains(&format!("process {}", run["pid"])), "{text}");
    std::fs::write(
        root.path().join("r.csv"),
        "email\nada@example.org\nnobody\n",
    )
    .unwrap();
    let arguments = ["import", "subscribers", "r.csv", "--json"];
    let imported = tidings(root.path()).args(arguments).output().unwrap();
    let imported: Value = serde_json::from_slice(&imported.stdout).unwrap();
    assert_eq!(
        (&imported["accepted"], &imported["rejected"]),
        (&1.into(), &1.into())
    );

    usage::no_route_takes_a_parameter_it_does_not_know(url, token);
    a_file_that_is_not_taken_is_told_once(root.path());
    the_master_key_changes(root.path());
    the_head_is_shown_to_compliance(root.path(), url);

    assert_eq!(up.stop(), Some(0));
    assert!(!root.path().join("data/run.json").exists());

    // Nothing runs now: the next verbs bring the servers up for themselves, and meet the same data.
    let again = tidings(root.path()).args(arguments).output().unwrap();
    let again: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(
        (&again["accepted"], &again["existing"]),
        (&0.into(), &1.into())
    );
    let doctor = tidings(root.path())
        .args(["doctor", "--json"])
        .output()
        .unwrap();
    let doctor: Value = serde_json::from_slice(&doctor.stdout).unwrap();
    assert_eq!(doctor["well"], true, "{doctor}");
    let verified = tidings(root.path())
        .args(["rebuild", "all", "--verify"])
        .output()
        .unwrap();
    assert_eq!(said(&verified).0, Some(0));
    shows_no_progress(&verified);
    the_master_key_comes_from_elsewhere(root.path());
    the_log_can_be_audited(root.path());
}

/// Where no terminal is: whole lines, nothing that moves, and nothing beside them.
fn shows_no_progress(output: &Output) {
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.ends_with('\n'), "{text}");
    assert!(!text.contains(['\r', '\x1b', '█', '░']), "{text}");
    assert_eq!(said(output).1, "");
}

fn a_file_that_is_not_taken_is_told_once(root: &Path) {
    std::fs::write(root.join("n.csv"), "name\nAda\n").unwrap();
    let mut import = tidings(root);
    import.args(["import", "subscribers", "n.csv"]);
    let (code, text) = said(&import.output().unwrap());
    assert_eq!(code, Some(64), "{text}");
    insta::assert_snapshot!(text, @r#"error: POST /api/v1/imports was refused (422 Unprocessable Entity): The header line has no column "email"; it has: name."#);
}

fn keys(root: &Path, verb: &str) -> Value {
    let output = tidings(root).args(["keys", verb, "--json"]).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", said(&output).1);
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Under a platform that works over the folder, and goes on.
fn the_master_key_changes(root: &Path) {
    let key = || std::fs::read_to_string(root.join("data/master.key")).unwrap();
    let named = |file: &str| {
        let mut command = tidings(root);
        command.args(["keys", "rotate", "--new-key-file", file]);
        said(&command.output().unwrap())
    };
    let (code, text) = named("data/master.key");
    assert_eq!(code, Some(64), "{text}");
    assert!(text.contains("in use already"), "{text}");
    // What a run left that was killed is taken up.
    let left = format!("{}=\n", "A".repeat(43));
    std::fs::write(root.join("data/master.key.next"), &left).unwrap();
    keys(root, "rotate");
    assert_eq!(key(), left);
    // What has been replaced does not come back, and leaves nothing behind.
    let replaced = std::fs::read_dir(root.join("data")).unwrap();
    let replaced = replaced
        .map(|file| file.unwrap().path())
        .find(|path| path.extension().is_some_and(|it| it == "old"));
    let (code, text) = named(replaced.unwrap().to_str().unwrap());
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("was replaced: take a fresh one"), "{text}");
    assert!(!root.join("data/master.key.next").exists());
    // As by somebody who missed the end of it.
    let mut again = tidings(root);
    again.args(["keys", "rotate", "--new-key-file", "data/master.key"]);
    let again = again.output().unwrap();
    assert!(again.status.success(), "{}", said(&again).1);
    let text = String::from_utf8_lossy(&again.stdout);
    assert!(text.contains("was complete already"), "{text}");
    assert_eq!(key(), left);
    assert!(!root.join("data/master.key.next").exists());

    let (old, before) = (key(), keys(root, "status"));
    let rotated = keys(root, "rotate");
    assert_eq!(rotated["from"], before["master_key"]);
    assert_eq!(rotated["rewrapped"], before["live"]);
    assert_eq!(rotated["verified"], before["live"]);
    let kept = std::fs::read_to_string(rotated["kept"].as_str().unwrap()).unwrap();
    assert_eq!(kept, old);
    assert_ne!(key(), old);
    assert!(!root.join("data/master.key.next").exists());

    // It makes keys that the new one wraps, and opens those that were wrapped anew.
    std::fs::write(root.join("s.csv"), "email\ngrace@example.org\n").unwrap();
    let arguments = ["import", "subscribers", "s.csv", "--json"];
    let imported = tidings(root).args(arguments).output().unwrap();
    let imported: Value = serde_json::from_slice(&imported.stdout).unwrap();
    assert_eq!(imported["accepted"], 1, "{imported}");
    let after = keys(root, "status");
    assert_eq!(after["master_key"], rotated["to"]);
    assert_eq!(after["wrapped_by"].as_array().unwrap().len(), 1);
    assert!(after["live"].as_u64() > before["live"].as_u64());
}

/// A program that prints it; one that prints another's; and the setting itself, without any file.
fn the_master_key_comes_from_elsewhere(root: &Path) {
    let migrate = |printed: &str| {
        let mut command = tidings(root);
        command.env("TIDINGS_MASTER_KEY_COMMAND", format!("cat {printed}"));
        said(&command.arg("migrate").output().unwrap())
    };
    assert_eq!(migrate("data/master.key").0, Some(0));
    let id = keys(root, "status")["master_key"]
        .as_str()
        .unwrap()
        .to_owned();
    std::fs::write(root.join("other"), format!("{}=\n", "A".repeat(43))).unwrap();
    let (code, text) = migrate("other");
    assert_eq!(code, Some(1));
    let expected = format!(
        "error: the master key does not fit this database, whose keys are wrapped by the master key {id}: put the \
         right one back (the program cat of master_key_command)\n"
    );
    assert_eq!(text, expected);
    let (code, text) = migrate("nowhere");
    assert_eq!(code, Some(1));
    assert!(
        text.contains("cat ended with exit status: 1 and said: cat: nowhere: "),
        "{text}"
    );
    let (file, away) = (root.join("data/master.key"), root.join("away"));
    let key = std::fs::read_to_string(&file).unwrap();
    std::fs::rename(&file, &away).unwrap();
    for (given, ends) in [(key.trim(), 0), (&format!("{}=", "A".repeat(43)), 1)] {
        let mut status = tidings(root);
        status.env("TIDINGS_MASTER_KEY", given);
        let status = status.args(["keys", "status", "--json"]).output().unwrap();
        assert_eq!(said(&status).0, Some(ends), "{}", said(&status).1);
        assert!(!said(&status).1.contains(given), "it tells the key");
        let status: Value = serde_json::from_slice(&status.stdout).unwrap_or_default();
        assert!(ends == 1 || status["master_key"] == *id, "{status}");
    }
    assert!(!file.exists(), "it has made one");
    std::fs::rename(&away, &file).unwrap();
}

fn the_head_is_shown_to_compliance(root: &Path, url: &str) {
    let token = tidings(root)
        .args(["token", "--role", "compliance", "--json"])
        .output()
        .unwrap();
    let token: Value = serde_json::from_slice(&token.stdout).unwrap();
    let bearer = format!(
        "Authorization: Bearer {}\r\n",
        token["token"].as_str().unwrap()
    );
    let text = get_with(url, "/api/v1/audit", &bearer);
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    let head: Value = serde_json::from_str(body).unwrap();
    assert!(head["position"].as_i64().unwrap() > 0, "{head}");
    assert_eq!(head["batch_hash"].as_str().unwrap().len(), 64);
    let key = std::fs::read_to_string(root.join("data/witness.pub")).unwrap();
    assert_eq!(head["witness"]["public_key"], key.trim());
    assert_eq!(head["witness"]["kept_here"], true);
    let metrics = get(url, "/metrics");
    assert!(
        metrics.contains("\ntidings_witness_failures_total 0\n"),
        "{metrics}"
    );
    assert!(
        metrics.contains("\ntidings_witness_lag_positions "),
        "{metrics}"
    );
    assert!(
        metrics.contains("\ntidings_erasures_waiting 0\n"),
        "{metrics}"
    );
}

/// On what the platform has left: a log of a few events and its witness.
fn the_log_can_be_audited(root: &Path) {
    let run = |arguments: &[&str]| {
        let output = tidings(root).args(arguments).output().unwrap();
        let value: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (said(&output), value)
    };
    let (_, sound) = run(&["audit", "verify", "--witness", "--json"]);
    assert_eq!(sound["sound"], true, "{sound}");
    let key = std::fs::read_to_string(root.join("data/witness.pub")).unwrap();
    assert_eq!(sound["public_key"], key.trim());
    let report = &sound["witness"]["report"];
    assert_eq!(report["position"], sound["head"]["position"], "{sound}");

    let prove = ["audit", "prove", "1", "--out", "proof.json"];
    assert_eq!(run(&prove).0.0, Some(0));
    let check = [
        "audit",
        "check",
        "proof.json",
        "--public-key",
        key.trim(),
        "--json",
    ];
    let (_, checked) = run(&check);
    assert_eq!(
        (&checked["proven"], &checked["proof"]["position"]),
        (&true.into(), &1.into())
    );
    let proof = std::fs::read_to_string(root.join("proof.json")).unwrap();
    let forged = proof.replacen("\"actor\": \"", "\"actor\": \"x", 1);
    std::fs::write(root.join("proof.json"), forged).unwrap();
    let ((code, text), _) = run(&check);
    assert_eq!(code, Some(1));
    assert!(text.contains("its content was changed"), "{text}");

    // A witness that somebody cut lines out of.
    let file = root.join("data/witness/witness-00000001.jsonl");
    let lines = std::fs::read_to_string(&file).unwrap();
    let without: Vec<&str> = lines
        .lines()
        .enumerate()
        .filter(|(n, _)| *n != 1)
        .map(|(_, line)| line)
        .collect();
    std::fs::write(&file, format!("{}\n", without.join("\n"))).unwrap();
    let ((code, text), _) = run(&["audit", "verify", "--witness"]);
    // Unless it was the last.
    if without.len() > 1 {
        assert_eq!(code, Some(1), "{text}");
        assert!(
            text.contains("does not follow the line before it"),
            "{text}"
        );
    }
}
