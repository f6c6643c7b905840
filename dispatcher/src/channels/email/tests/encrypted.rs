//! STARTTLS and TLS against a server with a certificate made for the occasion.

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ClientConfig, RootCertStore, ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer},
    },
};

use super::*;
use crate::channel::Environment;

struct Server {
    acceptor: TlsAcceptor,
    certificate: CertificateDer<'static>,
}

/// With a certificate for this name that ends with this year.
fn server(name: &str, last_year: i32) -> Server {
    let signing_key = KeyPair::generate().unwrap();
    let mut certificate = CertificateParams::new([name.to_owned()]).unwrap();
    certificate.not_after = date_time_ymd(last_year, 12, 31);
    let cert = certificate.self_signed(&signing_key).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let certificate = cert.der().clone();
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    Server {
        acceptor,
        certificate,
    }
}

fn provider() -> Arc<tokio_rustls::rustls::crypto::CryptoProvider> {
    Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider())
}

fn trusting(certificate: Option<&CertificateDer<'static>>) -> Environment {
    let mut roots = RootCertStore::empty();
    if let Some(certificate) = certificate {
        roots.add(certificate.clone()).unwrap();
    }
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Environment {
        tls: Arc::new(config),
        ..support::environment("/nowhere".as_ref())
    }
}

/// Answers each line in turn; what the client says goes unchecked.
async fn answer<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufReader<S>,
    answers: &[&str],
) -> Vec<String> {
    let mut got = Vec::new();
    for answer in answers {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            break;
        }
        got.push(line.trim_end().to_owned());
        if stream.write_all(answer.as_bytes()).await.is_err() || stream.flush().await.is_err() {
            break;
        }
    }
    got
}

/// Offers STARTTLS with `ready` as its answer, then serves a login and a whole message.
async fn serve(listener: TcpListener, acceptor: TlsAcceptor, ready: &str) -> Vec<String> {
    let (stream, _): (TcpStream, _) = listener.accept().await.unwrap();
    let mut plain = BufReader::new(stream);
    plain.write_all(b"220 hello\r\n").await.unwrap();
    answer(&mut plain, &["250-server\r\n250 STARTTLS\r\n", ready]).await;
    let Ok(secured) = acceptor.accept(plain.into_inner()).await else {
        return Vec::new();
    };
    login_and_mail(BufReader::new(secured)).await
}

/// Protected from the first byte; then serves a login and a whole message.
async fn serve_protected(listener: TcpListener, acceptor: TlsAcceptor) -> Vec<String> {
    let (stream, _): (TcpStream, _) = listener.accept().await.unwrap();
    let Ok(secured) = acceptor.accept(stream).await else {
        return Vec::new();
    };
    let mut secured = BufReader::new(secured);
    secured.write_all(b"220 hello\r\n").await.unwrap();
    secured.flush().await.unwrap();
    login_and_mail(secured).await
}

/// From EHLO to the end of a message.
async fn login_and_mail<S: AsyncRead + AsyncWrite + Unpin>(
    mut secured: BufReader<S>,
) -> Vec<String> {
    let envelope = [
        "250-server\r\n250 AUTH LOGIN\r\n",
        "334 VXNlcm5hbWU6\r\n",
        "334 UGFzc3dvcmQ6\r\n",
        "235 welcome\r\n",
        "250 ok\r\n",
        "250 ok\r\n",
        "354 go\r\n",
    ];
    let got = answer(&mut secured, &envelope).await;
    let mut line = String::new();
    while line != ".\r\n" {
        line.clear();
        if secured.read_line(&mut line).await.unwrap_or(0) == 0 {
            return got;
        }
    }
    secured.write_all(b"250 kept\r\n").await.unwrap();
    secured.flush().await.unwrap();
    got
}

async fn outcome(certified: &str, trusted: bool, ready: &'static str) -> (Outcome, Vec<String>) {
    outcome_of(server(certified, 4_000), trusted, ready).await
}

async fn outcome_of(server: Server, trusted: bool, ready: &'static str) -> (Outcome, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = json!({"host": "localhost", "port": listener.local_addr().unwrap().port(),
        "from": "tide@example.org"});
    let login = json!({"username": "ada", "password": "right"}).to_string();
    let config = Config::parse(&settings, Some(&login)).unwrap();
    let channel = EmailChannel::new(config, &trusting(trusted.then_some(&server.certificate)));
    let serving = tokio::spawn(serve(listener, server.acceptor, ready));
    let outcome = send(&channel, "ada@example.org").await;
    drop(channel);
    (outcome, serving.await.unwrap())
}

const READY: &str = "220 ready\r\n";

#[tokio::test]
async fn a_login_and_a_mail_go_through_an_upgraded_connection() {
    let (outcome, got) = outcome("localhost", true, READY).await;
    assert_eq!(gist(&outcome), SENT);
    assert_eq!(
        got[..4],
        ["EHLO tidings.example.org", "AUTH LOGIN", "YWRh", "cmlnaHQ="]
    );
}

#[tokio::test]
async fn a_certificate_we_do_not_trust_is_our_fault_and_gets_no_password() {
    for (certified, last_year, trusted) in [
        ("localhost", 4_000, false),
        ("other.example", 4_000, true),
        ("localhost", 2_020, true),
    ] {
        let (outcome, got) = outcome_of(server(certified, last_year), trusted, READY).await;
        let expected = ("deferred", "certificate_refused", 0, Some(Blame::Channel));
        assert_eq!(gist(&outcome), expected, "{outcome:?}");
        assert!(got.is_empty(), "{got:?}");
    }
}

#[tokio::test]
async fn words_slipped_in_before_the_upgrade_are_not_believed() {
    let (outcome, got) = outcome("localhost", true, "220 ready\r\n250 AUTH PLAIN\r\n").await;
    let expected = ("deferred", "protocol_error", 0, Some(Blame::Network));
    assert_eq!(gist(&outcome), expected);
    assert!(got.is_empty(), "{got:?}");
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_left_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = json!({"host": "localhost", "port": listener.local_addr().unwrap().port(),
        "from": "tide@example.org"});
    let mut config = Config::parse(&settings, None).unwrap();
    config.server.timers.hello = Duration::from_millis(200);
    let channel = EmailChannel::new(config, &trusting(None));
    let silent = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut plain = BufReader::new(stream);
        plain.write_all(b"220 hello\r\n").await.unwrap();
        answer(&mut plain, &["250-server\r\n250 STARTTLS\r\n", READY]).await;
        plain
    });
    let outcome = send(&channel, "ada@example.org").await;
    let expected = ("deferred", "timeout", 0, Some(Blame::Network));
    assert_eq!(gist(&outcome), expected);
    drop(silent.await.unwrap());
}

/// What a mail meets by `"encryption": "tls"`.
async fn protected(server: Server, trusted: bool) -> (Outcome, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = json!({"host": "localhost", "port": listener.local_addr().unwrap().port(),
        "encryption": "tls", "from": "tide@example.org"});
    let login = json!({"username": "ada", "password": "right"}).to_string();
    let config = Config::parse(&settings, Some(&login)).unwrap();
    let channel = EmailChannel::new(config, &trusting(trusted.then_some(&server.certificate)));
    let serving = tokio::spawn(serve_protected(listener, server.acceptor));
    let outcome = send(&channel, "ada@example.org").await;
    drop(channel);
    (outcome, serving.await.unwrap())
}

#[tokio::test]
async fn a_login_and_a_mail_go_through_a_connection_that_is_protected_from_the_first_byte() {
    let (outcome, got) = protected(server("localhost", 4_000), true).await;
    assert_eq!(gist(&outcome), SENT);
    let expected = [
        "EHLO tidings.example.org",
        "AUTH LOGIN",
        "YWRh",
        "cmlnaHQ=",
        "MAIL FROM:<tide@example.org>",
        "RCPT TO:<ada@example.org>",
        "DATA",
    ];
    assert_eq!(got, expected);
}

#[tokio::test]
async fn nothing_is_said_to_whoever_is_not_trusted_from_the_first_byte() {
    for (certified, last_year, trusted) in [
        ("localhost", 4_000, false),
        ("other.example", 4_000, true),
        ("localhost", 2_020, true),
    ] {
        let (outcome, got) = protected(server(certified, last_year), trusted).await;
        let expected = ("deferred", "certificate_refused", 0, Some(Blame::Channel));
        assert_eq!(gist(&outcome), expected, "{outcome:?}");
        assert!(got.is_empty(), "{got:?}");
    }
}

/// A server that expects STARTTLS there, or the other way round: its words are no handshake.
#[tokio::test]
async fn words_in_the_clear_are_no_handshake() {
    let sink = sink(vec![]).await;
    let settings = json!({"host": "localhost", "port": sink.addr().port(), "encryption": "tls",
        "from": "tide@example.org"});
    let config = Config::parse(&settings, None).unwrap();
    let channel = EmailChannel::new(config, &trusting(None));
    let outcome = send(&channel, "ada@example.org").await;
    let (what, reason, _, blame) = gist(&outcome);
    assert_eq!(
        (what, reason, blame),
        ("deferred", "connection_lost", Some(Blame::Network))
    );
    assert_eq!(sink.stats().mails, 0);
}
