//! `relay.added_p50_ms`: how long after its commit has returned an event reaches the process's feed, by
//! way of relay, JetStream and subscription, at a modest rate.

use std::time::{Duration, Instant};

use tidings_event_store::feed::Feed;
use tidings_event_store::relay::Relay;
use tidings_event_store::stream::StreamName;
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::report::Row;
use crate::site::Site;
use crate::stats::percentile_ms;

/// The row.
pub(super) const NAME: &str = "relay.added_p50_ms";

/// One event in so long.
const EVERY: Duration = Duration::from_millis(10);
const EVENTS: usize = 500;
const WARM_UP: usize = 50;

/// Measures it.
pub(super) async fn row(site: &Site) -> Result<Row, Error> {
    let database = site.database("relay_added").await?;
    let (log, sample) = (database.log(), site.sample());
    let name = StreamName::new("added", log.incarnation().await?);
    let stop = CancellationToken::new();
    let relay = Relay::new(log.clone(), site.nats().await?, name.clone());
    let relaying = tokio::spawn(relay.run(database.connect.clone(), stop.clone()));
    let feed = Feed::open(log.clone()).await?;
    let following = feed.clone().run(site.nats().await?, name, stop.clone());
    let following = tokio::spawn(following);

    let mut ticks = tokio::time::interval(EVERY);
    let (mut commits, mut added) = (Vec::new(), Vec::new());
    for n in 0..WARM_UP + EVENTS {
        ticks.tick().await;
        let started = Instant::now();
        let committed = log.commit(sample.commit()).await?;
        let commit = started.elapsed();
        feed.reached(committed.last_position).await;
        if n >= WARM_UP {
            added.push(started.elapsed().saturating_sub(commit));
            commits.push(commit);
        }
    }
    stop.cancel();
    relaying.await??;
    following.await??;
    let p50 = percentile_ms(&mut added, 50);
    Ok(Row {
        name: NAME.to_owned(),
        value: Some(p50),
        unit: "ms",
        subject: p50,
        against: Some(percentile_ms(&mut commits, 50)),
        fsync_us: site.fsync_us()?,
        note: format!(
            "p99 {:.2} ms; 100 events/s; against: the commit itself",
            percentile_ms(&mut added, 99)
        ),
        ..Row::default()
    })
}
