//! What becomes of an attempt nobody knows the outcome of is for the channel to say, whatever its kind does otherwise: one that
//! resends sends once more by itself, and one that holds waits until somebody asks.

use std::time::Duration;

use serde_json::{Value, json};
use tidings_domain::publication::RetriedClass;
use tidings_sinks::smtp::{Action, Message, Phase, Rule};
use tidings_sinks::webhook;
use tidings_tests::house::{Accounting, House};
use uuid::Uuid;

use super::bounced::{ADA, GRACE, delivery, get};
use super::editor::retry;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// More than any delivery waits by itself.
const A_DAY: Duration = Duration::from_secs(86_400);

async fn pass(house: &House, time: Duration) {
    house.platform.clock.advance(time);
    house.platform.settle().await;
}

/// What the log says became of a delivery.
async fn on_record(house: &House, delivery: &Value) -> Vec<String> {
    let id: Uuid = delivery["id"].as_str().unwrap().parse().unwrap();
    let events = house.platform.store.log().stream(id).await.unwrap();
    let short = |name: &str| name.trim_start_matches("delivery.").to_owned();
    events.iter().map(|it| short(&it.event_type)).collect()
}

/// By what a mail program knows a copy.
fn known_by(mail: &Message) -> [Option<String>; 2] {
    ["Message-ID", "Date"].map(|name| mail.header(name))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_channel_that_resends_sends_the_same_mail_once_more_by_itself_and_never_a_third_time()
 {
    let house = House::start().await;
    let ada = house.subscriber(ADA).await;
    let grace = house.subscriber(GRACE).await;
    let settings = json!({
        "host": "127.0.0.1", "port": house.smtp.addr().port(), "encryption": "none",
        "from": "Town Crier <crier@news.example.org>", "in_doubt": "resend",
    });
    let channel = house.channel("email", settings, None).await;
    let cut = || Rule::new(Phase::FinalDot, Action::Reset).recorded();
    house.smtp.add_rule(cut().to(ADA).times(1));
    // With her it goes wrong every time.
    house.smtp.add_rule(cut().to(GRACE));
    let id = house.publish("The ferry", "It runs.", &[channel]).await;
    house.platform.settle().await;
    let copies = |reader: &str| house.smtp.by_recipient(reader).len();
    // In half a minute.
    pass(&house, Duration::from_secs(20)).await;
    assert_eq!((copies(ADA), copies(GRACE)), (1, 1));
    assert_eq!(house.accounting(id).await.pending, 2);
    pass(&house, Duration::from_secs(20)).await;
    assert_eq!((copies(ADA), copies(GRACE)), (2, 2));
    let settled = Accounting {
        planned: 2,
        sent: 1,
        in_doubt: 1,
        ..Accounting::default()
    };
    assert_eq!(house.accounting(id).await, settled);
    let [to_ada, to_grace] = [
        delivery(&house, id, ada).await,
        delivery(&house, id, grace).await,
    ];
    let twice = ["Planned", "Attempted", "InDoubt", "Attempted"];
    assert_eq!(
        on_record(&house, &to_ada).await,
        [&twice[..], &["Sent"]].concat()
    );
    assert_eq!(
        on_record(&house, &to_grace).await,
        [&twice[..], &["InDoubt"]].concat()
    );
    for reader in [ADA, GRACE] {
        let mails = house.smtp.by_recipient(reader);
        let known = known_by(&mails[0]);
        assert!(known.iter().all(Option::is_some), "{known:?}");
        assert_eq!(known, known_by(&mails[1]));
    }
    for _ in 0..3 {
        pass(&house, A_DAY).await;
    }
    assert_eq!((copies(ADA), copies(GRACE)), (2, 2));
    assert_eq!(house.accounting(id).await, settled);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_holds_gets_no_second_request_until_somebody_asks_for_it() {
    let house = House::start().await;
    let clock = house.platform.clock.clock();
    let options = webhook::Options {
        clock: tidings_sinks::Clock::from_fn(move || clock.now()),
        ..webhook::Options::default()
    };
    let knows = webhook::Receiver {
        secrets: vec![SECRET.to_owned()],
    };
    let sink = webhook::start(options, &knows).await.unwrap();
    let settings = json!({ "url": sink.url("in"), "in_doubt": "hold" });
    let credentials = json!({ "secret": SECRET });
    let channel = house.channel("webhook", settings, Some(credentials)).await;
    let cut = webhook::Rule::new(webhook::Action::Cut).recorded();
    sink.add_rule(cut.times(1));
    let id = house.publish("The ferry", "It runs.", &[channel]).await;
    house.platform.settle().await;
    let held = Accounting {
        planned: 1,
        in_doubt: 1,
        ..Accounting::default()
    };
    for _ in 0..3 {
        assert_eq!((sink.count(), house.accounting(id).await), (1, held));
        pass(&house, A_DAY).await;
    }
    let path = format!("/api/v1/publications/{id}/deliveries?class=in_doubt");
    let told = get(&house, &path).await["items"][0]["explanation"].clone();
    let told = told.as_str().unwrap();
    assert!(told.contains("unless somebody asks for it"), "{told}");

    retry(&house, id, RetriedClass::InDoubt).await;
    let sent = Accounting {
        sent: 1,
        in_doubt: 0,
        ..held
    };
    assert_eq!(house.accounting(id).await, sent);
    let [first, second] = &sink.messages()[..] else {
        panic!("two copies");
    };
    assert_eq!((&first.id, &first.payload), (&second.id, &second.payload));
}
