//! The Slack sink over raw HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tidings_sinks::Clock;
use tidings_sinks::slack::{self, Action, Handle, Options, RateLimit, Rule};
use time::OffsetDateTime;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::patient;

async fn started(rules: impl Into<Vec<Rule>>) -> Handle {
    slack::start(Options {
        rate_limit: None,
        rules: rules.into(),
        ..Options::default()
    })
    .await
    .unwrap()
}

/// Sends a request; returns all that comes back until the connection ends.
async fn request(sink: &Handle, method: &str, url: &str, kind: &str, body: &str) -> String {
    let addr = sink.addr();
    let path = url.strip_prefix(&format!("http://{addr}")).unwrap();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // An error is a connection cut: then there is what there is.
    let _ = patient(stream.read_to_end(&mut answer)).await;
    String::from_utf8(answer).unwrap()
}

/// Posts JSON to a webhook; returns status and body.
async fn post(sink: &Handle, name: &str, body: &str) -> (u16, String) {
    let answer = request(sink, "POST", &sink.url(name), "application/json", body).await;
    (status(&answer), body_of(&answer).to_owned())
}

fn status(answer: &str) -> u16 {
    answer.get(9..12).map_or(0, |code| code.parse().unwrap())
}

fn body_of(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

const HELLO: &str = r#"{"text":"hello"}"#;

#[tokio::test]
async fn a_message_is_taken_and_kept() {
    let sink = started([]).await;
    let answer = request(
        &sink,
        "POST",
        &sink.url("news"),
        "application/json; charset=utf-8",
        HELLO,
    )
    .await;
    assert_eq!((status(&answer), body_of(&answer)), (200, "ok"));
    assert!(answer.contains("content-type: text/plain"), "{answer}");
    post(&sink, "sport", HELLO).await;
    let messages = patient(sink.wait_for(2)).await;
    assert_eq!(messages[0].payload, json!({"text": "hello"}));
    assert_eq!((messages[0].seq, messages[0].text()), (1, "hello"));
    assert_eq!(sink.by_webhook("sport"), messages[1..]);
}

#[tokio::test]
async fn refusals_are_plain_words() {
    let sink = started([]).await;
    for (name, body, expected) in [
        ("archived", HELLO, (410, "channel_is_archived")),
        ("unknown", HELLO, (404, "channel_not_found")),
        ("prohibited", HELLO, (403, "action_prohibited")),
        ("removed", HELLO, (404, "no_service")),
        ("news", "{", (400, "invalid_payload")),
        ("news", "{}", (400, "no_text")),
        (
            "news",
            r#"{"blocks":[{"type":"section"}]}"#,
            (400, "invalid_payload"),
        ),
    ] {
        let (status, word) = post(&sink, name, body).await;
        assert_eq!((status, word.as_str()), expected, "{name} {body}");
    }
    let news = sink.url("news");
    let answer = request(&sink, "POST", &news, "text/plain", HELLO).await;
    assert_eq!(
        (status(&answer), body_of(&answer)),
        (400, "invalid_payload")
    );
    for (method, url) in [("GET", news.clone()), ("POST", news.replace("/T0", "/X0"))] {
        let answer = request(&sink, method, &url, "application/json", HELLO).await;
        assert_eq!((status(&answer), body_of(&answer)), (404, "no_service"));
    }
    assert_eq!(sink.count(), 0);
}

#[tokio::test]
async fn the_rate_limit_follows_the_clock_that_is_handed_in() {
    let now_ms = Arc::new(AtomicI64::new(0));
    let told = Arc::clone(&now_ms);
    let clock = Clock::from_fn(move || {
        OffsetDateTime::UNIX_EPOCH + time::Duration::milliseconds(told.load(Ordering::Relaxed))
    });
    let sink = slack::start(Options {
        rate_limit: Some(RateLimit {
            per_s: 0.5,
            burst: 1,
        }),
        clock,
        ..Options::default()
    })
    .await
    .unwrap();
    assert_eq!(post(&sink, "news", HELLO).await.0, 200);
    let answer = request(&sink, "POST", &sink.url("news"), "application/json", HELLO).await;
    assert_eq!((status(&answer), body_of(&answer)), (429, "rate_limited"));
    assert!(answer.contains("retry-after: 2\r\n"), "{answer}");
    assert_eq!(post(&sink, "sport", HELLO).await.0, 200);
    now_ms.store(2_000, Ordering::Relaxed);
    assert_eq!(post(&sink, "news", HELLO).await.0, 200);
    assert_eq!(sink.messages()[2].at.unix_timestamp(), 2);
}

#[tokio::test]
async fn a_rule_replies_on_its_webhook_as_often_as_it_says() {
    let limited = Action::Reply {
        status: 429,
        body: "rate_limited".into(),
        retry_after_s: Some(30),
    };
    let sink = started([
        Rule::reply(500, "rollup_error").to("news").times(1),
        Rule::new(limited).to("news").times(1).recorded(),
    ])
    .await;
    assert_eq!(post(&sink, "sport", HELLO).await.0, 200);
    assert_eq!(
        post(&sink, "news", HELLO).await,
        (500, "rollup_error".into())
    );
    assert_eq!(sink.count(), 1);
    let answer = request(&sink, "POST", &sink.url("news"), "application/json", HELLO).await;
    assert!(answer.contains("retry-after: 30\r\n"), "{answer}");
    assert_eq!(sink.count(), 2);
    assert_eq!(post(&sink, "news", HELLO).await.0, 200);
}

#[tokio::test]
async fn a_connection_is_cut_with_or_without_keeping_the_message() {
    let sink = started([]).await;
    for (rule, count) in [
        (Rule::new(Action::Cut).times(1), 0),
        (Rule::new(Action::Cut).times(1).recorded(), 1),
    ] {
        sink.clear_rules();
        sink.add_rule(rule);
        let answer = request(&sink, "POST", &sink.url("news"), "application/json", HELLO).await;
        assert_eq!(answer, "");
        assert_eq!(sink.count(), count);
    }
    assert_eq!(post(&sink, "news", HELLO).await.0, 200);
}

#[tokio::test]
async fn a_stall_lasts_until_it_is_released() {
    let sink = started([]).await;
    let stall = sink.add_rule(Rule::new(Action::Stall).times(1));
    let sender = tokio::spawn({
        let sink = sink.clone();
        async move { post(&sink, "news", HELLO).await }
    });
    patient(sink.wait_for_hits(stall, 1)).await;
    assert_eq!((sink.count(), sender.is_finished()), (0, false));
    // Others are served meanwhile.
    assert_eq!(post(&sink, "news", HELLO).await.0, 200);
    sink.release();
    assert_eq!(patient(sender).await.unwrap().0, 200);
    assert_eq!(sink.count(), 2);
}

#[tokio::test]
async fn an_answer_may_be_late() {
    let late = Duration::from_millis(30);
    let sink = started([Rule::new(Action::Delay(late))]).await;
    let start = Instant::now();
    assert_eq!(post(&sink, "news", HELLO).await.0, 200);
    assert!(start.elapsed() >= late);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_starts_on_any_runtime_and_stops_though_a_sender_is_stalled() {
    let sink = started([]).await;
    let stall = sink.add_rule(Rule::new(Action::Stall));
    let sender = tokio::spawn({
        let sink = sink.clone();
        async move { post(&sink, "news", HELLO).await.0 }
    });
    patient(sink.wait_for_hits(stall, 1)).await;
    patient(sink.stop()).await;
    assert_eq!(patient(sender).await.unwrap(), 0);
    assert!(TcpStream::connect(sink.addr()).await.is_err());
    assert_eq!(sink.count(), 0);
}
