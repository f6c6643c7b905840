//! `commit.*`: durable commits of one guarded event each, by many callers at once.

mod naive;
mod raw;

use std::time::Duration;

use tidings_event_store::Log;

use crate::load::{Load, drive};
use crate::report::{Report, Row};
use crate::sample::Sample;
use crate::site::{Database, Site};
use crate::stats::median;
use crate::{Error, Wanted};

use naive::Naive;
use raw::Raw;

const CALLERS: [usize; 4] = [1, 16, 256, 2_000];
/// The naive pools; the better one counts.
const POOLS: [usize; 2] = [16, 64];
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(700);
const WARM_UP: Duration = Duration::from_millis(300);
/// The row against the ceiling.
const VS_RAW: &str = "commit.2000.vs_raw";

/// Runs the rows of this family that were asked for.
pub(crate) async fn rows(site: &Site, wanted: &Wanted, report: &mut Report) -> Result<(), Error> {
    for callers in CALLERS {
        let name = format!("commit.{callers}.vs_naive");
        if wanted.row(&name) {
            report.add(vs_naive(site, name, callers).await?);
        }
    }
    if wanted.row(VS_RAW) {
        report.add(vs_raw(site, 2_000).await?);
    }
    Ok(())
}

/// `callers` commit through the log, each waiting for its verdict.
pub(crate) async fn through_log(
    log: &Log,
    sample: &Sample,
    callers: usize,
    period: Duration,
) -> Result<Load, Error> {
    let (log, sample) = (log.clone(), sample.clone());
    drive(callers, period, move || {
        let (log, sample) = (log.clone(), sample.clone());
        async move {
            log.commit(sample.commit()).await?;
            Ok(())
        }
    })
    .await
}

async fn vs_naive(site: &Site, name: String, callers: usize) -> Result<Row, Error> {
    let database = site.database(&format!("commit_{callers}")).await?;
    let (log, sample) = (database.log(), site.sample());
    let mut naive = Vec::new();
    for size in POOLS {
        naive.push(Naive::new(&database, size).await?);
    }
    warm_up(&database, &log, &sample, &naive, callers).await?;
    let mut ours = Tally::default();
    let mut theirs: Vec<Tally> = POOLS.iter().map(|_| Tally::default()).collect();
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let subject = ours.add(through_log(&log, &sample, callers, ROUND).await?);
        let mut best: f64 = 0.0;
        for (naive, tally) in naive.iter().zip(&mut theirs) {
            best = best.max(tally.add(naive.run(&sample, callers, ROUND).await?));
        }
        ratios.push(subject / best);
    }
    let pools = POOLS.iter().zip(&theirs);
    let pools: Vec<String> = pools
        .map(|(size, tally)| format!("pool {size}: {tally}"))
        .collect();
    Ok(Row {
        name,
        ratio: Some(median(ratios)),
        unit: "commits/s",
        subject: ours.per_s(),
        against: theirs.iter().map(Tally::per_s).reduce(f64::max),
        fsync_us: site.fsync_us()?,
        note: format!("log: {ours}; {}", pools.join("; ")),
        ..Row::default()
    })
}

async fn warm_up(
    database: &Database,
    log: &Log,
    sample: &Sample,
    naive: &[Naive],
    callers: usize,
) -> Result<(), Error> {
    through_log(log, sample, callers, WARM_UP).await?;
    for naive in naive {
        naive.run(sample, callers, WARM_UP).await?;
    }
    database.calm().await
}

async fn vs_raw(site: &Site, callers: usize) -> Result<Row, Error> {
    let database = site.database("commit_raw").await?;
    let (log, sample) = (database.log(), site.sample());
    let mut raw = Raw::new(&database).await?;
    through_log(&log, &sample, callers, WARM_UP).await?;
    raw.run(&sample, WARM_UP).await?;
    database.calm().await?;
    let mut ours = Tally::default();
    let mut theirs = Vec::new();
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let subject = ours.add(through_log(&log, &sample, callers, ROUND).await?);
        let against = raw.run(&sample, ROUND).await?;
        ratios.push(subject / against);
        theirs.push(against);
    }
    Ok(Row {
        name: VS_RAW.to_owned(),
        ratio: Some(median(ratios)),
        unit: "events/s",
        subject: ours.per_s(),
        against: Some(median(theirs)),
        fsync_us: site.fsync_us()?,
        note: format!(
            "log: {ours}; raw: batches of {}, nothing checked",
            raw::BATCH
        ),
        ..Row::default()
    })
}

/// The rounds of one contestant.
#[derive(Default)]
struct Tally {
    per_s: Vec<f64>,
    p50_ms: Vec<f64>,
    p99_ms: Vec<f64>,
}

impl Tally {
    /// Adds a round; gives its rate.
    fn add(&mut self, mut load: Load) -> f64 {
        let (p50, p99) = load.p50_p99_ms();
        self.p50_ms.push(p50);
        self.p99_ms.push(p99);
        self.per_s.push(load.per_s());
        load.per_s()
    }

    fn per_s(&self) -> f64 {
        median(self.per_s.clone())
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (p50, p99) = (median(self.p50_ms.clone()), median(self.p99_ms.clone()));
        write!(f, "{:.0}/s, p50 {p50:.2} ms, p99 {p99:.1} ms", self.per_s())
    }
}
