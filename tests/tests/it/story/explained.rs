//! Every delivery that is not settled says what it waits for.

use std::time::Duration;

use tidings_domain::preferences::Given;
use tidings_domain::publication::Command;
use tidings_domain::value::Code;
use tidings_sinks::smtp::{Phase, Rule};
use tidings_tests::house::House;
use uuid::Uuid;

use super::bounced::{delivery, get};
use super::held::{release, restored};

const MARKDOWN: &str = "It runs again.\n";

/// What is said of the delivery to a reader.
async fn said(house: &House, publication_id: Uuid, reader: Uuid) -> String {
    house.platform.settle().await;
    let listed = delivery(house, publication_id, reader).await;
    let id = listed["id"].as_str().unwrap();
    let alone = get(house, &format!("/api/v1/deliveries/{id}")).await;
    assert_eq!(alone["explanation"], listed["explanation"]);
    listed["explanation"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_says_for_what_the_strongest_first() {
    let house = House::start().await;
    let channel = house.email_channel().await;
    let ada = house.subscriber("ada@example.org").await;
    house.platform.settle().await;
    house.disable(channel).await;
    let id = house.publish("The ferry", MARKDOWN, &[channel]).await;
    assert_eq!(
        said(&house, id, ada).await,
        "Waits: the channel “email” is switched off (“operator”), until somebody enables it."
    );
    let reason = || Code::from_static("legal_check");
    house
        .publication(id, || Command::Pause { reason: reason() })
        .await;
    assert_eq!(
        said(&house, id, ada).await,
        "Waits: its publication is paused until somebody resumes it; why: “legal check”."
    );
    let publication = get(&house, &format!("/api/v1/publications/{id}")).await;
    assert_eq!(
        publication["explanation"],
        "Nothing of it goes out until somebody resumes it: it was paused, for the reason “legal check”."
    );
    restored(&house).await;
    assert_eq!(
        said(&house, id, ada).await,
        "Waits: nothing is sent since the log was restored, until somebody releases it (`tidings dispatch release`)."
    );
    release(&house).await;
    house.enable(channel).await;
    house.publication(id, || Command::Resume).await;
    // A channel that was off is looked at again after a few seconds.
    assert_eq!(
        said(&house, id, ada).await,
        "Waits: it is due, and goes out when its turn comes, as fast as the receiving side takes messages."
    );
    house.platform.clock.advance(Duration::from_secs(10));
    assert_eq!(said(&house, id, ada).await, "The receiving side took it.");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_its_own_time_says_when_and_why() {
    let house = House::start().await;
    let channel = house.email_channel().await;
    // 09:00 UTC is 04:00 in New York.
    let ada = house.subscriber("ada@example.org").await;
    let given = Given {
        quiet_from: Some("22:00".to_owned()),
        quiet_to: Some("07:00".to_owned()),
        zone: Some("America/New_York".to_owned()),
        ..Given::default()
    };
    house.prefer(ada, given).await;
    let bob = house.subscriber("bob@example.org").await;
    let full = Rule::reply(Phase::RcptTo, 452, "4.2.2 mailbox full");
    let full = house.smtp.add_rule(full.to("bob@example.org"));
    let eve = house.subscriber("eve@example.org").await;
    let gone = Rule::reply(Phase::RcptTo, 550, "5.1.1 nobody there");
    house.smtp.add_rule(gone.to("eve@example.org"));
    let id = house.publish("The ferry", MARKDOWN, &[channel]).await;
    assert_eq!(
        said(&house, id, ada).await,
        "Waits: its reader wants it at 2026-03-02 12:00:00 UTC at the earliest."
    );
    let told = said(&house, id, bob).await;
    assert!(
        told.starts_with("Waits: it is tried again at 2026-03-02 "),
        "{told}"
    );
    let end = "UTC. The last attempt did not succeed: the mailbox is full (the answer was 452).";
    assert!(told.ends_with(end), "{told}");
    assert_eq!(
        said(&house, id, eve).await,
        "It was given up: there is no such address, or it can not be written to (the answer was 550)."
    );
    house.smtp.remove_rule(full);
    house.platform.clock.advance(Duration::from_secs(3 * 3_600));
    for reader in [ada, bob] {
        assert_eq!(
            said(&house, id, reader).await,
            "The receiving side took it."
        );
    }
}
