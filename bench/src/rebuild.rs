//! `rebuild.*`: views folded anew from a log of millions of deliveries, against a COPY of the same events
//! into nothing, and against what engines in the field do.

pub(crate) mod fill;
mod narrow;
mod peers;

use std::time::{Duration, Instant};

use tidings_event_store::Store;
use tidings_event_store::vault::{MasterKey, Vault};
use tidings_event_store::view::{
    RebuildMode, RebuildOptions, Rebuildable, Rebuilt, rebuild as rebuild_views,
};
use tidings_projector::delivery_log::DeliveryLog;
use tokio_util::sync::CancellationToken;

use crate::commit::through_log;
use crate::report::{Report, Row};
use crate::site::{Database, Site};
use crate::stats::median;
use crate::{Error, Wanted};

pub(crate) use narrow::Narrow;

/// Deliveries of the log.
const DELIVERIES: usize = 2_000_000;
const ROUNDS: usize = 3;
const VS_COPY: [(&str, usize); 2] = [("rebuild.1.vs_copy", 1), ("rebuild.2.vs_copy", 2)];
const VS_PER_EVENT: &str = "rebuild.vs_per_event";
const WIDE: &str = "rebuild.wide_events_per_s";
const COMMITS: &str = "rebuild.commits_meanwhile";
/// Who commit while a rebuild runs.
const CALLERS: usize = 256;
const COMMITTING: Duration = Duration::from_secs(3);

/// Runs the rows of this family that were asked for.
pub(crate) async fn rows(site: &Site, wanted: &Wanted, report: &mut Report) -> Result<(), Error> {
    let names = VS_COPY.iter().map(|(name, _)| *name);
    if !names
        .chain([VS_PER_EVENT, WIDE, COMMITS])
        .any(|name| wanted.row(name))
    {
        return Ok(());
    }
    let database = site.database("rebuild").await?;
    let events = fill::deliveries(&database, site, DELIVERIES).await?;
    let vault = Vault::new(database.pool.clone(), MasterKey::new(&[7; 32])?);
    let store = Store::new(database.log(), vault);
    for (name, readers) in VS_COPY {
        if wanted.row(name) {
            report.add(vs_copy(site, &database, &store, (name, readers), events).await?);
        }
    }
    if wanted.row(VS_PER_EVENT) {
        report.add(vs_per_event(site, &database, &store).await?);
    }
    if wanted.row(WIDE) {
        report.add(wide(site, &database, &store, events).await?);
    }
    if wanted.row(COMMITS) {
        report.add(commits_meanwhile(site, &store).await?);
    }
    Ok(())
}

/// Builds a view anew; gives the seconds it took.
pub(crate) async fn rebuilt(
    store: &Store,
    view: Rebuildable,
    readers: usize,
) -> Result<(Rebuilt, f64), Error> {
    let options = RebuildOptions {
        readers,
        ..RebuildOptions::new(RebuildMode::Replace)
    };
    let started = Instant::now();
    let mut rebuilt = rebuild_views(store, &[view], &options, &mut |_| ()).await?;
    Ok((rebuilt.remove(0), started.elapsed().as_secs_f64()))
}

/// A rate.
#[allow(clippy::cast_precision_loss, reason = "a rate for people")]
pub(crate) fn per_s(events: i64, seconds: f64) -> f64 {
    events as f64 / seconds
}

/// From nothing to a table in service, against one COPY of the same columns into a sink.
async fn vs_copy(
    site: &Site,
    database: &Database,
    store: &Store,
    (name, readers): (&str, usize),
    events: i64,
) -> Result<Row, Error> {
    let (mut ours, mut ceiling, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let (rebuilt, seconds) = rebuilt(store, Rebuildable::of::<Narrow>(), readers).await?;
        if rebuilt.position != events {
            return Err(format!("rebuilt up to {} of {events}", rebuilt.position).into());
        }
        let copied = peers::copy(database, events).await?;
        // The first round warms up.
        if round > 0 {
            ours.push(per_s(events, seconds));
            ceiling.push(copied);
            ratios.push(per_s(events, seconds) / copied);
        }
    }
    Ok(Row {
        name: name.to_owned(),
        ratio: Some(median(ratios)),
        unit: "events/s",
        subject: median(ours),
        against: Some(median(ceiling)),
        fsync_us: site.fsync_us()?,
        note: format!("{events} events, {readers} readers, against COPY by one into a sink"),
        ..Row::default()
    })
}

/// The same view, folded one event after the other.
async fn vs_per_event(site: &Site, database: &Database, store: &Store) -> Result<Row, Error> {
    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (rebuilt, seconds) = rebuilt(store, Rebuildable::of::<Narrow>(), 1).await?;
        let subject = per_s(rebuilt.position, seconds);
        let against = peers::per_event(database).await?;
        ours.push(subject);
        theirs.push(against);
        ratios.push(subject / against);
    }
    Ok(Row {
        name: VS_PER_EVENT.to_owned(),
        ratio: Some(median(ratios)),
        unit: "events/s",
        subject: median(ours),
        against: Some(median(theirs)),
        fsync_us: site.fsync_us()?,
        note: "one reader, against an upsert an event in transactions of 1,000".to_owned(),
        ..Row::default()
    })
}

/// The delivery log and its totals, a row a delivery.
async fn wide(site: &Site, database: &Database, store: &Store, events: i64) -> Result<Row, Error> {
    let mut rates = Vec::new();
    for _ in 0..ROUNDS {
        database.calm().await?;
        let (_, seconds) = rebuilt(store, Rebuildable::of::<DeliveryLog>(), 2).await?;
        rates.push(per_s(events, seconds));
    }
    let sql = "select count(*) from publishing_delivery_log";
    let rows: i64 = database.client.query_one(sql, &[]).await?.get(0);
    let subject = median(rates);
    Ok(Row {
        name: WIDE.to_owned(),
        value: Some(subject),
        unit: "events/s",
        subject,
        fsync_us: site.fsync_us()?,
        note: format!("delivery_log with its totals: {events} events, {rows} rows, 2 readers"),
        ..Row::default()
    })
}

/// Commits while a rebuild runs, against commits alone.
async fn commits_meanwhile(site: &Site, store: &Store) -> Result<Row, Error> {
    let sample = site.sample();
    let (mut alone, mut meanwhile, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let mut latency = String::new();
    through_log(store.log(), &sample, CALLERS, COMMITTING).await?;
    for _ in 0..ROUNDS {
        let quiet = through_log(store.log(), &sample, CALLERS, COMMITTING).await?;
        let committing = through_log(store.log(), &sample, CALLERS, COMMITTING);
        let mut busy = meanwhile_of(store, committing).await?;
        alone.push(quiet.per_s());
        meanwhile.push(busy.per_s());
        ratios.push(busy.per_s() / quiet.per_s());
        let (p50, p99) = busy.p50_p99_ms();
        latency = format!("p50 {p50:.1} ms, p99 {p99:.1} ms");
    }
    Ok(Row {
        name: COMMITS.to_owned(),
        ratio: Some(median(ratios)),
        unit: "commits/s",
        subject: median(meanwhile),
        against: Some(median(alone)),
        fsync_us: site.fsync_us()?,
        note: format!("{CALLERS} callers while delivery_log is rebuilt by one reader: {latency}"),
        ..Row::default()
    })
}

/// What comes of something while the delivery log is rebuilt all the while.
pub(crate) async fn meanwhile_of<T>(
    store: &Store,
    measured: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let stop = CancellationToken::new();
    let rebuilding = tokio::spawn(again_and_again(store.clone(), stop.clone()));
    let measured = measured.await;
    stop.cancel();
    rebuilding.await??;
    measured
}

/// Rebuilds until told to stop; one that has begun is dropped then.
async fn again_and_again(store: Store, stop: CancellationToken) -> Result<(), Error> {
    let rebuilding = async {
        loop {
            rebuilt(&store, Rebuildable::of::<DeliveryLog>(), 1).await?;
        }
    };
    let ended: Option<Result<(), Error>> = stop.run_until_cancelled(rebuilding).await;
    ended.unwrap_or(Ok(()))
}
