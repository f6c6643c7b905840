//! Topics: who gets what, and who says so until the last moment.

use std::time::Duration;

use tidings_domain::publication::Priority;
use tidings_domain::subscriber::What;
use tidings_domain::token::UnsubscribeLink;
use tidings_domain::topic::{ByDefault, Sender};
use tidings_domain::value::{ListId, Mailbox};
use tidings_proto::Event;
use tidings_sinks::smtp::Message;
use tidings_tests::audit;
use tidings_tests::house::{Accounting, House};
use uuid::Uuid;

/// The titles somebody has got, in order.
fn titles(house: &House, address: &str) -> Vec<String> {
    let mails = house.smtp.by_recipient(address);
    mails.iter().filter_map(|it| it.header("Subject")).collect()
}

fn text(mail: &Message) -> String {
    String::from_utf8(mail.raw().unwrap().to_vec()).unwrap()
}

/// Why each delivery that was kept back was.
async fn suppressed(house: &House) -> Vec<String> {
    let events = audit::sound_log(house.platform.store.log()).await;
    let reasons = events.iter().filter_map(|event| match event.decode() {
        Ok(Event::DeliverySuppressed(it)) => Some(it.reason),
        _ => None,
    });
    reasons.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_goes_to_whoever_wants_it() {
    let house = House::start().await;
    let council = house
        .topic("council", ByDefault::In, Sender::default())
        .await;
    let markets = house
        .topic("markets", ByDefault::Out, Sender::default())
        .await;
    let channel = house.email_channel().await;
    let [silent, asked, left, back] =
        ["silent", "asked", "left", "back"].map(|name| format!("{name}@example.org"));
    house.subscriber(&silent).await;
    let asking = house.subscriber(&asked).await;
    let leaving = house.subscriber(&left).await;
    let returning = house.subscriber(&back).await;
    house.come_back(asking, What::Topic(markets)).await;
    house.leave(leaving, What::Topic(council)).await;
    house.leave(returning, What::Topic(council)).await;
    house.come_back(returning, What::Topic(council)).await;
    house.platform.settle().await;
    let about = async |title: &str, topics: &[Uuid]| {
        let id = house
            .publish_about(title, topics, Priority::Ordinary, &[channel])
            .await;
        house.platform.settle().await;
        house.accounting(id).await.planned
    };
    assert_eq!(about("Council", &[council]).await, 3);
    assert_eq!(about("Markets", &[markets]).await, 1);
    assert_eq!(about("Both", &[markets, council]).await, 3);
    assert_eq!(about("All", &[]).await, 4);
    assert_eq!(titles(&house, &silent), ["Council", "Both", "All"]);
    assert_eq!(
        titles(&house, &asked),
        ["Council", "Markets", "Both", "All"]
    );
    assert_eq!(titles(&house, &left), ["All"]);
    assert_eq!(titles(&house, &back), ["Council", "Both", "All"]);
    assert_eq!(suppressed(&house).await, [] as [&str; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_topic_or_channel_between_plan_and_attempt_gets_nothing_and_who_comes_back_gets_it()
 {
    let house = House::start().await;
    let council = house
        .topic("council", ByDefault::In, Sender::default())
        .await;
    let other = house.topic("other", ByDefault::In, Sender::default()).await;
    let [channel, sibling] = [house.email_channel().await, house.email_channel().await];
    let mut readers = Vec::new();
    for name in ["topic", "elsewhere", "channel", "sibling", "wavering"] {
        readers.push(house.subscriber(&format!("{name}@example.org")).await);
    }
    house.disable(channel).await;
    let id = house
        .publish_about("Council", &[council], Priority::Ordinary, &[channel])
        .await;
    house.platform.settle().await;
    assert_eq!(house.accounting(id).await.pending, 5);
    house.leave(readers[0], What::Topic(council)).await;
    house.leave(readers[1], What::Topic(other)).await;
    house.leave(readers[2], What::Channel(channel)).await;
    house.leave(readers[3], What::Channel(sibling)).await;
    house.leave(readers[4], What::Topic(council)).await;
    house.leave(readers[4], What::Channel(channel)).await;
    house.come_back(readers[4], What::Topic(council)).await;
    house.come_back(readers[4], What::Channel(channel)).await;
    house.enable(channel).await;
    house.platform.clock.advance(Duration::from_secs(60));
    house.platform.settle().await;
    let settled = Accounting {
        planned: 5,
        sent: 3,
        suppressed: 2,
        ..Accounting::default()
    };
    assert_eq!(house.accounting(id).await, settled);
    assert_eq!(house.state(id).await, "completed");
    for name in ["elsewhere", "sibling", "wavering"] {
        assert_eq!(titles(&house, &format!("{name}@example.org")), ["Council"]);
    }
    let mut reasons = suppressed(&house).await;
    reasons.sort_unstable();
    assert_eq!(reasons, ["channel_left", "topic_left"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_about_one_topic_bears_its_sender_and_its_link_leaves_that_topic() {
    let house = House::start().await;
    let sender = Sender {
        from: Some(Mailbox::parse("Markets <markets@news.example.org>").unwrap()),
        reply_to: Some(Mailbox::parse("desk@news.example.org").unwrap()),
        list_id: Some(ListId::parse("Markets <markets.news.example.org>").unwrap()),
    };
    let markets = house.topic("markets", ByDefault::In, sender).await;
    let council = house
        .topic("council", ByDefault::In, Sender::default())
        .await;
    let channel = house.email_channel().await;
    let ada = house.subscriber("ada@example.org").await;
    for topics in [&[markets][..], &[markets, council], &[]] {
        house
            .publish_about("News", topics, Priority::Ordinary, &[channel])
            .await;
        house.platform.settle().await;
    }
    let mails = house.smtp.by_recipient("ada@example.org");
    let link = |mail: &Message| {
        let header = mail.header("List-Unsubscribe").unwrap();
        let token = header.rsplit_once("/u/").unwrap().1;
        UnsubscribeLink::verify(token.trim_end_matches('>'), &house.link_keys).unwrap()
    };
    let header = |mail: &Message, name: &str| mail.header(name).unwrap_or_default();
    assert_eq!(
        header(&mails[0], "From"),
        "Markets <markets@news.example.org>"
    );
    assert_eq!(header(&mails[0], "Reply-To"), "desk@news.example.org");
    assert_eq!(
        header(&mails[0], "List-Id"),
        "Markets <markets.news.example.org>"
    );
    assert_eq!(link(&mails[0]).topic_id, Some(markets));
    // Whoever leaves what is about several wants none of the kind.
    for mail in &mails[1..] {
        assert!(header(mail, "From").contains("crier@news.example.org"));
        assert_eq!(mail.header("List-Id"), None);
        assert_eq!(link(mail).topic_id, None);
    }
    for mail in &mails {
        assert_eq!(link(mail).subscriber_id, ada);
        assert!(text(mail).contains("/p/"), "the way to the preferences");
    }
}

/// A lost audience is read again from the log, and must come to the same.
#[tokio::test(flavor = "multi_thread")]
async fn an_audience_by_topic_that_was_lost_is_found_again() {
    let house = House::start_without_delivery().await;
    let council = house
        .topic("council", ByDefault::In, Sender::default())
        .await;
    let markets = house
        .topic("markets", ByDefault::Out, Sender::default())
        .await;
    let channel = house.email_channel().await;
    for n in 0..12 {
        let reader = house.subscriber(&format!("reader{n}@example.org")).await;
        match n % 4 {
            0 => drop(house.leave(reader, What::Topic(council)).await),
            1 => {
                house.leave(reader, What::Topic(council)).await;
                house.come_back(reader, What::Topic(markets)).await;
            }
            2 => {
                house.unsubscribe(reader).await;
                house.come_back(reader, What::Topic(council)).await;
            }
            _ => drop(house.leave(reader, What::Channel(channel)).await),
        }
    }
    let id = house
        .publish_about("Both", &[council, markets], Priority::Ordinary, &[channel])
        .await;
    house.platform.settle().await;
    let mut dispatcher = house.dispatcher();
    while house.state(id).await != "frozen" {
        dispatcher.step().await.unwrap();
        house.platform.settle().await;
    }
    let client = house.platform.pool.get().await.unwrap();
    let lost = "delete from publishing_dispatch_audience";
    assert_eq!(client.execute(lost, &[]).await.unwrap(), 6);
    house.add_dispatcher(dispatcher).await;
    house.platform.settle().await;
    let settled = Accounting {
        planned: 6,
        sent: 3,
        suppressed: 3,
        ..Accounting::default()
    };
    assert_eq!(house.accounting(id).await, settled);
}
