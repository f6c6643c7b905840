//! The e-mail channel against a sink that speaks the real dialogue, well or badly.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tidings_proto::Reason;
use tidings_sinks::smtp::{self, Action, Credentials, Handle, Phase, Rule};

use super::{ATTEMPTS_PER_CONNECTION, EmailChannel, config::Config};
use crate::{
    channel::{Blame, Channel, Outcome, Rendered},
    channels::support::{self, gist},
    content::Composed,
};

mod dkim;
mod encrypted;
mod faults;
mod message;
mod queued;
mod scripted;
mod shared;

async fn sink(rules: Vec<Rule>) -> Handle {
    let options = smtp::Options {
        rules,
        ..smtp::Options::default()
    };
    smtp::start(options).await.unwrap()
}

/// A channel with one connection, whose every timer is `timer_ms`.
fn channel(port: u16, login: Option<Value>, timer_ms: u64) -> EmailChannel {
    let settings = json!({"host": "127.0.0.1", "port": port, "encryption": "none",
        "from": "The Daily Tide <tide@example.org>", "connections_max": 1});
    let login = login.map(|login| login.to_string());
    let mut config = Config::parse(&settings, login.as_deref()).unwrap();
    config.server.timers.hurry(Duration::from_millis(timer_ms));
    bound(config)
}

/// Its limits hold.
fn bound(config: Config) -> EmailChannel {
    let channel = EmailChannel::new(config, &support::environment("/nowhere".as_ref()));
    channel.bind(true);
    channel
}

fn to_sink(sink: &Handle) -> EmailChannel {
    channel(sink.addr().port(), None, 10_000)
}

fn mail(channel: &EmailChannel, to: &str) -> Rendered {
    let content = support::content();
    channel
        .render(&support::addressed(&content, to, Some("Ada")))
        .unwrap()
}

async fn send(channel: &EmailChannel, to: &str) -> Outcome {
    channel.send(&mail(channel, to), &support::always).await
}

const SENT: (&str, &str, i32, Option<Blame>) = ("sent", "", 250, None);

#[tokio::test]
async fn a_mail_arrives_byte_for_byte_and_the_connection_is_kept() {
    let sink = sink(vec![]).await;
    let channel = to_sink(&sink);
    let rendered = mail(&channel, "ada@example.org");
    for _ in 0..3 {
        let outcome = channel.send(&rendered, &support::always).await;
        assert_eq!(gist(&outcome), SENT);
    }
    let got = sink.by_recipient("ada@example.org");
    assert_eq!(got.len(), 3);
    assert_eq!(got[0].raw().unwrap().as_ref(), rendered.body.as_slice());
    assert_eq!(got[0].from, "tide@example.org");
    assert_eq!(sink.stats().connections, 1);
    channel.close().await;
}

/// At which phase the server says what, and what that makes of the delivery.
const JUDGEMENTS: &str = "\
RcptTo   | 450 4.7.1 too many from you      | deferred try_later by Domain
RcptTo   | 451 4.7.1 Greylisting in action  | deferred try_later by Receiver
RcptTo   | 421 4.7.28 unusual rate of mail  | deferred try_later by Domain
RcptTo   | 451 no enhanced code             | deferred try_later by Domain
RcptTo   | 450 4.2.1 mailbox is busy        | deferred try_later by Receiver
RcptTo   | 452 4.2.2 over quota             | deferred mailbox_full by Receiver
RcptTo   | 550 5.1.1 no such user           | failed bad_address by Address
RcptTo   | 550 5.1.2 no such host           | failed bad_address by Address
RcptTo   | 553 5.1.3 no address             | failed bad_address by Address
RcptTo   | 550 5.1.10 RecipientNotFound     | failed bad_address by Address
RcptTo   | 550 5.1.0 address rejected       | failed bad_address by Receiver
RcptTo   | 550 5.1.1 sender unknown         | failed bad_address by Receiver
FinalDot | 550 5.1.1 no such user           | failed bad_address by Receiver
RcptTo   | 550 5.7.1 go away                | failed rejected by Receiver
RcptTo   | 550 no enhanced code             | failed rejected by Receiver
RcptTo   | 554 5.7.1 <a@b>: Relay access denied | deferred relay_refused by ChannelOrReceiver
RcptTo   | 454 4.7.1 <a@b>: Relay access denied | deferred relay_refused by ChannelOrReceiver
RcptTo   | 550 5.7.54 SMTP; no                | deferred relay_refused by ChannelOrReceiver
RcptTo   | 550 5.7.1 Unable to relay for a@b  | deferred relay_refused by ChannelOrReceiver
RcptTo   | 550 relaying denied                | deferred relay_refused by ChannelOrReceiver
RcptTo   | 553 5.1.8 who are you?             | deferred sender_refused by ChannelOrReceiver
RcptTo   | 530 5.7.0 log in first             | deferred authentication_required by ChannelOrReceiver
FinalDot | 550 5.1.7 who are you?             | deferred sender_refused by ChannelOrReceiver
FinalDot | 554 5.7.1 Relay access denied      | failed rejected by Receiver
RcptTo   | 552 5.2.2 mailbox full           | failed mailbox_full by Receiver
RcptTo   | 552 exceeded storage allocation  | failed mailbox_full by Receiver
RcptTo   | 421 4.3.2 closing                | deferred service_unavailable by Network
MailFrom | 550 5.7.1 bad sender             | deferred sender_refused by Channel
MailFrom | 530 5.7.0 log in first           | deferred authentication_required by Channel
MailFrom | 530 5.7.0 Must issue a STARTTLS command first | deferred encryption_required by Channel
MailFrom | 538 5.7.11 encryption needed     | deferred encryption_required by Channel
MailFrom | 450 4.7.1 busy, come back later   | deferred service_unavailable by Network
MailFrom | 451 4.1.8 domain not resolved     | deferred service_unavailable by Network
MailFrom | 452 4.3.4 too big for now         | deferred try_later by Network
MailFrom | 451 4.7.1 Greylisting in action   | deferred service_unavailable by Network
Data     | 451 4.7.1 Greylisting in action   | deferred try_later by Network
MailFrom | 552 5.3.4 too big                | failed message_too_large by Receiver
Data     | 451 4.3.0 not now                | deferred try_later by Network
FinalDot | 554 5.6.0 looks like spam        | failed rejected by Receiver
FinalDot | 451 4.3.0 queue full             | deferred try_later by Receiver
FinalDot | 421 4.7.0 throttled over there   | deferred try_later by Domain
RcptTo   | 451 4.7.1 throttled by domain    | deferred try_later by Domain
FinalDot | 552 too big                      | failed message_too_large by Receiver
Body     | 552 5.3.4 too big                | failed message_too_large by Receiver";

#[tokio::test]
async fn replies_are_judged_by_their_phase_and_code() {
    for row in JUDGEMENTS.lines() {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let phases = [
            Phase::MailFrom,
            Phase::RcptTo,
            Phase::Data,
            Phase::Body,
            Phase::FinalDot,
        ];
        let phase = phases
            .into_iter()
            .find(|phase| format!("{phase:?}") == cells[0]);
        let (code, text) = cells[1].split_once(' ').unwrap();
        let rule = Rule::reply(phase.unwrap(), code.parse().unwrap(), text);
        let sink = sink(vec![rule.times(1)]).await;
        let channel = to_sink(&sink);

        let outcome = send(&channel, "ada@example.org").await;
        let (what, reason, replied, blame) = gist(&outcome);
        assert_eq!(
            format!("{what} {reason} by {:?}", blame.unwrap()),
            cells[2],
            "{row}"
        );
        assert_eq!(replied.to_string(), code, "{row}");

        // Whatever it was, the next message gets its own answer.
        assert_eq!(
            gist(&send(&channel, "bob@example.org").await),
            SENT,
            "{row}"
        );
        assert_eq!(sink.by_recipient("ada@example.org").len(), 0, "{row}");
        assert_eq!(sink.by_recipient("bob@example.org").len(), 1, "{row}");
    }
}

#[tokio::test]
async fn a_throttled_channel_rests_and_says_no_mail_meanwhile() {
    for (phase, code, words) in [
        (Phase::MailFrom, 454, "Throttling failure: too fast"),
        // The relay says it of itself, whichever receiver was named.
        (Phase::RcptTo, 451, "4.3.0 Throttling"),
        (
            Phase::FinalDot,
            454,
            "4.7.0 Throttling failure: Maximum sending rate exceeded.",
        ),
    ] {
        let throttled = Rule::reply(phase, code, words);
        let sink = sink(vec![throttled.times(1)]).await;
        let channel = to_sink(&sink);
        let outcome = send(&channel, "ada@example.org").await;
        let expected = ("deferred", "throttled", code.into(), Some(Blame::Pace));
        assert_eq!(gist(&outcome), expected, "{words}");
        assert_eq!(channel.ready_after(), Some(Duration::from_secs(2)));
        assert_eq!(channel.concurrency(), 1);
        let mails = sink.stats().mails;
        // Opened before anybody knew: given back before a byte of it is said.
        let outcome = send(&channel, "bob@example.org").await;
        assert_eq!(
            outcome,
            Outcome::Abandoned {
                reason: Reason::Paced
            }
        );
        // The rule is used up: a second one would have been taken.
        assert_eq!(sink.stats().mails, mails);
    }
}

#[tokio::test]
async fn no_more_mails_begin_than_the_cap_allows() {
    let sink = sink(vec![]).await;
    let settings = json!({"host": "127.0.0.1", "port": sink.addr().port(), "encryption": "none",
        "from": "tide@example.org", "mails_per_minute": 60});
    let channel = bound(Config::parse(&settings, None).unwrap());
    for _ in 0..2 {
        assert_eq!(gist(&send(&channel, "ada@example.org").await), SENT);
    }
    let outcome = send(&channel, "ada@example.org").await;
    assert_eq!(
        outcome,
        Outcome::Abandoned {
            reason: Reason::Paced
        }
    );
    assert_eq!(channel.ready_after(), Some(Duration::from_secs(1)));
    assert_eq!((sink.stats().mails, sink.stats().connections), (2, 1));
}

#[tokio::test]
async fn a_refused_recipient_costs_no_connection() {
    let sink = sink(vec![Rule::reply(Phase::RcptTo, 550, "5.1.1 no").times(5)]).await;
    let channel = to_sink(&sink);
    for _ in 0..5 {
        send(&channel, "ada@example.org").await;
    }
    assert_eq!(gist(&send(&channel, "ada@example.org").await), SENT);
    assert_eq!(sink.stats().connections, 1);
}

#[tokio::test]
async fn a_login_works_or_is_our_fault() {
    let auth = Some(Credentials {
        user: "ada".to_owned(),
        password: "right".to_owned(),
    });
    let sink = smtp::start(smtp::Options {
        auth,
        ..smtp::Options::default()
    })
    .await
    .unwrap();
    let login = |password: &str| Some(json!({"username": "ada", "password": password}));
    let port = sink.addr().port();
    let right = channel(port, login("right"), 10_000);
    assert_eq!(gist(&send(&right, "ada@example.org").await), SENT);
    let wrong = send(&channel(port, login("hunter2"), 10_000), "ada@example.org").await;
    assert_eq!(
        gist(&wrong),
        (
            "deferred",
            "authentication_refused",
            535,
            Some(Blame::Channel)
        )
    );
    assert!(!format!("{wrong:?}").contains("hunter2"));
    let none = send(&channel(port, None, 10_000), "ada@example.org").await;
    assert_eq!(
        gist(&none),
        (
            "deferred",
            "authentication_required",
            530,
            Some(Blame::Channel)
        )
    );
}

#[tokio::test]
async fn a_mail_that_was_taken_before_a_reset_is_in_doubt() {
    let sink = sink(vec![Rule::new(Phase::FinalDot, Action::Reset).recorded()]).await;
    let outcome = send(&to_sink(&sink), "ada@example.org").await;
    assert_eq!(gist(&outcome), ("in doubt", "connection_lost", 0, None));
    assert_eq!(sink.count(), 1);
}

#[tokio::test]
async fn an_idle_connection_the_server_left_is_replaced_once() {
    for action in [
        Action::Reset,
        Action::Reply {
            code: 421,
            text: "4.4.2 idle too long".to_owned(),
        },
    ] {
        let sink = sink(vec![Rule::new(Phase::MailFrom, action).skip(1).times(1)]).await;
        let channel = to_sink(&sink);
        assert_eq!(gist(&send(&channel, "ada@example.org").await), SENT);
        let asked = AtomicUsize::new(0);
        let fresh = || asked.fetch_add(1, Ordering::Relaxed) < 4;
        let outcome = channel
            .send(&mail(&channel, "bob@example.org"), &fresh)
            .await;
        assert_eq!(gist(&outcome), SENT);
        // Asked anew before the second connection and its MAIL: the first took time.
        assert_eq!(asked.load(Ordering::Relaxed), 4);
        assert_eq!(sink.stats().connections, 2);
    }
}

#[tokio::test]
async fn a_stale_attempt_sends_no_mail_command_and_keeps_the_connection() {
    let sink = sink(vec![]).await;
    let channel = to_sink(&sink);
    let outcome = channel
        .send(&mail(&channel, "ada@example.org"), &|| false)
        .await;
    assert_eq!(
        outcome,
        Outcome::Abandoned {
            reason: Reason::Stale
        }
    );
    assert_eq!(gist(&send(&channel, "ada@example.org").await), SENT);
    let stats = sink.stats();
    assert_eq!((stats.connections, stats.mails, stats.accepted), (1, 1, 1));
}

/// The bug that made us write our own dialogue: a send dropped in the middle leaves replies
/// behind, and the next, rejected message reads them as its own acceptance.
#[tokio::test]
async fn replies_never_shift_after_a_dropped_send() {
    for phase in [Phase::MailFrom, Phase::RcptTo, Phase::Data, Phase::FinalDot] {
        let sink = sink(vec![]).await;
        let stall = sink.add_rule(Rule::new(phase, Action::Stall).times(1));
        let unknown = Rule::reply(Phase::RcptTo, 550, "5.1.1 no such user");
        sink.add_rule(unknown.to("bob@example.org"));
        let channel = Arc::new(to_sink(&sink));
        let sending = {
            let channel = Arc::clone(&channel);
            tokio::spawn(async move { send(&channel, "ada@example.org").await })
        };
        sink.wait_for_hits(stall, 1).await;
        sending.abort();
        assert!(sending.await.unwrap_err().is_cancelled());
        sink.release();
        let outcome = send(&channel, "bob@example.org").await;
        assert_eq!(
            gist(&outcome),
            ("failed", "bad_address", 550, Some(Blame::Address))
        );
        assert_eq!(sink.by_recipient("bob@example.org").len(), 0);
    }
}

#[tokio::test]
async fn nobody_there_is_the_networks_fault() {
    let sink = sink(vec![]).await;
    let channel = to_sink(&sink);
    sink.stop().await;
    let outcome = send(&channel, "ada@example.org").await;
    assert_eq!(
        gist(&outcome),
        ("deferred", "connect_failed", 0, Some(Blame::Network))
    );
}

#[tokio::test]
async fn what_the_server_cannot_take_is_not_even_offered() {
    let options = smtp::Options {
        size_bytes_max: 500,
        ..smtp::Options::default()
    };
    let sink = smtp::start(options).await.unwrap();
    let channel = to_sink(&sink);
    let outcome = send(&channel, "ada@example.org").await;
    assert_eq!(
        gist(&outcome),
        ("failed", "message_too_large", 0, Some(Blame::Receiver))
    );
    let outcome = send(&to_sink(&self::sink(vec![]).await), "josé@example.org").await;
    assert_eq!(
        gist(&outcome),
        ("failed", "smtputf8_not_offered", 0, Some(Blame::Receiver))
    );
    assert_eq!(sink.stats().mails, 0);
}

#[tokio::test]
async fn encryption_is_never_given_up() {
    let sink = sink(vec![]).await;
    let settings =
        json!({"host": "127.0.0.1", "port": sink.addr().port(), "from": "tide@example.org"});
    let config = Config::parse(&settings, None).unwrap();
    let channel = EmailChannel::new(config, &support::environment("/nowhere".as_ref()));
    let outcome = send(&channel, "ada@example.org").await;
    let expected = ("deferred", "starttls_not_offered", 0, Some(Blame::Channel));
    assert_eq!(gist(&outcome), expected);
    assert_eq!(sink.stats().mails, 0);
}

#[tokio::test]
async fn a_long_article_with_dots_survives_the_wire() {
    let sink = sink(vec![]).await;
    let channel = to_sink(&sink);
    let content = Composed::new("Dots", &".\n\n. x\n\n..\n\n".repeat(2_000));
    let rendered = channel
        .render(&support::addressed(&content, "ada@example.org", None))
        .unwrap();
    assert_eq!(gist(&channel.send(&rendered, &support::always).await), SENT);
    assert_eq!(
        sink.messages()[0].raw().unwrap().as_ref(),
        rendered.body.as_slice()
    );
}
