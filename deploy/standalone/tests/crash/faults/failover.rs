//! PostgreSQL fails over to a standby beneath the running program: to one that has everything, and to one that lacks what
//! callers were told.

use tidings_tests::Replica;
use tidings_tests::dice::Seed;
use tidings_tests::program::{ASK_AGAIN, Away};

use super::{LOOK_AGAIN, SEEN_WITHIN};
use crate::rounds::Round;
use crate::world::World;

/// Commands that are refused by a process whose log has gone back.
const REFUSED: usize = 5;

impl World {
    /// The database ends, and the standby takes its place for everybody.
    async fn fail_over(&self, replica: &Replica) {
        self.servers.kill_postgres_immediate().await.unwrap();
        replica.promote().await;
        let link = &self.links.database;
        link.switch_to_database(&replica.database_url());
    }

    /// From now on a commit waits for the standby.
    async fn wait_for_the_standby(&self) {
        let admin = self.store.log().pool().get().await.unwrap();
        for sql in [
            "alter system set synchronous_standby_names = '*'",
            "select pg_reload_conf()",
        ] {
            admin.execute(sql, &[]).await.unwrap();
        }
        let follows = "select exists(select from pg_stat_replication where sync_state = 'sync')";
        let following = async {
            while !admin
                .query_one(follows, &[])
                .await
                .unwrap()
                .get::<_, bool>(0)
            {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        let following = tokio::time::timeout(SEEN_WITHIN, following).await;
        following.expect("it follows");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_synchronous_standby_takes_over_in_mid_send_and_nothing_is_lost() {
    let mut world = World::new(Seed::of_run().0).await;
    world.ensure_up().await;
    world.round(Round::default()).await.unwrap();
    let replica = Replica::of(&world.servers).await;
    world.wait_for_the_standby().await;
    let round = world.in_mid_send(async |world| world.fail_over(&replica).await);
    match round.await {
        Ok(()) | Err(Away::Unavailable(_)) => {}
        Err(error) => panic!("{error}\n{}", world.program.said()),
    }
    assert!(world.program.runs(), "{}", world.program.said());
    world.look_at(&replica.database_url());
    world.round(Round::default()).await.unwrap();
    world.end().await;
}

/// The program has told callers of what the standby lacks: it records nothing on what is left, and sends nothing. Restored,
/// it goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_lacks_what_was_told_takes_over_and_the_program_goes_no_further() {
    let mut world = World::new(Seed::of_run().0).await;
    world.ensure_up().await;
    world.round(Round::default()).await.unwrap();
    world.all_ended().await;
    let replica = Replica::of(&world.servers).await;
    let common = world.store.log().head().await.unwrap().position;
    replica.reached(common).await;
    replica.cut_off().await;
    // What the standby lacks: another round, to its end.
    world.round(Round::default()).await.unwrap();
    world.all_ended().await;
    world.stream_is_complete().await;
    world.fail_over(&replica).await;
    world.look_at(&replica.database_url());

    let api = world.program.api();
    let said = async {
        loop {
            let ready = api.query("/readyz").await;
            if matches!(&ready, Err(Away::Unavailable(why)) if why.contains("gone back in time")) {
                return;
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    };
    let said = tokio::time::timeout(SEEN_WITHIN, said).await;
    assert!(said.is_ok(), "nobody noticed:\n{}", world.program.said());
    let mails = world.smtp.count();
    let reader = serde_json::json!({ "email": "latecomer@example.org" });
    for _ in 0..REFUSED {
        let refused = api.command("/api/v1/subscribers", &reader).await;
        assert!(matches!(refused, Err(Away::Unavailable(_))), "{refused:?}");
    }
    let head = world.store.log().head().await.unwrap().position;
    assert_eq!((head, world.smtp.count()), (common, mails));

    world.program.kill(false);
    world.restore_in_place(None).await;
    world.round(Round::default()).await.unwrap();
    world.end().await;
}
