//! What mails tell: a hit that was answered outlives whoever took it, and a month whose time is over ends, whoever dies at it.

use tidings_domain::delivery::Cause;
use tidings_domain::engagement::{Engagement, Event, Hit};
use tidings_domain::personal::Personal::Known;
use tidings_domain::stream_id;
use tidings_domain::token::{Done, TrackingLink};
use tidings_domain::value::{Code, Evidence, Month};
use tidings_event_store::vault::Under;
use tidings_event_store::{Context, Loaded};
use tidings_service::Clock;
use tidings_tests::checker::sealed::opened;
use tidings_tests::dice::Seed;
use tidings_tests::program::ASK_AGAIN;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::rounds::Round;
use crate::world::{LOOKS_MAX, World, store};

/// Ids of what is nobody's are told apart from others' by this.
const OF_MONTHS: u64 = 1 << 40;

impl World {
    /// The log says that a mail was opened in a month whose time is over by far.
    pub(crate) async fn open_a_mail_of_long_ago(&self) {
        let number = {
            let mut known = self.known();
            known.months += 1;
            known.months
        };
        let id = |n: u64| Uuid::from_u64_pair(self.seed, OF_MONTHS + 10 * u64::from(number) + n);
        let (subscriber_id, delivery_id) = (id(0), id(1));
        let month = of(number);
        let hit = Hit {
            cause: Cause::Publication(id(2)),
            content_version: 1,
            channel_id: id(3),
            delivery_id,
            subscriber_id,
            month,
            agent: Code::from_static("reader"),
            machine: false,
            rules: 1,
            evidence: Some(Known(Evidence::user_agent("Mail/7"))),
        };
        let context = Context {
            actor: "subscriber:tracking".to_owned(),
            correlation_id: id(4),
            causation: None,
            occurred_at: month.start(),
            traceparent: None,
            intent: id(5),
            request_digest: None,
        };
        // Its session ends with it: one that lived on would look like a dead program's.
        let store = store(self.servers.database_url(), &self.master_keys);
        let under = Under {
            owner: subscriber_id,
            period: Some(stream_id::engagement_period(month)),
        };
        let stream = Loaded::known(stream_id::engagement(delivery_id), Engagement::default(), 0);
        let mut draft = store.draft(&context);
        draft.append_for(stream, vec![Event::Opened(hit)], under, Some(subscriber_id));
        draft.commit().await.unwrap();
    }

    /// Each of those months is closed once and shredded once, and what was sealed under its key is opened by nobody.
    pub(crate) async fn months_end(&self) {
        let months = self.known().months;
        for month in (1..=months).map(of) {
            let key_id = stream_id::engagement_period(month);
            let types = self.two_events(key_id).await;
            assert_eq!(
                types,
                ["engagement_period.Closed", "engagement_period.Shredded"]
            );
            let head = self.store.log().head().await.unwrap().position;
            let events = self.store.log().page_after(0, head).await.unwrap();
            assert_eq!(
                opened(&self.fresh_vault(), &events, key_id).await,
                0,
                "{month}"
            );
            self.known().shredded.push(key_id);
        }
    }

    /// The types of a stream's events, once there are two.
    async fn two_events(&self, stream: Uuid) -> Vec<String> {
        for _ in 0..LOOKS_MAX {
            let events = self.store.log().stream(stream).await.unwrap();
            if events.len() >= 2 {
                return events.into_iter().map(|it| it.event_type).collect();
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
        panic!("a month never ends:\n{}", self.program.said());
    }

    /// The picture of somebody's mail is fetched, and everything dies as soon as it has come; gives the hit's stream.
    async fn open_a_mail_and_die(&mut self) -> Uuid {
        let readers: Vec<Uuid> = self.addresses().await.into_keys().collect();
        let erased = self.known().erased.clone();
        let reader = readers.into_iter().find(|it| !erased.contains_key(it));
        let id = |n| Uuid::from_u64_pair(self.seed, OF_MONTHS + n);
        let link = TrackingLink {
            subscriber_id: reader.expect("somebody is left"),
            publication_id: id(6),
            delivery_id: id(7),
            channel_id: id(8),
            issued: Clock::system().now().date(),
            content_version: 1,
            done: Done::Opened,
        };
        let vault = self.fresh_vault();
        let keys = vault.tracking_keys(OffsetDateTime::UNIX_EPOCH).await;
        let token = link.sign(keys.unwrap().current());
        let path = format!("/t/{token}");
        assert!(self.program.api().fetch(&path).await.unwrap());
        self.program.kill(false);
        self.crash_servers().await;
        stream_id::engagement(link.delivery_id)
    }
}

/// The n-th of the months of long ago.
fn of(number: u32) -> Month {
    let (year, month) = (2000 + number / 12, 1 + number % 12);
    Month::parse(&format!("{year:04}-{month:02}")).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_month_ends_and_a_hit_stays_whoever_dies() {
    let mut world = World::new(Seed::of_run().0).await;
    world.ensure_up().await;
    world.round(Round::default()).await.unwrap();
    let hit = world.open_a_mail_and_die().await;
    let log = world.store.log();
    let recorded = log.stream(hit).await.unwrap();
    assert_eq!(recorded.len(), 1, "what was answered is on record");
    for point in ["retention.closed", "retention.shredded"] {
        world.die_at(point).await;
    }
    world.end().await;
}
