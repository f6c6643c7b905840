//! The Slack channel against a sink that answers as Slack does.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tidings_sinks::slack::{self, Action, Handle, Rule};

use crate::{
    channel::{Blame, Channel, Outcome, Rendered},
    channels::{find, support},
};

async fn sink(rules: Vec<Rule>) -> Handle {
    let options = slack::Options {
        rate_limit: None,
        rules,
        ..slack::Options::default()
    };
    slack::start(options).await.unwrap()
}

fn channel(url: &str) -> Arc<dyn Channel> {
    let environment = support::environment("/nowhere".as_ref());
    let credentials = json!({"webhook_url": url}).to_string();
    let build = find("slack").unwrap().build;
    build(&json!({}), Some(&credentials), &environment).unwrap()
}

fn rendered(channel: &Arc<dyn Channel>) -> Rendered {
    let content = support::content();
    channel.render(&support::broadcast(&content)).unwrap()
}

async fn sent_to(url: &str) -> Outcome {
    let channel = channel(url);
    let rendered = rendered(&channel);
    channel.send(&rendered, &support::always).await
}

fn deferred(
    reason: &'static str,
    code: i32,
    reply: &str,
    retry_after: Option<Duration>,
) -> Outcome {
    let blame = Blame::Network;
    Outcome::Deferred {
        reason,
        code,
        reply: reply.to_owned(),
        retry_after,
        blame,
    }
}

#[tokio::test]
async fn a_message_arrives_whole() {
    let sink = sink(vec![]).await;
    let outcome = sent_to(&sink.url("news")).await;
    assert_eq!(
        outcome,
        Outcome::Sent {
            code: 200,
            reply: "ok".to_owned()
        }
    );
    assert_eq!(sink.count(), 1);
}

#[tokio::test]
async fn a_stale_attempt_sends_nothing() {
    let sink = sink(vec![]).await;
    let channel = channel(&sink.url("news"));
    let rendered = rendered(&channel);
    let outcome = channel.send(&rendered, &|| false).await;
    assert_eq!(outcome, Outcome::Abandoned { reason: "stale" });
    assert_eq!(sink.count(), 0);
}

#[tokio::test]
async fn a_webhook_that_is_gone_is_the_channels_fault() {
    let sink = sink(vec![]).await;
    for (name, reason, code, reply) in [
        ("prohibited", "not_allowed", 403, "action_prohibited"),
        ("unknown", "webhook_not_found", 404, "channel_not_found"),
        ("archived", "channel_archived", 410, "channel_is_archived"),
    ] {
        let (reply, blame) = (reply.to_owned(), Blame::Channel);
        let expected = Outcome::Failed {
            reason,
            code,
            reply,
            blame,
        };
        assert_eq!(sent_to(&sink.url(name)).await, expected);
    }
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let limited = Action::Reply {
        status: 429,
        body: "rate_limited".to_owned(),
        retry_after_s: Some(7),
    };
    let sink = sink(vec![
        Rule::new(limited).to("limited"),
        Rule::reply(400, "invalid_payload").to("invalid"),
        Rule::reply(500, "rollup_error").to("rollup"),
        Rule::reply(504, "gateway timeout").to("gateway"),
        Rule::reply(200, "<html>").to("other"),
    ])
    .await;
    for (name, expected) in [
        (
            "limited",
            deferred(
                "rate_limited",
                429,
                "rate_limited",
                Some(Duration::from_secs(7)),
            ),
        ),
        (
            "invalid",
            Outcome::Failed {
                reason: "invalid_payload",
                code: 400,
                reply: "invalid_payload".to_owned(),
                blame: Blame::Receiver,
            },
        ),
        (
            "rollup",
            deferred("server_error", 500, "rollup_error", None),
        ),
        (
            "gateway",
            Outcome::InDoubt {
                reason: "reply_timeout",
            },
        ),
        (
            "other",
            Outcome::InDoubt {
                reason: "unexpected_reply",
            },
        ),
    ] {
        assert_eq!(sent_to(&sink.url(name)).await, expected, "{name}");
    }
}

#[tokio::test]
async fn a_request_without_an_answer_is_in_doubt() {
    let sink = sink(vec![
        Rule::new(Action::Cut).to("cut").recorded(),
        Rule::new(Action::Stall).to("stalled").recorded(),
    ])
    .await;
    let outcome = sent_to(&sink.url("cut")).await;
    assert_eq!(
        outcome,
        Outcome::InDoubt {
            reason: "connection_lost"
        }
    );
    let outcome = sent_to(&sink.url("stalled")).await;
    assert_eq!(
        outcome,
        Outcome::InDoubt {
            reason: "reply_timeout"
        }
    );
    assert_eq!(sink.count(), 2);
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
                reason: "connect_failed",
                blame: Blame::Network,
                ..
            }
        ),
        "{outcome:?}"
    );
}
