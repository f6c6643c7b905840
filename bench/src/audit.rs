//! `audit.verify.vs_copy`: the whole log is verified; against it, COPY of the same columns into nothing, in as many
//! ranges at a time.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::future::try_join_all;
use tidings_event_store::audit::verify;

use crate::commit::through_log;
use crate::report::{Report, Row};
use crate::site::{Database, Site};
use crate::stats::median;
use crate::{Error, Wanted};

const NAME: &str = "audit.verify.vs_copy";
const EVENTS: i64 = 400_000;
const ROUNDS: usize = 5;

/// Runs the rows of this family that were asked for.
pub(crate) async fn rows(site: &Site, wanted: &Wanted, report: &mut Report) -> Result<(), Error> {
    if wanted.row(NAME) {
        report.add(row(site).await?);
    }
    Ok(())
}

async fn row(site: &Site) -> Result<Row, Error> {
    let database = site.database("audit_verify").await?;
    let (log, sample) = (database.log(), site.sample());
    while log.head().await?.position < EVENTS {
        through_log(&log, &sample, 2_000, Duration::from_millis(500)).await?;
    }
    // As a log is that has been there for a while.
    let settle = "vacuum (analyze) publishing_events, publishing_batches";
    database.client.batch_execute(settle).await?;
    database.calm().await?;
    let head = log.head().await?.position;
    let readers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (mut subject, mut against, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let ours = verified(&database, head, readers).await?;
        let ceiling = copied(&database, head, readers).await?;
        // The first round warms both up.
        if round > 0 {
            subject.push(ours);
            against.push(ceiling);
            ratios.push(ours / ceiling);
        }
    }
    Ok(Row {
        name: NAME.to_owned(),
        ratio: Some(median(ratios)),
        unit: "events/s",
        subject: median(subject),
        against: Some(median(against)),
        fsync_us: site.fsync_us()?,
        note: format!(
            "a log of {head} events, {readers} readers; against: COPY of the same columns to nowhere"
        ),
        ..Row::default()
    })
}

/// Events a second.
async fn verified(database: &Database, head: i64, readers: usize) -> Result<f64, Error> {
    let started = Instant::now();
    let verified = verify(&database.pool, readers, &mut |_| ()).await?;
    let took = started.elapsed();
    assert_eq!((verified.events, verified.finding), (head as u64, None));
    Ok(head as f64 / took.as_secs_f64())
}

/// Rows a second.
async fn copied(database: &Database, head: i64, readers: usize) -> Result<f64, Error> {
    let started = Instant::now();
    let share = head / readers as i64 + 1;
    let ranges = (0..readers as i64).map(|n| {
        let pool = database.pool.clone();
        let copy = async move { copy(&pool, n * share, (n + 1) * share).await };
        async move { tokio::spawn(copy).await? }
    });
    let rows: i64 = try_join_all(ranges).await?.into_iter().sum();
    let took = started.elapsed();
    assert_eq!(rows, head);
    Ok(head as f64 / took.as_secs_f64())
}

async fn copy(pool: &deadpool_postgres::Pool, after: i64, up_to: i64) -> Result<i64, Error> {
    let client = pool.get().await?;
    let sql = format!(
        "copy (select position, version, digest, recorded_at, event_id, stream_id, type, subject, occurred_at, actor, \
         correlation_id, causation, metadata, payload from publishing_events \
         where position > {after} and position <= {up_to} order by position) to stdout (format binary)"
    );
    let mut stream = std::pin::pin!(client.copy_out(sql.as_str()).await?);
    let mut messages = 0;
    while stream.next().await.transpose()?.is_some() {
        messages += 1;
    }
    // The last message says that there are no more.
    Ok(messages - 1)
}
