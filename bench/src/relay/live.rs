//! `relay.live.vs_plain`: callers commit as fast as they can while the relay publishes, until the stream
//! holds everything; against it, callers who commit and then publish their event themselves and await
//! the ack: no order, and events that are lost when the process dies between the two.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self, Context};
use bytes::Bytes;
use tidings_event_store::Log;
use tidings_event_store::relay::Relay;
use tidings_event_store::stream::StreamName;
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::commit::through_log;
use crate::load::drive;
use crate::report::Row;
use crate::sample::Sample;
use crate::site::Site;
use crate::stats::median;

/// The row.
pub(super) const NAME: &str = "relay.live.vs_plain";

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(700);
const CALLERS: usize = 256;

/// Measures it.
pub(super) async fn row(site: &Site) -> Result<Row, Error> {
    let ours = site.database("relay_live").await?;
    let theirs = site.database("relay_live_plain").await?;
    let (log, plain_log, sample) = (ours.log(), theirs.log(), site.sample());
    let name = StreamName::new("live", log.incarnation().await?);
    let stop = CancellationToken::new();
    let relay = Relay::new(log.clone(), site.nats().await?, name);
    let relaying = tokio::spawn(relay.run(ours.connect.clone(), stop.clone()));
    let jetstream = jetstream::new(site.nats().await?);
    let plain_name = StreamName::new("plainlive", plain_log.incarnation().await?);
    plain_name.ensure(&jetstream, 1).await?;
    let (mut subject, mut against, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let relayed = relayed(&log, &sample).await?;
        let plain = published(&plain_log, &jetstream, &sample).await?;
        if round == 0 {
            // The first round warms both up.
            ours.calm().await?;
            continue;
        }
        subject.push(relayed);
        against.push(plain);
        ratios.push(relayed / plain);
    }
    stop.cancel();
    relaying.await??;
    Ok(Row {
        name: NAME.to_owned(),
        ratio: Some(median(ratios)),
        unit: "events/s",
        subject: median(subject),
        against: Some(median(against)),
        fsync_us: site.fsync_us()?,
        note: format!("{CALLERS} callers commit; against: each also publishes its event"),
        ..Row::default()
    })
}

/// Events a second, from the first commit until the stream holds the last.
async fn relayed(log: &Log, sample: &Sample) -> Result<f64, Error> {
    let started = Instant::now();
    let load = through_log(log, sample, CALLERS, ROUND).await?;
    let head = log.head().await?.position as u64;
    while log.counters().relay_position.load(Relaxed) < head {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(load.calls as f64 / started.elapsed().as_secs_f64())
}

async fn published(log: &Log, jetstream: &Context, sample: &Sample) -> Result<f64, Error> {
    let (log, jetstream, sample) = (log.clone(), jetstream.clone(), sample.clone());
    let load = drive(CALLERS, ROUND, move || {
        commit_and_publish(log.clone(), jetstream.clone(), sample.clone())
    })
    .await?;
    Ok(load.per_s())
}

async fn commit_and_publish(log: Log, jetstream: Context, sample: Sample) -> Result<(), Error> {
    let commit = sample.commit();
    let event = &commit.events[0];
    let subject = format!("plainlive.log.{}.{}", event.event_type, event.stream_id);
    let payload = Bytes::from(event.payload.clone());
    log.commit(commit).await?;
    let message = PublishMessage::build().payload(payload);
    jetstream.send_publish(subject, message).await?.await?;
    Ok(())
}
