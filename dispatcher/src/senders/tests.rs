//! Senders checked against a DNS of the test's own.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hickory_resolver::proto::op::{Message, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::{MX, TXT};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use tokio::net::UdpSocket;

use super::*;

/// What stands in the DNS: `TXT`, `MX`, `A` or `BROKEN` and the value, by name.
type Zone = &'static [(&'static str, &'static str, &'static str)];

/// Answers from a zone, one question after another, for as long as the test runs.
async fn serve(zone: Vec<(String, String, String)>) -> SocketAddr {
    let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 4_096];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let question = Message::from_vec(&buffer[..length]).unwrap();
            let answer = answer(&question, &zone).to_vec().unwrap();
            socket.send_to(&answer, from).await.unwrap();
        }
    });
    address
}

fn answer(question: &Message, zone: &[(String, String, String)]) -> Message {
    let query = question.queries[0].clone();
    let asked = query.name().to_ascii().to_ascii_lowercase();
    let here = |name: &str| format!("{name}.") == asked;
    let mut message = Message::response(question.metadata.id, OpCode::Query);
    message.metadata.recursion_available = true;
    message.add_query(query.clone());
    for (name, kind, value) in zone.iter().filter(|(name, ..)| here(name)) {
        let data = match (kind.as_str(), query.query_type()) {
            ("BROKEN", _) => {
                message.metadata.response_code = ResponseCode::ServFail;
                return message;
            }
            ("TXT", RecordType::TXT) => {
                // As long ones stand there: in pieces.
                let pieces = value.as_bytes().chunks(200);
                let pieces = pieces.map(|piece| String::from_utf8(piece.to_vec()).unwrap());
                RData::TXT(TXT::new(pieces.collect()))
            }
            ("MX", RecordType::MX) => RData::MX(MX::new(10, Name::from_ascii(value).unwrap())),
            ("A", RecordType::A | RecordType::AAAA) => match value.parse().unwrap() {
                IpAddr::V4(it) if query.query_type() == RecordType::A => RData::A(it.into()),
                IpAddr::V6(it) if query.query_type() == RecordType::AAAA => RData::AAAA(it.into()),
                _ => continue,
            },
            _ => continue,
        };
        message.add_answer(Record::from_rdata(
            Name::from_ascii(name).unwrap(),
            60,
            data,
        ));
    }
    if !zone.iter().any(|(name, ..)| here(name)) {
        message.metadata.response_code = ResponseCode::NXDomain;
    }
    message
}

const KEY: &str = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE";

/// A record for each thing that is looked for.
const GOOD: Zone = &[
    ("example.org", "MX", "mx.example.org."),
    ("bounces.example.org", "MX", "mx.example.org."),
    (
        "bounces.example.org",
        "TXT",
        "v=spf1 include:spf.relay.example ~all",
    ),
    ("bounces.example.org", "TXT", "another thing"),
    (
        "spf.relay.example",
        "TXT",
        "v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 -all",
    ),
    ("smtp.relay.example", "A", "192.0.2.7"),
    ("smtp.relay.example", "A", "2001:db8::7"),
    (
        "s1._domainkey.example.org",
        "TXT",
        "v=DKIM1; k=ed25519; p=MCowBQYDK2VwAyEAGb9ECWmEzf6FQ brBZ9w7lshQhqowtrbLDFw4rXAxZuE",
    ),
    (
        "_dmarc.example.org",
        "TXT",
        "v=DMARC1; p=reject; rua=mailto:d@example.org",
    ),
];

fn sender() -> Sender {
    Sender {
        from_domain: "example.org".to_owned(),
        return_path_domain: Some("bounces.example.org".to_owned()),
        relay: Some("smtp.relay.example".to_owned()),
        signer: Some(Signer {
            domain: "example.org".to_owned(),
            selector: "s1".to_owned(),
            algorithm: "ed25519",
            public_key: KEY.to_owned(),
        }),
    }
}

/// The good zone with other records of these names and types; an empty one takes them away.
fn with(changes: Zone) -> Vec<(String, String, String)> {
    let own = |it: &(&str, &str, &str)| (it.0.to_owned(), it.1.to_owned(), it.2.to_owned());
    let changed = |it: &&(&str, &str, &str)| {
        !changes
            .iter()
            .any(|new| new.0 == it.0 && (new.1 == it.1 || new.1 == "BROKEN"))
    };
    let kept = GOOD.iter().filter(changed).map(own);
    kept.chain(changes.iter().filter(|it| !it.2.is_empty()).map(own))
        .collect()
}

async fn report(sender: &Sender, changes: Zone) -> Report {
    let dns = Dns::new(Some(serve(with(changes)).await)).unwrap();
    check(sender, &dns).await.unwrap()
}

/// What is not as it should be, and why.
fn told(report: &Report) -> String {
    assert_eq!(
        report.fine,
        report.checks.iter().all(|it| it.state != State::Finding)
    );
    let mut lines = Vec::new();
    for check in report.checks.iter().filter(|it| it.state != State::Ok) {
        let state = serde_json::to_value(check.state).unwrap();
        lines.push(format!(
            "{} {} {}: {}",
            check.name,
            state.as_str().unwrap(),
            check.record_name,
            check.explanation
        ));
        lines.extend(
            check
                .wanted
                .as_ref()
                .map(|it| format!("  -> {} {} {}", it.name, it.kind, it.value)),
        );
    }
    lines.join("\n")
}

#[tokio::test]
async fn a_sender_in_order_is_fine_and_everything_is_explained() {
    let report = report(&sender(), &[]).await;
    assert!(report.fine, "{}", told(&report));
    insta::assert_json_snapshot!(report);
}

/// What may be amiss.
const AMISS: &[(&str, Zone)] = &[
    ("no SPF", &[("bounces.example.org", "TXT", "")]),
    (
        "two SPF",
        &[
            ("bounces.example.org", "TXT", "v=spf1 -all"),
            ("bounces.example.org", "TXT", "v=spf1 mx -all"),
        ],
    ),
    (
        "SPF without the relay",
        &[("spf.relay.example", "TXT", "v=spf1 ip4:192.0.2.0/29 -all")],
    ),
    (
        "SPF with one of two addresses",
        &[(
            "bounces.example.org",
            "TXT",
            "v=spf1 ip4:192.0.2.7 redirect=none.example",
        )],
    ),
    (
        "SPF that includes nothing",
        &[("spf.relay.example", "TXT", "")],
    ),
    (
        "SPF with a mistake",
        &[("bounces.example.org", "TXT", "v=spf1 ipv4:192.0.2.7 -all")],
    ),
    (
        "SPF that includes itself",
        &[(
            "spf.relay.example",
            "TXT",
            "v=spf1 include:spf.relay.example -all",
        )],
    ),
    (
        "SPF by macros",
        &[(
            "bounces.example.org",
            "TXT",
            "v=spf1 exists:%{i}.x.example -all",
        )],
    ),
    ("no key", &[("s1._domainkey.example.org", "TXT", "")]),
    (
        "a revoked key",
        &[("s1._domainkey.example.org", "TXT", "v=DKIM1; p=")],
    ),
    (
        "another key",
        &[(
            "s1._domainkey.example.org",
            "TXT",
            "v=DKIM1; k=ed25519; p=AAAA",
        )],
    ),
    (
        "a key of another kind",
        &[("s1._domainkey.example.org", "TXT", "v=DKIM1; p=AAAA")],
    ),
    (
        "a key on trial",
        &[(
            "s1._domainkey.example.org",
            "TXT",
            "k=ed25519; t=y:s; p=MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE",
        )],
    ),
    ("no DMARC", &[("_dmarc.example.org", "TXT", "")]),
    (
        "two DMARC",
        &[
            ("_dmarc.example.org", "TXT", "v=DMARC1; p=none"),
            ("_dmarc.example.org", "TXT", "v=DMARC1; p=reject"),
        ],
    ),
    (
        "DMARC without a policy",
        &[("_dmarc.example.org", "TXT", "v=DMARC1; p=maybe")],
    ),
    (
        "nothing that DMARC takes",
        &[
            ("s1._domainkey.example.org", "TXT", ""),
            (
                "_dmarc.example.org",
                "TXT",
                "v=DMARC1; p=quarantine; aspf=s",
            ),
        ],
    ),
    (
        "no mail server",
        &[
            ("bounces.example.org", "MX", ""),
            ("example.org", "MX", "."),
        ],
    ),
    (
        "an address and no mail server",
        &[
            ("bounces.example.org", "MX", ""),
            ("bounces.example.org", "A", "192.0.2.9"),
        ],
    ),
    (
        "a DNS in trouble",
        &[
            ("_dmarc.example.org", "BROKEN", "x"),
            ("bounces.example.org", "BROKEN", "x"),
        ],
    ),
];

#[tokio::test]
async fn each_thing_amiss_is_found_and_the_record_to_add_is_told() {
    let mut all = Vec::new();
    for (what, changes) in AMISS {
        all.push(format!(
            "{what}\n{}",
            told(&report(&sender(), changes).await)
        ));
    }
    insta::assert_snapshot!(all.join("\n\n"));
}

#[tokio::test]
async fn ten_lookups_are_a_record_and_eleven_are_none() {
    let spf = async |count: usize| {
        let includes = " include:leaf.example".repeat(count);
        let mut zone = with(&[("bounces.example.org", "TXT", "")]);
        let mut add = |name: &str, value: String| {
            zone.push((name.to_owned(), "TXT".to_owned(), value));
        };
        // The match comes first: what counts is the whole record.
        add(
            "bounces.example.org",
            format!("v=spf1 ip4:192.0.2.7 ip6:2001:db8::7{includes} -all"),
        );
        add("leaf.example", "v=spf1 ip4:203.0.113.1".to_owned());
        let dns = Dns::new(Some(serve(zone).await)).unwrap();
        check(&sender(), &dns).await.unwrap().checks[0].clone()
    };
    assert_eq!(spf(10).await.state, State::Ok);
    let eleven = spf(11).await;
    assert_eq!(eleven.state, State::Finding);
    assert!(
        eleven.explanation.contains("more than 10 lookups"),
        "{}",
        eleven.explanation
    );
}

#[tokio::test]
async fn a_subdomain_goes_by_its_parents_policy_and_belongs_to_it() {
    let sender = Sender {
        from_domain: "news.example.org".to_owned(),
        ..sender()
    };
    let changes: Zone = &[
        ("news.example.org", "MX", "mx.example.org."),
        ("_dmarc.example.org", "TXT", "v=DMARC1; p=reject; sp=none"),
    ];
    let dmarc = report(&sender, changes).await.checks[2].clone();
    assert_eq!(
        (dmarc.state, dmarc.record_name.as_str()),
        (State::Ok, "_dmarc.example.org")
    );
    assert!(
        dmarc.explanation.contains("delivered all the same"),
        "{}",
        dmarc.explanation
    );
}

#[tokio::test]
async fn what_can_not_be_seen_from_here_is_no_finding() {
    for relay in [
        None,
        Some("127.0.0.1".to_owned()),
        Some("10.1.2.3".to_owned()),
    ] {
        let sender = Sender {
            relay,
            signer: None,
            ..sender()
        };
        let report = report(&sender, &[]).await;
        let states: BTreeMap<_, _> = report.checks.iter().map(|it| (it.name, it.state)).collect();
        assert!(report.fine);
        let noted = ["spf", "dkim", "dmarc"].map(|name| states[name]);
        assert_eq!(noted, [State::Note; 3]);
    }
}

#[tokio::test]
async fn a_dns_that_says_nothing_is_no_finding_of_anybodys() {
    let broken = [
        "example.org",
        "bounces.example.org",
        "s1._domainkey.example.org",
        "_dmarc.example.org",
        "smtp.relay.example",
    ];
    let broken = broken.map(|name| (name.to_owned(), "BROKEN".to_owned(), "x".to_owned()));
    let dns = Dns::new(Some(serve(broken.to_vec()).await)).unwrap();
    assert_eq!(check(&sender(), &dns).await, Err(NoAnswer));
}

/// As Amazon SES is: envelope and signature are set up there.
#[tokio::test]
async fn of_a_provider_who_signs_no_more_is_said_than_can_be_seen() {
    let provided = Sender {
        return_path_domain: None,
        relay: None,
        signer: None,
        ..sender()
    };
    let seen = report(&provided, &[]).await;
    assert!(seen.fine);
    let states: Vec<_> = seen.checks.iter().map(|it| (it.name, it.state)).collect();
    let expected = [
        ("spf", State::Note),
        ("dkim", State::Note),
        ("dmarc", State::Note),
        ("mx", State::Ok),
    ];
    assert_eq!(states, expected);
    let without = report(&provided, &[("_dmarc.example.org", "TXT", "")]).await;
    assert!(!without.fine, "{without:?}");
}
