//! `peers.*`: published event stores for Postgres in Rust, used as their documentation says, against ours: commits
//! of one event to a new stream, and a view built anew. Behind a cargo feature, since they bring a driver and a TLS
//! library of their own:
//!
//! `cargo run --release -p tidings-bench --features peers -- peers`

mod disintegrate;
mod postgres_es;

use std::time::Instant;

use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tidings_event_store::Store;
use tidings_event_store::vault::{MasterKey, Vault};
use tokio_postgres::config::Host;

use crate::commit::vs_peer;
use crate::rebuild::{Narrow, fill, per_s, rebuilt};
use crate::report::{Report, Row};
use crate::site::{Database, Site};
use crate::{Error, Wanted};
use tidings_event_store::view::Rebuildable;

const CALLERS: usize = 256;
/// Deliveries of the log our view is built from.
const DELIVERIES: usize = 400_000;
/// Events the peers build theirs from: enough for a rate.
const THEIR_EVENTS: usize = 20_000;
/// Streams they are of.
const THEIR_STREAMS: usize = 20;

/// Runs the rows of this family that were asked for.
pub(crate) async fn rows(site: &Site, wanted: &Wanted, report: &mut Report) -> Result<(), Error> {
    let name = "peers.commit.256.postgres_es";
    if wanted.row(name) {
        report.add(vs_peer(site, name, CALLERS, postgres_es::connect).await?);
    }
    let name = "peers.commit.256.disintegrate";
    if wanted.row(name) {
        report.add(vs_peer(site, name, CALLERS, disintegrate::connect).await?);
    }
    let name = "peers.rebuild.postgres_es";
    if wanted.row(name) {
        report.add(vs_rebuild(site, name, postgres_es::replay).await?);
    }
    let name = "peers.rebuild.disintegrate";
    if wanted.row(name) {
        report.add(vs_rebuild(site, name, disintegrate::replay).await?);
    }
    Ok(())
}

/// Our view of few rows built anew by one reader, against theirs. `replay` fills their log first, and gives how
/// many seconds their view took.
async fn vs_rebuild(
    site: &Site,
    name: &str,
    replay: impl AsyncFn(&Database) -> Result<f64, Error>,
) -> Result<Row, Error> {
    let database = site.database(&name.replace('.', "_")).await?;
    fill::deliveries(&database, site, DELIVERIES).await?;
    let vault = Vault::new(database.pool.clone(), MasterKey::new(&[7; 32])?);
    let store = Store::new(database.log(), vault);
    let (ours, seconds) = rebuilt(&store, Rebuildable::of::<Narrow>(), 1).await?;
    let subject = per_s(ours.position, seconds);
    let against = THEIR_EVENTS as f64 / replay(&database).await?;
    Ok(Row {
        name: name.to_owned(),
        ratio: Some(subject / against),
        unit: "events/s",
        subject,
        against: Some(against),
        fsync_us: site.fsync_us()?,
        note: format!("{} events, theirs {THEIR_EVENTS}, one pass", ours.position),
        ..Row::default()
    })
}

/// Connections of their driver, opened.
async fn pool(database: &Database, size: usize) -> Result<PgPool, Error> {
    let size = u32::try_from(size)?;
    let config: tokio_postgres::Config = database.url.parse()?;
    let Some(Host::Unix(folder)) = config.get_hosts().first() else {
        return Err("the benchmarks' PostgreSQL listens on a socket".into());
    };
    let options = PgConnectOptions::new_without_pgpass()
        .socket(folder)
        .username(config.get_user().unwrap_or_default())
        .database(config.get_dbname().unwrap_or_default());
    let pool = PgPoolOptions::new()
        .min_connections(size)
        .max_connections(size);
    Ok(pool.connect_with(options).await?)
}

/// Seconds since.
fn since(started: Instant) -> f64 {
    started.elapsed().as_secs_f64()
}
