//! Reading of database URLs; live connections are exercised end to end.

use std::path::PathBuf;

use super::*;

fn target(url: &str) -> Result<Target, PostgresError> {
    let timeout = Some(Duration::from_millis(1_500));
    Target::parse(&Secret::new(url), "tidings-test", timeout)
}

#[test]
fn sslmode_and_root_are_taken_out_of_either_form() {
    let cases = [
        ("postgres://h/db", "postgres://h/db", TlsMode::Prefer),
        (
            "postgres://h/db?sslmode=disable",
            "postgres://h/db",
            TlsMode::Disable,
        ),
        (
            "postgres://h/db?sslmode=verify-full&connect_timeout=3",
            "postgres://h/db?connect_timeout=3",
            TlsMode::Verify(None),
        ),
        (
            "host=h sslmode=require sslrootcert=/ca.pem user=u",
            "host=h user=u",
            TlsMode::Verify(Some(PathBuf::from("/ca.pem"))),
        ),
        ("host=h sslmode=require", "host=h", TlsMode::Require),
    ];
    for (given, url, mode) in cases {
        assert_eq!(
            tls::split(given).unwrap(),
            (url.to_owned(), mode),
            "{given}"
        );
    }
}

#[test]
fn the_mode_decides_about_tls_but_never_on_a_socket() {
    let mode = |url: &str| {
        let target = target(url).unwrap();
        (target.config.get_ssl_mode(), target.tls.is_some())
    };
    assert_eq!(mode("postgres://h/db"), (SslMode::Prefer, true));
    assert_eq!(
        mode("postgres://h/db?sslmode=require"),
        (SslMode::Require, true)
    );
    assert_eq!(
        mode("postgres://h/db?sslmode=verify-full"),
        (SslMode::Require, true)
    );
    assert_eq!(
        mode("postgres://h/db?sslmode=disable"),
        (SslMode::Disable, false)
    );
    assert_eq!(
        mode("host=/run/postgresql user=u"),
        (SslMode::Disable, false)
    );
    let forced = mode("postgres:///db?host=/run/postgresql&sslmode=require");
    assert_eq!(forced, (SslMode::Disable, false));
}

#[test]
fn the_timeouts_join_the_urls_own_options() {
    let plain = target("postgres://h/db").unwrap().config;
    assert_eq!(
        plain.get_options(),
        Some("-c statement_timeout=1500 -c idle_in_transaction_session_timeout=20000")
    );
    let given = target("host=h options='-c search_path=x'").unwrap().config;
    assert_eq!(
        given.get_options(),
        Some(
            "-c search_path=x -c statement_timeout=1500 -c idle_in_transaction_session_timeout=20000"
        )
    );
}

#[test]
fn errors_do_not_repeat_the_url() {
    for bad in [
        "postgres://u:hunter2@h:port/db",
        "postgres://u:hunter2@h/db?sslmode=maybe",
    ] {
        let error = target(bad).err().unwrap();
        assert!(!crate::problem::chain(&error).contains("hunter2"));
    }
    let missing = "postgres://h/db?sslmode=verify-full&sslrootcert=/nowhere/ca.pem";
    assert!(matches!(
        target(missing),
        Err(PostgresError::RootCertificate(_))
    ));
}

#[tokio::test]
async fn an_absent_server_is_one_clear_error() {
    let settings = Settings {
        application_name: "tidings-test".to_owned(),
        pool_size_max: 2,
        statement_timeout: None,
    };
    let url = Secret::new("postgres://u@127.0.0.1:1/db?sslmode=disable");
    let error = connect(&url, &settings).await.unwrap_err();
    assert!(matches!(error, PostgresError::Connect(_)), "{error:?}");
    let lazy = pool(&url, &settings).unwrap();
    assert_eq!(ready(&lazy).await, Err("no connection".to_owned()));
    assert!(single(&url, "tidings-test").await.is_err());
}
