//! What an editor can do with a publication on its way: schedule, pause, resume, and have failures tried again.

use std::time::Duration;

use tidings_domain::publication::{Aim, Command, Content, RetriedClass, Retry};
use tidings_domain::schedule::CivilTime;
use tidings_domain::value::{ChannelIds, Code, Markdown, Title};
use tidings_sinks::smtp::{Action, Phase, Rule};
use tidings_tests::house::{Accounting, House};
use uuid::Uuid;

const MARKDOWN: &str = "It runs again.\n";

async fn readers(house: &House, count: usize) {
    for n in 0..count {
        house.subscriber(&format!("reader{n}@example.org")).await;
    }
}

fn sent(count: i64) -> Accounting {
    Accounting {
        planned: count,
        sent: count,
        ..Accounting::default()
    }
}

async fn pass(house: &House, time: Duration) {
    house.platform.clock.advance(time);
    house.platform.settle().await;
}

/// The clock of the tests begins at 10:00 in Berlin.
pub(super) async fn schedule(house: &House, id: Uuid, local_time: &str) {
    let time = CivilTime::parse(local_time, "Europe/Berlin").unwrap();
    let now = house.platform.clock.clock().now();
    let command = || Command::Schedule {
        time: time.clone(),
        now,
    };
    house.publication(id, command).await;
    house.platform.settle().await;
}

pub(super) async fn retry(house: &House, id: Uuid, class: RetriedClass) {
    let command = || {
        Command::RequestRetry(Retry {
            class,
            channel_id: None,
            delivery_id: None,
            failed_reasons: vec![],
            reason: Code::from_static("requested"),
        })
    };
    house.publication(id, command).await;
    house.platform.settle().await;
}

async fn pause(house: &House, id: Uuid) {
    let reason = || Code::from_static("requested");
    house
        .publication(id, || Command::Pause { reason: reason() })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_publication_goes_out_at_its_time() {
    let house = House::start().await;
    readers(&house, 3).await;
    let channel = house.email_channel().await;
    let id = house.draft("The ferry", MARKDOWN, &[channel]).await;
    schedule(&house, id, "2026-03-02T10:30").await;
    assert_eq!(house.state(id).await, "scheduled");
    pass(&house, Duration::from_secs(29 * 60)).await;
    assert_eq!(house.state(id).await, "scheduled");
    assert_eq!(house.smtp.count(), 0);
    pass(&house, Duration::from_secs(60)).await;
    assert_eq!(house.accounting(id).await, sent(3));
    assert_eq!(house.state(id).await, "completed");
}

/// Whoever sends remembers what it has seen of a publication.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_revised_after_it_missed_its_time_is_what_goes_out() {
    let house = House::start().await;
    readers(&house, 1).await;
    let channel = house.email_channel().await;
    let id = house.draft("The old ferry", MARKDOWN, &[channel]).await;
    schedule(&house, id, "2026-03-02T10:30").await;
    pass(&house, Duration::from_secs(2 * 3_600)).await;
    assert_eq!(house.state(id).await, "draft");
    let command = || Command::Revise {
        content: Content::new(
            Title::parse("The new ferry").unwrap(),
            Markdown::parse(MARKDOWN).unwrap(),
        ),
        channel_ids: ChannelIds::parse(vec![channel]).unwrap(),
        aim: Aim::default(),
        unsaid: vec![],
    };
    house.publication(id, command).await;
    house.publication(id, || Command::Publish).await;
    house.platform.settle().await;
    let mail = &house.smtp.by_recipient("reader0@example.org")[0];
    assert_eq!(mail.header("Subject").as_deref(), Some("The new ferry"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_that_was_slept_through_is_a_draft_again() {
    let house = House::start().await;
    readers(&house, 3).await;
    let channel = house.email_channel().await;
    let id = house.draft("The ferry", MARKDOWN, &[channel]).await;
    schedule(&house, id, "2026-03-02T10:30").await;
    pass(&house, Duration::from_secs(91 * 60)).await;
    assert_eq!(house.state(id).await, "draft");
    assert_eq!(house.smtp.count(), 0);
    house.publication(id, || Command::Publish).await;
    house.platform.settle().await;
    assert_eq!(house.accounting(id).await, sent(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_out_while_it_is_paused_and_everything_once_it_is_resumed() {
    let house = House::start().await;
    readers(&house, 30).await;
    let channel = house.email_channel().await;
    let other = house.publish("Another", MARKDOWN, &[channel]).await;
    let id = house.publish("The ferry", MARKDOWN, &[channel]).await;
    pause(&house, id).await;
    house.platform.settle().await;
    // The other one is not held up by what waits here.
    assert_eq!(house.accounting(other).await, sent(30));
    let waiting = Accounting {
        planned: 30,
        pending: 30,
        ..Accounting::default()
    };
    assert_eq!(house.accounting(id).await, waiting);
    assert_eq!(house.state(id).await, "planned");
    pass(&house, Duration::from_secs(600)).await;
    assert_eq!(house.accounting(id).await, waiting);

    house.publication(id, || Command::Resume).await;
    pass(&house, Duration::from_secs(10)).await;
    assert_eq!(house.accounting(id).await, sent(30));
    assert_eq!(house.smtp.count(), 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_paused_can_be_cancelled() {
    let house = House::start().await;
    readers(&house, 5).await;
    let channel = house.email_channel().await;
    let id = house.publish("The ferry", MARKDOWN, &[channel]).await;
    pause(&house, id).await;
    house.platform.settle().await;
    let reason = || Code::from_static("requested");
    house
        .publication(id, || Command::Cancel { reason: reason() })
        .await;
    pass(&house, Duration::from_secs(10)).await;
    assert_eq!(house.accounting(id).await.cancelled, 5);
    assert_eq!(house.smtp.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_is_tried_again_and_whoever_has_left_meanwhile_gets_nothing() {
    let house = House::start().await;
    readers(&house, 4).await;
    let leaver = house.subscriber("leaver@example.org").await;
    let full = Rule::reply(Phase::RcptTo, 554, "5.7.1 not today");
    let rule = house.smtp.add_rule(full);
    let channel = house.email_channel().await;
    let id = house.publish("The ferry", MARKDOWN, &[channel]).await;
    house.platform.settle().await;
    assert_eq!(house.accounting(id).await.failed, 5);
    assert_eq!(house.state(id).await, "completed");

    house.smtp.remove_rule(rule);
    house.unsubscribe(leaver).await;
    retry(&house, id, RetriedClass::Failed).await;
    let settled = Accounting {
        planned: 5,
        sent: 4,
        suppressed: 1,
        ..Accounting::default()
    };
    assert_eq!(house.accounting(id).await, settled);
    assert_eq!(house.state(id).await, "completed");
    assert_eq!(house.smtp.count(), 4);
    assert!(house.smtp.by_recipient("leaver@example.org").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_again_is_not_tried_a_third_time_by_one_request() {
    let house = House::start().await;
    readers(&house, 3).await;
    let rule = house
        .smtp
        .add_rule(Rule::reply(Phase::RcptTo, 554, "5.7.1 never"));
    let channel = house.email_channel().await;
    let id = house.publish("The ferry", MARKDOWN, &[channel]).await;
    house.platform.settle().await;
    retry(&house, id, RetriedClass::Failed).await;
    pass(&house, Duration::from_secs(3_600)).await;
    assert_eq!(house.smtp.hits(rule), 6);
    assert_eq!(house.accounting(id).await.failed, 3);
    assert_eq!(house.state(id).await, "completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_ends_although_the_delivery_log_was_let_skip_an_outcome() {
    let house = House::start().await;
    readers(&house, 2).await;
    let rule = Rule::reply(Phase::RcptTo, 554, "5.7.1 never").times(1);
    house.smtp.add_rule(rule);
    let channel = house.email_channel().await;
    let id = house.publish("The ferry", MARKDOWN, &[channel]).await;
    house.platform.settle().await;
    let log = house.platform.store.log();
    // As one that an operator had the view skip leaves it: what was sent is failed there, for ever.
    let stale = "update publishing_delivery_log set class = 'failed', status = 'failed' \
                 where publication_id = $1 and class = 'sent'";
    log.query(stale, &[&id]).await.unwrap();
    retry(&house, id, RetriedClass::Failed).await;
    assert_eq!(house.smtp.count(), 2, "the one that failed, once more");
    let events = log.stream(id).await.unwrap();
    let ended = events
        .iter()
        .any(|it| it.event_type == "publication.RetryCompleted");
    assert!(ended, "the retry waits for the view");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_doubt_is_sent_again_as_the_same_message() {
    let house = House::start().await;
    readers(&house, 1).await;
    let cut = Rule::new(Phase::FinalDot, Action::Reset).recorded();
    house.smtp.add_rule(cut.times(1));
    let channel = house.email_channel().await;
    let id = house.publish("The ferry", MARKDOWN, &[channel]).await;
    house.platform.settle().await;
    assert_eq!(house.accounting(id).await.in_doubt, 1);
    retry(&house, id, RetriedClass::InDoubt).await;
    assert_eq!(house.accounting(id).await, sent(1));
    let mails = house.smtp.messages();
    let ids: Vec<_> = mails.iter().map(|mail| mail.header("Message-ID")).collect();
    let dates: Vec<_> = mails.iter().map(|mail| mail.header("Date")).collect();
    assert_eq!(ids.len(), 2);
    assert_eq!((&ids[0], &dates[0]), (&ids[1], &dates[1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_while_failures_are_tried_again_settles_everything() {
    let house = House::start().await;
    readers(&house, 3).await;
    let rule = house
        .smtp
        .add_rule(Rule::reply(Phase::RcptTo, 554, "5.7.1 not today"));
    let channel = house.email_channel().await;
    let id = house.publish("The ferry", MARKDOWN, &[channel]).await;
    house.platform.settle().await;
    house.smtp.remove_rule(rule);
    house
        .smtp
        .add_rule(Rule::reply(Phase::RcptTo, 450, "4.7.1 later"));
    retry(&house, id, RetriedClass::Failed).await;
    assert_eq!(house.accounting(id).await.pending, 3);
    assert_eq!(house.state(id).await, "planned");
    let reason = || Code::from_static("requested");
    house
        .publication(id, || Command::Cancel { reason: reason() })
        .await;
    pass(&house, Duration::from_secs(10)).await;
    assert_eq!(house.accounting(id).await.cancelled, 3);
    let log = house.platform.store.log();
    let events = log.stream(id).await.unwrap();
    assert_eq!(events.last().unwrap().event_type, "publication.Completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_before_anything_is_reopened_settles_everything_too() {
    let house = House::start().await;
    readers(&house, 3).await;
    house
        .smtp
        .add_rule(Rule::reply(Phase::RcptTo, 554, "5.7.1 not today"));
    let channel = house.email_channel().await;
    let id = house.publish("The ferry", MARKDOWN, &[channel]).await;
    house.platform.settle().await;
    let request = || {
        Command::RequestRetry(Retry {
            class: RetriedClass::Failed,
            channel_id: None,
            delivery_id: None,
            failed_reasons: vec![],
            reason: Code::from_static("requested"),
        })
    };
    house.publication(id, request).await;
    let reason = || Code::from_static("requested");
    house
        .publication(id, || Command::Cancel { reason: reason() })
        .await;
    house.platform.settle().await;
    assert_eq!(house.accounting(id).await.failed, 3);
    let log = house.platform.store.log();
    let events = log.stream(id).await.unwrap();
    assert_eq!(events.last().unwrap().event_type, "publication.Completed");
}
