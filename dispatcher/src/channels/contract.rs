//! What every kind of channel must keep to, run on each.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use serde_json::{Value, json};
use tidings_proto::Reason;

use super::{KINDS, find, support};
use crate::channel::{Job, Kind, Outcome, Reach, RenderError};
use crate::content::Composed;

/// Settings and credentials each kind accepts, and where a wrong value of a field is named.
struct Sample {
    settings: Value,
    credentials: Option<Value>,
    /// (settings, credentials, the pointer that must be named)
    wrong: Vec<(Value, Option<Value>, &'static str)>,
}

const SECRET: &str = "s3cr3t-of-ours";

fn sample(kind: &Kind) -> Sample {
    match kind.name {
        "email" => email(),
        "ses" => ses(),
        "slack" => slack(),
        "discord" => discord(),
        "webhook" => webhook(),
        "file" => Sample {
            settings: json!({"folder": "out/news"}),
            credentials: None,
            wrong: vec![
                (json!({}), None, "/folder"),
                (json!({"folder": 7}), None, "/folder"),
                (json!({"folder": "../out"}), None, "/folder"),
                (json!({"folder": "/etc"}), None, "/folder"),
                (json!({"folder": "a/../../b"}), None, "/folder"),
            ],
        },
        other => panic!("add a sample for the kind {other}"),
    }
}

fn email() -> Sample {
    let settings = json!({"host": "127.0.0.1", "port": 2525, "encryption": "none",
        "from": "The Daily Tide <tide@example.org>", "list_id": "Tide <tide.example.org>"});
    let login = json!({"username": "ada", "password": SECRET});
    let with = |field: &str, value: Value| {
        let mut settings = settings.clone();
        settings[field] = value;
        settings
    };
    let further = [
        ("/mails_per_minute", json!(100_001)),
        ("/mails_per_minute", json!(0)),
        ("/return_path_domain", json!("b@example.org")),
        ("/return_path_domain", json!("example.org>\r\n")),
        ("/return_path_domain", json!("localhost")),
        ("/tracking", json!("all")),
        ("/tracking", json!(true)),
    ];
    let mut wrong = vec![
        (with("host", json!(null)), None, "/host"),
        (with("host", json!("a b")), None, "/host"),
        (with("port", json!(0)), None, "/port"),
        (with("port", json!(70_000)), None, "/port"),
        (with("encryption", json!("ssl")), None, "/encryption"),
        (
            with("host", json!("mail.example.org")),
            Some(login.clone()),
            "/encryption",
        ),
        (with("from", json!(null)), None, "/from"),
        (with("from", json!("nobody")), None, "/from"),
        (
            with("from", json!("A\r\nBcc: b@example.org <a@example.org>")),
            None,
            "/from",
        ),
        (with("reply_to", json!("@")), None, "/reply_to"),
        (with("from", json!("zo\u{eb}@e.example")), None, "/from"),
        (with("reply_to", json!("\u{eb}@a.b")), None, "/reply_to"),
        (
            with("list_id", json!("Tide\r\nBcc: b@example.org")),
            None,
            "/list_id",
        ),
        (with("list_id", json!("<tide example>")), None, "/list_id"),
        (
            with("connections_max", json!(1_000)),
            None,
            "/connections_max",
        ),
        (with("surprise", json!(1)), None, "/surprise"),
        (
            settings.clone(),
            Some(json!({"username": "ada"})),
            "/credentials/password",
        ),
        (
            settings.clone(),
            Some(json!({"password": SECRET})),
            "/credentials/username",
        ),
    ];
    wrong.extend(further.map(|(pointer, value)| (with(&pointer[1..], value), None, pointer)));
    Sample {
        settings,
        credentials: Some(login),
        wrong,
    }
}

fn ses() -> Sample {
    let settings = json!({"region": "eu-west-1", "from": "The Daily Tide <tide@example.org>",
        "list_id": "Tide <tide.example.org>", "configuration_set": "news", "mails_per_second": 14});
    let key = json!({"access_key_id": "AKIDEXAMPLE", "secret_access_key": SECRET,
        "session_token": SECRET});
    let of_settings = [
        ("/region", json!(null)),
        ("/region", json!("eu-west-1.example.org/")),
        ("/region", json!("EU-WEST-1")),
        ("/region", json!("e".repeat(33))),
        ("/endpoint", json!("http://email.example.org")),
        ("/endpoint", json!("https://10.0.0.1")),
        ("/endpoint", json!("https://email.example.org/v2")),
        ("/endpoint", json!("https://email.example.org/?x=1")),
        ("/from", json!(null)),
        ("/from", json!("nobody")),
        ("/from", json!("zo\u{eb}@example.org")),
        ("/reply_to", json!("zo\u{eb}@example.org")),
        ("/list_id", json!("<tide example>")),
        ("/unsubscribe_mailbox", json!("a b")),
        ("/tracking", json!("opens")),
        ("/configuration_set", json!("a b")),
        ("/configuration_set", json!("a".repeat(65))),
        ("/mails_per_second", json!(0)),
        ("/mails_per_second", json!(10_001)),
    ];
    let of_credentials = [
        ("/access_key_id", json!(null)),
        ("/access_key_id", json!("A/20260102")),
        ("/secret_access_key", json!(null)),
        ("/secret_access_key", json!(format!("{SECRET} {SECRET}"))),
        ("/session_token", json!(format!("{SECRET}\r\n"))),
        ("/session_token", json!(format!("{SECRET}\u{eb}"))),
        ("/surprise", json!(SECRET)),
    ];
    let with = |base: &Value, pointer: &str, value: Value| {
        let mut base = base.clone();
        base[&pointer[1..]] = value;
        base
    };
    let mut wrong = vec![(settings.clone(), None, "/credentials/access_key_id")];
    wrong.extend(of_settings.map(|(pointer, value)| {
        let settings = with(&settings, pointer, value);
        (settings, Some(key.clone()), pointer)
    }));
    wrong.extend(of_credentials.map(|(pointer, value)| {
        let named = match pointer {
            "/access_key_id" => "/credentials/access_key_id",
            "/secret_access_key" => "/credentials/secret_access_key",
            "/session_token" => "/credentials/session_token",
            _ => "/credentials/surprise",
        };
        (settings.clone(), Some(with(&key, pointer, value)), named)
    }));
    Sample {
        settings,
        credentials: Some(key),
        wrong,
    }
}

fn slack() -> Sample {
    let url = |url: &str| Some(json!({"webhook_url": url}));
    let bot = |token: &str| Some(json!({"bot_token": token}));
    let here = "/credentials/webhook_url";
    Sample {
        settings: json!({"channel_label": "#news"}),
        credentials: url(&format!(
            "https://hooks.slack.example/services/T/B/{SECRET}"
        )),
        wrong: vec![
            (json!({}), None, here),
            (
                json!({}),
                url(&format!("http://hooks.slack.example/{SECRET}")),
                here,
            ),
            (
                json!({}),
                url(&format!("ftp://hooks.slack.example/{SECRET}")),
                here,
            ),
            (
                json!({}),
                url(&format!("https://169.254.169.254/{SECRET}")),
                here,
            ),
            (json!({}), url(SECRET), here),
            (
                json!({"channel_label": 1}),
                url("https://hooks.slack.example/x"),
                "/channel_label",
            ),
            (
                json!({"channel": "C0123"}),
                url("https://hooks.slack.example/x"),
                "/channel",
            ),
            (
                json!({"api_url": "https://slack.example/api"}),
                url("https://hooks.slack.example/x"),
                "/api_url",
            ),
            (
                json!({"channel": "C0123"}),
                Some(
                    json!({"webhook_url": "https://hooks.slack.example/x", "bot_token": "xoxb-1"}),
                ),
                "/credentials/bot_token",
            ),
            (json!({}), bot("xoxb-1"), "/channel"),
            (json!({"channel": "#news"}), bot("xoxb-1"), "/channel"),
            (
                json!({"channel": "C0123"}),
                bot(SECRET),
                "/credentials/bot_token",
            ),
            (
                json!({"channel": "C0123"}),
                bot("xoxb-1 2"),
                "/credentials/bot_token",
            ),
            (
                json!({"channel": "C0123", "api_url": "http://slack.example/api"}),
                bot("xoxb-1"),
                "/api_url",
            ),
        ],
    }
}

fn discord() -> Sample {
    let url = |url: &str| Some(json!({"webhook_url": url}));
    let here = "/credentials/webhook_url";
    Sample {
        settings: json!({"channel_label": "#news"}),
        credentials: url(&format!("https://discord.example/api/webhooks/1/{SECRET}")),
        wrong: vec![
            (json!({}), None, here),
            (
                json!({}),
                url(&format!("http://discord.example/{SECRET}")),
                here,
            ),
            (
                json!({}),
                url(&format!("https://169.254.169.254/{SECRET}")),
                here,
            ),
            (json!({}), url(SECRET), here),
            (
                json!({"channel_label": 1}),
                url("https://discord.example/x"),
                "/channel_label",
            ),
        ],
    }
}

fn webhook() -> Sample {
    let settings = |url: &str| json!({"url": url, "label": "Archive"});
    let secret = "whsec_c2VjcmV0LW9mLW91cnMtc2VjcmV0LW9mLW91cnM=";
    let secrets =
        |secret: &str, previous: &str| Some(json!({"secret": secret, "previous_secret": previous}));
    let good = || settings("https://hooks.example.org/in");
    Sample {
        settings: settings(&format!("https://hooks.example.org/in?token={SECRET}")),
        credentials: secrets(secret, secret),
        wrong: vec![
            (good(), None, "/credentials/secret"),
            (good(), Some(json!({})), "/credentials/secret"),
            (good(), secrets(SECRET, secret), "/credentials/secret"),
            (
                good(),
                secrets(secret, SECRET),
                "/credentials/previous_secret",
            ),
            (
                good(),
                secrets("whsec_c2hvcnQ=", secret),
                "/credentials/secret",
            ),
            (json!({"label": "x"}), secrets(secret, secret), "/url"),
            (
                settings("http://hooks.example.org/in"),
                secrets(secret, secret),
                "/url",
            ),
            (
                settings("https://10.0.0.1/in"),
                secrets(secret, secret),
                "/url",
            ),
        ],
    }
}

/// The sample delivery.
fn job<'a>(kind: &Kind, content: &'a Composed) -> Job<'a> {
    match kind.reach {
        Reach::Addressed => support::addressed(content, "ada@example.org", Some("Ada")),
        Reach::Broadcast => support::broadcast(content),
    }
}

/// Settings and credentials of channels of this kind that lead to whoever listens there; of files, into the folder of the sample.
fn leading_to(receiver: SocketAddr, kind: &Kind) -> Vec<(Value, Option<Value>)> {
    let mut sample = sample(kind);
    let host = format!("http://{receiver}");
    let url = format!("{host}/in");
    match kind.name {
        "email" => sample.settings["port"] = json!(receiver.port()),
        "ses" => sample.settings["endpoint"] = json!(host),
        "webhook" => sample.settings["url"] = json!(url),
        "discord" => sample.credentials = Some(json!({"webhook_url": url})),
        "slack" => {
            let bot = json!({"channel": "C0123", "api_url": host});
            let token = Some(json!({"bot_token": "xoxb-1"}));
            let webhook = Some(json!({"webhook_url": url}));
            return vec![(sample.settings, webhook), (bot, token)];
        }
        "file" => {}
        other => panic!("say how the kind {other} is led to a receiver"),
    }
    vec![(sample.settings, sample.credentials)]
}

fn for_each_kind(check: impl Fn(&'static Kind, &Sample)) {
    for kind in KINDS {
        check(kind, &sample(kind));
    }
}

#[test]
fn a_kind_is_found_by_its_name_alone() {
    for kind in KINDS {
        assert_eq!(find(kind.name).map(|found| found.name), Some(kind.name));
    }
    assert!(find("pigeon").is_none());
}

#[test]
fn wrong_settings_are_named_by_pointer_and_secrets_are_not_told() {
    let environment = support::environment("/nowhere".as_ref());
    for_each_kind(|kind, sample| {
        let unknown = (
            json!({"surprise": 1}),
            sample.credentials.clone(),
            "/surprise",
        );
        let not_an_object = (json!([]), sample.credentials.clone(), "");
        for (settings, credentials, pointer) in
            sample.wrong.iter().chain([&unknown, &not_an_object])
        {
            let credentials = credentials.as_ref().map(Value::to_string);
            let error = (kind.build)(settings, credentials.as_deref(), &environment).unwrap_err();
            let pointers: Vec<_> = error
                .problems
                .iter()
                .map(|one| one.pointer.as_str())
                .collect();
            assert!(
                pointers.contains(pointer),
                "{}: {settings} gave {error}",
                kind.name
            );
            assert!(!format!("{error} {error:?}").contains(SECRET), "{error}");
        }
        let garbled = format!("{{\"password\": \"{SECRET}\"");
        let error = (kind.build)(&sample.settings, Some(&garbled), &environment).unwrap_err();
        assert_eq!(error.problems[0].pointer, "/credentials");
        assert!(!format!("{error} {error:?}").contains(SECRET), "{error}");
    });
}

#[test]
fn a_bot_never_prints_its_token() {
    let environment = support::environment("/nowhere".as_ref());
    let token = json!({"bot_token": format!("xoxb-{SECRET}")}).to_string();
    let build = find("slack").unwrap().build;
    let channel = build(&json!({"channel": "C0123"}), Some(&token), &environment).unwrap();
    assert!(!format!("{channel:?}").contains(SECRET), "{channel:?}");
}

#[test]
fn a_channel_never_prints_its_credentials() {
    let environment = support::environment("/nowhere".as_ref());
    for_each_kind(|kind, sample| {
        let credentials = sample.credentials.as_ref().map(Value::to_string);
        let channel = (kind.build)(&sample.settings, credentials.as_deref(), &environment).unwrap();
        assert!(!format!("{channel:?}").contains(SECRET), "{channel:?}");
        assert!(channel.concurrency() > 0 && !channel.attempt_time_max().is_zero());
    });
}

#[test]
fn the_same_job_renders_to_the_same_bytes() {
    let environment = support::environment("/nowhere".as_ref());
    let content = support::content();
    for_each_kind(|kind, sample| {
        let credentials = sample.credentials.as_ref().map(Value::to_string);
        let channel = (kind.build)(&sample.settings, credentials.as_deref(), &environment).unwrap();
        let render = || channel.render(&job(kind, &content)).unwrap();
        let (first, second) = (render(), render());
        assert!(!first.body.is_empty());
        assert_eq!(
            (&first.body, &first.to),
            (&second.body, &second.to),
            "{}",
            kind.name
        );
        assert!(String::from_utf8_lossy(&first.body).contains("noon"));
    });
}

#[test]
fn an_attempt_to_inject_headers_fails_that_delivery_alone() {
    let environment = support::environment("/nowhere".as_ref());
    let content = support::content();
    let addressed_kinds = KINDS.iter().filter(|kind| kind.reach == Reach::Addressed);
    for kind in addressed_kinds {
        let sample = sample(kind);
        let credentials = sample.credentials.as_ref().map(Value::to_string);
        let channel = (kind.build)(&sample.settings, credentials.as_deref(), &environment).unwrap();
        for (email, name, error) in [
            (
                "a@example.org",
                Some("A\r\nBcc: b@example.org"),
                RenderError::BadName,
            ),
            ("a@example.org", Some("A\u{7}"), RenderError::BadName),
            (
                "a@example.org\r\nBcc: b@example.org",
                None,
                RenderError::BadAddress,
            ),
            ("a@example.org> SIZE=1", None, RenderError::BadAddress),
            ("nobody", None, RenderError::BadAddress),
        ] {
            let job = support::addressed(&content, email, name);
            assert_eq!(channel.render(&job).err(), Some(error), "{email} {name:?}");
        }
        assert_eq!(
            channel.render(&support::broadcast(&content)).err(),
            Some(RenderError::NoRecipient)
        );
        let good = support::addressed(&content, "a@example.org", Some("A \"B\" <c>, é 😀"));
        assert!(channel.render(&good).is_ok());
    }
}

/// Whether a folder, or one in it, has a file.
fn has_files(folder: &Path) -> bool {
    let entries = folder.read_dir().unwrap().map(|entry| entry.unwrap());
    let mut paths = entries.map(|entry| entry.path());
    paths.any(|path| !path.is_dir() || has_files(&path))
}

#[tokio::test]
async fn an_attempt_that_is_too_old_when_it_is_made_reaches_nobody() {
    let content = support::content();
    for kind in KINDS {
        let folder = tempfile::tempdir().unwrap();
        let environment = support::environment(folder.path());
        let receiver = TcpListener::bind("127.0.0.1:0").unwrap();
        receiver.set_nonblocking(true).unwrap();
        let met = tokio::net::TcpListener::from_std(receiver.try_clone().unwrap()).unwrap();
        for (settings, credentials) in leading_to(receiver.local_addr().unwrap(), kind) {
            let credentials = credentials.map(|it| it.to_string());
            let channel = (kind.build)(&settings, credentials.as_deref(), &environment).unwrap();
            let rendered = channel.render(&job(kind, &content)).unwrap();
            let outcome = channel.send(&rendered, &|| false).await;
            let reason = Reason::Stale;
            assert_eq!(outcome, Outcome::Abandoned { reason }, "{settings}");
            let is_met = receiver.accept().is_ok() || has_files(folder.path());
            assert!(!is_met, "{}: {settings}", kind.name);
            // One that is young enough does reach somebody.
            let is_met = tokio::select! {
                _ = channel.send(&rendered, &support::always) => has_files(folder.path()),
                connection = met.accept() => connection.is_ok(),
            };
            assert!(is_met, "{}: {settings}", kind.name);
        }
    }
}
