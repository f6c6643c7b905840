//! Servers no sink plays: without pipelining, out of step, or taking a message for nobody.

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
};

use super::*;
use crate::channels::email::{
    config::Timers,
    connect::Features,
    dialogue::{Connection, Delivery},
    wire::Wire,
};

/// Serves one connection: a greeting, then for each entry waits for a line that starts with its
/// first word and answers with the second. Returns every line it got.
async fn serve(listener: TcpListener, script: Vec<(&'static str, &'static str)>) -> Vec<String> {
    let (stream, _) = listener.accept().await.unwrap();
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 hello\r\n").await.unwrap();
    let mut got = Vec::new();
    for (command, answer) in script {
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return got;
            }
            got.push(line.trim_end().to_owned());
            if line.starts_with(command) {
                break;
            }
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
    while let Ok(1..) = stream.read_line(&mut String::new()).await {}
    got
}

async fn outcome_with(script: Vec<(&'static str, &'static str)>) -> (Outcome, Vec<String>) {
    outcome_of("ada@example.org", script).await
}

async fn outcome_of(to: &str, script: Vec<(&'static str, &'static str)>) -> (Outcome, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let channel = channel(listener.local_addr().unwrap().port(), None, 5_000);
    let server = tokio::spawn(serve(listener, script));
    let outcome = send(&channel, to).await;
    // Closes the connection, and with it ends the server.
    drop(channel);
    (outcome, server.await.unwrap())
}

const PLAIN: (&str, &str) = ("EHLO", "250 server\r\n");
const PIPELINED: (&str, &str) = ("EHLO", "250-server\r\n250 PIPELINING\r\n");

#[tokio::test]
async fn a_server_without_pipelining_is_asked_step_by_step() {
    let (outcome, got) = outcome_with(vec![
        PLAIN,
        ("MAIL", "250 ok\r\n"),
        ("RCPT", "250 ok\r\n"),
        ("DATA", "354 go\r\n"),
        (".", "250 2.0.0 queued as 7\r\n"),
    ])
    .await;
    assert_eq!(
        outcome,
        Outcome::Sent {
            code: 250,
            reply: "250 2.0.0 queued as 7".to_owned(),
            provider_message_id: None,
        }
    );
    assert_eq!(got[1], "MAIL FROM:<tide@example.org>");
    assert_eq!(got[2], "RCPT TO:<ada@example.org>");
}

#[tokio::test]
async fn what_a_message_needs_is_said_in_mail_and_only_where_it_was_offered() {
    let taken = |hello| {
        vec![
            ("EHLO", hello),
            ("MAIL", "250 ok\r\n"),
            ("RCPT", "250 ok\r\n"),
            ("DATA", "354 go\r\n"),
            (".", "250 ok\r\n"),
        ]
    };
    let everything = "250-server\r\n250-SIZE 0\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n";
    let (outcome, got) = outcome_of("josé@example.org", taken(everything)).await;
    assert_eq!(gist(&outcome), SENT);
    let (size, rest) = got[1]
        .strip_prefix("MAIL FROM:<tide@example.org> SIZE=")
        .and_then(|parameters| parameters.split_once(' '))
        .unwrap();
    assert!(size.parse::<u32>().unwrap() > 500, "{size}");
    assert_eq!(rest, "SMTPUTF8 BODY=8BITMIME");
    assert_eq!(got[2], "RCPT TO:<josé@example.org>");

    let (outcome, got) = outcome_of("ada@example.org", taken(everything)).await;
    assert_eq!(gist(&outcome), SENT);
    assert!(got[1].starts_with("MAIL FROM:<tide@example.org> SIZE=") && !got[1].contains("UTF8"));

    for (hello, reason) in [
        ("250-server\r\n250 8BITMIME\r\n", "smtputf8_not_offered"),
        ("250-server\r\n250 SMTPUTF8\r\n", "eightbitmime_not_offered"),
    ] {
        let (outcome, got) = outcome_of("josé@example.org", vec![("EHLO", hello)]).await;
        assert_eq!(gist(&outcome), ("failed", reason, 0, Some(Blame::Receiver)));
        assert_eq!(got.len(), 1, "{got:?}");
    }
}

#[tokio::test]
async fn only_354_opens_the_message() {
    for script in [
        vec![
            PLAIN,
            ("MAIL", "250 ok\r\n"),
            ("RCPT", "250 ok\r\n"),
            ("DATA", "250 ok\r\n"),
        ],
        vec![PIPELINED, ("MAIL", "250 ok\r\n250 ok\r\n250 ok\r\n")],
    ] {
        let (outcome, got) = outcome_with(script).await;
        assert_eq!(
            gist(&outcome),
            ("deferred", "protocol_error", 250, Some(Blame::Network))
        );
        assert!(!got.iter().any(|line| line.starts_with("From:")), "{got:?}");
    }
}

#[tokio::test]
async fn a_message_for_nobody_is_not_sent() {
    let (outcome, got) = outcome_with(vec![
        PIPELINED,
        ("MAIL", "250 ok\r\n550 5.1.1 no such user\r\n354 go\r\n"),
    ])
    .await;
    assert_eq!(
        gist(&outcome),
        ("failed", "bad_address", 550, Some(Blame::Receiver))
    );
    assert!(!got.iter().any(|line| line == "."), "{got:?}");
}

#[tokio::test]
async fn only_250_accepts_the_message() {
    for (answer, expected) in [
        ("200 what\r\n", ("in doubt", "unexpected_reply", 0, None)),
        ("354 go on\r\n", ("in doubt", "unexpected_reply", 0, None)),
        ("huh?\r\n", ("in doubt", "unexpected_reply", 0, None)),
        (
            "250-ok\r\n550 no\r\n",
            ("in doubt", "unexpected_reply", 0, None),
        ),
        (
            "421 4.3.2 closing\r\n",
            ("deferred", "service_unavailable", 421, Some(Blame::Network)),
        ),
    ] {
        let script = vec![
            PIPELINED,
            ("MAIL", "250 ok\r\n250 ok\r\n354 go\r\n"),
            (".", answer),
        ];
        assert_eq!(gist(&outcome_with(script).await.0), expected, "{answer}");
    }
}

#[tokio::test]
async fn a_reply_too_many_ends_the_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let channel = channel(listener.local_addr().unwrap().port(), None, 5_000);
    let first = tokio::spawn(async move {
        let script = vec![
            PIPELINED,
            ("MAIL", "250 ok\r\n250 ok\r\n354 go\r\n"),
            (".", "250 ok\r\n250 and another\r\n"),
        ];
        let (stream, _) = listener.accept().await.unwrap();
        drop(stream);
        serve(listener, script).await
    });
    // The first connection is cut at once: nothing was committed, and the outcome says so.
    let outcome = send(&channel, "ada@example.org").await;
    assert_eq!(
        gist(&outcome),
        ("deferred", "connection_lost", 0, Some(Blame::Network))
    );
    assert_eq!(gist(&send(&channel, "ada@example.org").await), SENT);
    // A kept connection would leave the server waiting for more; this ends because it is closed.
    first.await.unwrap();
}

#[tokio::test]
async fn a_reply_without_end_is_refused() {
    let endless: &'static str = format!("250-{}", "x".repeat(10_000)).leak();
    let (outcome, _) = outcome_with(vec![("EHLO", endless)]).await;
    assert_eq!(
        gist(&outcome),
        ("deferred", "protocol_error", 0, Some(Blame::Network))
    );
}

/// As when a process goes on that stood still past the deadline: every reply is there, and no timer has had its say.
#[tokio::test]
async fn no_message_is_sent_after_the_deadline_whatever_replies_are_there() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = tokio::net::TcpStream::connect(listener.local_addr().unwrap());
    let stream = stream.await.unwrap();
    let (mut server, _) = listener.accept().await.unwrap();
    let replies = "250 ok\r\n250 ok\r\n354 go\r\n250 kept\r\n";
    server.write_all(replies.as_bytes()).await.unwrap();
    stream.readable().await.unwrap();
    let features = Features::default();
    let mut connection = Connection::new(Wire::plain(stream), features, Timers::default());
    let rendered = mail(&channel(1, None, 5_000), "ada@example.org");
    let deadline = tokio::time::Instant::now();
    let delivery = connection.deliver(&rendered, &support::always, deadline);
    let Delivery::Done { outcome, reusable } = delivery.await else {
        panic!("it was never in use before");
    };
    let expected = ("deferred", "timeout", 0, Some(Blame::Network));
    assert_eq!((gist(&outcome), reusable), (expected, false));
    drop(connection);
    let mut lines = BufReader::new(server).lines();
    let mut got = Vec::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        got.push(line);
    }
    assert_eq!(got.last().map(String::as_str), Some("DATA"), "{got:?}");
}
