//! Names whose answers somebody else chooses, and chooses anew for each question.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use reqwest::dns::{Addrs, Name, Resolving};

use super::*;

/// Answers each question about any name with the next of these addresses, and keeps what was asked.
#[derive(Clone)]
struct Answers(Arc<Mutex<(VecDeque<&'static str>, Vec<String>)>>);

impl Answers {
    fn new(addresses: &[&'static str]) -> Self {
        Self(Arc::new(Mutex::new((
            addresses.iter().copied().collect(),
            Vec::new(),
        ))))
    }

    fn asked(&self) -> Vec<String> {
        self.0.lock().unwrap().1.clone()
    }
}

impl Resolve for Answers {
    fn resolve(&self, name: Name) -> Resolving {
        let mut answers = self.0.lock().unwrap();
        answers.1.push(name.as_str().to_owned());
        let next = answers.0.pop_front();
        let found: Vec<SocketAddr> = next
            .map(|ip| SocketAddr::new(ip.parse().unwrap(), 0))
            .into_iter()
            .collect();
        Box::pin(async move { Ok(Box::new(found.into_iter()) as Addrs) })
    }
}

async fn post_to(
    policy: Policy,
    names: &Answers,
    url: &str,
) -> (Result<Response, OutboundError>, Outbound) {
    let outbound = Outbound::with_names(policy, names.clone()).unwrap();
    let answer = outbound.post_json(url, "{}", HeaderMap::new()).await;
    (answer, outbound)
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn what_was_vetted_is_what_is_connected_to_whatever_the_name_stands_for_next() {
    let (elsewhere, mut strangers) = canary(OK).await;
    let vetted = format!("127.0.0.2:{}", elsewhere.port());
    let mut visits = listen(TcpListener::bind(vetted).await.unwrap(), OK);
    let names = Answers::new(&["127.0.0.2", "127.0.0.1"]);
    let url = format!("http://turning.example:{}/hook", elsewhere.port());
    let (answer, _) = post_to(LOOPBACK, &names, &url).await;
    assert_eq!(answer.unwrap().status, 200);
    assert_eq!(names.asked(), ["turning.example"], "once a connection");
    // The name it was asked under goes along, not the address.
    let visit = visits.recv().await.unwrap().to_lowercase();
    assert!(visit.contains("host: turning.example:"), "{visit}");
    assert!(strangers.try_recv().is_err(), "the second answer was used");
}

#[tokio::test]
async fn a_public_name_that_turns_to_this_machine_reaches_nothing() {
    let (address, mut visits) = canary(OK).await;
    let policy = Policy {
        connect_timeout: Duration::from_millis(200),
        ..Policy::strict()
    };
    // Public as far as anybody can tell, and routed nowhere: the network it lay in was given back.
    let names = Answers::new(&["3ffe::1", "127.0.0.1"]);
    let url = format!("http://turning.example:{}/hook", address.port());
    let (answer, outbound) = post_to(policy, &names, &url).await;
    let error = answer.unwrap_err();
    assert!(matches!(error, OutboundError::Connect(_)), "{error:?}");
    assert_eq!(names.asked().len(), 1);

    // The same client again, as a retry has it: the new answer is vetted anew.
    let error = outbound
        .post_json(&url, "{}", HeaderMap::new())
        .await
        .unwrap_err();
    assert!(matches!(error, OutboundError::Refused { .. }), "{error:?}");
    assert_eq!(names.asked().len(), 2);
    assert!(visits.try_recv().is_err(), "someone connected");
}

/// Panics unless a host that stands for this address is refused for it.
async fn refused_at(host: &str, inside: &'static str, port: u16) {
    let url = format!("http://{host}:{port}/hook");
    let (answer, _) = post_to(Policy::strict(), &Answers::new(&[inside]), &url).await;
    match answer.unwrap_err() {
        OutboundError::Refused { address, .. } => {
            assert_eq!(address, inside.parse::<IpAddr>().unwrap());
        }
        other => panic!("{host}, {inside}: {other:?}"),
    }
}

#[tokio::test]
async fn a_name_leads_to_no_place_that_is_not_public() {
    let (address, mut visits) = canary(OK).await;
    let hosts = ["inside.example", "localhost.", "news.localhost"];
    for (host, inside) in hosts.map(|host| (host, "127.0.0.1")) {
        refused_at(host, inside, address.port()).await;
    }
    for inside in [
        "0.0.0.0",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "2002:7f00:1::",
        "2002:c0a8:101::1",
        "64:ff9b::7f00:1",
        "64:ff9b::c0a8:101",
        "64:ff9b:1::7f00:1",
        "10.0.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "168.63.129.16",
        "fe80::1",
        "fd00:ec2::254",
    ] {
        refused_at("inside.example", inside, address.port()).await;
    }
    assert!(visits.try_recv().is_err(), "someone connected");
}

#[tokio::test]
async fn a_name_that_stands_for_nothing_is_nothing_sent() {
    let (answer, _) = post_to(LOOPBACK, &Answers::new(&[]), "http://nothing.example/").await;
    let error = answer.unwrap_err();
    assert!(matches!(error, OutboundError::Connect(_)), "{error:?}");
}

#[tokio::test]
async fn no_redirect_is_followed_wherever_it_leads() {
    let (inside, mut visits) = canary(OK).await;
    for status in [301, 302, 303, 307, 308] {
        for target in [
            format!("http://{inside}/latest/meta-data/"),
            "http://169.254.169.254/latest/meta-data/".to_owned(),
            "http://metadata.example/computeMetadata/v1/".to_owned(),
        ] {
            let reply = format!(
                "HTTP/1.1 {status} Elsewhere\r\nlocation: {target}\r\ncontent-length: 0\r\n\r\n"
            );
            let (address, _came) = canary(reply.leak().as_bytes()).await;
            let names = Answers::new(&["127.0.0.1", "127.0.0.1"]);
            let url = format!("http://moved.example:{}/hook", address.port());
            let (answer, _) = post_to(LOOPBACK, &names, &url).await;
            assert_eq!(answer.unwrap().status, status);
            assert_eq!(names.asked(), ["moved.example"]);
        }
    }
    assert!(visits.try_recv().is_err(), "a redirect was followed");
}
