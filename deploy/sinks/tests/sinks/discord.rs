//! The Discord sink over raw HTTP.

use serde_json::{Value, json};
use tidings_sinks::Clock;
use tidings_sinks::discord::{self, Handle, Limit, Options};
use time::OffsetDateTime;

use crate::http::{JSON, body_of, header, request, status};

const HELLO: &str = r#"{"content":"hello","allowed_mentions":{"parse":[]}}"#;

async fn started(rate_limit: Limit) -> Handle {
    let options = Options {
        rate_limit,
        clock: Clock::from_fn(|| OffsetDateTime::UNIX_EPOCH),
        ..Options::default()
    };
    discord::start(options).await.unwrap()
}

async fn post(sink: &Handle, url: &str, body: &str) -> String {
    request(sink.addr(), "POST", url, &[JSON], body).await
}

#[tokio::test]
async fn only_who_waits_is_shown_the_message() {
    let sink = started(Limit::None).await;
    let url = sink.url("news");
    let answer = post(&sink, &format!("{url}?wait=true"), HELLO).await;
    let shown: Value = serde_json::from_str(body_of(&answer)).unwrap();
    let id = sink.messages()[0].id.clone();
    assert_eq!(
        (status(&answer), shown["id"].as_str()),
        (200, Some(id.as_str()))
    );
    let answer = post(&sink, &url, HELLO).await;
    assert_eq!((status(&answer), body_of(&answer)), (204, ""));
    assert_eq!(sink.count(), 2);
}

#[tokio::test]
async fn refusals_have_a_code() {
    let sink = started(Limit::None).await;
    let open = json!({"content": "@everyone"}).to_string();
    for (name, body, expected) in [
        ("unknown", HELLO, (404, 10_015)),
        ("invalid", HELLO, (401, 50_027)),
        ("forum", HELLO, (400, 220_001)),
        ("news", "{", (400, 50_035)),
        ("news", open.as_str(), (400, 50_035)),
    ] {
        let answer = post(&sink, &sink.url(name), body).await;
        let refusal: Value = serde_json::from_str(body_of(&answer)).unwrap();
        assert_eq!(
            (status(&answer), refusal["code"].as_u64()),
            (expected.0, Some(expected.1)),
            "{name} {body}"
        );
    }
    assert_eq!(sink.count(), 0);
    let threaded = format!("{}?thread_id=7", sink.url("forum"));
    assert_eq!(status(&post(&sink, &threaded, HELLO).await), 204);
}

#[tokio::test]
async fn each_answer_says_what_is_left_in_the_bucket() {
    let sink = started(Limit::Vendors).await;
    let url = sink.url("news");
    for left in ["4", "3", "2", "1", "0"] {
        let answer = post(&sink, &url, HELLO).await;
        assert_eq!(header(&answer, "x-ratelimit-remaining"), Some(left));
        assert!(header(&answer, "x-ratelimit-bucket").is_some());
        let reset_after = if left == "0" { "0.400" } else { "0.000" };
        assert_eq!(
            header(&answer, "x-ratelimit-reset-after"),
            Some(reset_after)
        );
    }
    let answer = post(&sink, &url, HELLO).await;
    assert_eq!(status(&answer), 429);
    assert_eq!(header(&answer, "retry-after"), Some("1"));
    let limited: Value = serde_json::from_str(body_of(&answer)).unwrap();
    assert_eq!(
        (&limited["retry_after"], &limited["global"]),
        (&json!(0.4), &json!(false))
    );
    assert_eq!(status(&post(&sink, &sink.url("sport"), HELLO).await), 204);
}
