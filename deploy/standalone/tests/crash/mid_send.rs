//! The real program, killed in the middle of a send, with and without its servers (invariants 5 and 9).

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::json;
use tidings_sinks::smtp;
use tidings_tests::program::Api;
use tidings_tests::program::newsroom::{publish, settled};

use crate::private::{Lost, brought, check};
use crate::start;

/// Deliveries of one send; `TIDINGS_TEST_SUBSCRIBERS` asks for more.
const SUBSCRIBERS: usize = 1_500;
/// Attempts a dispatcher has open at the most: what a kill leaves in doubt.
const OPEN_ATTEMPTS_MAX: i64 = 64;
const SETTLED_WITHIN: Duration = Duration::from_secs(180);

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_mid_send_everything_is_settled_and_nobody_is_skipped() {
    killed_in_mid_send(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_mid_send_with_its_servers_everything_is_settled_and_nobody_is_skipped() {
    killed_in_mid_send(true).await;
}

async fn killed_in_mid_send(servers_too: bool) {
    let subscribers = subscribers();
    let sink = smtp::start(smtp::Options {
        keep: smtp::Keep::Headers,
        ..Default::default()
    })
    .await
    .unwrap();
    let mut program = start().await;
    let api = program.api();
    let publication = publish(&api, sink.addr().port(), subscribers).await;

    sink.wait_for(subscribers / 4).await;
    program.kill(servers_too);
    assert!(
        sink.count() < subscribers,
        "the kill came too late to mean anything"
    );
    let restarted = Instant::now();
    assert!(program.up(None).await, "it died at its start");
    let api = program.api();
    let accounting = settled(&api, &publication).await;
    let took = restarted.elapsed();
    assert!(
        took < SETTLED_WITHIN,
        "settled only after {took:?}: {accounting}"
    );

    assert_eq!(accounting["planned"], json!(subscribers), "{accounting}");
    assert_eq!(accounting["balanced"], json!(true), "{accounting}");
    let in_doubt = accounting["in_doubt"].as_i64().unwrap();
    assert!(in_doubt <= OPEN_ATTEMPTS_MAX, "{accounting}");
    assert_eq!(
        accounting["sent"].as_i64().unwrap() + in_doubt,
        subscribers as i64,
        "{accounting}"
    );
    compare_with_the_journal(&api, &publication, &sink, subscribers).await;
    program.verify_views();
    program.is_witnessed().await;
    program.verify_whole_log().await;
    check(&program, &sink, &brought(subscribers), Lost::Nothing).await;
    program.stop().await;
}

fn subscribers() -> usize {
    #[allow(
        clippy::disallowed_methods,
        reason = "a knob of the test, not of the product"
    )]
    let wanted = std::env::var("TIDINGS_TEST_SUBSCRIBERS").ok();
    wanted.map_or(SUBSCRIBERS, |count| count.parse().unwrap())
}

/// Invariant 5: at least one copy of a sent one, none or one of a doubtful one, none of any other.
async fn compare_with_the_journal(
    api: &Api,
    publication: &str,
    sink: &smtp::Handle,
    subscribers: usize,
) {
    let mut copies: HashMap<String, usize> = HashMap::new();
    for message in sink.messages() {
        for receiver in &message.to {
            *copies.entry(receiver.clone()).or_default() += 1;
        }
    }
    let doubtful = api
        .all(&format!(
            "/api/v1/publications/{publication}/deliveries?class=in_doubt"
        ))
        .await;
    let mut in_doubt = Vec::new();
    for delivery in &doubtful {
        let subscriber = api
            .get(&format!(
                "/api/v1/subscribers/{}",
                delivery["subscriber_id"].as_str().unwrap()
            ))
            .await;
        in_doubt.push(subscriber["email"].as_str().unwrap().to_owned());
    }
    for n in 0..subscribers {
        let receiver = format!("reader{n}@example.org");
        let copies = copies.remove(&receiver).unwrap_or(0);
        if in_doubt.contains(&receiver) {
            assert!(copies <= 1, "{receiver}: {copies} copies of a doubtful one");
        } else {
            assert_eq!(copies, 1, "{receiver}");
        }
    }
    assert!(copies.is_empty(), "copies to strangers: {copies:?}");
}
