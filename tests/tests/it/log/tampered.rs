//! Invariant 8: whoever alters the log's bytes, order or places is found out, at the first place they touched.

use deadpool_postgres::Object;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tidings_event_store::audit::{Defect, Finding, Verified, VerifyProgress, verify};
use tidings_tests::{Platform, audit, forger};
use uuid::Uuid;

const CASES: u32 = 120;

/// A log of three batches, positions 1, 2 to 71 and 72 to 76, over three streams in turn; and what puts it back.
pub(super) struct Victim {
    pub(super) platform: Platform,
    pub(super) client: Object,
}

impl Victim {
    pub(super) async fn new() -> Self {
        let platform = Platform::start().await;
        let streams: [Uuid; 3] = std::array::from_fn(|_| platform.ids.next());
        let mut count = 0..;
        for events in [1, 70, 5] {
            let events = (&mut count)
                .take(events)
                .map(|n| platform.counted(streams[n % 3], n as i64));
            let events = events.collect();
            platform.commit(Vec::new(), events).await.unwrap();
        }
        audit::sound_log(platform.store.log()).await;
        let client = platform.pool.get().await.unwrap();
        client
            .batch_execute(
                "create temp table saved_events as table publishing_events; \
                 create temp table saved_batches as table publishing_batches; \
                 create temp table saved_incarnations as table publishing_incarnations",
            )
            .await
            .unwrap();
        Self { platform, client }
    }

    async fn after(&self, tampering: &str) -> Option<Finding> {
        self.client.batch_execute(tampering).await.unwrap();
        self.verified().await.finding
    }

    pub(super) async fn verified(&self) -> Verified {
        verify(&self.platform.pool, 2, &mut |_| ()).await.unwrap()
    }

    pub(super) async fn put_back(&self) {
        self.client
            .batch_execute(
                "truncate publishing_events, publishing_batches, publishing_incarnations; \
                 insert into publishing_events table saved_events; \
                 insert into publishing_batches table saved_batches; \
                 insert into publishing_incarnations table saved_incarnations",
            )
            .await
            .unwrap();
    }

    async fn finds(&self, cases: &[(&str, Finding)]) {
        for (tampering, expected) in cases {
            let found = self.after(tampering).await;
            assert_eq!(found, Some(*expected), "{tampering}");
            self.put_back().await;
        }
        assert_eq!(self.verified().await.finding, None);
    }
}

pub(super) fn at(position: i64, code: Defect) -> Finding {
    within(position, position, code)
}

pub(super) fn within(position: i64, through: i64, code: Defect) -> Finding {
    Finding {
        position,
        through,
        code,
    }
}

#[tokio::test]
async fn every_column_of_an_event_is_guarded() {
    let victim = Victim::new().await;
    let set = |what: &str| format!("update publishing_events set {what} where position = 40");
    let content = [
        "event_id = gen_random_uuid()",
        "stream_id = gen_random_uuid()",
        "type = 'tally.Uncounted'",
        "subject = gen_random_uuid()",
        "occurred_at = occurred_at + interval '1 microsecond'",
        "actor = 'cli'",
        "correlation_id = gen_random_uuid()",
        "causation = 3",
        "metadata = '\\x0a'",
        "payload = set_byte(payload, 0, 1)",
        "digest = sha256(digest)",
        "digest = 'short'",
    ];
    for column in content {
        let found = victim.after(&set(column)).await;
        assert_eq!(found, Some(at(40, Defect::DigestDiffers)), "{column}");
        victim.put_back().await;
    }
    let place = [
        ("version = version + 1000", Defect::VersionNotContiguous),
        ("version = 0", Defect::VersionNotContiguous),
        (
            "recorded_at = recorded_at + interval '1 microsecond'",
            Defect::RecordedAtDiffers,
        ),
        ("position = 1000", Defect::PositionMissing),
        ("position = -3", Defect::PositionMissing),
    ];
    for (column, code) in place {
        let found = victim.after(&set(column)).await.unwrap();
        let expected = if column == "position = -3" {
            at(-3, Defect::PositionOutside)
        } else {
            at(40, code)
        };
        assert_eq!(found, expected, "{column}");
        victim.put_back().await;
    }
}

#[tokio::test]
async fn every_column_of_a_batch_is_guarded() {
    let victim = Victim::new().await;
    let batch =
        |column: &str| format!("update publishing_batches set {column} where first_position = 2");
    victim
        .finds(&[
            (
                batch("first_position = 3").as_str(),
                at(2, Defect::BatchMissing),
            ),
            (
                batch("first_position = 1").as_str(),
                at(2, Defect::BatchOverlaps),
            ),
            (
                batch("last_position = 70").as_str(),
                within(2, 70, Defect::BatchHashDiffers),
            ),
            (
                batch("previous_hash = sha256(hash)").as_str(),
                within(2, 71, Defect::PreviousHashDiffers),
            ),
            (
                batch("hash = sha256(hash)").as_str(),
                within(2, 71, Defect::BatchHashDiffers),
            ),
            (
                batch("hash = 'short'").as_str(),
                within(2, 71, Defect::BatchHashDiffers),
            ),
            (
                batch("committed_at = committed_at + interval '1 microsecond'").as_str(),
                at(2, Defect::RecordedAtDiffers),
            ),
            (
                batch("committed_at = 'infinity'").as_str(),
                at(2, Defect::RecordedAtDiffers),
            ),
            (
                batch("incarnation = gen_random_uuid()").as_str(),
                within(2, 71, Defect::IncarnationWrong),
            ),
            (
                "update publishing_batches set hash = sha256(hash) where first_position = 72",
                within(72, 76, Defect::BatchHashDiffers),
            ),
            (
                "update publishing_incarnations set incarnation = gen_random_uuid()",
                at(1, Defect::IncarnationWrong),
            ),
            (
                "update publishing_incarnations set after_position = 1",
                at(1, Defect::IncarnationWrong),
            ),
            // The same lie in both tables.
            (
                "update publishing_batches set committed_at = committed_at + interval '1 second'; \
                 update publishing_events set recorded_at = recorded_at + interval '1 second'",
                at(1, Defect::BatchHashDiffers),
            ),
        ])
        .await;
}

#[tokio::test]
async fn order_and_place_are_guarded() {
    let victim = Victim::new().await;
    let swap = |a: i64, b: i64| {
        format!(
            "update publishing_events set position = -1 where position = {a}; \
             update publishing_events set position = {a} where position = {b}; \
             update publishing_events set position = {b} where position = -1"
        )
    };
    victim
        .finds(&[
            // Of two streams: only the hash over the batch can tell.
            (swap(40, 41).as_str(), within(2, 71, Defect::BatchHashDiffers)),
            // Of one stream: its versions tell where.
            (swap(40, 43).as_str(), at(40, Defect::VersionNotContiguous)),
            // Into another batch.
            (swap(40, 74).as_str(), at(40, Defect::RecordedAtDiffers)),
            (
                "update publishing_batches set last_position = 70 where first_position = 2; \
                 update publishing_batches set first_position = 71 where first_position = 72",
                within(2, 70, Defect::BatchHashDiffers),
            ),
            (
                "delete from publishing_events where position = 1",
                at(1, Defect::PositionMissing),
            ),
            (
                "delete from publishing_events where position = 40",
                at(40, Defect::PositionMissing),
            ),
            (
                "delete from publishing_events where position > 60",
                at(61, Defect::PositionMissing),
            ),
            (
                "delete from publishing_batches where first_position = 1",
                at(1, Defect::BatchMissing),
            ),
            (
                "delete from publishing_batches where first_position = 2",
                at(2, Defect::BatchMissing),
            ),
            (
                "delete from publishing_batches where first_position = 72",
                at(72, Defect::PositionOutside),
            ),
            (
                "delete from publishing_events where position between 2 and 71; \
                 delete from publishing_batches where first_position = 2",
                at(2, Defect::PositionMissing),
            ),
            ("delete from publishing_batches", at(1, Defect::PositionOutside)),
            ("delete from publishing_events", at(1, Defect::PositionMissing)),
            (
                "insert into publishing_events \
                 select 77, gen_random_uuid(), 1, event_id, type, subject, occurred_at, recorded_at, actor, \
                        correlation_id, causation, metadata, payload, digest \
                 from publishing_events where position = 76",
                at(77, Defect::PositionOutside),
            ),
            // Room is made for one more in the middle.
            (
                "update publishing_events set position = -position where position > 40; \
                 update publishing_events set position = 1 - position where position < 0; \
                 insert into publishing_events \
                 select 41, stream_id, 1000, event_id, type, subject, occurred_at, recorded_at, actor, \
                        correlation_id, causation, metadata, payload, digest \
                 from publishing_events where position = 40",
                at(41, Defect::VersionNotContiguous),
            ),
        ])
        .await;
}

#[tokio::test]
async fn what_constraints_forbid_is_found_when_they_are_gone() {
    let victim = Victim::new().await;
    let found = victim
        .after(
            "alter table publishing_events alter column actor drop not null; \
             update publishing_events set actor = null where position = 40",
        )
        .await;
    assert_eq!(found, Some(at(40, Defect::RowUnreadable)));
    victim.put_back().await;
    for (batch, first) in [(2, 2), (72, 72)] {
        let found = victim
            .after(&format!(
                "alter table publishing_batches alter column hash drop not null; \
                 update publishing_batches set hash = null where first_position = {batch}"
            ))
            .await;
        assert_eq!(found, Some(at(first, Defect::BatchMissing)));
        victim.put_back().await;
    }
    let found = victim
        .after(
            "alter table publishing_events drop constraint publishing_events_pkey; \
             drop index publishing_events_stream; \
             insert into publishing_events select * from publishing_events where position = 40",
        )
        .await;
    assert_eq!(found, Some(at(40, Defect::PositionTwice)));
}

#[tokio::test]
async fn a_batch_that_was_hashed_anew_alone_breaks_the_chain() {
    let victim = Victim::new().await;
    victim
        .client
        .batch_execute("update publishing_events set payload = 'forged' where position = 40")
        .await
        .unwrap();
    forger::rehash(&victim.platform).await;
    assert_eq!(
        victim.verified().await.finding,
        None,
        "only a witness finds this"
    );
    // The last batch as it was: it follows another one.
    let found = victim
        .after(
            "update publishing_batches b set previous_hash = s.previous_hash, hash = s.hash \
             from saved_batches s where s.last_position = b.last_position and b.last_position = 76",
        )
        .await;
    assert_eq!(found, Some(within(2, 71, Defect::ChainBroken)));
}

#[tokio::test]
async fn an_empty_log_and_one_that_lost_its_end_are_sound_in_themselves() {
    let platform = Platform::start().await;
    let verified = verify(&platform.pool, 2, &mut |_| ()).await.unwrap();
    assert_eq!((verified.finding, verified.head), (None, None));
    let victim = Victim::new().await;
    let found = victim
        .after(
            "delete from publishing_events where position > 71; \
             delete from publishing_batches where last_position > 71",
        )
        .await;
    assert_eq!(found, None, "only a witness finds this");
}

#[tokio::test]
async fn a_long_log_is_verified_in_ranges() {
    let platform = Platform::start().await;
    // Past two ranges, in batches of a thousand.
    let streams: Vec<Uuid> = (0..7).map(|_| platform.ids.next()).collect();
    for commit in 0..120 {
        let events = (0..1_000).map(|n| platform.counted(streams[n % 7], commit));
        platform.commit(Vec::new(), events.collect()).await.unwrap();
    }
    let mut told = Vec::new();
    let mut tell = |at: VerifyProgress| told.push(at.events);
    let verified = verify(&platform.pool, 2, &mut tell).await.unwrap();
    assert_eq!(verified.finding, None);
    assert_eq!((verified.events, verified.batches), (120_000, 120));
    assert_eq!(told, [50_000, 100_000, 120_000]);
    let client = platform.pool.get().await.unwrap();
    for (position, next) in [(119_999, 110_001), (110_000, 50_001), (50_000, 3)] {
        let sql = "update publishing_events set payload = payload || 'x' where position = $1";
        client.execute(sql, &[&i64::from(position)]).await.unwrap();
        let verified = verify(&platform.pool, 2, &mut |_| ()).await.unwrap();
        let expected = at(position.into(), Defect::DigestDiffers);
        assert_eq!(verified.finding, Some(expected), "before {next}");
    }
}

/// A change of one column of one row, by a number that is not 0.
fn changes() -> Vec<(&'static str, &'static str)> {
    let of_events = [
        "position = position + N",
        "version = version + N",
        "recorded_at = recorded_at + N * interval '1 microsecond'",
        "occurred_at = occurred_at + N * interval '1 microsecond'",
        "event_id = md5(event_id::text || 'N')::uuid",
        "stream_id = md5(stream_id::text || 'N')::uuid",
        "correlation_id = md5(correlation_id::text || 'N')::uuid",
        "subject = md5('N')::uuid",
        "type = type || 'N'",
        "actor = actor || 'N'",
        "causation = coalesce(causation, 0) + N",
        "metadata = metadata || 'N'",
        "payload = set_byte(payload, 3, (get_byte(payload, 3) + abs(N)) % 256)",
        "payload = substr(payload, 2)",
        "digest = set_byte(digest, abs(N) % 32, get_byte(digest, abs(N) % 32) # 1)",
    ];
    let of_batches = [
        "first_position = first_position + N",
        "last_position = last_position + N",
        "committed_at = committed_at + N * interval '1 microsecond'",
        "incarnation = md5('N')::uuid",
        "hash = set_byte(hash, abs(N) % 32, get_byte(hash, abs(N) % 32) # 1)",
        "previous_hash = set_byte(previous_hash, abs(N) % 32, get_byte(previous_hash, abs(N) % 32) # 1)",
    ];
    let events = of_events.map(|change| ("publishing_events", change));
    let batches = of_batches.map(|change| ("publishing_batches", change));
    events.into_iter().chain(batches).collect()
}

#[test]
fn any_single_change_to_any_row_is_found_no_later_than_it_stands() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let victim = runtime.block_on(Victim::new());
    let mut runner = TestRunner::new(Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    });
    let change = prop::sample::select(changes());
    let by = (1..200_i32, any::<bool>()).prop_map(|(n, minus)| if minus { -n } else { n });
    let row = any::<prop::sample::Index>();
    let outcome = runner.run(&(change, by, row), |((table, change), by, row)| {
        let place = if table == "publishing_events" {
            let position = row.index(76) + 1;
            (position, format!("position = {position}"))
        } else {
            // A batch that ends elsewhere shows at the next one's first event.
            let (first, next) = [(1, 2), (2, 72), (72, 77)][row.index(3)];
            (next, format!("first_position = {first}"))
        };
        let change = change
            .replace('N', &format!("({by})"))
            .replace("'(", "'")
            .replace(")'", "'");
        let sql = format!("update {table} set {change} where {}", place.1);
        let found = runtime.block_on(async {
            // Two rows at one place are refused by the database itself.
            let found = match victim.client.batch_execute(&sql).await {
                Ok(()) => victim.verified().await.finding.map(Ok),
                Err(refused) => Some(Err(refused)),
            };
            victim.put_back().await;
            found
        });
        match found {
            Some(Ok(finding)) => prop_assert!(
                finding.position <= place.0 as i64,
                "{sql}: found only at {finding:?}"
            ),
            Some(Err(refused)) => prop_assert!(
                refused.code() == Some(&tokio_postgres::error::SqlState::UNIQUE_VIOLATION),
                "{sql}: {refused:?}"
            ),
            None => prop_assert!(false, "{sql}: not found"),
        }
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}
