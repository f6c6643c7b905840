//! Mail servers behind TLS. To one whose certificate is not trusted, or is another's, nothing is said: its deliveries wait, nobody
//! else's do, and once it is who it should be each reader has one copy.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tidings_dispatcher::channel::Environment;
use tidings_domain::channel::{self, Channel};
use tidings_domain::value::{ChannelName, Settings};
use tidings_sinks::RuleId;
use tidings_sinks::smtp::{self, Action, Credentials, Handle, Phase, Rule, Tls};
use tidings_tests::house::Accounting;
use uuid::Uuid;

use super::HURRY;
use super::town::Town;
use crate::story::{bounced, desk};

/// So long a server may take here: several begin at once to speak under TLS, which takes a slow machine its time.
const HURRY_UNDER_TLS: Duration = Duration::from_secs(4);
const STEP: Duration = Duration::from_secs(60);

/// A mail server, and the channel that leads there.
struct Relay {
    tls: Tls,
    encryption: &'static str,
    sink: Handle,
    /// Acts at each login, and does nothing.
    logins: RuleId,
    channel: Uuid,
}

impl Relay {
    /// It has another certificate from now on.
    fn certify(&mut self, tls: Tls) {
        self.sink.protect(tls.clone());
        self.tls = tls;
    }
}

fn settings(host: &str, sink: &Handle, encryption: &str) -> Value {
    json!({
        "host": host, "port": sink.addr().port(), "encryption": encryption,
        "from": "Town Crier <crier@news.example.org>",
    })
}

/// A server with a certificate for `localhost`, which the channel knows by the name of `host`.
async fn relay(town: &mut Town, encryption: &'static str, host: &str) -> Relay {
    let tls = match encryption {
        "tls" => Tls::from_first_byte("localhost"),
        _ => Tls::on_request("localhost"),
    };
    let tls = tls.unwrap();
    let sink = smtp::start(smtp::Options {
        tls: Some(tls.clone()),
        auth: Some(Credentials {
            user: "ada".to_owned(),
            password: "right".to_owned(),
        }),
        ..smtp::Options::default()
    });
    let sink = sink.await.unwrap();
    town.relays.push(sink.clone());
    let login = json!({ "username": "ada", "password": "right" });
    let settings = settings(host, &sink, encryption);
    Relay {
        channel: town.house.channel("email", settings, Some(login)).await,
        logins: sink.add_rule(Rule::new(Phase::Auth, Action::Delay(Duration::ZERO))),
        tls,
        encryption,
        sink,
    }
}

/// Trust in the certificates of these.
fn trust<'a>(relays: impl IntoIterator<Item = &'a Relay>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for relay in relays {
        let certificate = CertificateDer::from(relay.tls.certificate().to_vec());
        roots.add(certificate).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

/// The server was asked, and was told nothing; everybody who looks is told why.
async fn waits(town: &Town, publication: Uuid, relay: &Relay) {
    let row = relay.encryption;
    let (sink, channel) = (&relay.sink, relay.channel);
    assert!(sink.stats().connections > 0, "{row}: nobody asked");
    let said = (sink.stats().mails, sink.hits(relay.logins), sink.count());
    assert_eq!(said, (0, 0, 0), "{row}");
    assert_eq!(town.class(publication, channel).await, "pending", "{row}");
    assert_eq!(town.reason(channel).await, "certificate_refused", "{row}");
    let (_, health) = desk::get(&town.house, &format!("/api/v1/channels/{channel}/health")).await;
    let words = "No message gets through (the mail server's certificate can not be trusted); deliveries wait, and one is \
                 tried from time to time.";
    assert_eq!(health["explanation"], words, "{row}");
    assert_eq!(health["circuit_reason"], "certificate_refused", "{row}");
    assert!(health["next_attempt_at"].is_string(), "{health}");
}

/// Has the channel know its server by the name that the certificate has.
async fn rename(town: &Town, relay: &Relay) {
    let context = town.house.context();
    let settings = settings("localhost", &relay.sink, relay.encryption);
    let command = || channel::Command::Reconfigure {
        name: ChannelName::parse("email").unwrap(),
        settings: Settings::parse(settings.clone()).unwrap(),
        credentials: None,
    };
    let store = &town.house.platform.store;
    let changed = store.execute::<Channel>(relay.channel, &context, None, command);
    changed.await.unwrap();
}

/// From here on these certificates are trusted.
async fn restart(town: &mut Town, trusted: Arc<ClientConfig>) {
    let change = |it: &mut Environment| {
        it.tls = trusted;
        it.smtp_phase_max = Some(HURRY_UNDER_TLS);
    };
    town.restart(change).await;
}

async fn pass(town: &Town, minutes: u32) {
    for _ in 0..minutes {
        town.house.platform.clock.advance(STEP);
        town.house.platform.settle().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_said_to_a_mail_server_that_may_be_another_until_it_is_who_it_should_be() {
    let mut town = Town::start().await;
    let mut relays = Vec::new();
    // Two are as they should be, two are trusted by nobody, two are known by another name, two have expired.
    for host in ["localhost", "localhost", "127.0.0.1", "localhost"] {
        for encryption in ["starttls", "tls"] {
            relays.push(relay(&mut town, encryption, host).await);
        }
    }
    for relay in &mut relays[6..] {
        relay.certify(relay.tls.expired().unwrap());
    }
    let (fine, bad) = relays.split_at(2);
    let trusted = trust(fine.iter().chain(&bad[2..]));
    restart(&mut town, trusted).await;
    let other = town.channel("slack", "other").await;
    let mail: Vec<Uuid> = relays.iter().map(|it| it.channel).collect();
    let id = town.publish("The ferry", &mail, &[("other", other)]).await;
    town.house.platform.settle().await;
    for relay in fine {
        assert_eq!(town.class(id, relay.channel).await, "sent");
        assert_eq!(relay.sink.hits(relay.logins), 1);
    }
    assert_eq!(town.class(id, other).await, "sent");
    for relay in bad {
        waits(&town, id, relay).await;
    }
    let asked: Vec<u64> = bad.iter().map(|it| it.sink.stats().connections).collect();
    pass(&town, 60).await;
    for (relay, before) in bad.iter().zip(asked) {
        assert!(relay.sink.stats().connections > before, "it is probed");
        waits(&town, id, relay).await;
    }
    let path = format!("/api/v1/publications/{id}/accounting");
    assert_eq!(bounced::get(&town.house, &path).await["balanced"], true);

    // One kind is mended where the program stands, one by whoever wrote the channel's settings, one where the server stands.
    for relay in &bad[2..4] {
        rename(&town, relay).await;
    }
    for relay in &mut relays[6..] {
        relay.certify(relay.tls.renewed().unwrap());
    }
    let all = trust(&relays);
    restart(&mut town, all).await;
    pass(&town, 60).await;
    let all_sent = Accounting {
        planned: 9,
        sent: 9,
        ..Accounting::default()
    };
    assert_eq!(town.house.accounting(id).await, all_sent);
    for relay in &relays {
        let [mail] = &relay.sink.messages()[..] else {
            panic!("one copy");
        };
        assert!(mail.protected);
    }
    town.is_settled().await;
}

/// What a server in the clear, whom anybody may use, is never asked: what it says or does once, and why the mail waits then.
fn before_the_mail() -> [(Phase, Action, &'static str); 10] {
    let says = |code, text: &str| Action::Reply {
        code,
        text: text.to_owned(),
    };
    [
        (Phase::StartTls, Action::Stall, "timeout"),
        (Phase::StartTls, Action::Drip(HURRY), "timeout"),
        (Phase::StartTls, Action::Reset, "connection_lost"),
        (
            Phase::StartTls,
            says(454, "4.7.0 not now"),
            "service_unavailable",
        ),
        (Phase::Auth, Action::Stall, "timeout"),
        (Phase::Auth, Action::Drip(HURRY), "timeout"),
        (Phase::Auth, Action::Reset, "connection_lost"),
        (
            Phase::Auth,
            says(421, "4.3.2 closing"),
            "service_unavailable",
        ),
        (Phase::Auth, says(454, "4.7.0 later"), "service_unavailable"),
        (
            Phase::Auth,
            says(535, "5.7.8 who?"),
            "authentication_refused",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_a_server_breaks_off_before_it_knows_us_the_mail_is_sent_later_and_protected() {
    let mut town = Town::start().await;
    let mut relays = Vec::new();
    for _ in before_the_mail() {
        relays.push(relay(&mut town, "starttls", "localhost").await);
    }
    let trusted = trust(&relays);
    restart(&mut town, trusted).await;
    let other = town.channel("slack", "other").await;
    for (relay, (phase, action, _)) in relays.iter().zip(before_the_mail()) {
        // Its turn would come first.
        relay.sink.remove_rule(relay.logins);
        relay.sink.add_rule(Rule::new(phase, action).times(1));
    }
    let mail: Vec<Uuid> = relays.iter().map(|it| it.channel).collect();
    let id = town.publish("The ferry", &mail, &[("other", other)]).await;
    town.house.platform.settle().await;
    for (relay, (phase, action, reason)) in relays.iter().zip(before_the_mail()) {
        let row = format!("{phase:?} {action:?}");
        assert_eq!(town.reason(relay.channel).await, reason, "{row}");
        assert_eq!(town.class(id, relay.channel).await, "pending", "{row}");
        assert_eq!(relay.sink.stats().mails, 0, "{row}");
    }
    assert_eq!(town.class(id, other).await, "sent");
    pass(&town, 60).await;
    for (relay, (phase, action, _)) in relays.iter().zip(before_the_mail()) {
        let row = format!("{phase:?} {action:?}");
        assert_eq!(town.class(id, relay.channel).await, "sent", "{row}");
        assert_eq!(relay.sink.count(), 1, "{row}");
        assert!(relay.sink.messages()[0].protected, "{row}");
    }
    town.is_settled().await;
}
