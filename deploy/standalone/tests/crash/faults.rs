//! What is done to a run besides killing it: servers that hang, fill up, forget or go back in time, wires
//! that go silent, a process that is frozen past its deadlines. After each: everything settles, and the
//! checker finds nothing.

mod broker;
mod database;
mod frozen;
mod wire;

use std::time::Duration;

use tidings_tests::dice::{Dice, Seed};

use crate::rounds::Round;
use crate::world::World;

/// One thing that is done to a run, in the middle of a send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    NatsRolledBack,
    StreamPurged,
    StreamDeleted,
    ServersCrashed,
    DatabaseHung,
    DatabaseSilent,
    NatsSilent,
    MailCut,
    ProgramFrozen,
}

pub(crate) const FAULTS: [Fault; 9] = [
    Fault::NatsRolledBack,
    Fault::StreamPurged,
    Fault::StreamDeleted,
    Fault::ServersCrashed,
    Fault::DatabaseHung,
    Fault::DatabaseSilent,
    Fault::NatsSilent,
    Fault::MailCut,
    Fault::ProgramFrozen,
];

impl World {
    /// A round in the middle of which this happens. The program runs, and lives through it.
    pub(crate) async fn suffer(&mut self, fault: Fault) {
        self.ensure_up().await;
        if fault == Fault::NatsRolledBack {
            self.keep_a_copy_of_the_stream().await;
        }
        let before = self.smtp.count();
        let round = self.round(Round {
            readers: 24,
            lose_session: false,
        });
        let strike = async {
            // It has begun to send.
            let begun = self.smtp.wait_for(before + 3);
            drop(tokio::time::timeout(Duration::from_secs(20), begun).await);
            self.strike(fault).await;
        };
        // Whoever is not answered tries again later, as `settle` does.
        let (_, ()) = tokio::join!(round, strike);
        let runs = self.program.runs();
        assert!(runs, "it died of {fault:?}:\n{}", self.program.said());
    }

    async fn strike(&self, fault: Fault) {
        let mut dice = self.dice(&format!("{fault:?}"));
        match fault {
            Fault::NatsRolledBack => self.roll_back().await,
            Fault::StreamPurged => self.purge().await,
            Fault::StreamDeleted => self.delete_stream().await,
            Fault::ServersCrashed => self.crash_servers().await,
            Fault::DatabaseHung => self.hang_database(seconds(&mut dice, 3)).await,
            Fault::DatabaseSilent => {
                self.silence(&self.links.database, seconds(&mut dice, 3), &mut dice)
                    .await;
            }
            Fault::NatsSilent => {
                self.silence(&self.links.nats, seconds(&mut dice, 1), &mut dice)
                    .await;
            }
            Fault::MailCut => self.cut(&self.links.smtp).await,
            Fault::ProgramFrozen => self.freeze(seconds(&mut dice, 1)).await,
        }
    }
}

/// From `least` to four more.
fn seconds(dice: &mut Dice, least: u64) -> Duration {
    Duration::from_secs(least) + Duration::from_millis(dice.below(4_000) as u64)
}

async fn survives(fault: Fault) {
    let seed = Seed::of_run();
    let mut world = World::new(seed.0).await;
    world.ensure_up().await;
    world.round(Round::default()).await.unwrap();
    world.suffer(fault).await;
    world.settle().await;
}
