//! Dying at one crash point, and what is found right after.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

use nix::sys::signal::Signal;
use tidings_sinks::{slack, smtp};

use crate::rounds::Round;
use crate::world::World;

/// Points that every round passes many times: they are to be reached more than once.
const OFTEN: [&str; 7] = [
    "commit.before_call",
    "commit.recorded",
    "commit.answered",
    "relay.published",
    "view.",
    "attempt.",
    "outcome.",
];
/// Rounds after which a point counts as never reached.
pub(crate) const ROUNDS_MAX: usize = 4;
/// A process that was told to die is gone within this.
const GONE_WITHIN: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

impl World {
    /// Has the process that passes this point die there, and checks what must hold right after. At times
    /// the servers crash with it. The program is dead afterwards.
    pub(crate) async fn die_at(&mut self, point: &str) {
        let mut dice = self.dice(point);
        match point.split('.').next() {
            Some("rebuild") => self.die_in_a_rebuild(point).await,
            Some("shred") => self.die_in_a_shred(point).await,
            Some("rotate") => self.die_in_a_rotation(point).await,
            _ => {
                let time = if is_often(point) {
                    1 + dice.below(4)
                } else {
                    1
                };
                self.die_while_up(point, time).await;
            }
        }
        if self.program.runs() {
            self.program.kill(false);
        }
        if dice.once_in(4) {
            self.crash_servers().await;
        }
        self.check_safe().await;
    }

    /// What leads to a point, and a round that passes it. The program is dead afterwards.
    pub(crate) async fn lead_to(&mut self, point: &str) -> Round {
        match point {
            "relay.stream_created" => self.lose_the_stream().await,
            "doubt.before_recorded" | "doubt.recorded" => self.leave_in_doubt().await,
            "circuit.before_recorded" | "circuit.recorded" => {
                let gone = slack::Rule::reply(404, "channel_not_found");
                self.slack.add_rule(gone.times(1));
            }
            "witness.file_begun" | "witness.key_drafted" | "witness.key_pinned" => {
                self.begin_a_new_witness();
            }
            "retention.closed" | "retention.shredded" => {
                // Before the first start there is no log to say so in.
                self.ensure_up().await;
                self.open_a_mail_of_long_ago().await;
            }
            _ => {}
        }
        if self.program.runs() {
            self.program.kill(false);
        }
        Round {
            // A batch goes out only when more than 200 events wait.
            readers: if point == "relay.within_batch" {
                150
            } else {
                6
            },
            lose_session: ["commit.lost", "commit.found"].contains(&point),
            scheduled: point.starts_with("schedule."),
            try_again: point.starts_with("retry."),
            erases: true,
            to_segments: point.starts_with("freeze.") || self.known().rounds.is_multiple_of(2),
            joins: self.known().rounds.is_multiple_of(3),
        }
    }

    async fn die_while_up(&mut self, point: &str, time: usize) {
        let round = self.lead_to(point).await;
        let mut alive = self.program.up(Some(&format!("{point}:{time}"))).await;
        for _ in 0..ROUNDS_MAX {
            if !alive {
                break;
            }
            if self.round(round).await.is_err() {
                self.gone().await;
            }
            alive = self.program.runs();
        }
        // Some points are passed only when nothing happens for a second, which a busy machine may not grant.
        if alive {
            self.gone().await;
        }
        let ended = self.program.ended();
        assert!(
            killed(ended),
            "{point} was never reached ({ended:?}):\n{}",
            self.program.said()
        );
    }

    /// Waits for the end of a process that answers no more; it may have been a server that did not.
    async fn gone(&mut self) {
        let gone = async {
            while self.program.runs() {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        drop(tokio::time::timeout(GONE_WITHIN, gone).await);
    }

    /// Kills the program while a mail waits for its last answer.
    async fn leave_in_doubt(&mut self) {
        self.ensure_up().await;
        let stall = smtp::Rule::new(smtp::Phase::FinalDot, smtp::Action::Stall).recorded();
        let stalled = self.smtp.add_rule(stall.times(2));
        tokio::select! {
            ended = self.round(Round::default()) => panic!("a mail is stalled: {ended:?}"),
            () = self.smtp.wait_for_hits(stalled, 1) => {}
        }
        self.program.kill(false);
        self.smtp.remove_rule(stalled);
        self.smtp.release();
    }

    /// As an operator does on purpose: without a file and a pinned key the witness begins once more.
    fn begin_a_new_witness(&mut self) {
        if self.program.runs() {
            self.program.kill(false);
        }
        let data = self.program.data();
        // Neither is there before the program has run.
        drop(fs::remove_dir_all(data.join("witness")));
        drop(fs::remove_file(data.join("witness.pub")));
    }

    async fn lose_the_stream(&mut self) {
        if self.program.runs() {
            self.program.kill(false);
        }
        let Some(name) = self.stream().await else {
            return; // There is none yet: it will be created.
        };
        let jetstream = async_nats::jetstream::new(self.nats.clone());
        drop(jetstream.delete_stream(&name.stream).await);
    }
}

/// Whether every round passes it many times.
pub(crate) fn is_often(point: &str) -> bool {
    OFTEN.iter().any(|often| point.starts_with(often))
}

/// Whether it died as a process does at its crash point.
pub(crate) fn killed(ended: Option<ExitStatus>) -> bool {
    ended.and_then(|status| status.signal()) == Some(Signal::SIGKILL as i32)
}
