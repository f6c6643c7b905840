//! The webhook channel against a receiver that checks what Standard Webhooks asks for.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tidings_service::clock::Clock;
use tidings_sinks::webhook::{self, Action, Handle, Limit, Receiver, Rule};
use time::OffsetDateTime;
use time::macros::datetime;
use uuid::Uuid;

use crate::{
    channel::{Blame, Channel, Environment, Former, Outcome},
    channels::support::{self, deferred, deferred_for, sent, taken},
    content::Composed,
};

const NEW: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";
const OLD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Its clock is that of [`support::environment`].
async fn sink(secret: &str, rules: Vec<Rule>) -> Handle {
    let clock = support::environment("/nowhere".as_ref()).clock;
    let options = webhook::Options {
        rate_limit: Limit::None,
        rules,
        clock: tidings_sinks::Clock::from_fn(move || clock.now()),
        ..webhook::Options::default()
    };
    let receiver = Receiver {
        secrets: vec![secret.to_owned()],
    };
    webhook::start(options, &receiver).await.unwrap()
}

fn channel(url: &str) -> Arc<dyn Channel> {
    support::channel("webhook", &json!({"url": url}), &json!({"secret": NEW}))
}

async fn sent_to(url: &str) -> Outcome {
    sent(&channel(url)).await
}

#[tokio::test]
async fn an_event_arrives_signed_and_a_repeat_is_the_same_event() {
    let sink = sink(NEW, vec![]).await;
    let channel = channel(&sink.url("news"));
    assert_eq!(sent(&channel).await, taken(204, "", None));
    assert_eq!(sent(&channel).await, taken(204, "", None));
    let [first, second] = &sink.messages()[..] else {
        panic!("two events were sent");
    };
    let delivery_id = Uuid::from_u128(0xd1).to_string();
    assert_eq!(first.id, delivery_id);
    assert_eq!((&first.id, &first.payload), (&second.id, &second.payload));
    insta::assert_json_snapshot!(first.payload);
}

#[tokio::test]
async fn while_the_secret_changes_both_the_old_and_the_new_receiver_know_the_sender() {
    for known in [NEW, OLD] {
        let sink = sink(known, vec![]).await;
        let settings = json!({"url": sink.url("news")});
        let credentials = json!({"secret": NEW, "previous_secret": OLD});
        let channel = support::channel("webhook", &settings, &credentials);
        assert_eq!(sent(&channel).await, taken(204, "", None));
    }
    let sink = sink(OLD, vec![]).await;
    let outcome = sent_to(&sink.url("news")).await;
    let expected = deferred(
        "not_allowed",
        401,
        r#"{"error":"no signature is one of the sender's"}"#,
        Blame::Channel,
    );
    assert_eq!(outcome, expected);
}

/// What a receiver that knows one secret makes of the channel at an hour of 2 January.
async fn known_to(
    known: &str,
    credentials: &serde_json::Value,
    before: &[(&str, OffsetDateTime)],
    at: OffsetDateTime,
) -> bool {
    let hand = Clock::manual(at);
    let clock = hand.clock();
    let options = webhook::Options {
        rate_limit: Limit::None,
        clock: tidings_sinks::Clock::from_fn(move || clock.now()),
        ..webhook::Options::default()
    };
    let receiver = Receiver {
        secrets: vec![known.to_owned()],
    };
    let sink = webhook::start(options, &receiver).await.unwrap();
    let environment = Environment {
        clock: hand.clock(),
        ..support::environment("/nowhere".as_ref())
    };
    let settings = json!({"url": sink.url("news")});
    let channel = support::channel_in(&environment, "webhook", &settings, credentials);
    let before: Vec<_> = before
        .iter()
        .map(|(secret, at)| (json!({ "secret": secret }).to_string(), *at))
        .collect();
    let before: Vec<_> = before
        .iter()
        .map(|(credentials, replaced_at)| Former {
            credentials,
            settings: settings.clone(),
            replaced_at: *replaced_at,
        })
        .collect();
    let channel = channel.succeeding(&before).unwrap_or(channel);
    matches!(sent(&channel).await, Outcome::Sent { .. })
}

#[tokio::test]
async fn a_secret_that_was_replaced_signs_for_a_day_more() {
    const OLDER: &str = "whsec_b2xkZXIgdGhhbiB0aGUgb2xkIG9uZSBpcyE=";
    let start = datetime!(2026-01-02 00:00 UTC);
    let hour = |hour: i64| start + time::Duration::hours(hour);
    let new = json!({"secret": NEW});
    let before = [(OLDER, hour(0)), (OLD, hour(6))];
    for (known, at, expected) in [
        (NEW, 7, true),
        (OLD, 7, true),
        (OLDER, 7, true),
        (OLDER, 23, true),
        (OLDER, 24, false),
        (OLD, 29, true),
        (OLD, 30, false),
        (NEW, 30, true),
    ] {
        let found = known_to(known, &new, &before, hour(at)).await;
        assert_eq!(found, expected, "{known} {at}");
    }
    // Whoever says what else is to sign is taken at their word.
    let said = json!({"secret": NEW, "previous_secret": OLDER});
    assert!(known_to(OLDER, &said, &before, hour(100)).await);
    assert!(!known_to(OLD, &said, &before, hour(7)).await);
    // One that came back is the one that signs, as long as it is there.
    let again = [(NEW, hour(0)), (OLD, hour(6))];
    assert!(known_to(NEW, &new, &again, hour(100)).await);
    assert!(!known_to(OLD, &new, &again, hour(100)).await);
}

#[test]
fn what_another_receiver_knew_signs_nothing_for_this_one() {
    let channel = channel("https://here.example.org/in");
    let shown = |url: &str| {
        let former = Former {
            credentials: &json!({ "secret": OLD }).to_string(),
            settings: json!({ "url": url }),
            replaced_at: datetime!(2026-01-02 03:04:05 UTC),
        };
        let succeeding = channel.succeeding(&[former]).unwrap();
        format!("{succeeding:?}")
    };
    assert!(shown("https://here.example.org/in").contains("former: 1"));
    assert!(shown("https://there.example.org/in").contains("former: 0"));
}

#[tokio::test]
async fn the_time_signed_is_that_of_the_attempt() {
    let sink = sink(NEW, vec![]).await;
    let hand = Clock::manual(datetime!(2026-01-02 04:04:05 UTC));
    let environment = Environment {
        clock: hand.clock(),
        ..support::environment("/nowhere".as_ref())
    };
    let settings = json!({"url": sink.url("news")});
    let channel = support::channel_in(&environment, "webhook", &settings, &json!({"secret": NEW}));
    // An hour ahead of the receiver's clock.
    let outcome = sent(&channel).await;
    let expected = deferred(
        "not_allowed",
        401,
        r#"{"error":"the time is not now"}"#,
        Blame::Channel,
    );
    assert_eq!(outcome, expected);
    hand.set(datetime!(2026-01-02 03:04:05 UTC));
    assert_eq!(sent(&channel).await, taken(204, "", None));
}

#[tokio::test]
async fn answers_are_told_apart() {
    let sink = sink(
        NEW,
        vec![
            Rule::reply(202, "queued").to("accepted"),
            Rule::reply(308, "over there")
                .header("location", "http://169.254.169.254/latest/meta-data/")
                .to("moved"),
            Rule::reply(400, "what?").to("puzzled"),
            Rule::reply(404, "nobody").to("missing"),
            Rule::reply(429, "slow")
                .header("retry-after", "99999")
                .to("limited"),
            Rule::reply(502, "bad gateway")
                .header("retry-after", "20")
                .to("gateway"),
            Rule::reply(504, "gateway timeout").to("waiting"),
            Rule::reply(500, "oops").to("broken"),
        ],
    )
    .await;
    for (name, expected) in [
        ("accepted", taken(202, "queued", None)),
        (
            "moved",
            deferred("redirected", 308, "over there", Blame::Channel),
        ),
        (
            "gone",
            deferred(
                "gone",
                410,
                r#"{"error":"no more, please"}"#,
                Blame::Channel,
            ),
        ),
        (
            "puzzled",
            deferred("rejected", 400, "what?", Blame::Receiver),
        ),
        (
            "missing",
            deferred("webhook_not_found", 404, "nobody", Blame::Channel),
        ),
        ("limited", deferred_for("rate_limited", 429, "slow", 3_600)),
        (
            "gateway",
            deferred_for("overloaded", 502, "bad gateway", 20),
        ),
        (
            "waiting",
            deferred("overloaded", 504, "gateway timeout", Blame::Network),
        ),
        (
            "broken",
            deferred("server_error", 500, "oops", Blame::Network),
        ),
    ] {
        assert_eq!(sent_to(&sink.url(name)).await, expected, "{name}");
    }
}

#[tokio::test]
async fn a_receiver_that_asks_for_a_rest_is_given_one() {
    let limited = |wait: Option<&str>| {
        let rule = Rule::reply(429, "slow").times(1);
        wait.iter()
            .fold(rule, |it, wait| it.header("retry-after", wait))
    };
    let rules = vec![
        limited(Some("30")),
        limited(None),
        limited(Some("1000000000")),
    ];
    let sink = sink(NEW, rules).await;
    for rest_s in [30, 1, 3_600] {
        let channel = channel(&sink.url("news"));
        assert_eq!(channel.ready_after(), None);
        sent(&channel).await;
        assert_eq!(channel.ready_after(), Some(Duration::from_secs(rest_s)));
    }
    let channel = channel(&sink.url("news"));
    assert_eq!(sent(&channel).await, taken(204, "", None));
    assert_eq!(channel.ready_after(), None);
}

#[tokio::test]
async fn a_lost_answer_is_in_doubt_and_a_yes_is_one_whatever_follows_it() {
    let sink = sink(
        NEW,
        vec![
            Rule::new(Action::Cut).to("cut").recorded(),
            Rule::new(Action::Stall).to("stalled").recorded(),
            Rule::new(Action::Drip).to("dripping").recorded(),
            Rule::new(Action::Endless).to("endless").recorded(),
            // A bomb, as far as its header goes: nobody lights it.
            Rule::reply(200, "\u{1f}\u{8b}\u{8}")
                .header("content-encoding", "gzip")
                .to("packed")
                .recorded(),
        ],
    )
    .await;
    for (name, expected) in [
        ("packed", Ok(())),
        ("cut", Err("connection_lost")),
        ("stalled", Err("reply_timeout")),
        ("dripping", Ok(())),
        ("endless", Ok(())),
    ] {
        let found = match sent_to(&sink.url(name)).await {
            Outcome::Sent { code: 200, .. } => Ok(()),
            Outcome::InDoubt { reason } => Err(reason.as_str()),
            other => panic!("{name}: {other:?}"),
        };
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn a_body_has_at_most_20_000_bytes_and_says_when_it_was_cut() {
    let channel = channel("http://127.0.0.1:1/hooks/news");
    for (text, is_cut) in [
        ("short".to_owned(), false),
        ("\"quoted\" and \\ escaped\n\n".repeat(2_000), true),
        ("é😀".repeat(20_000), true),
        ("\u{1}\u{7f}".repeat(20_000), true),
        ("- item\n".repeat(5_000), true),
        ("\\".repeat(40_000), true),
    ] {
        let content = Composed::new(&"\"".repeat(400), &text);
        let rendered = channel.render(&support::broadcast(&content)).unwrap();
        assert!(rendered.body.len() < 20_000, "{}", rendered.body.len());
        let body: serde_json::Value = serde_json::from_slice(&rendered.body).unwrap();
        assert_eq!(body["data"].get("truncated").is_some(), is_cut);
        // Nobody is left with less than there was room for.
        assert!(
            !is_cut || rendered.body.len() > 9_000,
            "{}",
            rendered.body.len()
        );
    }
}
