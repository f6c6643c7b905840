//! The Slack channel against a sink that answers as Slack does.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use tidings_proto::Reason;
use tidings_service::clock::Clock;
use tidings_sinks::slack::{self, Action, Handle, Limit, Rule};
use time::macros::datetime;

use crate::{
    channel::{Blame, Channel, Environment, Outcome},
    channels::support::{self, deferred, deferred_for, failed, given, sent, taken},
    content::Composed,
};

mod bot;

async fn sink(rules: Vec<Rule>) -> Handle {
    let options = slack::Options {
        rate_limit: Limit::None,
        rules,
        ..slack::Options::default()
    };
    slack::start(options).await.unwrap()
}

fn channel(url: &str) -> Arc<dyn Channel> {
    support::channel("slack", &json!({}), &json!({"webhook_url": url}))
}

async fn sent_to(url: &str) -> Outcome {
    sent(&channel(url)).await
}

#[tokio::test]
async fn a_message_arrives_whole() {
    let sink = sink(vec![]).await;
    assert_eq!(sent_to(&sink.url("news")).await, taken(200, "ok", None));
    assert_eq!(sink.count(), 1);
}

/// Nothing says by its address that it can not be downloaded.
const PICTURE: &str = "![Two herons](https://pictures.invalid/herons.png)\n\nThey are back.\n";

/// Links stand where the pictures were.
fn assert_without_pictures(message: &serde_json::Value) {
    let blocks = message["blocks"].as_array().unwrap();
    assert!(blocks.iter().all(|block| block["type"] != "image"));
    assert_eq!(
        blocks[1]["text"]["text"],
        "<https://pictures.invalid/herons.png|Two herons>"
    );
}

#[tokio::test]
async fn a_picture_that_slack_can_not_have_does_not_cost_the_message() {
    let sink = sink(vec![]).await;
    let content = Composed::new("Herons", PICTURE);
    let bot = support::channel(
        "slack",
        &json!({"channel": "C0NEWS", "api_url": sink.api_url()}),
        &json!({"bot_token": "xoxb-1"}),
    );
    for channel in [channel(&sink.url("news")), bot] {
        let rendered = channel.render(&support::broadcast(&content)).unwrap();
        let outcome = channel.send(&rendered, &support::always).await;
        assert!(matches!(outcome, Outcome::Sent { .. }), "{outcome:?}");
    }
    assert_eq!(sink.count(), 2);
    for message in sink.messages() {
        assert_without_pictures(&message.payload);
    }
}

/// The second request of an attempt may be kept back. The next attempt does not begin with the pictures again, or it would
/// never get further.
#[tokio::test]
async fn pictures_that_were_refused_are_not_tried_again() {
    let options = slack::Options {
        rate_limit: Limit::Vendors,
        rules: vec![Rule::reply(429, "rate_limited").times(1)],
        clock: tidings_sinks::Clock::from_fn(|| datetime!(2026-01-02 03:04:05 UTC)),
        ..slack::Options::default()
    };
    let sink = slack::start(options).await.unwrap();
    let channel = channel(&sink.url("news"));
    let content = Composed::new("Herons", PICTURE);
    let rendered = channel.render(&support::broadcast(&content)).unwrap();
    let limited = channel.send(&rendered, &support::always).await;
    assert!(matches!(limited, Outcome::Deferred { .. }), "{limited:?}");
    // Three requests are all that Slack takes in a second.
    let taken = channel.send(&rendered, &support::always).await;
    assert!(matches!(taken, Outcome::Sent { .. }), "{taken:?}");
    assert_eq!(sink.count(), 1);
    assert_without_pictures(&sink.messages()[0].payload);
}

#[tokio::test]
async fn what_is_refused_without_any_picture_is_asked_once() {
    let sink = sink(vec![Rule::reply(400, "invalid_blocks").times(1)]).await;
    let refused = failed("invalid_payload", 400, "invalid_blocks");
    assert_eq!(sent_to(&sink.url("news")).await, refused);
    assert_eq!(sink.count(), 0);
}

/// Slack takes no more than so much in all blocks together, and so does the sink.
#[tokio::test]
async fn a_long_publication_arrives_cut_short() {
    let sink = sink(vec![]).await;
    let channel = channel(&sink.url("news"));
    for text in [
        format!("{}\n\n", "word ".repeat(500)).repeat(8),
        "- one more thing\n".repeat(3_000),
        format!("{}\n\n---\n\n", "word ".repeat(60)).repeat(40),
    ] {
        let content = Composed::new("Everything", &text);
        let rendered = channel.render(&support::broadcast(&content)).unwrap();
        let outcome = channel.send(&rendered, &support::always).await;
        assert!(matches!(outcome, Outcome::Sent { .. }), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_message_that_is_too_long_all_the_same_is_not_asked_again() {
    for word in ["msg_too_long", "msg_blocks_too_long"] {
        let sink = sink(vec![Rule::reply(400, word)]).await;
        let refused = failed("message_too_large", 400, word);
        assert_eq!(sent_to(&sink.url("news")).await, refused);
    }
}

#[tokio::test]
async fn a_second_request_that_comes_too_late_is_not_made() {
    let sink = sink(vec![]).await;
    let channel = channel(&sink.url("news"));
    let content = Composed::new("Herons", PICTURE);
    let rendered = channel.render(&support::broadcast(&content)).unwrap();
    let asked = AtomicUsize::new(0);
    let once = || asked.fetch_add(1, Ordering::Relaxed) == 0;
    let outcome = channel.send(&rendered, &once).await;
    let reason = Reason::Stale;
    assert_eq!(outcome, Outcome::Abandoned { reason });
    assert_eq!(sink.count(), 0);
}

#[tokio::test]
async fn a_stale_attempt_sends_nothing() {
    let sink = sink(vec![]).await;
    let channel = channel(&sink.url("news"));
    let content = support::content();
    let rendered = channel.render(&support::broadcast(&content)).unwrap();
    let outcome = channel.send(&rendered, &|| false).await;
    assert_eq!(
        outcome,
        Outcome::Abandoned {
            reason: Reason::Stale
        }
    );
    assert_eq!(sink.count(), 0);
}

#[tokio::test]
async fn a_webhook_that_is_gone_is_the_channels_fault_and_waits_to_be_mended() {
    let sink = sink(vec![Rule::reply(302, "over there").to("moved")]).await;
    for (name, reason, code, reply) in [
        ("prohibited", "not_allowed", 403, "action_prohibited"),
        ("unknown", "webhook_not_found", 404, "channel_not_found"),
        ("archived", "channel_archived", 410, "channel_is_archived"),
        ("moved", "redirected", 302, "over there"),
    ] {
        let expected = deferred(reason, code, reply, Blame::Channel);
        assert_eq!(sent_to(&sink.url(name)).await, expected);
    }
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let limited = Rule::reply(429, "rate_limited").header("retry-after", "7");
    let sink = sink(vec![
        limited.to("limited"),
        Rule::reply(400, "invalid_payload").to("invalid"),
        Rule::reply(500, "rollup_error").to("rollup"),
        Rule::reply(504, "gateway timeout").to("gateway"),
        Rule::reply(200, "<html>").to("other"),
    ])
    .await;
    let in_doubt = |reason| Outcome::InDoubt {
        reason: given(reason),
    };
    for (name, expected) in [
        (
            "limited",
            deferred_for("rate_limited", 429, "rate_limited", 7),
        ),
        ("invalid", failed("invalid_payload", 400, "invalid_payload")),
        (
            "rollup",
            deferred("server_error", 500, "rollup_error", Blame::Network),
        ),
        ("gateway", in_doubt("reply_timeout")),
        ("other", in_doubt("unexpected_reply")),
    ] {
        assert_eq!(sent_to(&sink.url(name)).await, expected, "{name}");
    }
}

#[tokio::test]
async fn a_request_without_an_answer_is_in_doubt() {
    let sink = sink(vec![
        Rule::new(Action::Cut).to("cut").recorded(),
        Rule::new(Action::Stall).to("stalled").recorded(),
        Rule::new(Action::Drip).to("dripping").recorded(),
        Rule::new(Action::Endless).to("endless").recorded(),
    ])
    .await;
    for (name, reason) in [
        ("cut", "connection_lost"),
        ("stalled", "reply_timeout"),
        ("dripping", "unexpected_reply"),
        ("endless", "unexpected_reply"),
    ] {
        let outcome = sent_to(&sink.url(name)).await;
        assert_eq!(
            outcome,
            Outcome::InDoubt {
                reason: given(reason)
            },
            "{name}"
        );
    }
    assert_eq!(sink.count(), 4);
}

#[tokio::test]
async fn nobody_there_is_nothing_sent() {
    let sink = sink(vec![]).await;
    let url = sink.url("news");
    sink.stop().await;
    let outcome = sent_to(&url).await;
    assert!(
        matches!(
            outcome,
            Outcome::Deferred {
                reason: Reason::ConnectFailed,
                blame: Blame::Network,
                ..
            }
        ),
        "{outcome:?}"
    );
}

/// What a 429 says of the wait, what the delivery is told of it, and how long the channel rests, in seconds.
const WAITS: [(Option<&str>, Option<u64>, u64); 10] = [
    (Some("30"), Some(30), 30),
    (None, None, 1),
    (Some("0"), Some(1), 1),
    (Some("1000000000"), Some(3_600), 3_600),
    (Some("99999999999999999999999999"), Some(3_600), 3_600),
    (Some("Fri, 02 Jan 2026 03:04:35 GMT"), Some(30), 30),
    (Some("Thu, 01 Jan 2026 00:00:00 GMT"), Some(1), 1),
    (Some("Fri, 01 Jan 2126 00:00:00 GMT"), Some(3_600), 3_600),
    (Some("-5"), None, 1),
    (Some("soon"), None, 1),
];

#[tokio::test]
async fn a_429_is_rested_for_as_long_as_it_says_and_no_longer_than_an_hour() {
    for (header, wait_s, rest_s) in WAITS {
        let rule = Rule::reply(429, "rate_limited");
        let rule = header
            .iter()
            .fold(rule, |it, wait| it.header("retry-after", wait));
        let sink = sink(vec![rule]).await;
        let channel = channel(&sink.url("news"));
        let outcome = sent(&channel).await;
        let expected = match wait_s {
            Some(wait_s) => deferred_for("rate_limited", 429, "rate_limited", wait_s),
            None => deferred("rate_limited", 429, "rate_limited", Blame::Pace),
        };
        assert_eq!(outcome, expected, "{header:?}");
        let rest = Duration::from_secs(rest_s);
        assert_eq!(channel.ready_after(), Some(rest), "{header:?}");
    }
}

#[tokio::test]
async fn a_channel_takes_a_message_a_second_and_rests_when_told_to() {
    let hand = Clock::manual(datetime!(2026-01-02 03:04:05 UTC));
    let environment = Environment {
        clock: hand.clock(),
        ..support::environment("/nowhere".as_ref())
    };
    let limited = |wait: &str| {
        let rule = Rule::reply(429, "rate_limited").times(1);
        rule.skip(1).header("retry-after", wait)
    };
    let sink = sink(vec![limited("30"), limited("90000"), limited("0")]).await;
    let credentials = json!({"webhook_url": sink.url("news")});
    let channel = support::channel_in(&environment, "slack", &json!({}), &credentials);
    assert_eq!(channel.ready_after(), None);
    for wait_s in [1, 30, 3_600, 1] {
        sent(&channel).await;
        let wait = Duration::from_secs(wait_s);
        assert_eq!(channel.ready_after(), Some(wait));
        hand.advance(wait - Duration::from_millis(1));
        assert_eq!(channel.ready_after(), Some(Duration::from_millis(1)));
        hand.advance(Duration::from_millis(1));
        assert_eq!(channel.ready_after(), None);
    }
    assert_eq!(sink.count(), 1);
}
