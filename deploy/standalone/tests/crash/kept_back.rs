//! What a round does to readers from elsewhere while its mails go out: an address and a domain are suppressed, somebody gets
//! their mail at another address, and somebody presses the button of their mail program.

use serde_json::json;
use tidings_sinks::smtp::Message;
use tidings_tests::checker::readers::Handed;
use tidings_tests::dice::Seed;
use tidings_tests::program::{Api, Away};

use crate::rounds::Round;
use crate::world::World;

/// Whoever was erased, or stands against an address, does not move: then somebody else does.
const MOVES_TRIED: usize = 5;
/// Whoever has left, or was erased, has nothing to leave: then somebody else does.
const LINKS_TRIED: usize = 50;
const LEFT_BY_MAIL: &str = "type = 'subscriber.Unsubscribed' and actor like 'subscriber:%'";

/// The domain of one reader of a round, and of nobody else.
pub(crate) fn own_domain(number: usize) -> String {
    format!("town{number}.example")
}

impl World {
    /// Each happens to whoever it is.
    pub(crate) async fn some_are_kept_back(&self, api: &Api, number: usize) -> Result<(), Away> {
        let mut dice = self.dice(&format!("kept back {number}"));
        // One of this round's own: nobody has suppressed it by hand yet.
        let ending = format!("@{}", own_domain(number));
        let addresses: Vec<String> = {
            let known = self.known();
            let is_own = |file: &&Handed| file.addresses.iter().any(|it| it.ends_with(&ending));
            let file = known.files.iter().find(is_own);
            file.expect("the round's file").addresses.clone()
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
        let mut links: Vec<String> = mails.iter().filter_map(|mail| link(mail)).collect();
        let Some(before) = self.left_by_mail().await else {
            return Ok(());
        };
        for _ in 0..LINKS_TRIED.min(links.len()) {
            let link = links.swap_remove(dice.below(links.len()));
            api.press(&link).await?;
            if self.left_by_mail().await != Some(before) {
                break;
            }
        }
        Ok(())
    }

    /// How often readers have left something by a mail; `None`: the database is away.
    async fn left_by_mail(&self) -> Option<i64> {
        let client = self.store.log().pool().get().await.ok()?;
        let sql = format!("select count(*) from publishing_events where {LEFT_BY_MAIL}");
        let row = client.query_one(&sql, &[]).await.ok()?;
        Some(row.get(0))
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
    let by_hand = "type = 'suppression.Added' and actor like 'user:%' \
                   and correlation_id not in (select correlation_id from publishing_events \
                   where type in ('subscriber.ContactChanged', 'subscriber.ErasureRequested'))";
    assert_eq!(count(by_hand).await, 6, "an address and a domain each");
    // In the first round there may be no mail yet.
    assert!(
        count(LEFT_BY_MAIL).await >= 2,
        "by a mail of the rounds before"
    );
    world.end().await;
}
