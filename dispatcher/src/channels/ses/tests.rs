//! The SES channel against a sink that checks signatures and mails as SES does.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tidings_proto::Reason;
use tidings_service::clock::{Clock, ManualClock};
use tidings_sinks::ses::{self, Account, Action, Handle, Refusal, Rule, mail_of};
use time::macros::datetime;
use uuid::Uuid;

use crate::{
    channel::{Blame, Channel, Environment, Outcome, RenderError, Rendered},
    channels::support::{self, deferred, gist, given, taken},
};

const KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
/// As [`gist`] has it.
type Gist = (&'static str, &'static str, i32, Option<Blame>);
const SENT: Gist = ("sent", "", 200, None);

fn account() -> Account {
    Account {
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: KEY.to_owned(),
        session_token: None,
        region: "eu-west-1".to_owned(),
        identities: vec!["example.org".to_owned()],
        configuration_sets: vec!["news".to_owned()],
    }
}

async fn sink_of(account: Account, rules: Vec<Rule>) -> Handle {
    let clock = support::environment("/nowhere".as_ref()).clock;
    let options = ses::Options {
        rules,
        clock: tidings_sinks::Clock::from_fn(move || clock.now()),
        ..ses::Options::default()
    };
    ses::start(options, account).await.unwrap()
}

async fn sink(rules: Vec<Rule>) -> Handle {
    sink_of(account(), rules).await
}

fn settings(sink: &Handle) -> Value {
    json!({"region": "eu-west-1", "endpoint": sink.base_url(), "configuration_set": "news",
        "from": "The Daily Tide <tide@example.org>", "reply_to": "desk@example.org"})
}

fn credentials() -> Value {
    json!({"access_key_id": "AKIDEXAMPLE", "secret_access_key": KEY})
}

fn to_sink(sink: &Handle) -> Arc<dyn Channel> {
    support::channel("ses", &settings(sink), &credentials())
}

/// With a clock that a test moves.
fn by_hand(sink: &Handle, settings: &Value) -> (Arc<dyn Channel>, ManualClock) {
    let hand = Clock::manual(datetime!(2026-01-02 03:04:05 UTC));
    let environment = Environment {
        clock: hand.clock(),
        ..support::environment("/nowhere".as_ref())
    };
    let mut all = self::settings(sink);
    for (name, value) in settings.as_object().unwrap() {
        all[name] = value.clone();
    }
    let channel = support::channel_in(&environment, "ses", &all, &credentials());
    channel.bind(true);
    (channel, hand)
}

fn mail(channel: &Arc<dyn Channel>, to: &str) -> Rendered {
    let content = support::content();
    let job = support::addressed(&content, to, Some("Ada Lovelace"));
    channel.render(&job).unwrap()
}

async fn send(channel: &Arc<dyn Channel>, to: &str) -> Outcome {
    channel.send(&mail(channel, to), &support::always).await
}

#[tokio::test]
async fn a_mail_arrives_byte_for_byte_with_tags_that_come_back() {
    let sink = sink(vec![]).await;
    let channel = to_sink(&sink);
    let rendered = mail(&channel, "ada@example.net");
    let outcome = channel.send(&rendered, &support::always).await;
    let [message] = &sink.messages()[..] else {
        panic!("one mail was sent");
    };
    let reply = format!(r#"{{"MessageId":"{}"}}"#, message.id);
    assert_eq!(outcome, taken(200, &reply, Some(&message.id)));
    assert_eq!(mail_of(message), rendered.body);
    let mut request = message.payload.clone();
    request["Content"]["Raw"]["Data"] = json!("[the mail in Base64]");
    insta::assert_json_snapshot!(request);
}

#[tokio::test]
async fn a_later_attempt_is_the_same_mail_and_a_test_message_has_no_tags() {
    let sink = sink(vec![]).await;
    let channel = to_sink(&sink);
    let mut rendered = mail(&channel, "ada@example.net");
    for attempt in [2, 0] {
        rendered.attempt = attempt;
        let outcome = channel.send(&rendered, &support::always).await;
        assert_eq!(gist(&outcome), SENT);
    }
    let [again, test] = &sink.messages()[..] else {
        panic!("two mails were sent");
    };
    assert_eq!(again.payload["EmailTags"][1]["Value"], json!("2"));
    assert_eq!(test.payload.get("EmailTags"), None);
    assert_eq!(mail_of(again), mail_of(test));
}

/// What becomes of a mail that is refused like this.
async fn judged(refusal: &Refusal) -> Gist {
    let sink = sink(vec![refusal.rule()]).await;
    let outcome = send(&to_sink(&sink), "ada@example.net").await;
    assert_eq!(sink.count(), 0);
    gist(&outcome)
}

#[tokio::test]
async fn what_the_account_or_the_settings_are_to_blame_for_makes_mails_wait() {
    let suspended = Refusal::REJECTED.saying("Sending suspended for this account.");
    let paused = Refusal::REJECTED.saying("Sending paused for this account.");
    let no_set = Refusal::BAD_REQUEST.saying("Configuration set <x> does not exist.");
    for (refusal, reason, code) in [
        (Refusal::ACCOUNT_SUSPENDED, "account_suspended", 400),
        (suspended, "account_suspended", 400),
        (Refusal::SENDING_PAUSED, "sending_paused", 400),
        (paused, "sending_paused", 400),
        (
            Refusal::CONFIGURATION_SET_UNKNOWN,
            "configuration_set_not_found",
            404,
        ),
        (no_set, "configuration_set_not_found", 400),
        (Refusal::MAIL_FROM_NOT_VERIFIED, "not_verified", 400),
        (Refusal::NOT_VERIFIED, "not_verified", 400),
        (Refusal::SIGNATURE_WRONG, "authentication_refused", 403),
        (Refusal::SIGNATURE_EXPIRED, "authentication_refused", 403),
        (Refusal::KEY_UNKNOWN, "authentication_refused", 403),
        (Refusal::TOKEN_EXPIRED, "authentication_refused", 403),
        (Refusal::NOT_SIGNED, "authentication_refused", 403),
        (Refusal::ACCESS_DENIED, "not_allowed", 403),
        (Refusal::UNKNOWN_OPERATION, "api_not_found", 404),
    ] {
        let expected = ("deferred", reason, code, Some(Blame::Channel));
        assert_eq!(judged(&refusal).await, expected, "{refusal:?}");
    }
}

#[tokio::test]
async fn other_refusals_are_the_mails_own_or_pass() {
    let failed = |reason, code| ("failed", reason, code, Some(Blame::Receiver));
    let deferred = |reason, code, blame| ("deferred", reason, code, Some(blame));
    for (refusal, expected) in [
        (Refusal::REJECTED, failed("rejected", 400)),
        (Refusal::BAD_REQUEST, failed("invalid_payload", 400)),
        (Refusal::TOO_LARGE, failed("message_too_large", 400)),
        (
            Refusal::RATE_EXCEEDED,
            deferred("throttled", 429, Blame::Pace),
        ),
        (
            Refusal::QUOTA_EXCEEDED,
            deferred("quota_exceeded", 429, Blame::Pace),
        ),
        (
            Refusal::INTERNAL,
            deferred("server_error", 500, Blame::Network),
        ),
        (
            Refusal::UNAVAILABLE,
            deferred("server_error", 503, Blame::Network),
        ),
    ] {
        assert_eq!(judged(&refusal).await, expected, "{refusal:?}");
    }
}

#[tokio::test]
async fn the_words_of_a_refusal_are_kept_with_its_type() {
    let sink = sink(vec![Refusal::BAD_REQUEST.rule()]).await;
    let Outcome::Failed { reply, .. } = send(&to_sink(&sink), "ada@example.net").await else {
        panic!("it was refused");
    };
    assert_eq!(reply, "BadRequestException: Missing final '@domain'");
}

#[tokio::test]
async fn answers_without_a_known_type_are_judged_by_their_status() {
    use Blame::{Channel, Network, Pace, Receiver};
    let typed = |kind: &str, words: &str| json!({"__type": kind, "Message": words}).to_string();
    for (status, body, expected) in [
        (429, String::new(), ("throttled", Pace)),
        (
            400,
            typed("Throttling", "Rate exceeded"),
            ("throttled", Pace),
        ),
        (
            400,
            typed(
                "com.amazonaws.ses#ThrottlingException",
                "Maximum sending rate exceeded",
            ),
            ("throttled", Pace),
        ),
        (
            400,
            typed("LimitExceededException", "Daily message quota exceeded"),
            ("quota_exceeded", Pace),
        ),
        (
            400,
            r#"{"__type":"MessageRejected","message":null,"Message":"Email address is not verified."}"#
                .to_owned(),
            ("not_verified", Channel),
        ),
        (400, typed("Unheard", "of"), ("rejected", Receiver)),
        (400, "<html>".to_owned(), ("rejected", Receiver)),
        (403, "<html>".to_owned(), ("not_allowed", Channel)),
        (404, "<html>".to_owned(), ("api_not_found", Channel)),
        (308, String::new(), ("redirected", Channel)),
        (408, String::new(), ("timeout", Network)),
        (500, typed("InternalFailure", "oops"), ("server_error", Network)),
    ] {
        let sink = sink(vec![Rule::reply(status, body.as_str())]).await;
        let outcome = send(&to_sink(&sink), "ada@example.net").await;
        let expected = ("deferred", expected.0, i32::from(status), Some(expected.1));
        assert_eq!(gist(&outcome), expected, "{status} {body}");
    }
    let sink = sink(vec![Rule::reply(413, "")]).await;
    let outcome = send(&to_sink(&sink), "ada@example.net").await;
    let expected = ("failed", "message_too_large", 413, Some(Receiver));
    assert_eq!(gist(&outcome), expected);
}

#[tokio::test]
async fn no_answer_and_a_yes_without_an_id_are_in_doubt() {
    for (rule, reason) in [
        (Rule::new(Action::Cut), "connection_lost"),
        (Rule::new(Action::Stall), "reply_timeout"),
        (Rule::new(Action::Drip), "unexpected_reply"),
        (Rule::reply(500, "<html>"), "unexpected_reply"),
        (Rule::reply(502, "bad gateway"), "reply_timeout"),
        (Rule::reply(504, "gateway timeout"), "reply_timeout"),
        (Rule::reply(200, "{}"), "unexpected_reply"),
        (Rule::reply(200, "<html>"), "unexpected_reply"),
        (
            Rule::reply(200, r#"{"MessageId":"a b"}"#),
            "unexpected_reply",
        ),
        (Rule::reply(202, r#"{"MessageId":"1"}"#), "unexpected_reply"),
    ] {
        let sink = sink(vec![rule.clone().recorded()]).await;
        let outcome = send(&to_sink(&sink), "ada@example.net").await;
        assert_eq!(
            outcome,
            Outcome::InDoubt {
                reason: given(reason)
            },
            "{rule:?}"
        );
        // It has the mail, in all of these.
        assert_eq!(sink.count(), 1);
    }
}

#[tokio::test]
async fn nobody_there_is_the_networks_fault() {
    let sink = sink(vec![]).await;
    let channel = to_sink(&sink);
    sink.stop().await;
    let outcome = send(&channel, "ada@example.net").await;
    let expected = ("deferred", "connect_failed", 0, Some(Blame::Network));
    assert_eq!(gist(&outcome), expected);
}

#[tokio::test]
async fn a_key_that_is_not_the_accounts_is_the_channels_fault_and_not_told() {
    let sink = sink(vec![]).await;
    for (credentials, words) in [
        (
            json!({"access_key_id": "AKIDEXAMPLE", "secret_access_key": "hunter2"}),
            "InvalidSignatureException",
        ),
        (
            json!({"access_key_id": "AKIDOTHER", "secret_access_key": KEY}),
            "UnrecognizedClientException",
        ),
        (
            json!({"access_key_id": "AKIDEXAMPLE", "secret_access_key": KEY, "session_token": "x"}),
            "UnrecognizedClientException",
        ),
    ] {
        let channel = support::channel("ses", &settings(&sink), &credentials);
        let outcome = send(&channel, "ada@example.net").await;
        let expected = (
            "deferred",
            "authentication_refused",
            403,
            Some(Blame::Channel),
        );
        assert_eq!(gist(&outcome), expected);
        let told = format!("{outcome:?}");
        assert!(told.contains(words) && !told.contains("hunter2"), "{told}");
    }
    assert_eq!(sink.count(), 0);
}

#[tokio::test]
async fn a_sessions_token_is_signed_and_sent() {
    let session = Account {
        session_token: Some("FwoGZXIvYXdzEXAMPLE==".to_owned()),
        ..account()
    };
    let sink = sink_of(session, vec![]).await;
    let mut credentials = credentials();
    credentials["session_token"] = json!("FwoGZXIvYXdzEXAMPLE==");
    let channel = support::channel("ses", &settings(&sink), &credentials);
    assert_eq!(gist(&send(&channel, "ada@example.net").await), SENT);
}

#[tokio::test]
async fn the_time_signed_is_that_of_the_attempt() {
    let sink = sink(vec![]).await;
    let (channel, hand) = by_hand(&sink, &json!({}));
    hand.set(datetime!(2026-01-02 03:09:06 UTC));
    let outcome = send(&channel, "ada@example.net").await;
    let expected = deferred(
        "authentication_refused",
        403,
        "InvalidSignatureException: Signature expired or not yet current.",
        Blame::Channel,
    );
    assert_eq!(outcome, expected);
    hand.set(datetime!(2026-01-02 03:09:05 UTC));
    assert_eq!(gist(&send(&channel, "ada@example.net").await), SENT);
}

#[tokio::test]
async fn a_throttled_channel_rests_and_then_asks_with_one_mail() {
    let sink = sink(vec![Refusal::RATE_EXCEEDED.rule().times(2)]).await;
    let (channel, hand) = by_hand(&sink, &json!({}));
    assert_eq!((channel.concurrency(), channel.ready_after()), (32, None));
    for rest_s in [2, 4] {
        let outcome = send(&channel, "ada@example.net").await;
        assert_eq!(
            gist(&outcome),
            ("deferred", "throttled", 429, Some(Blame::Pace))
        );
        assert_eq!(channel.ready_after(), Some(Duration::from_secs(rest_s)));
        assert_eq!(channel.concurrency(), 1);
        let outcome = send(&channel, "bob@example.net").await;
        assert_eq!(
            outcome,
            Outcome::Abandoned {
                reason: Reason::Paced
            }
        );
        hand.advance(Duration::from_secs(rest_s));
    }
    assert_eq!(gist(&send(&channel, "ada@example.net").await), SENT);
    assert_eq!((channel.concurrency(), channel.ready_after()), (32, None));
}

#[tokio::test]
async fn once_the_days_quota_is_used_up_the_channel_rests_for_an_hour() {
    let sink = sink(vec![Refusal::QUOTA_EXCEEDED.rule().times(2)]).await;
    let (channel, hand) = by_hand(&sink, &json!({}));
    let hour = Duration::from_secs(3_600);
    for _ in 0..2 {
        let outcome = send(&channel, "ada@example.net").await;
        assert_eq!(gist(&outcome).1, "quota_exceeded");
        assert_eq!(
            (channel.ready_after(), channel.concurrency()),
            (Some(hour), 1)
        );
        hand.advance(hour - Duration::from_secs(1));
        let outcome = send(&channel, "bob@example.net").await;
        assert_eq!(
            outcome,
            Outcome::Abandoned {
                reason: Reason::Paced
            }
        );
        hand.advance(Duration::from_secs(1));
        // The sink's clock stands still, and the signature names ours.
        hand.set(datetime!(2026-01-02 03:04:05 UTC));
    }
    assert_eq!(gist(&send(&channel, "ada@example.net").await), SENT);
    assert_eq!(channel.concurrency(), 32);
}

#[tokio::test]
async fn no_more_mails_begin_in_a_second_than_the_account_may_send() {
    let sink = sink(vec![]).await;
    let (channel, hand) = by_hand(&sink, &json!({"mails_per_second": 4}));
    // Nor are attempts opened at more than may begin.
    let opened = [1, 2].map(|n| channel.open(Uuid::from_u128(n)));
    assert!(opened.iter().all(Option::is_some) && channel.ready_after().is_some());
    drop(opened);
    assert_eq!(channel.ready_after(), None);
    let mut sent = 0;
    for _ in 0..20 {
        match send(&channel, "ada@example.net").await {
            Outcome::Sent { .. } => sent += 1,
            other => assert_eq!(
                other,
                Outcome::Abandoned {
                    reason: Reason::Paced
                }
            ),
        }
        hand.advance(Duration::from_millis(50));
    }
    assert!((4..=6).contains(&sent), "{sent}");
    assert_eq!(sink.count(), sent);
}

#[tokio::test]
async fn a_stale_attempt_posts_nothing() {
    let sink = sink(vec![]).await;
    let channel = to_sink(&sink);
    let rendered = mail(&channel, "ada@example.net");
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
async fn what_ses_cannot_take_is_not_even_offered() {
    let sink = sink(vec![]).await;
    let channel = to_sink(&sink);
    let content = support::content();
    let render = |to: &str| channel.render(&support::addressed(&content, to, None));
    assert_eq!(
        render("zo\u{eb}@example.net").err(),
        Some(RenderError::BadAddress)
    );
    let domain = render("zoe@b\u{fc}cher.example").unwrap();
    assert_eq!(domain.to, "zoe@xn--bcher-kva.example");
    assert_eq!(gist(&channel.send(&domain, &support::always).await), SENT);

    let mut large = mail(&channel, "ada@example.net");
    large.body = vec![b'x'; 30 * 1024 * 1024 + 1];
    let outcome = channel.send(&large, &support::always).await;
    let expected = ("failed", "message_too_large", 0, Some(Blame::Receiver));
    assert_eq!(gist(&outcome), expected);
    assert_eq!(sink.count(), 1);
}

#[test]
fn without_an_endpoint_the_regions_own_is_used() {
    for (region, url) in [
        ("eu-west-1", "https://email.eu-west-1.amazonaws.com/"),
        ("cn-north-1", "https://email.cn-north-1.amazonaws.com.cn/"),
    ] {
        let settings = json!({"region": region, "from": "tide@example.org"});
        let channel = support::channel("ses", &settings, &credentials());
        let shown = format!("{channel:?}");
        assert!(
            shown.contains(&format!("{url}v2/email/outbound-emails")),
            "{shown}"
        );
    }
}
