//! `relay.vs_plain`: the relay works off a backlog, reading it from Postgres; against it, the same
//! messages, ready in memory, published plainly into an identical stream with every ack awaited.

use std::time::{Duration, Instant};

use async_nats::HeaderMap;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self, Context};
use bytes::Bytes;
use futures_util::stream::FuturesUnordered;
use futures_util::{StreamExt as _, TryStreamExt as _};
use prost::Message as _;
use tidings_event_store::relay::Relay;
use tidings_event_store::stream::{BATCH_HASH, StreamName};
use tidings_event_store::{Log, Progress};
use uuid::Uuid;

use crate::Error;
use crate::commit::through_log;
use crate::report::Row;
use crate::site::Site;
use crate::stats::median;

/// The row.
pub(super) const NAME: &str = "relay.vs_plain";

const ROUNDS: usize = 5;
/// Events of the backlog: less than a wiped stream is refilled with.
const BACKLOG: usize = 60_000;
/// Publishes of the peer without an ack at any time.
const UNACKED_MAX: usize = 2_000;

/// Measures it.
pub(super) async fn row(site: &Site) -> Result<Row, Error> {
    let database = site.database("relay_backlog").await?;
    let (log, sample) = (database.log(), site.sample());
    while (log.head().await?.position as usize) < BACKLOG {
        through_log(&log, &sample, 2_000, Duration::from_millis(100)).await?;
    }
    database.calm().await?;
    let incarnation = log.incarnation().await?;
    let (mut subject, mut against, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let ours = relay(site, &log, &format!("relay{round}"), incarnation).await?;
        let theirs = plain(site, &log, &format!("plain{round}"), incarnation).await?;
        // The first round warms both up.
        if round > 0 {
            subject.push(ours);
            against.push(theirs);
            ratios.push(ours / theirs);
        }
    }
    Ok(Row {
        name: NAME.to_owned(),
        ratio: Some(median(ratios)),
        unit: "events/s",
        subject: median(subject),
        against: Some(median(against)),
        fsync_us: site.fsync_us()?,
        note: format!("a backlog of {} events", log.head().await?.position),
        ..Row::default()
    })
}

/// Events a second until the stream holds the whole log.
async fn relay(site: &Site, log: &Log, prefix: &str, incarnation: Uuid) -> Result<f64, Error> {
    let client = site.nats().await?;
    let name = StreamName::new(prefix, incarnation);
    let mut relay = Relay::new(log.clone(), client.clone(), name.clone());
    let started = Instant::now();
    while relay.step().await? == Progress::Advanced {}
    let took = started.elapsed();
    let jetstream = jetstream::new(client);
    let held = forget(&jetstream, &name).await?;
    assert_eq!(held, log.head().await?.position as u64, "the relay is done");
    Ok(held as f64 / took.as_secs_f64())
}

/// Messages a second, acks included.
async fn plain(site: &Site, log: &Log, prefix: &str, incarnation: Uuid) -> Result<f64, Error> {
    let jetstream = jetstream::new(site.nats().await?);
    let name = StreamName::new(prefix, incarnation);
    name.ensure(&jetstream, 1).await?;
    let messages = messages(log, &name).await?;
    let count = messages.len() as u64;
    let started = Instant::now();
    let mut acks = FuturesUnordered::new();
    for (subject, headers, payload) in messages {
        let message = PublishMessage::build().headers(headers).payload(payload);
        acks.push(
            jetstream
                .send_publish(subject, message)
                .await?
                .into_future(),
        );
        if acks.len() >= UNACKED_MAX {
            acks.next().await.transpose()?;
        }
    }
    while acks.try_next().await?.is_some() {}
    let took = started.elapsed();
    assert_eq!(forget(&jetstream, &name).await?, count, "all were stored");
    Ok(count as f64 / took.as_secs_f64())
}

/// The messages the relay would publish, but for the hash itself.
async fn messages(log: &Log, name: &StreamName) -> Result<Vec<(String, HeaderMap, Bytes)>, Error> {
    let mut messages = Vec::new();
    loop {
        let page = log.page_after(messages.len() as i64, 5_000).await?;
        if page.is_empty() {
            return Ok(messages);
        }
        for event in &page {
            let mut headers = HeaderMap::new();
            headers.insert(BATCH_HASH, "5a".repeat(32).as_str());
            let payload = event.to_envelope().encode_to_vec().into();
            messages.push((name.subject(event), headers, payload));
        }
    }
}

/// Deletes the stream; gives its last sequence.
async fn forget(jetstream: &Context, name: &StreamName) -> Result<u64, Error> {
    let mut stream = jetstream.get_stream(&name.stream).await?;
    let last = stream.info().await?.state.last_sequence;
    jetstream.delete_stream(&name.stream).await?;
    Ok(last)
}
