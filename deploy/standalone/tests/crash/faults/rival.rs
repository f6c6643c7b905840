//! Two programs that send side by side, and what one of them meets: the other takes its share over.

use std::time::Duration;

use nix::sys::signal::Signal;
use tidings_tests::link::Way;
use tidings_tests::program::Away;

use super::{Fault, LOOK_AGAIN, MAILS_AT_ONCE, READERS, SEEN_WITHIN, survives};
use crate::world::World;

/// Sessions that hold 32 of the 64 lanes; 1953064041 is the first half of a lane's lock.
const HALVES: &str = "select count(*) from ( \
         select pid from pg_locks \
         where locktype = 'advisory' and objsubid = 2 and granted and classid = 1953064041::bigint::oid \
             and database = (select oid from pg_database where datname = current_database()) \
         group by pid having count(*) = 32 \
     ) halves";

/// A session that stands idle ends after a minute, and its process is gone a moment later.
const RELIEVED_WITHIN: Duration = Duration::from_secs(60 + 30);

/// What happens to the second program while its mails wait for their last answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rival {
    /// It is killed.
    Killed,
    /// It loses its database, and finds back.
    Cut,
    /// It stands still until the server has ended its idle session, and goes on.
    Frozen,
}

impl World {
    /// Two programs send, each over its half of the connections, and this happens to the second. The first takes its share over, and puts what it has left in
    /// doubt; what it has to say if it is back only resolves that.
    pub(super) async fn send_beside(&mut self, rival: Rival) -> Result<(), Away> {
        let mut other = self.another_program().await;
        assert!(other.program.up(None).await, "{}", other.program.said());
        let shared = tokio::time::timeout(SEEN_WITHIN, self.is_shared()).await;
        assert!(shared.is_ok(), "not shared:\n{}", other.program.said());
        let round = self.in_mid_send_of(2 * READERS, async |world| {
            let doubts = async || world.reasons("delivery.InDoubt", "process_died").await;
            let expected = doubts().await + MAILS_AT_ONCE as usize / 2;
            match rival {
                Rival::Killed => other.program.kill(false),
                Rival::Cut => other.database.set(Way::Cut),
                Rival::Frozen => other.program.signal(Signal::SIGSTOP),
            }
            let doubted = async {
                while doubts().await < expected {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
            };
            let doubted = tokio::time::timeout(RELIEVED_WITHIN, doubted).await;
            if rival == Rival::Frozen {
                other.program.signal(Signal::SIGCONT);
            }
            assert!(doubted.is_ok(), "nobody noticed:\n{}", world.program.said());
            other.database.set(Way::Open);
        });
        let round = round.await;
        if other.program.runs() {
            other.program.end().await;
        }
        self.ended.push(other);
        round
    }
}

impl World {
    /// Waits until two dispatchers have half of the work each, and so half of the connections: the one that was there first learns
    /// of the other within a second or so.
    async fn is_shared(&self) {
        loop {
            let rows = self.store.log().query(HALVES, &[]).await.unwrap();
            if rows[0].get::<_, i64>(0) == 2 {
                return;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dispatcher_cut_from_the_database_is_relieved_by_the_other() {
    survives(Fault::TwoDispatchers(Rival::Cut)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dispatcher_that_stands_still_is_relieved_by_the_other_after_a_minute() {
    survives(Fault::TwoDispatchers(Rival::Frozen)).await;
}
