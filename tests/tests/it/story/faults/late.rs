//! A 250 that nobody has waited for to the end: the mail is in doubt, on record and counted, and stays so; the next mail
//! is told what it is told.

use std::time::Duration;

use serde_json::json;
use tidings_sinks::smtp::{Action, Phase, Rule};

use super::town::Town;
use crate::story::bounced::get;

#[tokio::test(flavor = "multi_thread")]
async fn a_250_that_comes_too_late_leaves_its_mail_in_doubt_and_is_not_the_next_ones() {
    let mut town = Town::start().await;
    let settings = json!({
        "host": "127.0.0.1", "port": town.house.smtp.addr().port(), "encryption": "none",
        "from": "Town Crier <crier@news.example.org>", "connections_max": 1,
    });
    let channel = town.house.channel("email", settings, None).await;
    let other = town.channel("slack", "other").await;
    let stall = Rule::new(Phase::FinalDot, Action::Stall).recorded();
    let stall = town.house.smtp.add_rule(stall.times(1));
    let doubtful = town
        .publish("The ferry", &[channel], &[("other", other)])
        .await;
    town.house.platform.settle().await;
    assert_eq!(town.house.smtp.hits(stall), 1);
    assert_eq!(town.class(doubtful, channel).await, "in_doubt");
    assert_eq!(town.reason(channel).await, "reply_timeout");
    assert_eq!(town.class(doubtful, other).await, "sent");

    // We have hung up: whatever it would say now, nobody may take for what it says of the next one.
    town.house.smtp.release();
    let refusal = Rule::reply(Phase::FinalDot, 554, "5.6.0 looks like spam");
    town.house.smtp.add_rule(refusal.times(1));
    let refused = town.house.publish("Storm", "text", &[channel]).await;
    town.house.platform.settle().await;
    assert_eq!(town.class(refused, channel).await, "failed");
    let taken = town.house.publish("The bridge", "text", &[channel]).await;
    town.house.platform.settle().await;
    assert_eq!(town.class(taken, channel).await, "sent");
    // The connection it comes by was left, and the other one served both.
    assert_eq!(town.house.smtp.stats().connections, 2);

    // Nobody sends it again, and nobody forgets it.
    for _ in 0..24 {
        let hour = Duration::from_secs(3_600);
        town.house.platform.clock.advance(hour);
        town.house.platform.settle().await;
    }
    let path = format!("/api/v1/publications/{doubtful}/accounting");
    let accounting = get(&town.house, &path).await;
    assert_eq!(accounting["balanced"], true, "{accounting}");
    let path = format!("/api/v1/publications/{doubtful}/deliveries?class=in_doubt");
    let page = get(&town.house, &path).await;
    let told = &page["items"][0]["explanation"];
    let words = "Nobody knows whether it arrived: no answer came in time. It is not sent again, so that nobody gets it twice, \
                 unless somebody asks for it.";
    assert_eq!(told, words, "{page}");
    assert_eq!(town.mails_of(channel).await, 1);
    assert_eq!(town.house.state(doubtful).await, "completed");
    assert_eq!(town.house.smtp.count(), 2);
    town.is_settled().await;
}
