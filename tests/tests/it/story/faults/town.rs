//! A house with one reader and receivers of every kind, in which things go wrong one at a time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tidings_dispatcher::Dispatcher;
use tidings_dispatcher::channel::Environment;
use tidings_event_store::Recorded;
use tidings_proto::Event;
use tidings_service::Outbound;
use tidings_service::outbound::Policy;
use tidings_sinks::{discord, slack, smtp, webhook};
use tidings_tests::checker::deliveries::{Deliveries, Received};
use tidings_tests::house::House;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::{Case, HURRY, Misdeed};

const READER: &str = "ada@example.org";
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// What waits is tried again within this: a greylisting server wants half an hour, and whoever asks for more gets an hour.
const TRIED_WITHIN: Duration = Duration::from_secs(2 * 3_600);
const STEP: Duration = Duration::from_secs(30);

pub(super) struct Town {
    pub(super) house: House,
    pub(super) discord: discord::Handle,
    pub(super) webhook: webhook::Handle,
    /// Mail servers beside the house's own.
    pub(super) relays: Vec<smtp::Handle>,
    dispatcher: Arc<Mutex<Dispatcher>>,
    reader: Uuid,
    published: Vec<Published>,
}

/// What was published by a channel that leads to a place of this name.
struct Published {
    place: String,
    title: String,
    publication_id: Uuid,
    channel_id: Uuid,
}

impl Town {
    pub(super) async fn start() -> Self {
        let house = House::start_without_delivery().await;
        let dispatcher = Arc::new(Mutex::new(dispatcher(&house, |_| ())));
        let stepped = dispatcher.clone();
        house
            .platform
            .add_worker("dispatcher", stepped, |it| {
                Box::pin(async { Ok(it.lock().await.step().await?) })
            })
            .await;
        let knows = webhook::Receiver {
            secrets: vec![SECRET.to_owned()],
        };
        Self {
            discord: discord::start(house.sink_options()).await.unwrap(),
            webhook: webhook::start(house.sink_options(), &knows).await.unwrap(),
            relays: Vec::new(),
            dispatcher,
            reader: house.subscriber(READER).await,
            house,
            published: Vec::new(),
        }
    }

    /// Whoever delivers is started anew, in other surroundings.
    pub(super) async fn restart(&self, change: impl FnOnce(&mut Environment)) {
        *self.dispatcher.lock().await = dispatcher(&self.house, change);
    }

    /// Publishes by channels for mail, and by those that lead to a place of this name.
    pub(super) async fn publish(
        &mut self,
        title: &str,
        mail: &[Uuid],
        places: &[(&str, Uuid)],
    ) -> Uuid {
        let named = places.iter().map(|(_, channel)| channel);
        let channels: Vec<Uuid> = mail.iter().chain(named).copied().collect();
        let id = self.house.publish(title, "text", &channels).await;
        for (place, channel_id) in places {
            self.published.push(Published {
                place: (*place).to_owned(),
                title: title.to_owned(),
                publication_id: id,
                channel_id: *channel_id,
            });
        }
        id
    }

    pub(super) fn receiver(&self, kind: &str) -> &slack::Handle {
        match kind {
            "slack" => &self.house.slack,
            "discord" => &self.discord,
            _ => &self.webhook,
        }
    }

    /// A channel of this kind, to a place of its own there.
    pub(super) async fn channel(&self, kind: &str, name: &str) -> Uuid {
        let url = self.receiver(kind).url(name);
        let (settings, credentials) = match kind {
            "email" => return self.house.email_channel().await,
            "webhook" => (json!({ "url": url }), json!({ "secret": SECRET })),
            _ => (json!({}), json!({ "webhook_url": url })),
        };
        self.house.channel(kind, settings, Some(credentials)).await
    }

    /// A channel that opens connections of its own to the house's mail server: those of one that writes its name in the same way
    /// would do too, and nobody would be greeted.
    async fn mail_channel(&self, number: usize) -> Uuid {
        let capital = |(index, letter): (usize, char)| match (number >> index) & 1 {
            1 => letter.to_ascii_uppercase(),
            _ => letter,
        };
        let host: String = "localhost".chars().enumerate().map(capital).collect();
        let settings = json!({
            "host": host, "port": self.house.smtp.addr().port(), "encryption": "none",
            "from": "Town Crier <crier@news.example.org>",
        });
        self.house.channel("email", settings, None).await
    }

    /// The class of the one delivery that a publication made on a channel.
    pub(super) async fn class(&self, publication: Uuid, channel: Uuid) -> &'static str {
        let client = self.house.platform.pool.get().await.unwrap();
        let sql = "select planned, pending, sent, failed, suppressed, cancelled, in_doubt \
                   from publishing_publication_accounting where publication_id = $1 and channel_id = $2";
        let row = client.query_one(sql, &[&publication, &channel]).await;
        let row = row.unwrap();
        let classes = [
            "planned",
            "pending",
            "sent",
            "failed",
            "suppressed",
            "cancelled",
            "in_doubt",
        ];
        assert_eq!(row.get::<_, i64>("planned"), 1);
        let mut others = classes.into_iter().skip(1);
        others
            .find(|class| row.get::<_, i64>(*class) == 1)
            .expect("it is in a class")
    }

    async fn events(&self) -> Vec<Recorded> {
        let log = self.house.platform.store.log();
        let head = log.head().await.unwrap().position;
        log.page_after(0, head).await.unwrap()
    }

    /// What the log says of the first attempt of a channel's delivery.
    pub(super) async fn reason(&self, channel: Uuid) -> String {
        let events = self.events().await;
        let delivery = delivery_by(channel, &events);
        let mut of_it = events.iter().filter(|it| it.stream_id == delivery);
        let reason = of_it.find_map(|it| match it.decode().unwrap() {
            Event::DeliveryDeferred(it) => Some(it.reason),
            Event::DeliveryFailed(it) => Some(it.reason),
            Event::DeliveryInDoubt(it) => Some(it.reason),
            _ => None,
        });
        reason.unwrap_or_default()
    }

    /// Has a receiver do it once to what is published, and sees the delivery to its end.
    pub(super) async fn suffer(&mut self, number: usize, case: &Case) {
        let (name, other_name) = (format!("place{number}"), format!("other{number}"));
        let channel = match case.kind {
            "email" => self.mail_channel(number).await,
            kind => self.channel(kind, &name).await,
        };
        let other = self.channel("slack", &other_name).await;
        let rule = match case.misdeed.clone() {
            Misdeed::OfMail(rule) => self.house.smtp.add_rule(rule.times(1)),
            Misdeed::OfHttp(rule) => {
                let rule = rule.times(1).to(&name);
                self.receiver(case.kind).add_rule(rule)
            }
        };
        let title = format!("Edition {number}");
        let places = [(name.as_str(), channel), (other_name.as_str(), other)];
        let id = self.publish(&title, &[], &places).await;
        self.house.platform.settle().await;
        let hits = match case.misdeed {
            Misdeed::OfMail(_) => self.house.smtp.hits(rule),
            Misdeed::OfHttp(_) => self.receiver(case.kind).hits(rule),
        };
        let row = format!("{} {number}: {}", case.kind, case.reason);
        assert_eq!(hits, 1, "{row}");
        assert_eq!(self.reason(channel).await, case.reason, "{row}");
        assert_eq!(self.class(id, channel).await, case.then, "{row}");
        assert_eq!(self.class(id, other).await, "sent", "{row}: the other");

        if case.to_mend {
            self.house.platform.clock.advance(STEP * 4);
            self.house.platform.settle().await;
            assert_eq!(self.class(id, channel).await, "pending", "{row}");
            self.house.enable(channel).await;
        }
        let mut waited = Duration::ZERO;
        while self.class(id, channel).await == "pending" {
            assert!(waited < TRIED_WITHIN, "{row} waits for ever");
            self.house.platform.clock.advance(STEP);
            self.house.platform.settle().await;
            waited += STEP;
        }
        assert_eq!(self.class(id, channel).await, case.end, "{row}");
        let copies = match case.kind {
            "email" => self.mails_of(channel).await,
            kind => self.receiver(kind).by_webhook(&name).len(),
        };
        assert_eq!(copies, case.copies, "{row}: copies");
    }

    /// How many mails came by a channel.
    pub(super) async fn mails_of(&self, channel: Uuid) -> usize {
        let events = self.events().await;
        let id = delivery_by(channel, &events);
        let copies = self.copies();
        let is_of_it = |copy: &&Received| matches!(copy, Received::Mail { delivery_id, .. } if *delivery_id == id);
        copies.iter().filter(is_of_it).count()
    }

    /// All that any receiver has.
    fn copies(&self) -> Vec<Received> {
        let servers = self.relays.iter().chain([&self.house.smtp]);
        let mut copies: Vec<Received> = servers.flat_map(Received::mails_at).collect();
        for receiver in [&self.house.slack, &self.discord, &self.webhook] {
            for message in receiver.messages() {
                let payload = message.payload.to_string();
                let is_it =
                    |it: &&Published| it.place == message.webhook && payload.contains(&it.title);
                let it = self.published.iter().find(is_it).expect("published");
                copies.push(Received::Broadcast {
                    publication_id: it.publication_id,
                    channel_id: it.channel_id,
                });
            }
        }
        copies
    }

    /// Invariant 5, of all that was published.
    pub(super) async fn is_settled(&self) {
        let deliveries = Deliveries::of(&self.events().await);
        deliveries.all_settled();
        let addresses = HashMap::from([(self.reader, READER.to_owned())]);
        deliveries.compare(&self.copies(), &addresses, true);
    }
}

/// Who delivers in a hurry.
fn dispatcher(house: &House, change: impl FnOnce(&mut Environment)) -> Dispatcher {
    let mut options = house.options();
    options.environment.smtp_phase_max = Some(HURRY);
    options.environment.outbound = Outbound::new(Policy {
        timeout: HURRY,
        ..*options.environment.outbound.policy()
    })
    .unwrap();
    change(&mut options.environment);
    Dispatcher::new(options)
}

/// The one delivery that was planned for a channel.
fn delivery_by(channel: Uuid, events: &[Recorded]) -> Uuid {
    let planned = |it: &&Recorded| match it.decode().unwrap() {
        Event::DeliveryPlanned(planned) => planned.channel_id[..] == channel.as_bytes()[..],
        _ => false,
    };
    events
        .iter()
        .find(planned)
        .expect("it was planned")
        .stream_id
}
