//! Partitions: nothing comes through between the program and its database, nats-server or mail server.

use std::time::Duration;

use tidings_tests::dice::Dice;
use tidings_tests::link::{Link, Way};

use super::{Fault, survives};
use crate::world::World;

impl World {
    /// Nothing comes through for a while; then it does, or every connection turns out to be dead.
    pub(super) async fn silence(&self, link: &Link, time: Duration, dice: &mut Dice) {
        link.set(Way::Silent);
        tokio::time::sleep(time).await;
        if dice.once_in(2) {
            self.cut(link).await;
        }
        link.set(Way::Open);
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
