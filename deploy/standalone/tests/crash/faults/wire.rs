//! Partitions: nothing comes through between the program and its database, nats-server or mail server.

use std::time::Duration;

use tidings_sinks::smtp;
use tidings_tests::dice::{Dice, Seed};
use tidings_tests::link::{Link, Way};

use super::{Fault, LOOK_AGAIN, MAILS_AT_ONCE, SEEN_WITHIN, survives};
use crate::rounds::Round;
use crate::world::World;

impl World {
    /// No byte comes from the database or goes there for a while.
    pub(super) async fn silence_database(&self, time: Duration, dice: &mut Dice) {
        let link = &self.links.database;
        link.set(Way::Silent);
        self.nothing_is_answered().await;
        tokio::time::sleep(time).await;
        self.speak_again(link, dice).await;
    }

    /// None from nats-server, or there: what is told to callers meanwhile is in the log alone.
    pub(super) async fn silence_nats(&self, time: Duration, dice: &mut Dice) {
        let link = &self.links.nats;
        link.set(Way::Silent);
        self.somebody_leaves_in_time().await;
        let told = self.known().told.last().expect("somebody left").position;
        tokio::time::sleep(time).await;
        let last = self.last_sequence().await;
        assert!(last < told, "sequence {last} came through after {told}");
        self.speak_again(link, dice).await;
    }

    /// Everything comes through again, or every connection turns out to be dead.
    async fn speak_again(&self, link: &Link, dice: &mut Dice) {
        if dice.once_in(2) {
            self.cut(link).await;
        }
        link.set(Way::Open);
    }

    /// A receiver is gone while so many messages wait for its last answer: nobody knows what became of them.
    pub(super) async fn cut_off(&self, link: &Link, messages: usize) {
        let doubts = async || self.reasons("delivery.InDoubt", "connection_lost").await;
        let expected = doubts().await + messages;
        self.cut(link).await;
        let doubted = async {
            while doubts().await < expected {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        let doubted = tokio::time::timeout(SEEN_WITHIN, doubted).await;
        assert!(doubted.is_ok(), "no doubt:\n{}", self.program.said());
    }

    /// Every connection ends, and for a moment there is none to be had.
    pub(super) async fn cut(&self, link: &Link) {
        link.set(Way::Cut);
        tokio::time::sleep(Duration::from_millis(300)).await;
        link.set(Way::Open);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_out_of_reach_is_waited_for() {
    survives(Fault::DatabaseSilent).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nats_server_out_of_reach_is_done_without() {
    survives(Fault::NatsSilent).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_server_that_hangs_up_leaves_doubts_and_no_copies() {
    survives(Fault::MailCut).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_servers_crash_under_the_program() {
    survives(Fault::ServersCrashed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_that_hangs_up_leaves_a_doubt_and_no_copy() {
    survives(Fault::SlackCut).await;
}

/// Two programs send; one of them loses the database while its mails wait for their last answers. The other takes its
/// share over, and puts what it has left in doubt; what it has to say when it is back only resolves that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dispatcher_cut_from_the_database_is_relieved_by_the_other() {
    let seed = Seed::of_run();
    let mut world = World::new(seed.0).await;
    world.ensure_up().await;
    let mut other = world.another_program().await;
    assert!(other.program.up(None).await, "{}", other.program.said());
    world.round(Round::default()).await.unwrap();
    let both = 2 * MAILS_AT_ONCE;
    let stall = smtp::Rule::new(smtp::Phase::FinalDot, smtp::Action::Stall).recorded();
    let stalled = world.smtp.add_rule(stall.times(both));
    let round = world.round(Round {
        readers: 80,
        ..Round::default()
    });
    let strike = async {
        let begun = world.smtp.wait_for_hits(stalled, both);
        let begun = tokio::time::timeout(SEEN_WITHIN, begun).await;
        assert!(begun.is_ok(), "both send:\n{}", other.program.said());
        other.database.set(Way::Cut);
        let doubted = async {
            while world.reasons("delivery.InDoubt", "process_died").await < MAILS_AT_ONCE as usize {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        let doubted = tokio::time::timeout(SEEN_WITHIN, doubted).await;
        assert!(doubted.is_ok(), "nobody noticed:\n{}", world.program.said());
        world.smtp.remove_rule(stalled);
        world.smtp.release();
        other.database.set(Way::Open);
    };
    let (round, ()) = tokio::join!(round, strike);
    round.unwrap();
    world.settle().await;
    other.program.stop().await;
}
