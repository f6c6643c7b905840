//! The receiver of Standard Webhooks over raw HTTP.

use tidings_sinks::Clock;
use tidings_sinks::webhook::{self, Handle, Options, Receiver};
use time::OffsetDateTime;

use crate::http::{JSON, body_of, request, status};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// The example of the reference implementations; its body is no event.
const ID: &str = "webhook-id: msg_p5jXN8AQM9LWM0D4loKWxJek";
const TIMESTAMP: &str = "webhook-timestamp: 1614265330";
const SIGNATURE: &str = "webhook-signature: v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
const BODY: &str = r#"{"test": 2432232314}"#;

async fn started(now: i64) -> Handle {
    let options = Options {
        clock: Clock::from_fn(move || OffsetDateTime::from_unix_timestamp(now).unwrap()),
        ..Options::default()
    };
    let receiver = Receiver {
        secrets: vec![SECRET.to_owned()],
    };
    webhook::start(options, &receiver).await.unwrap()
}

async fn post(sink: &Handle, headers: &[&str], body: &str) -> (u16, String) {
    let headers = [&[JSON], headers].concat();
    let answer = request(sink.addr(), "POST", &sink.url("in"), &headers, body).await;
    (status(&answer), body_of(&answer).to_owned())
}

#[tokio::test]
async fn only_what_the_sender_signed_now_is_looked_at() {
    let sink = started(1_614_265_330 + 300).await;
    let other =
        "webhook-signature: v1,AAAA v1a,BBBB v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    let forged = r#"{"error":"no signature is one of the sender's"}"#;
    for (headers, body, expected) in [
        // Signed, but no event.
        (
            vec![ID, TIMESTAMP, SIGNATURE],
            BODY,
            (400, r#"{"error":"type is missing"}"#),
        ),
        (
            vec![ID, TIMESTAMP, other],
            BODY,
            (400, r#"{"error":"type is missing"}"#),
        ),
        (vec![ID, TIMESTAMP, SIGNATURE], "{}", (401, forged)),
        (
            vec![ID, "webhook-timestamp: 1614265331", SIGNATURE],
            BODY,
            (401, forged),
        ),
        (
            vec!["webhook-id: other", TIMESTAMP, SIGNATURE],
            BODY,
            (401, forged),
        ),
        (
            vec![ID, TIMESTAMP],
            BODY,
            (401, r#"{"error":"webhook-signature is missing"}"#),
        ),
        (
            vec![ID, "webhook-timestamp: now", SIGNATURE],
            BODY,
            (401, r#"{"error":"webhook-timestamp is not a number"}"#),
        ),
    ] {
        let (status, words) = post(&sink, &headers, body).await;
        assert_eq!((status, words.as_str()), expected, "{headers:?}");
    }
    let later = started(1_614_265_330 + 301).await;
    let (status, words) = post(&later, &[ID, TIMESTAMP, SIGNATURE], BODY).await;
    assert_eq!(
        (status, words.as_str()),
        (401, r#"{"error":"the time is not now"}"#)
    );
}
