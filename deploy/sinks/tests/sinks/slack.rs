//! The Slack sink over raw HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tidings_sinks::Clock;
use tidings_sinks::slack::{self, Action, Handle, Limit, Options, RateLimit, Rule};
use time::OffsetDateTime;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use crate::client::patient;
use crate::http::{JSON, body_of, request, sent, status};

async fn started(rules: impl Into<Vec<Rule>>) -> Handle {
    slack::start(Options {
        rate_limit: Limit::None,
        rules: rules.into(),
        ..Options::default()
    })
    .await
    .unwrap()
}

/// Posts JSON to a webhook; returns status and body.
async fn post(sink: &Handle, name: &str, body: &str) -> (u16, String) {
    let answer = request(sink.addr(), "POST", &sink.url(name), &[JSON], body).await;
    (status(&answer), body_of(&answer).to_owned())
}

const HELLO: &str = r#"{"text":"hello"}"#;

#[tokio::test]
async fn a_message_is_taken_and_kept() {
    let sink = started([]).await;
    let answer = request(
        sink.addr(),
        "POST",
        &sink.url("news"),
        &["Content-Type: application/json; charset=utf-8"],
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
    let answer = request(
        sink.addr(),
        "POST",
        &news,
        &["Content-Type: text/plain"],
        HELLO,
    )
    .await;
    assert_eq!(
        (status(&answer), body_of(&answer)),
        (400, "invalid_payload")
    );
    for (method, url) in [("GET", news.clone()), ("POST", news.replace("/T0", "/X0"))] {
        let answer = request(sink.addr(), method, &url, &[JSON], HELLO).await;
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
        rate_limit: Limit::Of(RateLimit {
            per_s: 0.5,
            burst: 1,
        }),
        clock,
        ..Options::default()
    })
    .await
    .unwrap();
    assert_eq!(post(&sink, "news", HELLO).await.0, 200);
    let answer = request(sink.addr(), "POST", &sink.url("news"), &[JSON], HELLO).await;
    assert_eq!((status(&answer), body_of(&answer)), (429, "rate_limited"));
    assert!(answer.contains("retry-after: 2\r\n"), "{answer}");
    assert_eq!(post(&sink, "sport", HELLO).await.0, 200);
    now_ms.store(2_000, Ordering::Relaxed);
    assert_eq!(post(&sink, "news", HELLO).await.0, 200);
    assert_eq!(sink.messages()[2].at.unix_timestamp(), 2);
}

#[tokio::test]
async fn a_rule_replies_on_its_webhook_as_often_as_it_says() {
    let limited = Rule::reply(429, "rate_limited").header("retry-after", "30");
    let sink = started([
        Rule::reply(500, "rollup_error").to("news").times(1),
        limited.to("news").times(1).recorded(),
    ])
    .await;
    assert_eq!(post(&sink, "sport", HELLO).await.0, 200);
    assert_eq!(
        post(&sink, "news", HELLO).await,
        (500, "rollup_error".into())
    );
    assert_eq!(sink.count(), 1);
    let answer = request(sink.addr(), "POST", &sink.url("news"), &[JSON], HELLO).await;
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
        let answer = request(sink.addr(), "POST", &sink.url("news"), &[JSON], HELLO).await;
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

async fn called(sink: &Handle, token: &str, body: &str) -> serde_json::Value {
    let url = format!("{}/chat.postMessage", sink.api_url());
    let authorization = format!("Authorization: Bearer {token}");
    let answer = request(sink.addr(), "POST", &url, &[JSON, &authorization], body).await;
    assert_eq!(status(&answer), 200);
    serde_json::from_str(body_of(&answer)).unwrap()
}

#[tokio::test]
async fn a_bot_is_told_the_id_of_its_message_or_what_is_wrong() {
    let sink = started([]).await;
    let hello = r#"{"channel":"C0NEWS","text":"hello"}"#;
    let answer = called(&sink, "xoxb-1", hello).await;
    let message = &sink.by_webhook("C0NEWS")[0];
    assert_eq!(answer["ok"], true);
    assert_eq!(
        (answer["channel"].as_str(), answer["ts"].as_str()),
        (Some("C0NEWS"), Some(message.id.as_str()))
    );
    let long = json!({"channel": "C0NEWS", "text": "x".repeat(40_001)}).to_string();
    for (token, body, error) in [
        ("xoxp-1", hello, "invalid_auth"),
        ("xoxb-revoked", hello, "token_revoked"),
        ("xoxb-1", "{", "invalid_json"),
        ("xoxb-1", r#"{"text":"hello"}"#, "channel_not_found"),
        ("xoxb-1", r#"{"channel":"C0ARCHIVED"}"#, "is_archived"),
        ("xoxb-1", r#"{"channel":"C0PRIVATE"}"#, "not_in_channel"),
        ("xoxb-1", r#"{"channel":"C0NEWS"}"#, "no_text"),
        ("xoxb-1", long.as_str(), "msg_too_long"),
        (
            "xoxb-1",
            r#"{"channel":"C0NEWS","blocks":[{"type":"section"}]}"#,
            "invalid_blocks",
        ),
    ] {
        let answer = called(&sink, token, body).await;
        assert_eq!(
            answer,
            json!({"ok": false, "error": error}),
            "{token} {body}"
        );
    }
    assert_eq!(sink.count(), 1);
}

#[tokio::test]
async fn an_answer_may_drip_or_never_end() {
    let sink = started([
        Rule::new(Action::Drip).to("slow"),
        Rule::new(Action::Endless).to("long"),
    ])
    .await;
    for (name, bytes) in [("slow", 300), ("long", 1_000_000)] {
        let mut stream = sent(sink.addr(), "POST", &sink.url(name), &[JSON], HELLO).await;
        let mut taken = vec![0; bytes];
        patient(stream.read_exact(&mut taken)).await.unwrap();
        assert!(taken.starts_with(b"HTTP/1.1 200"));
    }
}
