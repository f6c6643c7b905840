//! `commit.*`: durable commits of one guarded event each, by many callers at once.

mod message_db;
mod naive;
mod pooled;
mod raw;

use std::time::Duration;

use tidings_event_store::{Log, NewEvent};

use crate::load::{Load, drive};
use crate::report::{Report, Row};
use crate::sample::Sample;
use crate::site::{Database, Site};
use crate::stats::median;
use crate::{Error, Wanted};

use message_db::message_db;
use naive::naive;
use raw::Raw;

const CALLERS: [usize; 4] = [1, 16, 256, 2_000];
/// Connections of a peer; the better pool counts.
const POOLS: [usize; 2] = [16, 64];
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(700);
const WARM_UP: Duration = Duration::from_millis(300);
/// The row against the ceiling.
const VS_RAW: &str = "commit.2000.vs_raw";
/// The row against message-db's way.
const VS_MESSAGE_DB: &str = "commit.256.vs_message_db";

/// Whoever keeps a log of its own, to be compared with ours. A cheap handle.
pub(crate) trait Peer: Clone + Send + Sync + 'static {
    /// Commits the first event of a new stream.
    fn commit(&self, event: NewEvent) -> impl Future<Output = Result<(), Error>> + Send;
}

/// Runs the rows of this family that were asked for.
pub(crate) async fn rows(site: &Site, wanted: &Wanted, report: &mut Report) -> Result<(), Error> {
    for callers in CALLERS {
        let name = format!("commit.{callers}.vs_naive");
        if wanted.row(&name) {
            report.add(vs_peer(site, &name, callers, naive).await?);
        }
    }
    if wanted.row(VS_MESSAGE_DB) {
        report.add(vs_peer(site, VS_MESSAGE_DB, 256, message_db).await?);
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

/// The same by a peer.
async fn through_peer<P: Peer>(
    peer: &P,
    sample: &Sample,
    callers: usize,
    period: Duration,
) -> Result<Load, Error> {
    let (peer, sample) = (peer.clone(), sample.clone());
    drive(callers, period, move || {
        let (peer, event) = (peer.clone(), sample.event());
        async move { peer.commit(event).await }
    })
    .await
}

/// The log against the better of a peer's pools.
pub(crate) async fn vs_peer<P: Peer>(
    site: &Site,
    name: &str,
    callers: usize,
    connect: impl AsyncFn(&Database, usize) -> Result<P, Error>,
) -> Result<Row, Error> {
    let database = site.database(&name.replace('.', "_")).await?;
    let (log, sample) = (database.log(), site.sample());
    let mut peers = Vec::new();
    for size in POOLS {
        peers.push(connect(&database, size).await?);
    }
    through_log(&log, &sample, callers, WARM_UP).await?;
    for peer in &peers {
        through_peer(peer, &sample, callers, WARM_UP).await?;
    }
    database.calm().await?;
    let mut ours = Tally::default();
    let mut theirs: Vec<Tally> = POOLS.iter().map(|_| Tally::default()).collect();
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let subject = ours.add(through_log(&log, &sample, callers, ROUND).await?);
        let mut best: f64 = 0.0;
        for (peer, tally) in peers.iter().zip(&mut theirs) {
            best = best.max(tally.add(through_peer(peer, &sample, callers, ROUND).await?));
        }
        ratios.push(subject / best);
    }
    let pools = POOLS.iter().zip(&theirs);
    let pools: Vec<String> = pools
        .map(|(size, tally)| format!("pool {size}: {tally}"))
        .collect();
    Ok(Row {
        name: name.to_owned(),
        ratio: Some(median(ratios)),
        unit: "commits/s",
        subject: ours.per_s(),
        against: theirs.iter().map(Tally::per_s).reduce(f64::max),
        fsync_us: site.fsync_us()?,
        note: format!("log: {ours}; {}", pools.join("; ")),
        ..Row::default()
    })
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
