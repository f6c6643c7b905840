//! A connection that breaks in the middle of a message: the server can not have it, so nothing is in doubt.

use std::time::Duration;

use tidings_sinks::smtp::{Action, Phase, Rule};

use super::town::Town;
use crate::story::bounced::get;

/// More than the buffers between two programs hold, as the system sets them up: the dot can not leave before the server reads on.
const BUFFERED_BYTES_MAX: usize = 4_500_000;
/// More than a server that broke off is left alone.
const LATER: Duration = Duration::from_secs(3_600);

/// As long as a message becomes: a table that is too wide is told row by row, each with the whole of its head. Such letters
/// take three bytes each for every byte.
fn long_text() -> String {
    let head = "ÄÖÜÄÖÜÄÖÜÄÖÜ ".repeat(800);
    let row = "| Fähre | 9 Uhr |\n".repeat(150);
    format!("| {head}| Zeit |\n| --- | --- |\n{row}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_reset_in_the_middle_of_a_mail_leaves_no_doubt_and_one_copy() {
    let town = Town::start().await;
    // A mail of this size takes its time.
    town.restart(|environment| environment.smtp_phase_max = None)
        .await;
    let smtp = &town.house.smtp;
    let channel = town.channel("email", "mail").await;
    let reset = Rule::new(Phase::Body, Action::Reset).times(1);
    let reset = smtp.add_rule(reset);
    let id = town
        .house
        .publish("Die Fähre", &long_text(), &[channel])
        .await;
    town.house.platform.settle().await;
    assert_eq!((smtp.hits(reset), smtp.count()), (1, 0));
    assert_eq!(town.class(id, channel).await, "pending");
    assert_eq!(town.reason(channel).await, "connection_lost");
    let path = format!("/api/v1/publications/{id}/deliveries");
    let deliveries = get(&town.house, &path).await;
    assert_eq!(deliveries["items"][0]["status"], "deferred", "{deliveries}");

    for _ in 0..3 {
        town.house.platform.clock.advance(LATER);
        town.house.platform.settle().await;
    }
    assert_eq!(town.class(id, channel).await, "sent");
    let [mail] = &smtp.messages()[..] else {
        panic!("one copy");
    };
    assert!(mail.size_bytes > BUFFERED_BYTES_MAX, "{}", mail.size_bytes);
    assert_eq!(town.mails_of(channel).await, 1);
    town.is_settled().await;
}
