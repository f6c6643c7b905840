//! The SMTP sink's script: every kind of misbehaviour, seen from the sender's side.

use std::time::{Duration, Instant};

use crate::client::{Client, patient};
use tidings_sinks::smtp::{self, Action, Handle, Options, Phase, Rule};

const MESSAGE: &str = "Message-ID: <1@x.example>\r\n\r\nBody\r\n";

async fn started(rules: impl Into<Vec<Rule>>) -> Handle {
    smtp::start(Options {
        rules: rules.into(),
        ..Options::default()
    })
    .await
    .unwrap()
}

/// A client that has said all but the message.
async fn at_data(sink: &Handle) -> Client {
    let mut client = Client::ready(sink.addr()).await;
    client.code("MAIL FROM:<a@x.example>").await;
    client.code("RCPT TO:<b@x.example>").await;
    assert_eq!(client.code("DATA").await, "354");
    client
}

#[tokio::test]
async fn every_phase_can_be_refused() {
    let steps = [
        (Phase::Ehlo, "EHLO me"),
        (Phase::MailFrom, "MAIL FROM:<a@x.example>"),
        (Phase::RcptTo, "RCPT TO:<b@x.example>"),
        (Phase::Data, "DATA"),
    ];
    for (phase, refused) in steps {
        let sink = started([Rule::reply(phase, 450, "4.7.1 later").times(1)]).await;
        let mut client = Client::connect(sink.addr()).await;
        client.reply().await;
        for (_, step) in steps {
            let code = client.code(step).await;
            if step == refused {
                assert_eq!(code, "450", "{step}");
                break;
            }
        }
        // The connection is good for another try.
        client.code("EHLO me").await;
        assert_eq!(
            client.send("b@x.example", MESSAGE).await,
            "250",
            "{phase:?}"
        );
    }
    let sink = started([Rule::reply(Phase::Greeting, 554, "5.7.1 no")]).await;
    assert_eq!(
        Client::connect(sink.addr()).await.reply().await,
        "554 5.7.1 no\r\n"
    );
}

#[tokio::test]
async fn an_answer_may_be_421_and_the_end() {
    let sink = started([Rule::reply(Phase::RcptTo, 421, "4.3.2 closing")]).await;
    let mut client = Client::ready(sink.addr()).await;
    client.code("MAIL FROM:<a@x.example>").await;
    assert_eq!(client.code("RCPT TO:<b@x.example>").await, "421");
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn authentication_may_be_refused() {
    let sink = smtp::start(Options {
        auth: Some(smtp::Credentials {
            user: "a".into(),
            password: "b".into(),
        }),
        rules: vec![Rule::reply(Phase::Auth, 535, "5.7.8 no").times(1)],
        ..Options::default()
    })
    .await
    .unwrap();
    let mut client = Client::ready(sink.addr()).await;
    assert_eq!(client.code("AUTH PLAIN AGEAYg==").await, "535");
    assert_eq!(client.code("AUTH PLAIN AGEAYg==").await, "235");
}

#[tokio::test]
async fn greylisting_refuses_each_recipient_once() {
    let greylist = Rule::reply(Phase::RcptTo, 450, "4.7.1 greylisted")
        .times(1)
        .each();
    let sink = started([
        Rule::reply(Phase::RcptTo, 550, "5.1.1 no such user").to("gone@x.example"),
        greylist.to_ending("@grey.example"),
    ])
    .await;
    let mut client = Client::ready(sink.addr()).await;
    client.code("MAIL FROM:<a@x.example>").await;
    for (to, code) in [
        ("a@grey.example", "450"),
        ("b@grey.example", "450"),
        ("a@grey.example", "250"),
        ("gone@x.example", "550"),
        ("gone@x.example", "550"),
        ("b@x.example", "250"),
    ] {
        assert_eq!(client.code(&format!("RCPT TO:<{to}>")).await, code, "{to}");
    }
}

#[tokio::test]
async fn the_final_dot_may_be_refused_with_or_without_keeping_the_message() {
    for (recorded, count) in [(false, 0), (true, 1)] {
        let mut rule = Rule::reply(Phase::FinalDot, 451, "4.3.0 oops").times(1);
        if recorded {
            rule = rule.recorded();
        }
        let sink = started([rule]).await;
        let mut client = Client::ready(sink.addr()).await;
        assert_eq!(client.send("b@x.example", MESSAGE).await, "451");
        assert_eq!(sink.count(), count);
        assert_eq!(client.send("b@x.example", MESSAGE).await, "250");
    }
}

#[tokio::test]
async fn the_connection_is_reset_before_the_dot() {
    let sink = started([Rule::new(Phase::Body, Action::Reset)]).await;
    let mut client = at_data(&sink).await;
    client.write("Subject: half a mess").await;
    assert!(client.is_reset().await);
    assert_eq!(sink.count(), 0);
}

#[tokio::test]
async fn the_connection_is_reset_after_the_dot_with_or_without_keeping_the_message() {
    for (recorded, count) in [(false, 0), (true, 1)] {
        let mut rule = Rule::new(Phase::FinalDot, Action::Reset);
        if recorded {
            rule = rule.recorded();
        }
        let sink = started([rule]).await;
        let mut client = at_data(&sink).await;
        client.write(&format!("{MESSAGE}.\r\n")).await;
        assert!(client.is_reset().await);
        assert_eq!(sink.count(), count);
    }
}

#[tokio::test]
async fn a_stall_lasts_until_it_is_released() {
    let sink = started([]).await;
    let stall = sink.add_rule(Rule::new(Phase::FinalDot, Action::Stall).recorded());
    let mut client = at_data(&sink).await;
    client.write(&format!("{MESSAGE}.\r\n")).await;
    patient(sink.wait_for_hits(stall, 1)).await;
    assert_eq!((sink.count(), sink.hits(stall)), (1, 1));
    assert!(client.is_silent());
    sink.release();
    assert_eq!(client.reply().await, "250 2.0.0 accepted as 1\r\n");

    sink.clear_rules();
    let stall = sink.add_rule(Rule::new(Phase::MailFrom, Action::Stall));
    client.write("MAIL FROM:<a@x.example>\r\n").await;
    patient(sink.wait_for_hits(stall, 1)).await;
    assert!(client.is_silent());
    sink.release();
    assert_eq!(&client.reply().await[..3], "250");
}

#[tokio::test]
async fn a_stalled_sender_may_leave() {
    let sink = started([Rule::new(Phase::Greeting, Action::Stall).times(1)]).await;
    drop(Client::connect(sink.addr()).await);
    // A served connection shows that the sink has seen the first.
    let mut client = Client::ready(sink.addr()).await;
    while sink.stats().open > 1 {
        client.code("NOOP").await;
    }
    assert_eq!(sink.stats().connections, 2);
}

#[tokio::test]
async fn replies_may_be_late_or_drip() {
    let late = Duration::from_millis(30);
    let pause = Duration::from_millis(1);
    let sink = started([
        Rule::new(Phase::MailFrom, Action::Delay(late)).times(1),
        Rule::new(Phase::RcptTo, Action::Drip(pause)).times(1),
    ])
    .await;
    let mut client = Client::ready(sink.addr()).await;
    let start = Instant::now();
    assert_eq!(client.code("MAIL FROM:<a@x.example>").await, "250");
    assert!(start.elapsed() >= late);
    let start = Instant::now();
    let reply = client.ask("RCPT TO:<b@x.example>").await;
    assert_eq!(reply, "250 2.1.5 recipient ok\r\n");
    // A pause follows each byte but the last, which the reader need not await.
    assert!(start.elapsed() >= pause * (reply.len() as u32 - 1));
    assert_eq!(client.code("NOOP").await, "250");
}
