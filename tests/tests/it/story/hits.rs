//! What mails tell: every hit is on record before it is answered, and the answer never waits for long.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use serde_json::json;
use tidings_domain::stream_id;
use tidings_domain::token::{Done, LinkKeys, TrackingLink};
use tidings_domain::value::Month;
use tidings_event_store::Recorded;
use tidings_proto::Event;
use tidings_tests::house::House;
use time::macros::date;
use uuid::Uuid;

use super::commands::commands;
use super::unsubscribe::serve_commands;

/// Longer than the log ever takes: these tests ask what is on record once a hit is answered.
const PATIENCE: Duration = Duration::from_mins(2);
const URL: &str = "https://example.org/ferry?at=noon";

/// Serves the commands on a port of this machine; gives its URL.
fn serve(house: &House) -> String {
    let link_keys = LinkKeys::clone(&house.link_keys);
    let commands = commands(&house.platform, house.id_key.clone(), link_keys);
    let keys = house.tracking_keys.clone();
    serve_commands(house, commands.with_tracking(keys, PATIENCE))
}

fn client() -> Client {
    let client = Client::builder().no_proxy().redirect(Policy::none());
    client.build().unwrap()
}

/// A mail to a reader, as far as its marks go.
struct Mail<'a> {
    house: &'a House,
    base: String,
    client: Client,
    subscriber_id: Uuid,
    delivery_id: Uuid,
}

impl<'a> Mail<'a> {
    fn to(house: &'a House, subscriber_id: Uuid) -> Self {
        Self {
            house,
            base: serve(house),
            client: client(),
            subscriber_id,
            delivery_id: Uuid::from_u128(0xd1),
        }
    }

    fn url(&self, done: Done) -> String {
        let link = TrackingLink {
            subscriber_id: self.subscriber_id,
            publication_id: Uuid::from_u128(0xa1),
            delivery_id: self.delivery_id,
            channel_id: Uuid::from_u128(0xc1),
            issued: date!(2026 - 03 - 01),
            content_version: 1,
            done,
        };
        let token = link.sign(self.house.tracking_keys.current());
        format!("{}/t/{token}", self.base)
    }

    fn click(&self) -> String {
        self.url(Done::Clicked {
            link_id: Uuid::from_u128(0x11),
            url: URL.to_owned(),
        })
    }

    async fn get(&self, url: &str, user_agent: &str) -> Response {
        let request = self.client.get(url).header("user-agent", user_agent);
        request.send().await.unwrap()
    }

    async fn recorded(&self) -> Vec<Recorded> {
        let stream = stream_id::engagement(self.delivery_id);
        let log = self.house.platform.store.log();
        log.stream(stream).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_and_a_link_are_answered_and_on_record() {
    let house = House::start_without_delivery().await;
    let ada = house.subscriber("ada@example.org").await;
    let mail = Mail::to(&house, ada);
    let dot = mail.get(&mail.url(Done::Opened), "Mozilla/5.0").await;
    assert_eq!(dot.status(), 200);
    assert_eq!(dot.headers()["content-type"], "image/gif");
    assert_eq!(dot.headers()["cache-control"], "no-store, private");
    assert_eq!(dot.bytes().await.unwrap().len(), 43);
    let led = mail.get(&mail.click(), "Browser/7").await;
    assert_eq!(led.status(), 302);
    assert_eq!(led.headers()["location"], URL);
    assert_eq!(led.headers()["referrer-policy"], "no-referrer");
    // Whoever asks what there is, or has half of a link, has done nothing.
    let look = mail.client.head(mail.click()).send().await.unwrap();
    assert_eq!(
        (look.status().as_u16(), &look.headers()["location"]),
        (302, &URL.parse().unwrap())
    );
    let half = mail.click();
    let half = mail.get(&half[..half.len() - 4], "Browser/7").await;
    assert_eq!(half.status(), 404);
    let recorded = mail.recorded().await;
    assert_eq!(recorded.len(), 2);
    assert_eq!(recorded[0].subject, Some(ada));
    assert!(recorded.iter().all(|it| it.actor == "subscriber:tracking"));
    let Ok(Event::EngagementOpened(opened)) = recorded[0].decode() else {
        panic!("{}", recorded[0].event_type);
    };
    assert_eq!((opened.agent.as_str(), opened.machine), ("prefetch", true));
    let Ok(Event::EngagementClicked(clicked)) = recorded[1].decode() else {
        panic!("{}", recorded[1].event_type);
    };
    assert_eq!((clicked.agent.as_str(), clicked.machine), ("reader", false));
    assert_eq!(clicked.cause_kind, "publication");
    let period = stream_id::engagement_period(Month::parse(&clicked.period).unwrap());
    assert_eq!(
        clicked.evidence.unwrap().period_key_id,
        period.as_bytes().as_slice()
    );
    assert_eq!(clicked.link.unwrap().key_id, period.as_bytes().as_slice());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_are_all_on_record_up_to_what_is_kept_of_one_mail() {
    let house = House::start_without_delivery().await;
    let ada = house.subscriber("ada@example.org").await;
    let mail = Mail::to(&house, ada);
    let hits = |user_agent: &'static str, count| {
        let url = mail.url(Done::Opened);
        let mail = &mail;
        let hits = (0..count).map(move |_| {
            let url = url.clone();
            async move { mail.get(&url, user_agent).await.status().as_u16() }
        });
        join_all(hits)
    };
    let statuses = hits("Browser/7", 40).await;
    assert!(statuses.iter().all(|status| *status == 200));
    let recorded = mail.recorded().await;
    assert_eq!(recorded.len(), 40);
    let versions: Vec<i32> = recorded.iter().map(|it| it.version).collect();
    assert_eq!(versions, (1..=40).collect::<Vec<_>>());
    for _ in 0..7 {
        hits("curl/8", 20).await;
    }
    let machines = mail.recorded().await.len();
    assert!((100..=120).contains(&machines), "{machines}");
    for _ in 0..8 {
        hits("Browser/7", 20).await;
    }
    let all = mail.recorded().await.len();
    assert!((200..=220).contains(&all), "{all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_recorded_of_somebody_erased_or_unknown_and_they_get_on_all_the_same() {
    let house = House::start_without_delivery().await;
    let ada = house.subscriber("ada@example.org").await;
    let now = house.platform.clock.clock().now();
    let vault = house.platform.store.vault();
    vault.shred(&[ada], now).await.unwrap();
    let stranger = Uuid::from_u128(0x99);
    for id in [ada, stranger] {
        let mail = Mail::to(&house, id);
        let led = mail.get(&mail.click(), "Browser/7").await;
        assert_eq!(
            (led.status().as_u16(), &led.headers()["location"]),
            (302, &URL.parse().unwrap())
        );
        assert_eq!(mail.recorded().await.len(), 0);
    }
    let ring = vault.keys(&[stranger]).await.unwrap();
    assert!(!ring.knows(stranger), "a link makes nobody a key");
}

#[tokio::test(flavor = "multi_thread")]
async fn once_its_month_is_closed_a_hit_counts_and_leaves_no_evidence() {
    use tidings_domain::engagement_period::{CloseReason, Command, EngagementPeriod};

    let house = House::start_without_delivery().await;
    let ada = house.subscriber("ada@example.org").await;
    let mail = Mail::to(&house, ada);
    let month = Month::of(house.platform.clock.clock().now());
    let period = stream_id::engagement_period(month);
    let close = || Command::Close {
        month,
        reason: CloseReason::Age,
    };
    let (store, context) = (&house.platform.store, house.context());
    let closed = store.execute::<EngagementPeriod>(period, &context, None, close);
    closed.await.unwrap();
    assert_eq!(mail.get(&mail.click(), "Browser/7").await.status(), 302);
    let recorded = mail.recorded().await;
    let Ok(Event::EngagementClicked(clicked)) = recorded[0].decode() else {
        panic!("{}", recorded[0].event_type);
    };
    assert_eq!((clicked.evidence, clicked.link), (None, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_is_sent_tells_what_its_channel_wants() {
    let house = House::start().await;
    house.subscriber("ada@example.org").await;
    let settings = json!({
        "host": "127.0.0.1", "port": house.smtp.addr().port(), "encryption": "none",
        "from": "Town Crier <crier@news.example.org>", "tracking": "opens_and_clicks",
    });
    let channel = house.channel("email", settings, None).await;
    let text = format!("It [runs again]({URL}).");
    let id = house.publish("The ferry", &text, &[channel]).await;
    house.platform.settle().await;
    let mails = house.smtp.by_recipient("ada@example.org");
    let raw = String::from_utf8(mails[0].raw().unwrap().to_vec()).unwrap();
    let raw = raw.replace("=\r\n", "");
    let tokens = raw
        .split("/t/")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap());
    let links: Vec<TrackingLink> = tokens
        .map(|token| TrackingLink::verify(token, &house.tracking_keys).unwrap())
        .collect();
    let [click, open] = links.as_slice() else {
        panic!("{links:?}");
    };
    assert_eq!(open.done, Done::Opened);
    let Done::Clicked { link_id, url } = &click.done else {
        panic!("{click:?}");
    };
    assert_eq!(url, URL);
    assert_eq!(
        *link_id,
        stream_id::engagement_link(&house.id_key, click.cause(), URL)
    );
    assert_eq!((click.publication_id, click.channel_id), (id, channel));
    // The text says where it leads.
    assert!(raw.contains(&URL.replace('=', "=3D")));
}
