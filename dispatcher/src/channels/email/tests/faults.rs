//! A server that is slow, silent, gone or in a bad mood, at each phase of the dialogue.

use futures_util::future::join_all;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use super::*;

const PHASES: [Phase; 8] = [
    Phase::Greeting,
    Phase::Ehlo,
    Phase::Auth,
    Phase::MailFrom,
    Phase::RcptTo,
    Phase::Data,
    Phase::Body,
    Phase::FinalDot,
];

type Gist = (&'static str, &'static str, i32, Option<Blame>);

const IN_DOUBT: Gist = ("in doubt", "reply_timeout", 0, None);
const TOO_LATE: Gist = ("deferred", "timeout", 0, Some(Blame::Network));

async fn with_login(rules: Vec<Rule>) -> Handle {
    let options = smtp::Options {
        rules,
        auth: Some(Credentials {
            user: "ada".to_owned(),
            password: "right".to_owned(),
        }),
        ..smtp::Options::default()
    };
    smtp::start(options).await.unwrap()
}

/// So long a phase may take where one of them does not end: longer than a machine stands still by itself.
const PHASE_MAX_MS: u64 = 1_500;

fn logged_in(sink: &Handle, timer_ms: u64) -> EmailChannel {
    let login = json!({"username": "ada", "password": "right"});
    channel(sink.addr().port(), Some(login), timer_ms)
}

/// What a fault at this phase means: from the message on, the final dot has left by the time nobody answers.
fn unless_said(phase: Phase, before: Gist, after: Gist) -> Gist {
    match phase {
        Phase::Body | Phase::FinalDot => after,
        _ => before,
    }
}

#[tokio::test]
async fn a_server_that_stalls_or_drips_at_any_phase_is_left_in_time() {
    let drips = Action::Drip(Duration::from_millis(500));
    let rows = [Action::Stall, drips].into_iter().flat_map(|action| {
        PHASES.map(|phase| {
            let action = action.clone();
            async move {
                let sink = with_login(vec![Rule::new(phase, action.clone()).times(1)]).await;
                let channel = logged_in(&sink, PHASE_MAX_MS);
                let row = format!("{phase:?} {action:?}");
                let outcome = send(&channel, "ada@example.org").await;
                let expected = unless_said(phase, TOO_LATE, IN_DOUBT);
                assert_eq!(gist(&outcome), expected, "{row}");
                let next = send(&channel, "bob@example.org").await;
                assert_eq!(gist(&next), SENT, "{row}");
                assert_eq!(sink.stats().connections, 2, "{row}");
                assert_eq!(sink.by_recipient("bob@example.org").len(), 1, "{row}");
            }
        })
    });
    join_all(rows).await;
}

#[tokio::test]
async fn a_reset_at_any_phase_is_harmless_until_the_dot_is_out() {
    for phase in PHASES {
        let sink = with_login(vec![Rule::new(phase, Action::Reset).times(1)]).await;
        let channel = logged_in(&sink, 10_000);
        let found = gist(&send(&channel, "ada@example.org").await);
        let deferred = ("deferred", "connection_lost", 0, Some(Blame::Network));
        let in_doubt = ("in doubt", "connection_lost", 0, None);
        let unconnected = ("deferred", "connect_failed", 0, Some(Blame::Network));
        match phase {
            // As quick as that it may be seen as no connection at all.
            Phase::Greeting => assert!(found == deferred || found == unconnected, "{found:?}"),
            // The dot may have left before the reset was noticed, or not.
            Phase::Body => assert!(found == deferred || found == in_doubt, "{found:?}"),
            _ => assert_eq!(found, unless_said(phase, deferred, in_doubt), "{phase:?}"),
        }
        assert_eq!(sink.count(), 0, "{phase:?}");
        assert_eq!(
            gist(&send(&channel, "bob@example.org").await),
            SENT,
            "{phase:?}"
        );
    }
}

#[tokio::test]
async fn a_server_that_closes_at_any_phase_is_tried_again_later() {
    let phases = PHASES.into_iter().filter(|phase| *phase != Phase::Body);
    for phase in phases {
        let rule = Rule::reply(phase, 421, "4.3.2 closing");
        let sink = with_login(vec![rule.times(1)]).await;
        let channel = logged_in(&sink, 10_000);
        let outcome = send(&channel, "ada@example.org").await;
        let expected = ("deferred", "service_unavailable", 421, Some(Blame::Network));
        assert_eq!(gist(&outcome), expected, "{phase:?}");
        assert_eq!(
            gist(&send(&channel, "bob@example.org").await),
            SENT,
            "{phase:?}"
        );
        assert_eq!(sink.count(), 1, "{phase:?}");
    }
}

/// At which phase the server says what, and what that makes of the delivery: it is put off.
const HARD_WORDS: &str = "\
Greeting | 554 5.3.2 nobody home | service_refused by Channel
Greeting | 451 4.3.0 busy        | service_unavailable by Network
Ehlo     | 550 5.7.1 not you     | service_refused by Channel
Ehlo     | 451 4.3.0 busy        | service_unavailable by Network
Auth     | 535 5.7.8 who?        | authentication_refused by Channel
Auth     | 534 5.7.9 too weak    | authentication_refused by Channel
Auth     | 550 5.1.1 blocked     | authentication_refused by Channel
Auth     | 454 4.7.0 later       | service_unavailable by Network
MailFrom | 535 5.7.8 who?        | authentication_refused by Channel
MailFrom | 550 5.1.8 bad sender  | sender_refused by Channel
RcptTo   | 535 5.7.8 who?        | authentication_refused by ChannelOrReceiver";

/// Nobody's address is to blame for what a server has against us.
#[tokio::test]
async fn whatever_is_said_before_a_mail_costs_no_reader_the_message() {
    for row in HARD_WORDS.lines() {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let mut phases = PHASES.into_iter();
        let phase = phases.find(|phase| format!("{phase:?}") == cells[0]);
        let (code, text) = cells[1].split_once(' ').unwrap();
        let rule = Rule::reply(phase.unwrap(), code.parse().unwrap(), text);
        let sink = with_login(vec![rule.times(1)]).await;
        let channel = logged_in(&sink, 10_000);

        let outcome = send(&channel, "ada@example.org").await;
        let (what, reason, replied, blame) = gist(&outcome);
        let found = format!("{what} {reason} by {:?}", blame.unwrap());
        assert_eq!(found, format!("deferred {}", cells[2]), "{row}");
        assert_eq!(replied.to_string(), code, "{row}");
        let next = send(&channel, "bob@example.org").await;
        assert_eq!(gist(&next), SENT, "{row}");
    }
}

/// Its 250 comes after we have left, on a connection that nobody reads any more: the next mail is told what it is told.
#[tokio::test]
async fn a_late_250_is_nobodys_answer() {
    join_all(PHASES.map(late_250)).await;
}

async fn late_250(phase: Phase) {
    let stall = Rule::new(phase, Action::Stall).times(1);
    let recorded = phase == Phase::FinalDot;
    let stall = if recorded { stall.recorded() } else { stall };
    let unknown = Rule::reply(Phase::RcptTo, 550, "5.1.1 no such user");
    let sink = with_login(vec![stall, unknown.to("bob@example.org")]).await;
    let channel = logged_in(&sink, PHASE_MAX_MS);
    let outcome = send(&channel, "ada@example.org").await;
    assert_eq!(
        gist(&outcome),
        unless_said(phase, TOO_LATE, IN_DOUBT),
        "{phase:?}"
    );
    sink.release();
    let outcome = send(&channel, "bob@example.org").await;
    let expected = ("failed", "bad_address", 550, Some(Blame::Address));
    assert_eq!(gist(&outcome), expected, "{phase:?}");
    assert_eq!(sink.stats().connections, 2, "{phase:?}");
    assert_eq!(sink.by_recipient("bob@example.org").len(), 0, "{phase:?}");
    let copies = sink.by_recipient("ada@example.org").len();
    match phase {
        // It goes on with a message whose end has come, or has found out that we left.
        Phase::Body => assert!(copies <= 1),
        _ => assert_eq!(copies, usize::from(recorded), "{phase:?}"),
    }
}

#[tokio::test]
async fn a_250_that_takes_its_time_is_believed() {
    let delay = Action::Delay(Duration::from_millis(300));
    let sink = sink(vec![Rule::new(Phase::FinalDot, delay)]).await;
    assert_eq!(gist(&send(&to_sink(&sink), "ada@example.org").await), SENT);
    assert_eq!(sink.count(), 1);
}

/// Greets, says yes to everything up to DATA, and then neither reads nor writes.
async fn deaf(listener: TcpListener) -> tokio::net::TcpStream {
    let (mut stream, _) = listener.accept().await.unwrap();
    let replies = "220 hello\r\n250 server\r\n250 ok\r\n250 ok\r\n354 go\r\n";
    stream.write_all(replies.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn a_server_that_reads_no_more_is_left_in_time_and_has_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let channel = channel(listener.local_addr().unwrap().port(), None, 300);
    let server = tokio::spawn(deaf(listener));
    let mut rendered = mail(&channel, "ada@example.org");
    // More than the buffers of both sides take.
    rendered.body.resize(64 << 20, b'x');
    let outcome = channel.send(&rendered, &support::always).await;
    assert_eq!(gist(&outcome), TOO_LATE);
    drop(server.await.unwrap());
}
