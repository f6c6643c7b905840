//! What is on record of a request without an answer.

use tidings_sinks::smtp;

use super::*;
use crate::channels::support;

/// As secret as the URL of a Slack or Discord webhook.
const SECRETS: [&str; 4] = ["hunter2", "services", "token", "://"];

async fn posted(host: &str) -> Outcome {
    let outbound = &support::environment("/nowhere".as_ref()).outbound;
    let url = format!("https://{host}/services/hunter2?token=hunter2");
    let answer = post(
        outbound,
        &url,
        b"{}".to_vec(),
        HeaderMap::new(),
        &support::always,
    );
    answer.await.unwrap_err()
}

fn reply(outcome: Outcome) -> String {
    let Outcome::Deferred {
        reason: Reason::ConnectFailed,
        code: 0,
        reply,
        retry_after: None,
        blame: Blame::Network,
    } = outcome
    else {
        panic!("{outcome:?}");
    };
    let told = SECRETS.into_iter().find(|secret| reply.contains(secret));
    assert_eq!(told, None, "{reply}");
    reply
}

#[tokio::test]
async fn whoever_is_not_reached_is_told_why_and_where_to_is_not() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let refused = listener.local_addr().unwrap().to_string();
    drop(listener);
    assert_eq!(
        reply(posted(&refused).await),
        "no connection to the destination: Connection refused (os error 111)"
    );

    let options = smtp::Options {
        tls: Some(smtp::Tls::from_first_byte("127.0.0.1").unwrap()),
        ..smtp::Options::default()
    };
    let sink = smtp::start(options).await.unwrap();
    assert_eq!(
        reply(posted(&sink.addr().to_string()).await),
        "no connection to the destination: invalid peer certificate: UnknownIssuer"
    );

    // In whatever words the system says so.
    let unknown = reply(posted("hooks.invalid").await);
    let why = unknown.strip_prefix("no connection to the destination: ");
    assert!(why.is_some_and(|why| !why.is_empty()), "{unknown}");
    assert!(!unknown.contains("hooks.invalid"), "{unknown}");
}
