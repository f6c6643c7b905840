//! Random commits from many callers at once, judged against a sequential model: the log as it was at
//! each position.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};

use futures_util::future::join_all;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tidings_event_store::{Commit, CommitError, Committed, Recorded};
use tidings_tests::{Platform, audit, guard};
use uuid::Uuid;

/// Streams that all callers fight for.
const SHARED: usize = 4;
const CASES: u32 = 40;

/// What a caller does once.
#[derive(Clone, Debug)]
struct Intent {
    /// Shared streams written, and how many events each gets.
    writes: Vec<(usize, usize)>,
    /// Whether the streams written are guarded.
    guarded: bool,
    /// Shared streams guarded, and how far off the version is that the guard names.
    guards: Vec<(usize, i32)>,
}

/// What came of it.
struct Attempt {
    commit: Commit,
    /// Positions that surely were taken when it was handed in, and that surely were not when it was answered.
    between: (i64, i64),
    verdict: Result<Committed, CommitError>,
}

fn intents() -> impl Strategy<Value = Vec<Vec<Intent>>> {
    let off = prop_oneof![8 => Just(0), 1 => Just(-1), 1 => Just(1)];
    let streams = || proptest::sample::subsequence((0..SHARED).collect::<Vec<_>>(), 0..=3);
    let guards = streams().prop_flat_map(move |streams| {
        let offs = proptest::collection::vec(off.clone(), streams.len());
        offs.prop_map(move |offs| streams.iter().copied().zip(offs).collect())
    });
    let writes = streams().prop_flat_map(|streams| {
        let counts = proptest::collection::vec(1..=3_usize, streams.len());
        counts.prop_map(move |counts| streams.iter().copied().zip(counts).collect())
    });
    // Half of them only guard shared streams, and write one of their own.
    let writes = prop_oneof![Just(Vec::new()), writes];
    let intent = (writes, any::<bool>(), guards).prop_map(|(writes, guarded, guards)| Intent {
        writes,
        guarded,
        guards,
    });
    proptest::collection::vec(proptest::collection::vec(intent, 1..6), 1..40)
}

#[test]
fn every_verdict_is_the_sequential_models() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let platform = runtime.block_on(Platform::start());
    let mut runner = TestRunner::new(Config {
        cases: CASES,
        // Another run of the same commits is another race.
        max_shrink_iters: 20,
        failure_persistence: None,
        ..Config::default()
    });
    let accepted = AtomicI64::new(0);
    let refused = AtomicI64::new(0);
    let outcome = runner.run(&intents(), |callers| {
        let attempts = runtime.block_on(run(&platform, &callers));
        let log = runtime.block_on(audit::sound_log(platform.store.log()));
        judge(&attempts, &log);
        for attempt in attempts {
            let count = if attempt.verdict.is_ok() {
                &accepted
            } else {
                &refused
            };
            count.fetch_add(1, SeqCst);
        }
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    // A race in which nobody loses, or nobody wins, would prove nothing.
    let (accepted, refused) = (accepted.into_inner(), refused.into_inner());
    assert!(accepted > 200 && refused > 200, "{accepted} / {refused}");
    runtime.block_on(async {
        platform.settle().await;
        audit::sound_stream(&platform, 1).await;
    });
}

/// What the callers of one case share.
struct Race<'a> {
    platform: &'a Platform,
    streams: Vec<Uuid>,
    /// The versions as the callers last heard of them.
    heard: Mutex<Vec<i32>>,
    /// The highest position anybody was told.
    told: AtomicI64,
}

async fn run(platform: &Platform, callers: &[Vec<Intent>]) -> Vec<Attempt> {
    let head = platform.store.log().head().await.unwrap().position;
    let race = Race {
        platform,
        streams: (0..SHARED).map(|_| platform.ids.next()).collect(),
        heard: Mutex::new(vec![0; SHARED]),
        told: AtomicI64::new(head),
    };
    let race = &race;
    let callers = callers.iter().map(|intents| async move {
        let mut attempts = Vec::new();
        for intent in intents {
            attempts.push(race.attempt(intent).await);
        }
        attempts
    });
    join_all(callers).await.into_iter().flatten().collect()
}

impl Race<'_> {
    async fn attempt(&self, intent: &Intent) -> Attempt {
        let commit = self.commit_of(intent);
        let log = self.platform.store.log();
        let from = self.told.load(SeqCst);
        let verdict = log.commit(commit.clone()).await;
        match &verdict {
            Ok(committed) => {
                self.told.fetch_max(committed.last_position, SeqCst);
                let mut heard = self.heard.lock().unwrap();
                for (stream, count) in &intent.writes {
                    heard[*stream] += *count as i32;
                }
            }
            Err(CommitError::Conflict {
                stream_id, actual, ..
            }) => {
                if let Some(stream) = self.streams.iter().position(|id| id == stream_id) {
                    self.heard.lock().unwrap()[stream] = *actual;
                }
            }
            Err(other) => panic!("{other}"),
        }
        let to = log.head().await.unwrap().position;
        Attempt {
            commit,
            between: (from, to),
            verdict,
        }
    }

    fn commit_of(&self, intent: &Intent) -> Commit {
        let heard = self.heard.lock().unwrap().clone();
        let mut commit = Commit::default();
        for (stream, off) in &intent.guards {
            let version = (heard[*stream] + off).max(0);
            commit.guards.push(guard(self.streams[*stream], version));
        }
        for (stream, count) in &intent.writes {
            let id = self.streams[*stream];
            for n in 0..*count {
                commit.events.push(self.platform.counted(id, n as i64));
            }
            let named = commit.guards.iter().any(|guard| guard.stream_id == id);
            if intent.guarded && !named {
                commit.guards.push(guard(id, heard[*stream]));
            }
        }
        if commit.events.is_empty() {
            let own = self.platform.ids.next();
            commit.guards.push(guard(own, 0));
            commit.events.push(self.platform.counted(own, 1));
        }
        commit
    }
}

/// The log, to ask what was true at a position.
struct Model<'a> {
    log: &'a [Recorded],
    positions: HashMap<Uuid, Vec<i64>>,
}

impl<'a> Model<'a> {
    fn of(log: &'a [Recorded]) -> Self {
        let mut positions: HashMap<_, Vec<_>> = HashMap::new();
        for event in log {
            positions
                .entry(event.stream_id)
                .or_default()
                .push(event.position);
        }
        Self { log, positions }
    }

    /// The version of a stream once everything up to a position had happened.
    fn version(&self, stream: Uuid, position: i64) -> i32 {
        let of_stream = self.positions.get(&stream).map_or(&[][..], Vec::as_slice);
        of_stream.partition_point(|at| *at <= position) as i32
    }
}

fn judge(attempts: &[Attempt], log: &[Recorded]) {
    let model = Model::of(log);
    let mut found = 0;
    for attempt in attempts {
        match &attempt.verdict {
            Ok(committed) => {
                found += attempt.commit.events.len();
                accepted(&model, &attempt.commit, committed);
            }
            Err(CommitError::Conflict {
                stream_id,
                expected,
                actual,
            }) => {
                assert_ne!(expected, actual);
                assert!(
                    attempt
                        .commit
                        .guards
                        .contains(&guard(*stream_id, *expected))
                );
                let (from, to) = attempt.between;
                let possible = model.version(*stream_id, from)..=model.version(*stream_id, to);
                assert!(
                    possible.contains(actual),
                    "{actual} was never the version between {from} and {to}"
                );
            }
            Err(other) => panic!("{other}"),
        }
    }
    let first = attempts
        .iter()
        .filter_map(|attempt| attempt.verdict.as_ref().ok())
        .map(|committed| committed.first_position)
        .min();
    let since = first.map_or(0, |first| log.len() + 1 - first as usize);
    assert_eq!(
        since, found,
        "the log holds what was acknowledged, and no more"
    );
}

fn accepted(model: &Model<'_>, commit: &Commit, committed: &Committed) {
    let first = committed.first_position;
    for guard in &commit.guards {
        let version = model.version(guard.stream_id, first - 1);
        assert_eq!(version, guard.version, "a guard did not hold at {first}");
    }
    assert_eq!(
        committed.last_position - first + 1,
        commit.events.len() as i64
    );
    for (position, event) in (first..).zip(&commit.events) {
        let recorded = &model.log[position as usize - 1];
        assert_eq!(
            (recorded.event_id, recorded.stream_id),
            (event.event_id, event.stream_id)
        );
        assert_eq!(recorded.recorded_at, committed.recorded_at);
        assert_eq!(recorded.payload, event.payload);
    }
}
