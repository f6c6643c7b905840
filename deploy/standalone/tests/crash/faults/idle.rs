//! A process that stands still in the middle of a transaction of a view: whoever folds that view waits for it, for so long
//! and no longer, and everything else goes on.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use serde_json::{Value, json};
use tidings_tests::dice::Seed;
use tidings_tests::program::{ASK_AGAIN, Away, is_stopped};
use uuid::Uuid;

use super::SEEN_WITHIN;
use crate::rounds::Round;
use crate::world::World;

/// The database ends a transaction that stands idle for so long.
const IDLE_MAX: Duration = Duration::from_secs(20);
/// What it takes to fold the view from there, on a busy machine.
const THEN_WITHIN: Duration = Duration::from_secs(15);
/// Longer than a view is behind that nobody holds.
const LOOKS: usize = 40;
/// Views that a rebuild may stop: whichever the other process does not hold.
const REBUILT: [&str; 4] = [
    "suppression_list",
    "channel_list",
    "import_status",
    "publication_status",
];

impl World {
    /// A reader who was not erased: of whoever was, nothing more is recorded.
    async fn somebody_who_is_there(&self) -> Uuid {
        let readers = "select stream_id from publishing_events where type = 'subscriber.SignedUp'";
        let mut readers = self.of_log(readers).await;
        readers.retain(|reader| !self.known().erased.contains_key(reader));
        readers[0]
    }

    /// Somebody leaves or comes back; gives where that stands.
    async fn another_word(&self, reader: Uuid) -> i64 {
        let words = self.known().told.len();
        let word = ["unsubscribe", "resubscribe"][words % 2];
        let path = format!("/api/v1/subscribers/{reader}/{word}");
        // Nobody is told of it by mail, for which this test would have to wait.
        let body = match word {
            "resubscribe" => json!({ "notify": false }),
            _ => json!({}),
        };
        let answer = self.program.api().command(&path, &body).await;
        match answer.unwrap() {
            Some(answer) => {
                self.tell(&answer);
                answer["position"].as_i64().unwrap()
            }
            // They had said so already.
            None => self.store.log().head().await.unwrap().position,
        }
    }

    /// The views that have not come as far as this.
    async fn behind(&self, position: i64) -> Vec<String> {
        let api = self.program.api();
        let views = loop {
            match api.query("/api/v1/views").await {
                // On a disk that is busy it may not answer in time, and says so.
                Err(Away::Unavailable(_)) => tokio::time::sleep(ASK_AGAIN).await,
                views => break views.unwrap(),
            }
        };
        let views = views.expect("they are listed")["items"].take();
        let behind = |view: &&Value| view["position"].as_i64() < Some(position);
        let views = views.as_array().unwrap().iter();
        views
            .filter(behind)
            .map(|view| view["view"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Waits until nothing is behind but these.
    async fn all_follow_but(&self, position: i64, held: &[String]) {
        let waiting = async {
            while self
                .behind(position)
                .await
                .iter()
                .any(|it| !held.contains(it))
            {
                tokio::time::sleep(ASK_AGAIN).await;
            }
        };
        let followed = tokio::time::timeout(SEEN_WITHIN, waiting).await;
        assert!(
            followed.is_ok(),
            "views stand still:\n{}",
            self.program.said()
        );
    }

    /// The views that are behind, and stay it: one or more, since all of a process stops at once.
    async fn held(&self, position: i64) -> Vec<String> {
        let looking = async {
            let (mut found, mut looks) = (Vec::new(), 0);
            loop {
                let behind = self.behind(position).await;
                looks = if behind == found { looks + 1 } else { 0 };
                found = behind;
                if !found.is_empty() && looks >= LOOKS {
                    return found;
                }
                tokio::time::sleep(ASK_AGAIN).await;
            }
        };
        let held = tokio::time::timeout(SEEN_WITHIN, looking).await;
        held.unwrap_or_else(|_| panic!("no view is held up:\n{}", self.program.said()))
    }
}

/// The row "20 s at the most" of `docs/guarantees.md`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_stands_still_in_a_transaction_holds_a_view_up_for_20_s_at_the_most() {
    let mut world = World::new(Seed::of_run().0).await;
    world.ensure_up().await;
    world.round(Round::default()).await.unwrap();
    let reader = world.somebody_who_is_there().await;

    // Another program stands still with the rows of a view written and not committed.
    let mut other = world.another_program().await;
    other.program.start(Some("view.applied:1:stop"));
    let process = Pid::from_raw(other.program.pid() as i32);
    let stops = async {
        while !is_stopped(process) {
            assert!(other.program.runs(), "{}", other.program.said());
            world.another_word(reader).await;
        }
    };
    let stops = tokio::time::timeout(SEEN_WITHIN, stops).await;
    assert!(
        stops.is_ok(),
        "it applied nothing:\n{}",
        other.program.said()
    );
    let stopped = Instant::now();
    let word = world.another_word(reader).await;
    let held = world.held(word).await;

    // And a rebuild of another view stands still when it has stopped that one.
    let is_free = |view: &&str| !held.iter().any(|it| it == view);
    let rebuilt = REBUILT.into_iter().find(is_free).expect("one is free");
    let verb = ["rebuild", rebuilt, "--json"];
    let at = "rebuild.live_view_stopped:1:stop";
    let mut rebuild = world.program.begin(&verb, Some(at), &[]);
    assert!(rebuild.stands_still().await, "{}", world.program.said());
    let rebuild_stopped = Instant::now();
    let word = world.another_word(reader).await;
    let all = [held.clone(), vec![rebuilt.to_owned()]].concat();
    world.all_follow_but(word, &all).await;
    // On a slow machine the first may be free again by now, as below.
    let (behind, stood) = (world.behind(word).await, stopped.elapsed());
    let nobody_is_free = behind.len() == all.len() || stood > IDLE_MAX / 2;
    assert!(nobody_is_free, "{behind:?} of {all:?} after {stood:?}");

    for (views, since) in [(&held[..], stopped), (&all, rebuild_stopped)] {
        while world.behind(word).await.iter().any(|it| views.contains(it)) {
            let stood = since.elapsed();
            assert!(
                stood < IDLE_MAX + THEN_WITHIN,
                "{views:?} stand still after {stood:?}"
            );
            tokio::time::sleep(ASK_AGAIN).await;
        }
        let stood = since.elapsed();
        assert!(
            stood > IDLE_MAX / 2,
            "{views:?} were held up for {stood:?} only"
        );
    }

    // Whoever wakes finds that its transaction is over: the program folds on, the rebuild is run again.
    other.program.signal(Signal::SIGCONT);
    rebuild.wake();
    let woken = rebuild.end();
    assert!(
        !woken.status.success(),
        "it was stopped for longer than that"
    );
    world.program.says(&verb);
    world.end().await;
    other.program.stop().await;
}
