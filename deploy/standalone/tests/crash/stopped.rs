//! SIGTERM in the middle of a send: nothing goes out any more, whatever else the program still waits for.

use std::io::Write as _;
use std::net::TcpStream;

use nix::sys::signal::Signal;
use serde_json::json;
use tidings_sinks::smtp::{self, Action, Phase, Rule};
use tidings_tests::program::{ASK_AGAIN, newsroom};

use crate::program;

const READERS: usize = 60;
/// Of the eight that may be open one channel has at most this many.
const OPEN: u32 = 4;

/// Somebody sends a head that promises a body, and holds the request open so.
fn held_request(url: &str) -> TcpStream {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    let head = "POST /join HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                Content-Length: 100\r\n\r\nemail=";
    stream.write_all(head.as_bytes()).unwrap();
    stream
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
    // Once it takes no connection any more it has understood.
    while TcpStream::connect(url.trim_start_matches("http://")).is_ok() {
        tokio::time::sleep(ASK_AGAIN).await;
    }
    sink.remove_rule(stall);
    sink.release();
    while program.runs() {
        tokio::time::sleep(ASK_AGAIN).await;
    }
    drop(held);
    assert!(program.ended().unwrap().success(), "{}", program.said());
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
