//! Figures for `/metrics` that others keep: the event store's counters, and what the views say.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use deadpool_postgres::Pool;
use tidings_event_store::{ReadError, Store};
use tidings_service::metrics::{Metrics, MetricsError, raise};
use tokio_util::sync::CancellationToken;

use super::until;
use super::views::Watch;

/// How often the deliveries that wait are counted.
const COUNT_EVERY: Duration = Duration::from_secs(5);
/// A batch holds up to 1,024 events.
const BATCH_EVENTS: [f64; 11] = [
    0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0,
];
/// One row a publication and channel: cheap to add up.
const WAITING: &str =
    "select coalesce(sum(pending), 0)::bigint from publishing_publication_accounting";

/// Copies the event store's counters and the views' lag at each scrape.
pub(super) fn register(metrics: &Metrics, store: &Store, watch: Watch) -> Result<(), MetricsError> {
    let events = metrics.counter("events_total", "Events written to the log")?;
    let sizes = metrics.histogram(
        "commit_batch_events",
        "Events written by one transaction",
        &BATCH_EVENTS,
    )?;
    let seconds = metrics.seconds(
        "commit_batch_seconds",
        "Time the database took for one transaction of commits",
    )?;
    let counters = store.log().counters().clone();
    counters.observe_batches(Box::new(move |events, took| {
        sizes.observe(events as f64);
        seconds.observe(took.as_secs_f64());
    }));
    metrics.on_scrape(Box::new(move |metrics| {
        let total = |counter: &AtomicU64| counter.load(Relaxed);
        raise(&events, total(&counters.events));
        raise(&metrics.commits_total, total(&counters.commits));
        raise(&metrics.commit_refused_total, total(&counters.refused));
        raise(&metrics.relay_published_total, total(&counters.relayed));
        let standings = watch.standings();
        let relayed = i64::try_from(total(&counters.relay_position)).unwrap_or(i64::MAX);
        // Any view's position and lag tell where the log ends, whoever wrote it.
        let head = standings
            .values()
            .map(|view| view.position + view.lag)
            .max();
        metrics
            .relay_lag_positions
            .set((head.unwrap_or(0) - relayed).max(0));
        for (view, standing) in standings {
            metrics
                .view_lag_positions
                .with_label_values(&[view.as_str()])
                .set(standing.lag);
        }
    }));
    Ok(())
}

/// Counts the deliveries that wait, now and then, until told to stop.
pub(super) async fn refresh(
    metrics: Metrics,
    pool: Pool,
    stop: CancellationToken,
) -> Result<(), Infallible> {
    while until(&stop, COUNT_EVERY).await {
        match waiting(&pool).await {
            Ok(count) => metrics
                .queue_depth
                .with_label_values(&["pending"])
                .set(count),
            Err(error) => tracing::debug!(%error, "waiting deliveries cannot be counted"),
        }
    }
    Ok(())
}

async fn waiting(pool: &Pool) -> Result<i64, ReadError> {
    let client = pool.get().await?;
    let statement = client.prepare_cached(WAITING).await?;
    Ok(client.query_one(&statement, &[]).await?.get(0))
}
