//! The Discord channel against a sink that answers as Discord does.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tidings_proto::Reason;
use tidings_service::clock::Clock;
use tidings_sinks::discord::{self, Action, Handle, Limit, RateLimit, Rule};
use time::macros::datetime;

use super::{api, waiting};
use crate::{
    channel::{Blame, Channel, Environment, Outcome},
    channels::support::{self, deferred, deferred_for, failed, given, sent},
};

async fn sink(rate_limit: Limit, rules: Vec<Rule>) -> Handle {
    let options = discord::Options {
        rate_limit,
        rules,
        ..discord::Options::default()
    };
    discord::start(options).await.unwrap()
}

fn channel(url: &str) -> Arc<dyn Channel> {
    support::channel("discord", &json!({}), &json!({"webhook_url": url}))
}

async fn sent_to(url: &str) -> Outcome {
    sent(&channel(url)).await
}

#[test]
fn every_other_parameter_of_the_url_stays() {
    for (url, expected) in [
        ("https://d.example/w", "https://d.example/w?wait=true"),
        (
            "https://d.example/w?thread_id=7",
            "https://d.example/w?thread_id=7&wait=true",
        ),
        (
            "https://d.example/w?wait=false&thread_id=7",
            "https://d.example/w?thread_id=7&wait=true",
        ),
    ] {
        assert_eq!(waiting(url.parse().unwrap()), expected);
    }
}

#[test]
fn all_names_of_discord_are_one_receiving_side() {
    let of = |url: &str| api(&url.parse().unwrap());
    let discord = of("https://discord.com/api/webhooks/1/a");
    for same in [
        "https://discord.com/api/v10/webhooks/2/b",
        "https://canary.discord.com/api/webhooks/2/b",
        "https://discordapp.com/api/webhooks/2/b",
    ] {
        assert_eq!(of(same), discord, "{same}");
    }
    for other in [
        "https://notdiscord.com/api/webhooks/1/a",
        "https://discord.com.example.org/api/webhooks/1/a",
        "https://discord.com:8443/api/webhooks/1/a",
    ] {
        assert_ne!(of(other), discord, "{other}");
    }
}

#[tokio::test]
async fn a_message_arrives_whole_under_the_id_that_discord_gives_it() {
    let sink = sink(Limit::None, vec![]).await;
    let outcome = sent_to(&format!("{}?thread_id=7", sink.url("forum"))).await;
    let message = &sink.messages()[0];
    let Outcome::Sent {
        code: 200,
        provider_message_id: Some(id),
        ..
    } = outcome
    else {
        panic!("{outcome:?}");
    };
    assert_eq!(id, message.id);
    assert_eq!(message.payload["embeds"][0]["title"], "Tide tables");
}

#[tokio::test]
async fn a_webhook_or_thread_that_is_gone_is_the_channels_fault_and_waits_to_be_mended() {
    let archived = json!({"message": "Thread is archived", "code": 50_083}).to_string();
    let sink = sink(
        Limit::None,
        vec![
            Rule::reply(400, archived).to("archived"),
            Rule::reply(403, r#"{"message": "Missing Access", "code": 50001}"#).to("forbidden"),
            // No answer of Discord's own.
            Rule::reply(403, "<!doctype html><title>Access denied</title>").to("shut-out"),
            Rule::reply(301, "over there").to("moved"),
        ],
    )
    .await;
    for (name, reason, code) in [
        ("unknown", "webhook_not_found", 404),
        ("invalid", "webhook_not_found", 401),
        ("forum", "thread_required", 400),
        ("archived", "channel_archived", 400),
        ("forbidden", "not_allowed", 403),
        ("shut-out", "shut_out", 403),
        ("moved", "redirected", 301),
    ] {
        let outcome = sent_to(&sink.url(name)).await;
        let Outcome::Deferred { ref reply, .. } = outcome else {
            panic!("{name}: {outcome:?}");
        };
        let expected = deferred(reason, code, reply, Blame::Channel);
        assert_eq!(outcome, expected, "{name}");
    }
    assert_eq!(sink.count(), 0);
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let form = json!({"message": "Invalid Form Body", "code": 50_035}).to_string();
    let limited = json!({"message": "slow", "retry_after": 64.57, "global": true}).to_string();
    let sink = sink(
        Limit::None,
        vec![
            Rule::reply(400, form.clone()).to("invalid-form"),
            Rule::reply(429, limited.clone())
                .header("retry-after", "65")
                .to("limited"),
            Rule::reply(429, "<html>")
                .header("retry-after", "8")
                .to("banned"),
            Rule::reply(429, r#"{"retry_after": -1e300}"#).to("odd"),
            Rule::reply(500, "oops").to("broken"),
        ],
    )
    .await;
    let precisely = Outcome::Deferred {
        reason: Reason::RateLimited,
        code: 429,
        reply: limited,
        retry_after: Some(Duration::from_millis(64_570)),
        blame: Blame::Pace,
    };
    for (name, expected) in [
        ("invalid-form", failed("invalid_payload", 400, &form)),
        ("limited", precisely),
        ("banned", deferred_for("rate_limited", 429, "<html>", 8)),
        (
            "odd",
            deferred(
                "rate_limited",
                429,
                r#"{"retry_after": -1e300}"#,
                Blame::Pace,
            ),
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
async fn an_answer_that_does_not_show_the_message_is_in_doubt() {
    let sink = sink(
        Limit::None,
        vec![
            Rule::reply(204, "").to("unwaited"),
            Rule::reply(200, "{}").to("nameless"),
            Rule::reply(502, "bad gateway").to("gateway"),
            Rule::new(Action::Cut).to("cut").recorded(),
            Rule::new(Action::Stall).to("stalled").recorded(),
            Rule::new(Action::Drip).to("dripping").recorded(),
            Rule::new(Action::Endless).to("endless").recorded(),
        ],
    )
    .await;
    for (name, reason) in [
        ("unwaited", "unexpected_reply"),
        ("nameless", "unexpected_reply"),
        ("gateway", "reply_timeout"),
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
}

#[tokio::test]
async fn an_empty_bucket_is_waited_for_and_so_never_overdrawn() {
    let hand = Clock::manual(datetime!(2026-01-02 03:04:05 UTC));
    let (ours, theirs) = (hand.clock(), hand.clock());
    let options = discord::Options {
        rate_limit: Limit::Of(RateLimit {
            per_s: 0.5,
            burst: 2,
        }),
        clock: tidings_sinks::Clock::from_fn(move || theirs.now()),
        ..discord::Options::default()
    };
    let sink = discord::start(options).await.unwrap();
    let environment = Environment {
        clock: ours,
        ..support::environment("/nowhere".as_ref())
    };
    let credentials = json!({"webhook_url": sink.url("news")});
    let channel = support::channel_in(&environment, "discord", &json!({}), &credentials);
    let mut waits = Vec::new();
    for _ in 0..5 {
        if let Some(wait) = channel.ready_after() {
            waits.push(wait.as_secs_f64());
            hand.advance(wait);
        }
        let outcome = sent(&channel).await;
        assert!(matches!(outcome, Outcome::Sent { .. }), "{outcome:?}");
    }
    assert_eq!(waits, [2.0, 2.0, 2.0]);
    // Who does not ask is told off, and rests as long as that says.
    let outcome = sent(&channel).await;
    assert!(
        matches!(
            outcome,
            Outcome::Deferred {
                reason: Reason::RateLimited,
                code: 429,
                ..
            }
        ),
        "{outcome:?}"
    );
    assert_eq!(channel.ready_after(), Some(Duration::from_secs(2)));
}

#[tokio::test]
async fn what_the_latest_answer_says_of_a_bucket_counts_whatever_bucket_that_is() {
    let hand = Clock::manual(datetime!(2026-01-02 03:04:05 UTC));
    let environment = Environment {
        clock: hand.clock(),
        ..support::environment("/nowhere".as_ref())
    };
    let taken = json!({"id": "1"}).to_string();
    let bucket = |name: &str, remaining: &str, reset_after: &str| {
        let rule = Rule::reply(200, taken.clone()).times(1);
        let rule = rule.header("x-ratelimit-bucket", name);
        let rule = rule.header("x-ratelimit-remaining", remaining);
        rule.header("x-ratelimit-reset-after", reset_after)
    };
    // Which bucket, what it says, and how long the channel rests then, in milliseconds.
    let answers = [
        ("a", "0", "3", 3_000),
        ("b", "4", "2.5", 0),
        ("c", "0", "0.25", 250),
        ("a", "1", "9", 0),
        ("b", "0", "1e9", 3_600_000),
        ("c", "0", "-1", 0),
        ("a", "none", "7", 0),
        ("b", "0", "NaN", 0),
    ];
    let rules = answers.map(|(name, remaining, reset, _)| bucket(name, remaining, reset));
    let sink = sink(Limit::None, rules.to_vec()).await;
    let credentials = json!({"webhook_url": sink.url("news")});
    let channel = support::channel_in(&environment, "discord", &json!({}), &credentials);
    for answer in answers {
        let outcome = sent(&channel).await;
        assert!(matches!(outcome, Outcome::Sent { .. }), "{outcome:?}");
        let rest = channel.ready_after().unwrap_or_default();
        assert_eq!(rest, Duration::from_millis(answer.3), "{answer:?}");
        hand.advance(rest);
    }
}

/// What two channels of one sink, and one of another, wait for after the first was told this.
async fn rests_after(told: Rule) -> [Option<Duration>; 3] {
    let (here, there) = (
        sink(Limit::None, vec![told.to("one")]).await,
        sink(Limit::None, vec![]).await,
    );
    let channels = [here.url("one"), here.url("two"), there.url("three")];
    let channels = channels.map(|url| channel(&url));
    sent(&channels[0]).await;
    let rests = [0, 1, 2].map(|index: usize| channels[index].ready_after());
    // One that was opened before it could know is not sent while its side rests.
    let stale = Outcome::Abandoned {
        reason: Reason::Paced,
    };
    assert_eq!(sent(&channels[1]).await == stale, rests[1].is_some());
    assert_eq!(here.count(), usize::from(rests[1].is_none()));
    rests
}

#[tokio::test]
async fn a_limit_on_everything_rests_every_channel_to_discord_and_no_other() {
    let limited = |global: bool| {
        let body = json!({"message": "slow", "retry_after": 64.5, "global": global});
        Rule::reply(429, body.to_string())
    };
    let scoped = |scope, global| limited(global).header("X-RateLimit-Scope", scope);
    let rest = Some(Duration::from_millis(64_500));
    for (told, all) in [
        (limited(false), false),
        (limited(true), true),
        (limited(false).header("X-RateLimit-Global", "true"), true),
        (scoped("global", false), true),
        (scoped("user", false), false),
        // Others have used up what the webhook's channel may have.
        (scoped("shared", true), false),
    ] {
        let expected = [rest, rest.filter(|_| all), None];
        assert_eq!(rests_after(told.clone()).await, expected, "{told:?}");
    }
    // Whoever is shut out altogether is told so by somebody else.
    let banned = Rule::reply(429, "<html>").header("retry-after", "8");
    let rest = Some(Duration::from_secs(8));
    assert_eq!(rests_after(banned).await, [rest, rest, None]);
}
