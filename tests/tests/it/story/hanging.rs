//! Receiving sides that do not answer, several at once: whoever is quick goes on meanwhile.

use std::time::Duration;

use serde_json::json;
use tidings_dispatcher::{DispatchError, Dispatcher};
use tidings_domain::publication::Command;
use tidings_domain::value::Code;
use tidings_service::Outbound;
use tidings_service::outbound::Policy;
use tidings_sinks::smtp::{self, Action, Phase, Rule};
use tidings_sinks::webhook;
use tidings_tests::house::{Accounting, House};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const READERS: usize = 100;
/// Longer than a test takes: what hangs does not end by itself.
const HANGS: Duration = Duration::from_secs(600);
/// Far more than anything here takes, also where the whole machine stood still for a moment: then a channel counts as slow
/// for a minute. Reaching it is a failure.
const HAPPENS_WITHIN: Duration = Duration::from_secs(120);

/// A dispatcher at work in a house with readers.
struct Working {
    house: House,
    stop: CancellationToken,
    running: JoinHandle<Result<(), DispatchError>>,
}

impl Working {
    async fn start() -> Self {
        let house = House::start_without_delivery().await;
        for n in 0..READERS {
            house.subscriber(&format!("reader{n}@example.org")).await;
        }
        let mut options = house.options();
        options.environment.outbound = Outbound::new(Policy {
            allow_loopback: true,
            allow_private: false,
            timeout: HANGS,
            connect_timeout: Duration::from_secs(2),
        })
        .unwrap();
        let stop = CancellationToken::new();
        let running = tokio::spawn(Dispatcher::new(options).run(stop.clone()));
        Self {
            house,
            stop,
            running,
        }
    }

    /// Lets everybody work until it is so.
    async fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let happens = async {
            while !is_so() {
                self.house.platform.settle().await;
                tokio::task::yield_now().await;
            }
        };
        let happens = tokio::time::timeout(HAPPENS_WITHIN, happens).await;
        assert!(happens.is_ok(), "{what}: never");
    }

    /// Publishes by a channel into the house's mailbox, and sees every mail arrive.
    async fn goes_on(&self, channel: Uuid) {
        let before = self.house.smtp.count();
        self.house
            .publish("The ferry", "It runs.", &[channel])
            .await;
        let all = || self.house.smtp.count() == before + READERS;
        self.until("a quick channel's mails arrive", all).await;
    }

    /// The same of a publication's accounting.
    async fn comes_to(&self, id: Uuid, what: &str, is_so: impl Fn(&Accounting) -> bool) {
        let happens = async {
            while !is_so(&self.house.accounting(id).await) {
                self.house.platform.settle().await;
            }
        };
        let happens = tokio::time::timeout(HAPPENS_WITHIN, happens).await;
        let accounting = self.house.accounting(id).await;
        assert!(happens.is_ok(), "{what}: never: {accounting:?}");
    }

    async fn stop(self) {
        self.stop.cancel();
        self.running.await.unwrap().unwrap();
    }
}

async fn email_channel(house: &House, sink: &smtp::Handle, connections: usize) -> Uuid {
    let settings = json!({
        "host": "127.0.0.1", "port": sink.addr().port(), "encryption": "none",
        "from": "Town Crier <crier@news.example.org>", "connections_max": connections,
    });
    house.channel("email", settings, None).await
}

/// Two channels by one relay: 16 mails hang after the dot, and what waits for their connections does not take the rest.
#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_hangs_does_not_hold_up_the_mail_by_another() {
    let working = Working::start().await;
    let house = &working.house;
    let relay = smtp::start(smtp::Options::default()).await.unwrap();
    let by_relay = [
        email_channel(house, &relay, 16).await,
        email_channel(house, &relay, 16).await,
    ];
    let quick = house.email_channel().await;
    // All of them are known to be quick.
    house.publish("Before", "It runs.", &by_relay).await;
    let both = || relay.count() == 2 * READERS;
    working.until("the relay takes mail", both).await;
    working.goes_on(quick).await;

    let hang = relay.add_rule(Rule::new(Phase::FinalDot, Action::Stall));
    house.publish("Hangs", "It runs.", &by_relay).await;
    let all_connections = || relay.hits(hang) == 16;
    working.until("both channels hang", all_connections).await;
    for _ in 0..2 {
        working.goes_on(quick).await;
    }
    assert_eq!((relay.hits(hang), relay.count()), (16, 2 * READERS));

    relay.remove_rule(hang);
    relay.release();
    let both = || relay.count() == 4 * READERS;
    working.until("it takes the others", both).await;
    working.stop().await;
}

/// Whoever waits for the channel's only connection does so for long; what is only settled needs none.
#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_hangs_does_not_hold_up_a_cancellation() {
    let working = Working::start().await;
    let house = &working.house;
    let relay = smtp::start(smtp::Options::default()).await.unwrap();
    let channel = email_channel(house, &relay, 1).await;
    let hang = relay.add_rule(Rule::new(Phase::FinalDot, Action::Stall));
    let id = house.publish("Hangs", "It runs.", &[channel]).await;
    let hangs = || relay.hits(hang) == 1;
    working.until("its connection hangs", hangs).await;
    let reason = Code::parse("requested").unwrap();
    let cancel = || Command::Cancel {
        reason: reason.clone(),
    };
    house.publication(id, cancel).await;
    // Those that were attempted before stay so.
    let open = 4;
    let is_so = |it: &Accounting| it.cancelled >= READERS as i64 - open;
    working.comes_to(id, "the others are settled", is_so).await;
    assert_eq!((relay.hits(hang), relay.count()), (1, 0));

    relay.remove_rule(hang);
    relay.release();
    let is_so = |it: &Accounting| it.cancelled + it.sent == READERS as i64;
    working.comes_to(id, "all are settled", is_so).await;
    working.stop().await;
}

/// Each is another channel, and all stand on one machine that is dead.
#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_webhooks_that_hang_do_not_hold_up_the_mail() {
    let working = Working::start().await;
    let house = &working.house;
    let knows = webhook::Receiver {
        secrets: vec![SECRET.to_owned()],
    };
    let clock = house.platform.clock.clock();
    let options = webhook::Options {
        clock: tidings_sinks::Clock::from_fn(move || clock.now()),
        ..webhook::Options::default()
    };
    let dead = webhook::start(options, &knows).await.unwrap();
    let hang = dead.add_rule(webhook::Rule::new(webhook::Action::Stall));
    let mut webhooks = Vec::new();
    for n in 0..64 {
        let settings = json!({ "url": dead.url(&format!("place{n}")) });
        let credentials = json!({ "secret": SECRET });
        webhooks.push(house.channel("webhook", settings, Some(credentials)).await);
    }
    let quick = house.email_channel().await;
    working.goes_on(quick).await;

    for channels in webhooks.chunks(16) {
        house.publish("Hangs", "It runs.", channels).await;
    }
    for some in [16, 32, 48] {
        let known = || dead.hits(hang) >= some;
        working.until(&format!("{some} hang"), known).await;
        working.goes_on(quick).await;
    }
    assert_eq!((dead.hits(hang), dead.count()), (48, 0));

    dead.remove_rule(hang);
    dead.release();
    let all = || dead.count() == 64;
    working.until("they take what waits", all).await;
    working.stop().await;
}
