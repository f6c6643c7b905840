//! What the receiving side of each kind of channel may do to a delivery, and what becomes of it: one row a fault. Another
//! channel of the same publication is never held up by it, and in the end every receiver has what the log says.

mod encrypted;
mod late;
mod mid_body;
mod paced;
mod packed;
mod town;

use std::time::Duration;

use serde_json::json;
use tidings_sinks::smtp::{self, Phase};
use tidings_sinks::{discord, slack, webhook};

use town::Town;

const HALF_A_MINUTE: Duration = Duration::from_secs(30);
/// So long a receiver may take here.
const HURRY: Duration = Duration::from_secs(1);
const IN_AN_AGE: &str = "Fri, 31 Dec 9999 23:59:59 GMT";

/// What a receiver does, once.
#[derive(Clone)]
enum Misdeed {
    OfMail(smtp::Rule),
    OfHttp(slack::Rule),
}

/// One fault.
struct Case {
    kind: &'static str,
    misdeed: Misdeed,
    /// The class of the delivery after the attempt that met it.
    then: String,
    /// Why: what the log says of that attempt.
    reason: String,
    /// Whether somebody has to mend the channel before anything is tried again.
    to_mend: bool,
    /// The class it is settled in.
    end: String,
    /// How many copies the receiver has in the end.
    copies: usize,
}

/// `then reason -> end copies`, or `then reason => end copies` where somebody has to mend something first.
fn case(kind: &'static str, misdeed: Misdeed, fate: &str) -> Case {
    let words: Vec<&str> = fate.split(' ').collect();
    let [then, reason, arrow, end, copies] = words[..] else {
        panic!("five words: {fate}");
    };
    Case {
        kind,
        misdeed,
        then: then.to_owned(),
        reason: reason.trim_matches('-').to_owned(),
        to_mend: arrow == "=>",
        end: end.to_owned(),
        copies: copies.parse().unwrap(),
    }
}

fn mail() -> Vec<Case> {
    let says = |phase, code, text: &str| Misdeed::OfMail(smtp::Rule::reply(phase, code, text));
    let reset = |phase| smtp::Rule::new(phase, smtp::Action::Reset);
    let resets = |phase| Misdeed::OfMail(reset(phase));
    let case = |misdeed, fate| case("email", misdeed, fate);
    vec![
        case(
            says(Phase::RcptTo, 450, "4.7.1 greylisted"),
            "pending try_later -> sent 1",
        ),
        case(
            says(Phase::MailFrom, 454, "Throttling failure"),
            "pending throttled -> sent 1",
        ),
        case(
            says(Phase::MailFrom, 535, "5.7.8 who are you?"),
            "pending authentication_refused => sent 1",
        ),
        case(
            says(Phase::RcptTo, 550, "5.1.1 nobody here"),
            "failed bad_address -> failed 0",
        ),
        case(
            says(Phase::FinalDot, 554, "5.6.0 looks like spam"),
            "failed rejected -> failed 0",
        ),
        case(
            says(Phase::FinalDot, 451, "4.3.0 queue full"),
            "pending try_later -> sent 1",
        ),
        case(
            says(Phase::Body, 552, "5.3.4 too big"),
            "failed message_too_large -> failed 0",
        ),
        case(
            says(Phase::FinalDot, 421, "4.3.2 closing"),
            "pending service_unavailable -> sent 1",
        ),
        case(
            resets(Phase::FinalDot),
            "in_doubt connection_lost -> in_doubt 0",
        ),
        case(
            Misdeed::OfMail(reset(Phase::FinalDot).recorded()),
            "in_doubt connection_lost -> in_doubt 1",
        ),
    ]
}

/// The server answers no more, or ends it, at each phase of the dialogue.
fn mail_breaks_off() -> Vec<Case> {
    let rule = |phase, action| Misdeed::OfMail(smtp::Rule::new(phase, action));
    let case = |misdeed, fate: &str| case("email", misdeed, fate);
    let drip = smtp::Action::Drip(HURRY);
    let mut cases = Vec::new();
    for phase in [
        Phase::Greeting,
        Phase::Ehlo,
        Phase::MailFrom,
        Phase::RcptTo,
        Phase::Data,
    ] {
        for left in [smtp::Action::Stall, drip.clone()] {
            cases.push(case(rule(phase, left), "pending timeout -> sent 1"));
        }
        // At the greeting it may be seen as no connection at all.
        if phase != Phase::Greeting {
            let reset = rule(phase, smtp::Action::Reset);
            cases.push(case(reset, "pending connection_lost -> sent 1"));
        }
        let closing = smtp::Rule::reply(phase, 421, "4.3.2 closing");
        cases.push(case(
            Misdeed::OfMail(closing),
            "pending service_unavailable -> sent 1",
        ));
    }
    // By now the dot is out.
    let stall = smtp::Rule::new(Phase::FinalDot, smtp::Action::Stall);
    for (misdeed, copies) in [
        (rule(Phase::Body, smtp::Action::Stall), 0),
        (rule(Phase::Body, drip.clone()), 1),
        (Misdeed::OfMail(stall.clone()), 0),
        (Misdeed::OfMail(stall.recorded()), 1),
        (rule(Phase::FinalDot, drip), 1),
    ] {
        let fate = format!("in_doubt reply_timeout -> in_doubt {copies}");
        cases.push(case(misdeed, &fate));
    }
    cases
}

/// What Slack and Discord have in common: who has a message does not know a copy of it.
fn chat(kind: &'static str) -> Vec<Case> {
    let case = |misdeed, fate| case(kind, Misdeed::OfHttp(misdeed), fate);
    let mut cases = http(kind);
    for action in [
        slack::Action::Drip,
        slack::Action::Endless,
        slack::Action::Bomb,
    ] {
        // Whatever its status says: the answer itself never comes.
        let rule = slack::Rule::new(action);
        let recorded = rule.clone().recorded();
        cases.push(case(rule, "in_doubt unexpected_reply -> in_doubt 0"));
        cases.push(case(recorded, "in_doubt unexpected_reply -> in_doubt 1"));
    }
    cases.extend([
        case(
            slack::Rule::new(slack::Action::Stall),
            "in_doubt reply_timeout -> in_doubt 0",
        ),
        case(
            slack::Rule::reply(400, "invalid_payload"),
            "failed invalid_payload -> failed 0",
        ),
        case(
            slack::Rule::reply(504, "gateway timeout"),
            "in_doubt reply_timeout -> in_doubt 0",
        ),
        case(
            slack::Rule::reply(504, "gateway timeout").recorded(),
            "in_doubt reply_timeout -> in_doubt 1",
        ),
        case(
            slack::Rule::reply(200, "<html>"),
            "in_doubt unexpected_reply -> in_doubt 0",
        ),
        case(
            slack::Rule::new(slack::Action::Cut),
            "in_doubt connection_lost -> in_doubt 0",
        ),
        case(
            slack::Rule::new(slack::Action::Cut).recorded(),
            "in_doubt connection_lost -> in_doubt 1",
        ),
    ]);
    if kind == "discord" {
        let global =
            r#"{"message": "You are being rate limited.", "retry_after": 2.5, "global": true}"#;
        let global = slack::Rule::reply(429, global);
        let global = global.header("x-ratelimit-global", "true");
        cases.push(case(global, "pending rate_limited -> sent 1"));
        // Said by whoever stands before Discord.
        cases.push(case(
            slack::Rule::reply(403, "<html>"),
            "pending shut_out => sent 1",
        ));
    }
    cases
}

/// What all kinds that speak HTTP have in common.
fn http(kind: &'static str) -> Vec<Case> {
    let case = |misdeed, fate| case(kind, Misdeed::OfHttp(misdeed), fate);
    let metadata = "http://169.254.169.254/latest/meta-data/";
    vec![
        case(
            slack::Rule::reply(429, "slow").header("retry-after", "30"),
            "pending rate_limited -> sent 1",
        ),
        case(
            slack::Rule::reply(429, "slow"),
            "pending rate_limited -> sent 1",
        ),
        // However long they ask for: no longer than an hour.
        case(
            slack::Rule::reply(429, "slow").header("retry-after", "1000000000"),
            "pending rate_limited -> sent 1",
        ),
        case(
            slack::Rule::reply(429, "slow").header("retry-after", IN_AN_AGE),
            "pending rate_limited -> sent 1",
        ),
        case(
            slack::Rule::reply(500, "rollup_error"),
            "pending server_error -> sent 1",
        ),
        case(
            slack::Rule::reply(302, "over there").header("location", metadata),
            "pending redirected => sent 1",
        ),
        case(
            slack::Rule::reply(401, r#"{"message": "401: Unauthorized", "code": 0}"#),
            "pending not_allowed => sent 1",
        ),
        case(
            slack::Rule::reply(404, "nobody"),
            "pending webhook_not_found => sent 1",
        ),
    ]
}

/// A receiver that knows a copy by its id is sent one where there is a doubt.
fn webhooks() -> Vec<Case> {
    let case = |misdeed, fate| case("webhook", Misdeed::OfHttp(misdeed), fate);
    let mut cases = http("webhook");
    // A 2xx counts, whatever follows.
    for rule in [
        slack::Rule::new(slack::Action::Drip),
        slack::Rule::new(slack::Action::Endless),
        slack::Rule::new(slack::Action::Bomb),
    ] {
        cases.push(case(rule.recorded(), "sent - -> sent 1"));
    }
    cases.extend([
        case(
            slack::Rule::new(slack::Action::Stall),
            "pending reply_timeout -> sent 1",
        ),
        case(
            slack::Rule::new(slack::Action::Stall).recorded(),
            "pending reply_timeout -> sent 2",
        ),
        case(slack::Rule::reply(410, "gone"), "pending gone => sent 1"),
        case(
            slack::Rule::reply(400, "what?"),
            "pending rejected -> sent 1",
        ),
        case(
            slack::Rule::reply(504, "gateway timeout"),
            "pending overloaded -> sent 1",
        ),
        case(
            slack::Rule::new(slack::Action::Cut),
            "pending connection_lost -> sent 1",
        ),
        case(
            slack::Rule::new(slack::Action::Cut).recorded(),
            "pending connection_lost -> sent 2",
        ),
    ]);
    cases
}

async fn all_end_as_they_should(cases: Vec<Case>) {
    let mut town = Town::start().await;
    for (number, case) in cases.iter().enumerate() {
        town.suffer(number, case).await;
    }
    town.is_settled().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_mail_server_does_a_mail_ends_as_it_should() {
    all_end_as_they_should(mail()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_a_mail_server_breaks_off_a_mail_ends_as_it_should() {
    all_end_as_they_should(mail_breaks_off()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_slack_does_a_message_ends_as_it_should() {
    all_end_as_they_should(chat("slack")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_discord_does_a_message_ends_as_it_should() {
    all_end_as_they_should(chat("discord")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_webhook_does_an_event_ends_as_it_should() {
    all_end_as_they_should(webhooks()).await;
}

/// Discord bans whoever is refused too often: however much is published, a webhook that refuses us is left alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_401_is_two_requests_in_ten_minutes_and_costs_no_message() {
    let town = Town::start().await;
    let house = &town.house;
    let channel = town.channel("discord", "news").await;
    let other = town.channel("slack", "other").await;
    let refusal = json!({ "message": "Invalid Webhook Token", "code": 50_027 });
    let storm = discord::Rule::reply(401, refusal.to_string());
    let storm = town.discord.add_rule(storm);
    let mut publications = Vec::new();
    for n in 0..20 {
        let title = format!("Edition {n}");
        publications.push(house.publish(&title, "text", &[channel, other]).await);
    }
    let pass = async || {
        house.platform.clock.advance(HALF_A_MINUTE);
        house.platform.settle().await;
    };
    house.platform.settle().await;
    for _ in 0..20 {
        pass().await;
    }
    assert_eq!(town.discord.hits(storm), 2);
    for id in &publications {
        assert_eq!(town.class(*id, channel).await, "pending");
        assert_eq!(town.class(*id, other).await, "sent");
    }
    town.discord.remove_rule(storm);
    house.enable(channel).await;
    for _ in 0..20 {
        pass().await;
    }
    assert_eq!(town.discord.count(), publications.len());
}

/// Its gateway says that nobody answered, and it has the event: it gets another copy, and can tell by the id.
#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_has_what_its_gateway_gave_up_on_gets_it_again_under_the_same_id() {
    let town = Town::start().await;
    let house = &town.house;
    let channel = town.channel("webhook", "in").await;
    let gave_up = webhook::Rule::reply(504, "gateway timeout").recorded();
    town.webhook.add_rule(gave_up.times(1));
    let id = house.publish("The ferry", "text", &[channel]).await;
    house.platform.settle().await;
    assert_eq!(town.class(id, channel).await, "pending");
    house.platform.clock.advance(HALF_A_MINUTE);
    house.platform.settle().await;
    assert_eq!(town.class(id, channel).await, "sent");
    let [first, second] = &town.webhook.messages()[..] else {
        panic!("two copies");
    };
    assert_eq!((&first.id, &first.payload), (&second.id, &second.payload));
}
