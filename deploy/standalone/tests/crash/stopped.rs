//! SIGTERM in the middle of a send: nothing goes out any more, whatever else the program still waits for; it waits for answers
//! that come, and not for ever for one that does not.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tidings_sinks::slack;
use tidings_sinks::smtp::{self, Action, Phase, Rule};
use tidings_tests::program::newsroom::id;
use tidings_tests::program::{ASK_AGAIN, Api, Program, newsroom};

use crate::program;

const READERS: usize = 60;
/// Of the eight that may be open one channel has at most this many.
const OPEN: u32 = 4;
/// So late an answer may come.
const LATE: Duration = Duration::from_secs(5);
/// The 30 s that what is open has, and a little for the other parts to end in.
const ENDED_WITHIN: Duration = Duration::from_secs(30 + 10);

/// Somebody sends a head that promises a body, and holds the request open so.
fn held_request(url: &str) -> TcpStream {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    let head = "POST /join HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                Content-Length: 100\r\n\r\nemail=";
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

/// Once it takes no connection any more it has understood.
async fn understood(url: &str) {
    while TcpStream::connect(url.trim_start_matches("http://")).is_ok() {
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_attempt_is_made_after_the_signal_though_a_request_is_open_and_all_open_ones_are_finished()
 {
    let sink = smtp::start(smtp::Options::default()).await.unwrap();
    let stall = sink.add_rule(Rule::new(Phase::FinalDot, Action::Stall));
    let mut program = program(vec![
        ("TIDINGS_DISPATCHER__OPEN_ATTEMPTS_MAX", "8".to_owned()),
        ("TIDINGS_HTTP__BODY_TIMEOUT_MS", "3000".to_owned()),
        ("TIDINGS_SIGN_UP__CONSENT", "I want it.".to_owned()),
    ]);
    assert!(program.up(None).await, "it ended at its start");
    let publication = newsroom::publish(&program.api(), sink.addr().port(), READERS).await;
    sink.wait_for_hits(stall, OPEN).await;
    let url = program.url().to_owned();
    let held = held_request(&url);
    program.signal(Signal::SIGTERM);
    understood(&url).await;
    sink.remove_rule(stall);
    sink.release();
    ended(&mut program).await;
    drop(held);
    assert_eq!(sink.count(), OPEN as usize, "{}", program.said());

    assert!(program.up(None).await, "it ended at its start");
    let settled = newsroom::settled(&program.api(), &publication).await;
    assert_eq!(
        (&settled["sent"], &settled["in_doubt"]),
        (&json!(READERS), &json!(0)),
        "{settled}"
    );
    assert_eq!(sink.count(), READERS);
    program.stop().await;
}

/// A mail server and Slack, which take what they are sent and do not answer.
struct Silent {
    smtp: smtp::Handle,
    slack: slack::Handle,
}

impl Silent {
    async fn start() -> Self {
        let dot = Rule::new(Phase::FinalDot, Action::Stall).recorded();
        let smtp = smtp::Options {
            rules: vec![dot],
            ..smtp::Options::default()
        };
        let message = slack::Rule::new(slack::Action::Stall).recorded();
        let slack = slack::Options {
            rules: vec![message],
            ..slack::Options::default()
        };
        Self {
            smtp: smtp::start(smtp).await.unwrap(),
            slack: slack::start(slack).await.unwrap(),
        }
    }

    /// A channel to each.
    async fn channels(&self, api: &Api) -> [String; 2] {
        let mail = json!({ "kind": "email", "name": "Mail", "settings": {
            "host": "127.0.0.1", "port": self.smtp.addr().port(), "encryption": "none",
            "from": "News <news@example.org>",
        }});
        let slack = json!({ "kind": "slack", "name": "Slack", "settings": {},
            "credentials": { "webhook_url": self.slack.url("news") } });
        let mail = api.post("/api/v1/channels", &mail).await;
        let slack = api.post("/api/v1/channels", &slack).await;
        [id(&mail), id(&slack)]
    }

    /// Waits until both have their message.
    async fn has_both(&self) {
        tokio::join!(self.smtp.wait_for(1), self.slack.wait_for(1));
    }

    fn answers(&self) {
        self.smtp.clear_rules();
        self.smtp.release();
        self.slack.clear_rules();
        self.slack.release();
    }

    fn copies(&self) -> [usize; 2] {
        [self.smtp.count(), self.slack.count()]
    }
}

/// One reader, and a message by each of these channels.
async fn published(api: &Api, channels: &[String]) -> String {
    let reader = json!({ "email": "reader@example.org" });
    api.post("/api/v1/subscribers", &reader).await;
    let draft = json!({ "title": "News", "markdown": "All is **well**.", "channels": channels });
    let publication = id(&api.post("/api/v1/publications", &draft).await);
    let path = format!("/api/v1/publications/{publication}/publish");
    api.post(&path, &json!({})).await;
    publication
}

/// What has become of the delivery by each channel.
async fn classes(api: &Api, publication: &str) -> BTreeMap<String, String> {
    let path = format!("/api/v1/publications/{publication}/deliveries?limit=10");
    let text = |it: &Value, field: &str| it[field].as_str().unwrap().to_owned();
    let deliveries = api.all(&path).await.into_iter();
    deliveries
        .map(|it| (text(&it, "channel_id"), text(&it, "class")))
        .collect()
}

/// Waits until it has ended by itself.
async fn ended(program: &mut Program) {
    while program.runs() {
        tokio::time::sleep(ASK_AGAIN).await;
    }
    assert!(program.ended().unwrap().success(), "{}", program.said());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_comes_late_is_heard_and_one_that_never_comes_is_not_waited_for_for_ever() {
    let (late, never) = (Silent::start().await, Silent::start().await);
    let loopback = ("TIDINGS_OUTBOUND__ALLOW_LOOPBACK", "true".to_owned());
    let mut program = program(vec![loopback]);
    assert!(program.up(None).await, "it ended at its start");
    let api = program.api();
    let heard = late.channels(&api).await;
    let unheard = never.channels(&api).await;
    let publication = published(&api, &[&heard[..], &unheard].concat()).await;
    tokio::join!(late.has_both(), never.has_both());

    let (url, signalled) = (program.url().to_owned(), Instant::now());
    program.signal(Signal::SIGTERM);
    understood(&url).await;
    tokio::time::sleep(LATE).await;
    assert!(program.runs(), "{}", program.said());
    late.answers();
    ended(&mut program).await;
    let took = signalled.elapsed();
    assert!(took < ENDED_WITHIN, "{took:?}: {}", program.said());

    assert!(program.up(None).await, "it ended at its start");
    let api = program.api();
    let settled = newsroom::settled(&api, &publication).await;
    let counts = [&settled["sent"], &settled["in_doubt"]];
    assert_eq!(counts, [&json!(2), &json!(2)], "{settled}");
    let classes = classes(&api, &publication).await;
    for (channels, class) in [(&heard, "sent"), (&unheard, "in_doubt")] {
        assert!(
            channels.iter().all(|it| classes[it] == class),
            "{classes:?}"
        );
    }
    assert_eq!([late.copies(), never.copies()], [[1; 2]; 2]);
    program.stop().await;
}
