//! What a round does to readers from elsewhere while its mails go out: an address and a domain are suppressed, somebody gets
//! their mail at another address, and somebody presses the button of their mail program.

use serde_json::json;
use tidings_sinks::smtp::Message;
use tidings_tests::dice::Seed;
use tidings_tests::program::{Api, Away};

use crate::rounds::Round;
use crate::world::World;

/// Whoever was erased, or stands against an address, does not move: then somebody else does.
const MOVES_TRIED: usize = 5;

/// The domain of one reader of a round, and of nobody else.
pub(crate) fn own_domain(number: usize) -> String {
    format!("town{number}.example")
}

impl World {
    /// Each happens to whoever it is.
    pub(crate) async fn some_are_kept_back(&self, api: &Api, number: usize) -> Result<(), Away> {
        let mut dice = self.dice(&format!("kept back {number}"));
        let addresses: Vec<String> = {
            let known = self.known();
            let files = known.files.iter();
            files.flat_map(|file| file.addresses.clone()).collect()
        };
        let address = &addresses[dice.below(addresses.len())];
        for whom in [
            json!({ "address": address }),
            json!({ "domain": own_domain(number) }),
        ] {
            let answer = api.command("/api/v1/suppressions", &whom).await?;
            self.tell(&answer.expect("whatever it is, it may be suppressed"));
        }
        if let Some(readers) = self.readers().await {
            let moved = json!({ "email": format!("moved{number}@example.net") });
            for _ in 0..MOVES_TRIED {
                let reader = readers[dice.below(readers.len())];
                let path = format!("/api/v1/subscribers/{reader}");
                if let Some(answer) = api.change(&path, &moved).await? {
                    self.tell(&answer);
                    break;
                }
            }
        }
        let mails = self.smtp.messages();
        let links: Vec<String> = mails.iter().filter_map(|mail| link(mail)).collect();
        if !links.is_empty() {
            // One who was erased since has nothing to leave.
            api.press(&links[dice.below(links.len())]).await?;
        }
        Ok(())
    }
}

/// Where the button of a mail program leads, if the mail has one.
fn link(mail: &Message) -> Option<String> {
    let header = mail.header("List-Unsubscribe")?;
    let (_, token) = header.split_once("/u/")?;
    let token = token.split(['>', ',']).next()?;
    Some(format!("/u/{token}"))
}

/// Rounds that prove nothing of it would be passed as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rounds_suppress_addresses_and_domains_move_readers_and_have_them_leave_by_their_mails() {
    let mut world = World::new(Seed::of_run().0).await;
    world.ensure_up().await;
    for _ in 0..3 {
        world.round(Round::default()).await.unwrap();
    }
    let count = async |what: &str| {
        let sql = format!("select stream_id from publishing_events where {what}");
        world.of_log(&sql).await.len()
    };
    assert_eq!(count("type = 'subscriber.ContactChanged'").await, 3);
    // Of a move, and of whoever is erased, it is the platform that says so, and nobody else.
    let by_hand = "type = 'suppression.Added' and actor like 'user:%' and version = 1 \
                   and correlation_id not in (select correlation_id from publishing_events \
                   where type in ('subscriber.ContactChanged', 'subscriber.ErasureRequested'))";
    assert!(count(by_hand).await >= 5, "an address and a domain each");
    let by_mail = "type = 'subscriber.Unsubscribed' and actor like 'subscriber:%'";
    assert!(count(by_mail).await > 0, "somebody had a mail to leave by");
    world.end().await;
}
