//! `scale.*`: what a log costs as it grows: commits, a view built anew, and its size on disk, at 1, 10 and 30
//! million events of one database.

use std::time::Duration;

use tidings_event_store::Store;
use tidings_event_store::vault::{MasterKey, Vault};
use tidings_event_store::view::Rebuildable;

use crate::commit::through_log;
use crate::rebuild::{Narrow, fill, per_s, rebuilt};
use crate::report::{Report, Row};
use crate::site::{Database, Site};
use crate::stats::median;
use crate::{Error, Wanted};

const FAMILY: &str = "scale";
/// Sizes of the log, in millions of events.
const MILLIONS: [usize; 3] = [1, 10, 30];
const CALLERS: usize = 256;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(1);

/// What was seen at one size.
struct Seen {
    commits_per_s: f64,
    rebuild_per_s: f64,
}

/// Runs the rows of this family if they were named: they take long.
pub(crate) async fn rows(site: &Site, wanted: &Wanted, report: &mut Report) -> Result<(), Error> {
    if !wanted.by_name(FAMILY) {
        return Ok(());
    }
    let database = site.database(FAMILY).await?;
    let vault = Vault::new(database.pool.clone(), MasterKey::new(&[7; 32])?);
    let store = Store::new(database.log(), vault);
    let mut least: Option<Seen> = None;
    for millions in MILLIONS {
        grow(&database, site, millions * 1_000_000).await?;
        let seen = see(site, &database, &store).await?;
        let against = least.get_or_insert(Seen { ..seen });
        report.add(row(
            site,
            format!("{FAMILY}.{millions}m.commit"),
            "commits/s",
            (seen.commits_per_s, against.commits_per_s),
        )?);
        report.add(row(
            site,
            format!("{FAMILY}.{millions}m.rebuild"),
            "events/s",
            (seen.rebuild_per_s, against.rebuild_per_s),
        )?);
        report.add(bytes_per_event(site, &database, millions).await?);
    }
    Ok(())
}

/// Fills the log up to so many events.
async fn grow(database: &Database, site: &Site, events: usize) -> Result<(), Error> {
    let head = usize::try_from(database.log().head().await?.position)?;
    // Whole thousands of deliveries.
    let deliveries = events.saturating_sub(head) / fill::events(2_000) * 2_000;
    fill::deliveries(database, site, deliveries).await?;
    database.calm().await
}

async fn see(site: &Site, database: &Database, store: &Store) -> Result<Seen, Error> {
    let sample = site.sample();
    through_log(store.log(), &sample, CALLERS, ROUND).await?;
    let mut commits = Vec::new();
    for _ in 0..ROUNDS {
        let load = through_log(store.log(), &sample, CALLERS, ROUND).await?;
        commits.push(load.per_s());
    }
    database.calm().await?;
    let (rebuilt, seconds) = rebuilt(store, Rebuildable::of::<Narrow>(), 2).await?;
    Ok(Seen {
        commits_per_s: median(commits),
        rebuild_per_s: per_s(rebuilt.position, seconds),
    })
}

/// A rate at this size against the same at the least.
fn row(
    site: &Site,
    name: String,
    unit: &'static str,
    (subject, against): (f64, f64),
) -> Result<Row, Error> {
    Ok(Row {
        name,
        ratio: Some(subject / against),
        unit,
        subject,
        against: Some(against),
        fsync_us: site.fsync_us()?,
        note: "against the smallest log".to_owned(),
        ..Row::default()
    })
}

async fn bytes_per_event(site: &Site, database: &Database, millions: usize) -> Result<Row, Error> {
    let sql = "select pg_table_size('publishing_events'), pg_indexes_size('publishing_events')";
    let row = database.client.query_one(sql, &[]).await?;
    let (table, indexes): (i64, i64) = (row.get(0), row.get(1));
    let events = database.log().head().await?.position;
    let each = |bytes: i64| bytes as f64 / events as f64;
    Ok(Row {
        name: format!("{FAMILY}.{millions}m.bytes_per_event"),
        value: Some(each(table + indexes)),
        unit: "bytes",
        subject: each(table + indexes),
        fsync_us: site.fsync_us()?,
        note: format!(
            "of {events} events: {:.0} in the table, the rest indexes",
            each(table)
        ),
        ..Row::default()
    })
}
