//! Servers no sink plays: without pipelining, out of step, or taking a message for nobody.

use std::{
    io::{Read as _, Write as _},
    task::Poll,
};

use futures_util::poll;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpSocket},
};

use super::*;
use crate::channel::Warrant;
use crate::channels::email::{
    config::Timers,
    connect::Features,
    dialogue::{Connection, Delivery},
    wire::Wire,
};

/// Far more than anything here takes; reaching it is a failure.
const HAPPENS_WITHIN: Duration = Duration::from_secs(30);

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
        ("failed", "bad_address", 550, Some(Blame::Address))
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

/// What is made of a mail, and every line that is sent of it, where each reply is there before it is waited for.
async fn answered_at_once(
    warrant: &dyn Warrant,
    time_left: Duration,
) -> (Outcome, bool, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = tokio::net::TcpStream::connect(listener.local_addr().unwrap());
    let stream = stream.await.unwrap();
    let (mut server, _) = listener.accept().await.unwrap();
    let replies = "250 ok\r\n250 ok\r\n354 go\r\n250 kept\r\n";
    server.write_all(replies.as_bytes()).await.unwrap();
    stream.readable().await.unwrap();
    let features = Features::default();
    let mut connection = Connection::new(Wire::plain(stream), features, Timers::default());
    let mut rendered = mail(&channel(1, None, 5_000), "ada@example.org");
    rendered.body.extend(b"The end.\r\n");
    let deadline = tokio::time::Instant::now() + time_left;
    let delivery = connection.deliver(&rendered, warrant, deadline);
    let Delivery::Done { outcome, reusable } = delivery.await else {
        panic!("it was never in use before");
    };
    drop(connection);
    let mut lines = BufReader::new(server).lines();
    let mut got = Vec::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        got.push(line);
    }
    (outcome, reusable, got)
}

/// As when a process goes on that stood still past the deadline: every reply is there, and no timer has had its say.
#[tokio::test]
async fn no_message_is_sent_after_the_deadline_whatever_replies_are_there() {
    let (outcome, reusable, got) = answered_at_once(&support::always, Duration::ZERO).await;
    let expected = ("deferred", "timeout", 0, Some(Blame::Network));
    assert_eq!((gist(&outcome), reusable), (expected, false));
    assert_eq!(got.last().map(String::as_str), Some("DATA"), "{got:?}");
}

/// After so many questions somebody else may have put the attempt on record as in doubt.
struct Held(AtomicUsize);

impl Warrant for Held {
    fn is_fresh(&self) -> bool {
        true
    }

    fn holds(&self) -> bool {
        let left = self.0.load(Ordering::Relaxed);
        self.0.store(left.saturating_sub(1), Ordering::Relaxed);
        left > 0
    }
}

/// As when a process goes on that stood still for longer than anybody takes it for alive, and shorter than the deadline.
#[tokio::test]
async fn nothing_is_committed_that_somebody_else_may_have_put_in_doubt() {
    for (questions, last) in [(0, "DATA"), (1, "The end.")] {
        let warrant = Held(questions.into());
        let (outcome, reusable, got) = answered_at_once(&warrant, HAPPENS_WITHIN).await;
        let stale = Outcome::Abandoned {
            reason: Reason::Stale,
        };
        assert_eq!((outcome, reusable), (stale, false));
        assert_eq!(got.last().map(String::as_str), Some(last), "{got:?}");
    }
    let warrant = Held(2.into());
    let (outcome, _, got) = answered_at_once(&warrant, HAPPENS_WITHIN).await;
    assert!(matches!(outcome, Outcome::Sent { .. }), "{outcome:?}");
    assert_eq!(got.last().map(String::as_str), Some("."));
}

/// Writes to a connection that nobody reads until it takes no more; gives how much.
fn fill(stream: &mut std::net::TcpStream) -> usize {
    let (mut filled, mut refused) = (0, 0);
    while refused < 100 {
        match stream.write(&[b'x'; 4_096]) {
            Ok(written) => (filled, refused) = (filled + written, 0),
            Err(_) => refused += 1,
        }
        std::thread::yield_now();
    }
    filled
}

/// Reads all that is there.
fn drain(stream: &mut std::net::TcpStream) -> Vec<u8> {
    let (mut got, mut some) = (Vec::new(), [0; 65_536]);
    while let Ok(read @ 1..) = stream.read(&mut some) {
        got.extend_from_slice(&some[..read]);
    }
    got
}

/// The server takes the message only after the attempt's deadline, and at once: no timer has had its say. A message without
/// its dot is none.
#[tokio::test]
async fn no_dot_follows_a_message_that_was_taken_after_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    // As much and no more: otherwise the system gives it room as it goes.
    socket.set_send_buffer_size(256 * 1024).unwrap();
    let stream = socket.connect(listener.local_addr().unwrap()).await;
    let stream = stream.unwrap().into_std().unwrap();
    let mut same = stream.try_clone().unwrap();
    let stream = tokio::net::TcpStream::from_std(stream).unwrap();
    let mut server = listener.accept().await.unwrap().0.into_std().unwrap();
    stream.writable().await.unwrap();
    tokio::time::pause();
    let until_ready = async |stream: &std::net::TcpStream| {
        let began = std::time::Instant::now();
        while stream.peek(&mut [0]).is_err() {
            assert!(began.elapsed() < HAPPENS_WITHIN, "nothing comes");
            std::thread::yield_now();
        }
        tokio::task::yield_now().await;
    };

    let mut connection =
        Connection::new(Wire::plain(stream), Features::default(), Timers::default());
    let mut rendered = mail(&channel(1, None, 5_000), "ada@example.org");
    // More than the little room that a full connection finds all the same, and less than an empty one has.
    let text = b"It runs.\r\n".repeat(10_000);
    rendered.body.extend(&text);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    let delivery = connection.deliver(&rendered, &support::always, deadline);
    let mut delivery = std::pin::pin!(delivery);
    server.write_all(b"250 ok\r\n250 ok\r\n").unwrap();
    until_ready(&same).await;
    assert!(poll!(&mut delivery).is_pending());
    assert!(drain(&mut server).ends_with(b"DATA\r\n"));
    // There is no room for the message.
    let filled = fill(&mut same);
    server.write_all(b"354 go\r\n250 kept\r\n").unwrap();
    until_ready(&same).await;
    assert!(poll!(&mut delivery).is_pending());
    tokio::time::advance(Duration::from_secs(11)).await;
    let (mut got, began) = (Vec::new(), std::time::Instant::now());
    while got.len() < filled {
        assert!(
            began.elapsed() < HAPPENS_WITHIN,
            "{} of {filled}",
            got.len()
        );
        got.extend(drain(&mut server));
    }
    tokio::task::yield_now().await;
    let Poll::Ready(Delivery::Done { outcome, reusable }) = poll!(&mut delivery) else {
        panic!("there is room by now");
    };
    let expected = ("deferred", "timeout", 0, Some(Blame::Network));
    assert_eq!((gist(&outcome), reusable), (expected, false));
    got.extend(drain(&mut server));
    assert!(got.ends_with(&text), "all of the message is out");
}
