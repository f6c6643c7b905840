//! Layering, and the messages for what can be wrong.

use std::fs;
use std::path::PathBuf;

use super::*;

fn variables<'a>(pairs: &'a [(&'a str, &'a str)]) -> impl Iterator<Item = (String, String)> + 'a {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(own)
}

fn with(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
    Config::load(&ConfigFile::Skip, variables(pairs))
}

/// The error's message for this tidings.toml, its folder left out.
fn message(toml: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tidings.toml");
    fs::write(&path, toml).unwrap();
    let error = Config::load(&ConfigFile::Required(path), []).unwrap_err();
    error
        .to_string()
        .replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn the_built_in_defaults_are_complete() {
    let config = Config::defaults().unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.http.body_limit_bytes, 262_144);
    assert_eq!(config.http.import_limit_bytes, 67_108_864);
    assert_eq!(config.dispatcher.email_deadline.as_secs(), 900);
    assert_eq!(config.nats_subject_prefix, "tidings");
    assert_eq!(config.engagement.keep_months, 13);
    assert!(config.database_url.is_none() && config.auth.hs256_secret.is_none());
    assert!(!config.outbound.allow_loopback && !config.outbound.allow_private);
}

#[test]
fn a_variable_wins_over_the_file_and_the_file_over_the_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tidings.toml");
    fs::write(
        &path,
        "nats_subject_prefix = \"news\"\n[dispatcher]\nopen_attempts_max = 7\n",
    )
    .unwrap();
    let env = [
        ("TIDINGS_DISPATCHER__OPEN_ATTEMPTS_MAX", "9"),
        ("TIDINGS_OUTBOUND__ALLOW_LOOPBACK", "true"),
        ("PATH", "/bin"),
        ("TIDINGS_POSTGRES_BIN", "/usr/lib/postgresql/17/bin"),
    ];
    let config = Config::load(&ConfigFile::IfPresent(path), variables(&env)).unwrap();
    assert_eq!(config.dispatcher.open_attempts_max, 9);
    assert_eq!(config.nats_subject_prefix, "news");
    assert!(config.outbound.allow_loopback);
    assert_eq!(config.dispatcher.plan_ahead_max, 2_000);
}

#[test]
fn the_documented_flat_names_work() {
    let config = with(&[
        ("TIDINGS_DATABASE_URL", "postgres://u:hunter2@h/db"),
        ("TIDINGS_NATS_URL", "nats://h"),
        ("TIDINGS_LISTEN", "[::1]:9"),
        ("TIDINGS_PUBLIC_URL", "https://news.example.org/t/"),
        ("TIDINGS_DATA", "/srv/tidings"),
    ])
    .unwrap();
    assert_eq!(config.listen.port(), 9);
    assert_eq!(config.data.to_str(), Some("/srv/tidings"));
    let link = config.public_url_or(config.listen).unwrap().join("/u/abc");
    assert_eq!(link, "https://news.example.org/t/u/abc");
    assert!(!format!("{config:?}").contains("hunter2"));
    assert_eq!(
        config.database_url.unwrap().expose(),
        "postgres://u:hunter2@h/db"
    );
}

#[test]
fn links_lead_to_the_listener_when_no_public_url_is_set() {
    let config = Config::defaults().unwrap();
    let listener = "127.0.0.1:4711".parse().unwrap();
    let link = config.public_url_or(listener).unwrap().join("/u/abc");
    assert_eq!(link, "http://127.0.0.1:4711/u/abc");
    let everywhere = config.public_url_or("0.0.0.0:8080".parse().unwrap());
    insta::assert_snapshot!(everywhere.unwrap_err(), @"`public_url` must be set to listen on 0.0.0.0:8080, since the links in mails could not lead there: give the https:// URL of the proxy in front of it, such as https://news.example.org");
    assert!(config.public_url_or("1.1.1.1:80".parse().unwrap()).is_err());
}

#[test]
fn a_secret_can_be_read_from_a_file_but_not_set_twice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("database");
    fs::write(&path, "postgres://h/db\n").unwrap();
    let file = ("TIDINGS_DATABASE_URL_FILE", path.to_str().unwrap());
    let config = with(&[file]).unwrap();
    assert_eq!(config.database_url.unwrap().expose(), "postgres://h/db");

    let twice = with(&[file, ("TIDINGS_DATABASE_URL", "x")]).unwrap_err();
    insta::assert_snapshot!(twice, @"TIDINGS_DATABASE_URL and TIDINGS_DATABASE_URL_FILE are both set: unset one of them");
    let absent = with(&[("TIDINGS_NATS_URL_FILE", "/nowhere/nats")]).unwrap_err();
    insta::assert_snapshot!(absent, @"cannot read /nowhere/nats: check the path and its permissions");
    // A key that itself ends in _file is that key.
    let jwks = with(&[
        ("TIDINGS_AUTH__JWKS_FILE", "/etc/jwks.json"),
        ("TIDINGS_AUTH__JWKS_ISSUER", "https://login.example.org"),
    ]);
    let jwks = jwks.unwrap().auth.jwks.unwrap();
    assert!(matches!(jwks.source, JwksSource::File(path) if path.ends_with("jwks.json")));
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_the_nearest_known_one() {
    insta::assert_snapshot!(message("[http]\nbody_limit_byte = 1\n"), @"unknown setting `http.body_limit_byte` in tidings.toml; did you mean `http.body_limit_bytes`?");
    insta::assert_snapshot!(message("[htp]\nbody_limit_bytes = 1\n"), @"unknown setting `htp.body_limit_bytes` in tidings.toml; did you mean `http.body_limit_bytes`?");
    insta::assert_snapshot!(with(&[("TIDINGS_LISTN", ":1")]).unwrap_err(), @"unknown setting `TIDINGS_LISTN` in the environment variable TIDINGS_LISTN; did you mean `TIDINGS_LISTEN`?");
    // Those that are no settings have their names too.
    insta::assert_snapshot!(with(&[("TIDINGS_SERVER", "fetched")]).unwrap_err(), @"unknown setting `TIDINGS_SERVER` in the environment variable TIDINGS_SERVER; did you mean `TIDINGS_SERVERS`?");
    insta::assert_snapshot!(with(&[("TIDINGS_POSTGRES_BINS", "/x")]).unwrap_err(), @"unknown setting `TIDINGS_POSTGRES_BINS` in the environment variable TIDINGS_POSTGRES_BINS; did you mean `TIDINGS_POSTGRES_BIN`?");
    insta::assert_snapshot!(with(&[("TIDINGS_SERVERS", "fetchd")]).unwrap_err(), @"`servers` in the environment variable TIDINGS_SERVERS must be `fetched` or not set");
    insta::assert_snapshot!(with(&[("TIDINGS_DATABSE_URL_FILE", "/x")]).unwrap_err(), @"unknown setting `TIDINGS_DATABSE_URL` in the environment variable TIDINGS_DATABSE_URL_FILE; did you mean `TIDINGS_DATABASE_URL`?");
}

#[test]
fn a_wrong_value_is_named_with_its_place_and_the_remedy() {
    insta::assert_snapshot!(message("listen = \"8080\"\n"), @"`listen` in tidings.toml must be an address and a port, such as 127.0.0.1:8080");
    insta::assert_snapshot!(message("[ses]\ntopics = \"mail-events\"\n"), @"`ses.topics` in tidings.toml must be ARNs of standard Amazon SNS topics, such as arn:aws:sns:eu-west-1:123456789012:mail-events, with commas between them");
    insta::assert_snapshot!(message("[auth]\nleeway_s = 61\n"), @"`auth.leeway_s` in tidings.toml must lie between 0 and 30");
    insta::assert_snapshot!(message("[auth]\nleeway_s = \"5\"\n"), @"`auth.leeway_s` in tidings.toml must be a whole number, not a text");
    insta::assert_snapshot!(message("a = 1\n\nlisten = = 2\n"), @"tidings.toml is not valid TOML (line 3): correct it or move it away");
    insta::assert_snapshot!(with(&[("TIDINGS_HTTP__BODY_TIMEOUT_MS", "10s")]).unwrap_err(), @"`http.body_timeout_ms` in the environment variable TIDINGS_HTTP__BODY_TIMEOUT_MS must be a whole number");
    insta::assert_snapshot!(with(&[("TIDINGS_AUTH__HS256_SECRET", "short")]).unwrap_err(), @"`auth.hs256_secret` in the environment variable TIDINGS_AUTH__HS256_SECRET must be at least 32 bytes long; make one with `openssl rand -base64 48`");
    insta::assert_snapshot!(with(&[("TIDINGS_MASTER_KEY", "c2hvcnQ=")]).unwrap_err(), @"`master_key` in the environment variable TIDINGS_MASTER_KEY holds 5 bytes in base64 where 32 are needed: make a key with `openssl rand -base64 32`");
}

#[test]
fn public_urls_that_would_break_links_are_refused() {
    for bad in [
        "ftp://h",
        "news.example.org",
        "https://u:p@h",
        "https://h/?q",
        "https://h/#f",
        "https://",
        "http://news.example.org",
        "http://1.1.1.1",
        "http://[2606:4700::1111]",
        "http://0.0.0.0:8080",
    ] {
        assert!(PublicUrl::parse(bad).is_none(), "{bad}");
    }
    for inside in [
        "http://localhost:8080",
        "http://127.0.0.1",
        "http://[::1]:8080",
        "http://192.168.1.5",
        "http://tidings",
        "http://news.internal/base",
    ] {
        assert!(PublicUrl::parse(inside).is_some(), "{inside}");
    }
    assert_eq!(
        PublicUrl::parse("https://h:8443").unwrap().join("/p"),
        "https://h:8443/p"
    );
}

#[test]
fn two_issuers_must_have_two_names_and_one_source() {
    let same = with(&[
        ("TIDINGS_AUTH__JWKS_URL", "https://login.example.org/jwks"),
        ("TIDINGS_AUTH__JWKS_ISSUER", "tidings"),
    ]);
    insta::assert_snapshot!(same.unwrap_err(), @"`auth.jwks_issuer` in the environment variable TIDINGS_AUTH__JWKS_ISSUER must differ from auth.issuer");
    let nameless = with(&[("TIDINGS_AUTH__JWKS_URL", "https://login.example.org/jwks")]);
    insta::assert_snapshot!(nameless.unwrap_err(), @"`auth.jwks_issuer` in the built-in defaults is not set: give the `iss` of your identity provider's tokens");
    let both = with(&[
        ("TIDINGS_AUTH__JWKS_URL", "https://login.example.org/jwks"),
        ("TIDINGS_AUTH__JWKS_FILE", "/x"),
    ]);
    insta::assert_snapshot!(both.unwrap_err(), @"`auth.jwks_file` in the environment variable TIDINGS_AUTH__JWKS_FILE is set beside auth.jwks_url: keep one");
}

#[test]
fn the_master_key_has_one_source() {
    let source = |pairs: &[(&str, &str)]| with(pairs).map(|config| config.master_key);
    assert!(matches!(source(&[]), Ok(MasterKeySource::DataFolder)));
    let file = ("TIDINGS_MASTER_KEY_FILE", "/run/secrets/master");
    assert!(matches!(source(&[file]), Ok(MasterKeySource::File(path)) if path.ends_with("master")));
    let command = ("TIDINGS_MASTER_KEY_COMMAND", "aws kms 'decrypt it'");
    let stdin = (
        "TIDINGS_MASTER_KEY_COMMAND_STDIN",
        "/etc/tidings/master.blob",
    );
    let Ok(MasterKeySource::Command(read)) = source(&[command, stdin]) else {
        panic!("a command was set");
    };
    assert_eq!(read.words, ["aws", "kms", "decrypt it"]);
    assert_eq!(read.timeout.as_secs(), 10);
    let wrong = |pairs: &[(&str, &str)]| source(pairs).unwrap_err();
    insta::assert_snapshot!(wrong(&[file, command]), @"`master_key_command` in the environment variable TIDINGS_MASTER_KEY_COMMAND is set beside master_key_file: keep one");
    insta::assert_snapshot!(wrong(&[file, stdin]), @"`master_key_command_stdin` in the environment variable TIDINGS_MASTER_KEY_COMMAND_STDIN is set without master_key_command");
    insta::assert_snapshot!(wrong(&[("TIDINGS_MASTER_KEY_COMMAND", "aws 'kms")]), @"`master_key_command` in the environment variable TIDINGS_MASTER_KEY_COMMAND must be a program and its arguments, every quote closed");
}

#[test]
fn a_dns_server_is_an_address_perhaps_with_a_port() {
    let server = |text: &str| {
        let config = with(&[("TIDINGS_MAIL__DNS_SERVER", text)]);
        config.map(|config| config.mail.dns_server.map(|it| it.to_string()))
    };
    for (text, expected) in [
        ("", None),
        ("192.0.2.53", Some("192.0.2.53:53")),
        ("192.0.2.53:5353", Some("192.0.2.53:5353")),
        ("2001:db8::53", Some("[2001:db8::53]:53")),
        ("[2001:db8::53]:5353", Some("[2001:db8::53]:5353")),
    ] {
        assert_eq!(server(text).unwrap().as_deref(), expected);
    }
    for text in [
        "dns.example.org",
        "192.0.2.53:",
        "192.0.2.53:x",
        "[2001:db8::53",
    ] {
        assert!(server(text).is_err(), "{text}");
    }
}

#[test]
fn a_file_is_only_missed_when_it_was_named() {
    let absent = PathBuf::from("/nowhere/tidings.toml");
    assert!(Config::load(&ConfigFile::IfPresent(absent.clone()), []).is_ok());
    let error = Config::load(&ConfigFile::Required(absent), []).unwrap_err();
    assert!(matches!(error, ConfigError::Unreadable { .. }));
}
