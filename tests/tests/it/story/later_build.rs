//! Beside a later build this one meets what it can not read: that waits for an upgrade, and nobody else does.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidings_domain::aggregate::Aggregate as _;
use tidings_domain::delivery::{self, Delivery, Permit, Purpose, Receiver};
use tidings_domain::preferences::Given;
use tidings_domain::publication::Command;
use tidings_domain::subscriber::Standing;
use tidings_domain::value::Code;
use tidings_event_store::{CONTRACT_REVISION, Guard};
use tidings_proto::Event;
use tidings_proto::common::Metadata;
use tidings_tests::house::{Accounting, House};
use uuid::Uuid;

/// A later build says something in a stream that this one must not overlook; gives its position.
pub(super) async fn says_more(house: &House, stream_id: Uuid, event_type: &'static str) -> i64 {
    let metadata = Metadata {
        min_reader: CONTRACT_REVISION + 1,
        ..Metadata::default()
    };
    let mut said = house.platform.event(stream_id, Vec::new(), &metadata);
    said.event_type = event_type;
    let version = house.platform.store.log().version(stream_id).await.unwrap();
    let guard = Guard { stream_id, version };
    let said = house.platform.commit(vec![guard], vec![said]).await;
    said.unwrap().first_position
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_publication_that_nobody_here_can_read_holds_up_no_other() {
    let house = House::start().await;
    let channel = house.email_channel().await;
    let ada = house.subscriber("ada@example.org").await;
    // The clock of the tests begins at 09:00 UTC.
    let at_eight = Given {
        frequency: Some("daily".to_owned()),
        hour: Some(20),
        zone: Some("UTC".to_owned()),
        ..Given::default()
    };
    house.prefer(ada, at_eight).await;
    let mut ids = Vec::new();
    for title in ["Foreign", "Ferry"] {
        ids.push(house.publish(title, "It runs.", &[channel]).await);
    }
    house.platform.settle().await;
    assert_eq!(house.accounting(ids[0]).await.pending, 1);
    house
        .publication(ids[0], || Command::Cancel {
            reason: Code::from_static("requested"),
        })
        .await;
    says_more(&house, ids[0], "publication.Revised").await;
    house.platform.settle().await;
    assert_eq!(house.state(ids[0]).await, "cancelled");
    house
        .platform
        .clock
        .advance(Duration::from_secs(11 * 3_600));
    house.platform.settle().await;
    // Whoever can not read it can not settle it either, and by no means sends it.
    assert_eq!(house.accounting(ids[0]).await.pending, 1);
    assert_eq!(house.accounting(ids[1]).await.sent, 1);
    let mail = house.smtp.messages();
    assert_eq!(mail.len(), 1);
}

/// What the program says while somebody listens.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<u8>>>);

impl io::Write for Said {
    fn write(&mut self, said: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(said)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_that_nobody_here_can_read_is_said_once() {
    let house = House::start_without_delivery().await;
    let channel = house.email_channel().await;
    let id = house.draft("Ferry", "It runs.", &[channel]).await;
    super::editor::schedule(&house, id, "2026-03-02T10:30").await;
    says_more(&house, id, "publication.Revised").await;
    house.platform.settle().await;
    house.platform.clock.advance(Duration::from_secs(30 * 60));
    let said = Said::default();
    let writer = said.clone();
    let listener = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .finish();
    let listening = tracing::subscriber::set_default(listener);
    let mut dispatcher = house.dispatcher();
    for _ in 0..3 {
        dispatcher.step().await.unwrap();
    }
    drop(listening);
    let said = String::from_utf8(said.0.lock().unwrap().clone()).unwrap();
    let warnings = said.matches("a schedule waits").count();
    assert_eq!(warnings, 1, "{said}");
}

/// A process that is gone was attempting by both channels.
#[tokio::test(flavor = "multi_thread")]
async fn attempts_by_a_channel_that_nobody_here_can_read_keep_no_others_from_coming_in_doubt() {
    let house = House::start_without_delivery().await;
    house.subscriber("ada@example.org").await;
    let foreign = house.slack_channel("news").await;
    let email = house.email_channel().await;
    for channel in [foreign, email] {
        house.disable(channel).await;
    }
    let id = planned(&house, &[foreign, email]).await;
    for (channel, within) in [(foreign, 30), (email, 900)] {
        attempt(&house, channel, within).await;
    }
    says_more(&house, foreign, "channel.Reconfigured").await;
    house.add_dispatcher(house.dispatcher()).await;
    house.platform.settle().await;
    house.platform.clock.advance(super::gone::GONE_AFTER);
    house.platform.settle().await;
    let expected = Accounting {
        planned: 2,
        pending: 1,
        in_doubt: 1,
        ..Accounting::default()
    };
    assert_eq!(house.accounting(id).await, expected);
    let log = house.platform.store.log();
    let events = log.page_after(0, 1_000).await.unwrap();
    let doubts = events.iter().filter_map(|it| match it.decode() {
        Ok(Event::DeliveryInDoubt(doubt)) => Some(doubt.reason),
        _ => None,
    });
    assert_eq!(doubts.collect::<Vec<_>>(), ["process_died"]);
}

/// A publication whose deliveries, one by each of these channels, are planned by a dispatcher that is no more.
pub(super) async fn planned(house: &House, channels: &[Uuid]) -> Uuid {
    let id = house.publish("Ferry", "It runs.", channels).await;
    let mut planner = house.dispatcher();
    loop {
        house.platform.settle().await;
        planner.step().await.unwrap();
        if house.accounting(id).await.planned == channels.len() as i64 {
            return id;
        }
    }
}

/// A process that nobody knows opens an attempt at what is planned by a channel.
pub(super) async fn attempt(house: &House, channel_id: Uuid, within_s: u64) {
    let store = &house.platform.store;
    let events = store.log().page_after(0, 1_000).await.unwrap();
    let planned = events.iter().find(|event| match event.decode() {
        Ok(Event::DeliveryPlanned(it)) => it.channel_id[..] == channel_id.as_bytes()[..],
        _ => false,
    });
    let now = house.platform.clock.clock().now();
    let id = planned.unwrap().stream_id;
    let loaded = store.load::<Delivery>(id).await.unwrap();
    let plan = loaded.state.plan().unwrap();
    let owner = plan.owner();
    let receiver = match plan.subscriber_id {
        None => Receiver::Broadcast,
        Some(_) => Receiver::Addressed {
            standing: Standing::Active,
            subscriber_version: 1,
            address_suppressed: false,
            domain_suppressed: false,
            topic_left: false,
            channel_left: false,
            over_cap: false,
        },
    };
    let command = delivery::Command::Attempt {
        instance: super::gone::STRANGER,
        now,
        deadline: now + Duration::from_secs(within_s),
        permit: Permit {
            purpose: Purpose::Mail,
            cause_may_send: true,
            receiver,
            channel_version: 1,
            waits_no_longer: false,
        },
    };
    let events = loaded.state.decide(command).unwrap();
    let context = house.context();
    let mut draft = store.draft(&context);
    draft.append_for(loaded, events, owner, None);
    draft.commit().await.unwrap();
}
