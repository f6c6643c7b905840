//! The SMTP sink behind TLS: what it offers, and what it keeps of what was said in the clear.

use std::sync::Arc;

use tidings_sinks::smtp::{self, Handle, Options, Phase, Rule, Tls};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use crate::client::{Client, patient};

const MESSAGE: &str = "Message-ID: <1@x.example>\r\n\r\nBody\r\n";

async fn started(tls: &Tls) -> Handle {
    smtp::start(Options {
        tls: Some(tls.clone()),
        ..Options::default()
    })
    .await
    .unwrap()
}

/// A handshake by somebody who trusts this certificate alone.
async fn protected(stream: TcpStream, trusted: &Tls) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from(trusted.certificate().to_vec());
    roots.add(certificate).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}

/// Says lines one after the other; gives the last line of each answer.
async fn say(stream: &mut BufReader<TlsStream<TcpStream>>, lines: &[&str]) -> Vec<String> {
    let mut answers = Vec::new();
    for line in lines {
        stream.write_all(line.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        answers.push(answer(stream).await);
    }
    answers
}

async fn answer(stream: &mut BufReader<TlsStream<TcpStream>>) -> String {
    loop {
        let mut line = String::new();
        patient(stream.read_line(&mut line)).await.unwrap();
        assert!(!line.contains("-STARTTLS"), "{line}");
        if line.as_bytes()[3] != b'-' {
            return line[..3].to_owned();
        }
    }
}

const MAIL: [&str; 4] = [
    "MAIL FROM:<a@x.example>\r\n",
    "RCPT TO:<b@x.example>\r\n",
    "DATA\r\n",
    "Message-ID: <1@x.example>\r\n\r\nBody\r\n.\r\n",
];

#[tokio::test]
async fn what_is_said_before_the_handshake_is_forgotten_behind_it() {
    let tls = Tls::on_request("localhost").unwrap();
    let sink = started(&tls).await;
    let mut client = Client::ready(sink.addr()).await;
    assert!(client.ask("EHLO me").await.contains("250-STARTTLS\r\n"));
    // The second line is what somebody between the two would slip in.
    client
        .write("STARTTLS\r\nMAIL FROM:<a@x.example>\r\n")
        .await;
    assert_eq!(&client.reply().await[..3], "220");
    let stream = protected(client.into_inner(), &tls).await.unwrap();
    let mut stream = BufReader::new(stream);
    assert_eq!(say(&mut stream, &MAIL[..1]).await, ["503"]);
    assert_eq!(say(&mut stream, &["EHLO me\r\n"]).await, ["250"]);
    assert_eq!(say(&mut stream, &["STARTTLS\r\n"]).await, ["502"]);
    assert_eq!(say(&mut stream, &MAIL).await, ["250", "250", "354", "250"]);
    assert!(sink.messages()[0].protected);
}

#[tokio::test]
async fn whoever_goes_on_in_the_clear_is_found_out() {
    let tls = Tls::on_request("localhost").unwrap();
    let sink = started(&tls).await;
    sink.add_rule(Rule::reply(Phase::StartTls, 454, "4.7.0 not now"));
    let mut client = Client::ready(sink.addr()).await;
    assert_eq!(client.code("STARTTLS").await, "454");
    assert_eq!(client.send("b@x.example", MESSAGE).await, "250");
    assert!(!sink.messages()[0].protected);
}

#[tokio::test]
async fn from_the_first_byte_there_is_no_word_in_the_clear() {
    let tls = Tls::from_first_byte("localhost").unwrap();
    let sink = started(&tls).await;
    // Somebody else's certificate for the same name.
    let stranger = Tls::from_first_byte("localhost").unwrap();
    let stream = TcpStream::connect(sink.addr()).await.unwrap();
    assert!(protected(stream, &stranger).await.is_err());
    // Its own, when that had expired.
    sink.protect(tls.expired().unwrap());
    let stream = TcpStream::connect(sink.addr()).await.unwrap();
    assert!(protected(stream, &tls).await.is_err());
    sink.protect(tls.clone());
    let mut in_the_clear = Client::connect(sink.addr()).await;
    in_the_clear.write("EHLO me\r\n").await;

    let stream = TcpStream::connect(sink.addr()).await.unwrap();
    let mut stream = BufReader::new(protected(stream, &tls).await.unwrap());
    assert_eq!(answer(&mut stream).await, "220");
    assert_eq!(say(&mut stream, &["EHLO me\r\n"]).await, ["250"]);
    assert_eq!(say(&mut stream, &MAIL).await, ["250", "250", "354", "250"]);
    assert!(sink.messages()[0].protected);
    assert_eq!((sink.count(), sink.stats().connections), (1, 4));
}
