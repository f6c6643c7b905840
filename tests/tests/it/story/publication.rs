//! One publication through every room.

use std::time::Duration;

use tidings_domain::publication::{Command, Publication, Stage};
use tidings_domain::value::Code;
use tidings_event_store::Progress;
use tidings_sinks::smtp::{Phase, Rule};
use tidings_tests::house::{Accounting, House};

const MARKDOWN: &str = "# The ferry\n\nIt runs **again**. [Times](https://example.org/ferry)\n";

#[tokio::test(flavor = "multi_thread")]
async fn goes_to_every_subscriber_and_to_slack_and_completes() {
    let house = House::start().await;
    for n in 0..40 {
        house.subscriber(&format!("reader{n}@example.org")).await;
    }
    let channels = [
        house.email_channel().await,
        house.slack_channel("news").await,
    ];
    let id = house.publish("The ferry", MARKDOWN, &channels).await;
    house.platform.settle().await;

    let all_sent = Accounting {
        planned: 41,
        sent: 41,
        ..Accounting::default()
    };
    assert_eq!(house.accounting(id).await, all_sent);
    assert_eq!(house.state(id).await, "completed");
    let publication = house.platform.store.load::<Publication>(id).await.unwrap();
    assert!(
        matches!(publication.state.stage(), Stage::Completed { totals, .. } if totals.sent == 41)
    );

    let mails = house.smtp.messages();
    assert_eq!(mails.len(), 40);
    for n in 0..40 {
        assert_eq!(
            house
                .smtp
                .by_recipient(&format!("reader{n}@example.org"))
                .len(),
            1
        );
    }
    let mail = &mails[0];
    assert_eq!(mail.header("Subject").as_deref(), Some("The ferry"));
    assert_eq!(
        mail.header("List-Unsubscribe-Post").as_deref(),
        Some("List-Unsubscribe=One-Click")
    );
    assert!(
        mail.header("List-Unsubscribe")
            .unwrap()
            .contains("https://news.example.org/u/")
    );
    assert_eq!(house.slack.count(), 1);
    assert!(house.slack.messages()[0].text().contains("The ferry"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_attempt_is_on_record_before_its_outcome_and_names_the_request() {
    let house = House::start().await;
    house.subscriber("ada@example.org").await;
    let channel = house.email_channel().await;
    let id = house.publish("The ferry", MARKDOWN, &[channel]).await;
    house.platform.settle().await;

    let log = house.platform.store.log();
    let events = log.page_after(0, 1_000).await.unwrap();
    let published = events
        .iter()
        .find(|event| event.event_type == "publication.Published")
        .unwrap();
    assert_eq!(published.stream_id, id);
    let way: Vec<&str> = events
        .iter()
        .filter(|event| event.noun() == "delivery")
        .map(|event| event.event_type.as_str())
        .collect();
    assert_eq!(
        way,
        ["delivery.Planned", "delivery.Attempted", "delivery.Sent"]
    );
    for event in events
        .iter()
        .filter(|event| event.position > published.position)
    {
        assert_eq!(
            event.correlation_id, published.correlation_id,
            "{}",
            event.event_type
        );
        assert!(event.causation.is_some_and(|cause| cause < event.position));
        assert_eq!(event.actor, "system:dispatcher");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_off_mail_is_tried_again_later_and_a_refused_one_is_failed() {
    let house = House::start().await;
    house.subscriber("grey@example.org").await;
    house.subscriber("gone@example.org").await;
    house.smtp.add_rule(
        Rule::reply(Phase::RcptTo, 450, "4.7.1 later")
            .to("grey@example.org")
            .times(1),
    );
    house
        .smtp
        .add_rule(Rule::reply(Phase::RcptTo, 550, "5.1.1 who?").to("gone@example.org"));
    let channel = house.email_channel().await;
    let id = house.publish("The ferry", MARKDOWN, &[channel]).await;
    house.platform.settle().await;
    let waiting = Accounting {
        planned: 2,
        pending: 1,
        failed: 1,
        ..Accounting::default()
    };
    assert_eq!(house.accounting(id).await, waiting);
    assert_eq!(house.state(id).await, "planned");

    house.platform.clock.advance(Duration::from_secs(45 * 60));
    house.platform.settle().await;
    let settled = Accounting {
        planned: 2,
        sent: 1,
        failed: 1,
        ..Accounting::default()
    };
    assert_eq!(house.accounting(id).await, settled);
    assert_eq!(house.smtp.by_recipient("grey@example.org").len(), 1);
    assert_eq!(house.state(id).await, "completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_publication_sends_nothing_more_and_still_balances() {
    let house = House::start().await;
    house.subscriber("grey@example.org").await;
    house.subscriber("ada@example.org").await;
    house
        .smtp
        .add_rule(Rule::reply(Phase::RcptTo, 450, "4.7.1 later").to("grey@example.org"));
    let channel = house.email_channel().await;
    let id = house.publish("The ferry", MARKDOWN, &[channel]).await;
    house.platform.settle().await;
    house
        .publication(id, || Command::Cancel {
            reason: Code::from_static("wrong_text"),
        })
        .await;
    house.platform.settle().await;
    let cancelled = Accounting {
        planned: 2,
        sent: 1,
        cancelled: 1,
        ..Accounting::default()
    };
    assert_eq!(house.accounting(id).await, cancelled);
    let publication = house.platform.store.load::<Publication>(id).await.unwrap();
    assert!(matches!(
        publication.state.stage(),
        Stage::Completed {
            cancelled: Some(_),
            ..
        }
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_without_an_answer_is_held_in_doubt_and_not_sent_twice() {
    let house = House::start().await;
    house.subscriber("ada@example.org").await;
    house.smtp.add_rule(
        Rule::new(Phase::FinalDot, tidings_sinks::smtp::Action::Reset)
            .to("ada@example.org")
            .recorded(),
    );
    let channel = house.email_channel().await;
    let id = house.publish("The ferry", MARKDOWN, &[channel]).await;
    house.platform.settle().await;
    let doubtful = Accounting {
        planned: 1,
        in_doubt: 1,
        ..Accounting::default()
    };
    assert_eq!(house.accounting(id).await, doubtful);
    assert_eq!(house.smtp.by_recipient("ada@example.org").len(), 1);
    house
        .platform
        .clock
        .advance(Duration::from_secs(7 * 24 * 60 * 60));
    house.platform.settle().await;
    assert_eq!(house.smtp.by_recipient("ada@example.org").len(), 1);
}

/// One dispatcher freezes the audience and dies; its working table is lost too. The next one reads the
/// audience again from the log and plans what is missing, and nothing twice.
#[tokio::test(flavor = "multi_thread")]
async fn planning_starts_over_without_doubling_anything() {
    let house = House::start_without_delivery().await;
    for n in 0..30 {
        house.subscriber(&format!("reader{n}@example.org")).await;
    }
    let channels = [house.email_channel().await, house.email_channel().await];
    let id = house.publish("The ferry", MARKDOWN, &channels).await;
    house.platform.settle().await;
    let mut first = house.dispatcher();
    first.step().await.unwrap();
    drop(first);
    let frozen = house.platform.store.load::<Publication>(id).await.unwrap();
    assert!(
        matches!(frozen.state.stage(), Stage::Frozen { .. }),
        "{:?}",
        frozen.state.stage()
    );
    // Who signs up now is not in the audience, however it is read.
    house.subscriber("late@example.org").await;
    let client = house.platform.pool.get().await.unwrap();
    let lost = client
        .execute("delete from publishing_dispatch_audience", &[])
        .await
        .unwrap();
    assert_eq!(lost, 30);

    let mut second = house.dispatcher();
    let takes_over = async {
        // The first one's session ends when the server notices; until then its lanes are taken.
        while second.step().await.unwrap() == Progress::Idle {
            house.platform.clock.advance(Duration::from_secs(1));
            house.platform.settle().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), takes_over)
        .await
        .unwrap();
    house.add_dispatcher(second).await;
    house.platform.settle().await;
    let all_sent = Accounting {
        planned: 60,
        sent: 60,
        ..Accounting::default()
    };
    assert_eq!(house.accounting(id).await, all_sent);
    assert_eq!(house.smtp.count(), 60);
    assert_eq!(house.state(id).await, "completed");
    let left = client
        .query_one("select count(*) from publishing_dispatch_audience", &[])
        .await
        .unwrap();
    assert_eq!(left.get::<_, i64>(0), 0);
}
