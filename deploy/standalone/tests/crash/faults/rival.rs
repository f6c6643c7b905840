//! Two programs that send side by side, and what one of them meets: the other takes its share over.

use tidings_tests::link::Way;
use tidings_tests::program::Away;

use super::{Fault, LOOK_AGAIN, MAILS_AT_ONCE, READERS, SEEN_WITHIN, survives};
use crate::world::World;

/// What happens to the second program while its mails wait for their last answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rival {
    /// It is killed.
    Killed,
    /// It loses its database, and finds back.
    Cut,
}

impl World {
    /// Two programs send, each over its half of the connections, and this happens to the second. The first takes its share over, and puts what it has left in
    /// doubt; what it has to say if it is back only resolves that.
    pub(super) async fn send_beside(&mut self, rival: Rival) -> Result<(), Away> {
        let mut other = self.another_program().await;
        assert!(other.program.up(None).await, "{}", other.program.said());
        let round = self.in_mid_send_of(2 * READERS, async |world| {
            let doubts = async || world.reasons("delivery.InDoubt", "process_died").await;
            let expected = doubts().await + MAILS_AT_ONCE as usize / 2;
            match rival {
                Rival::Killed => other.program.kill(false),
                Rival::Cut => other.database.set(Way::Cut),
            }
            let doubted = async {
                while doubts().await < expected {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
            };
            let doubted = tokio::time::timeout(SEEN_WITHIN, doubted).await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dispatcher_cut_from_the_database_is_relieved_by_the_other() {
    survives(Fault::TwoDispatchers(Rival::Cut)).await;
}
