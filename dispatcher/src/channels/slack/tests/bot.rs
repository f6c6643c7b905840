//! A Slack bot against a sink that answers as the Web API does.

use super::*;
use tidings_proto::Reason;

fn bot(sink: &Handle, token: &str, channel: &str) -> Arc<dyn Channel> {
    let settings = json!({"channel": channel, "api_url": sink.api_url()});
    support::channel("slack", &settings, &json!({"bot_token": token}))
}

async fn sent_by(sink: &Handle, token: &str, channel: &str) -> Outcome {
    sent(&bot(sink, token, channel)).await
}

#[tokio::test]
async fn a_bots_message_arrives_under_the_id_that_slack_gives_it() {
    let sink = sink(vec![]).await;
    let outcome = sent_by(&sink, "xoxb-1", "C0NEWS").await;
    let message = &sink.messages()[0];
    let Outcome::Sent {
        code: 200,
        provider_message_id: Some(id),
        ..
    } = outcome
    else {
        panic!("{outcome:?}");
    };
    assert_eq!(id, format!("C0NEWS/{}", message.id));
    assert_eq!(message.payload["channel"], "C0NEWS");
    // The rest is what a webhook gets.
    let content = support::content();
    let mut expected: serde_json::Value = serde_json::from_str(content.slack()).unwrap();
    expected["channel"] = "C0NEWS".into();
    assert_eq!(message.payload, expected);
}

#[tokio::test]
async fn what_is_wrong_with_bot_or_channel_waits_to_be_mended() {
    let sink = sink(vec![]).await;
    for (token, channel, reason, error) in [
        ("xoxb-revoked", "C0NEWS", "token_refused", "token_revoked"),
        (
            "xoxb-1",
            "C0UNKNOWN",
            "channel_not_found",
            "channel_not_found",
        ),
        ("xoxb-1", "C0PRIVATE", "not_in_channel", "not_in_channel"),
        ("xoxb-1", "C0ARCHIVED", "channel_archived", "is_archived"),
    ] {
        let outcome = sent_by(&sink, token, channel).await;
        let reply = json!({"ok": false, "error": error}).to_string();
        let expected = deferred(reason, 200, &reply, Blame::Channel);
        assert_eq!(outcome, expected);
    }
    assert_eq!(sink.count(), 0);
}

#[tokio::test]
async fn errors_within_a_200_are_told_apart() {
    let error = |error: &str| json!({"ok": false, "error": error}).to_string();
    let put_off = |reason, word: &str, blame| deferred(reason, 200, &error(word), blame);
    let given_up = |reason, word: &str| failed(reason, 200, &error(word));
    let unclear = || Outcome::InDoubt {
        reason: Reason::UnexpectedReply,
    };
    for (word, expected) in [
        (
            "invalid_auth",
            put_off("token_refused", "invalid_auth", Blame::Channel),
        ),
        (
            "account_inactive",
            put_off("token_refused", "account_inactive", Blame::Channel),
        ),
        (
            "missing_scope",
            put_off("not_allowed", "missing_scope", Blame::Channel),
        ),
        (
            "restricted_action",
            put_off("not_allowed", "restricted_action", Blame::Channel),
        ),
        (
            "msg_too_long",
            given_up("message_too_large", "msg_too_long"),
        ),
        (
            "msg_blocks_too_long",
            given_up("message_too_large", "msg_blocks_too_long"),
        ),
        (
            "invalid_blocks",
            given_up("invalid_payload", "invalid_blocks"),
        ),
        ("no_text", given_up("invalid_payload", "no_text")),
        ("internal_error", unclear()),
        ("fatal_error", unclear()),
        (
            "service_unavailable",
            put_off("server_error", "service_unavailable", Blame::Network),
        ),
        (
            "request_timeout",
            put_off("server_error", "request_timeout", Blame::Network),
        ),
        (
            "never_heard_of",
            put_off("rejected", "never_heard_of", Blame::Receiver),
        ),
    ] {
        let sink = sink(vec![Rule::reply(200, error(word))]).await;
        assert_eq!(sent_by(&sink, "xoxb-1", "C0NEWS").await, expected, "{word}");
    }
}

#[tokio::test]
async fn a_limit_says_when_to_come_back_with_either_status() {
    let body = json!({"ok": false, "error": "ratelimited"}).to_string();
    for status in [200, 429] {
        let rule = Rule::reply(status, body.clone()).header("retry-after", "9");
        let sink = sink(vec![rule]).await;
        let outcome = sent_by(&sink, "xoxb-1", "C0NEWS").await;
        let expected = deferred_for("rate_limited", i32::from(status), &body, 9);
        assert_eq!(outcome, expected);
    }
}

#[tokio::test]
async fn a_yes_without_an_id_that_can_be_kept_is_in_doubt() {
    let in_doubt = Outcome::InDoubt {
        reason: Reason::UnexpectedReply,
    };
    for body in [
        "ok".to_owned(),
        json!({"ok": true}).to_string(),
        json!({"ok": false}).to_string(),
        json!({"ok": true, "channel": "C0", "ts": "1\n2"}).to_string(),
        json!({"ok": true, "channel": "C0", "ts": "1".repeat(200)}).to_string(),
    ] {
        let sink = sink(vec![Rule::reply(200, body.clone())]).await;
        assert_eq!(sent_by(&sink, "xoxb-1", "C0NEWS").await, in_doubt, "{body}");
    }
}

#[tokio::test]
async fn an_api_that_is_not_there_is_the_channels_fault() {
    let sink = sink(vec![]).await;
    let settings = json!({"channel": "C0NEWS", "api_url": format!("{}/v2/", sink.api_url())});
    let channel = support::channel("slack", &settings, &json!({"bot_token": "xoxb-1"}));
    let expected = deferred("api_not_found", 404, "no_service", Blame::Channel);
    assert_eq!(sent(&channel).await, expected);
}
