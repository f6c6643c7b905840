//! The relay puts the event at position p into JetStream at sequence p. Every publish names the last
//! sequence it expects, p − 1, so a message for p can land nowhere else, and any number of relays may
//! run: a rival's refusal costs a look at the stream, never a wrong message.

mod answer;
mod error;

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use async_nats::header::{
    NATS_BATCH_COMMIT, NATS_BATCH_ID, NATS_BATCH_SEQUENCE, NATS_EXPECTED_LAST_SEQUENCE,
    NATS_EXPECTED_STREAM,
};
use async_nats::jetstream::Context as JetStream;
use async_nats::jetstream::context::PublishAckFuture;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::Stream;
use async_nats::{Client, HeaderMap};
use bytes::Bytes;
use futures_util::future::{join, join_all};
use prost::Message as _;
use tidings_proto::common::Envelope;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

pub use error::RelayError;

use answer::batch_answer;
use error::stream_error;

use crate::crash_point;
use crate::event::Recorded;
use crate::log::{Log, Page, SLOW_TIMER};
use crate::outage::Outage;
use crate::progress::Progress;
use crate::session::{Connect, Session};
use crate::stream::{BATCH_HASH, StreamName, headers};
use crate::why::why;

/// Messages published at once without waiting for an answer.
const WINDOW: i64 = 1_000;
/// More than this pending: one atomic batch instead of singles. Batches cost latency, so only when behind.
const BEHIND: usize = 200;
/// Events put back into a stream that was wiped; older ones are read from the log.
const REFILL: i64 = 100_000;
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(200);
/// What headers may take of a message.
const HEADER_ROOM: usize = 1_024;
/// Advisory lock that keeps extra relays idle. Safety does not depend on it.
const RELAY_LOCK: i64 = 7_310_575_178_592_774_517;

const KEEPALIVES: &str =
    "set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 3";

/// Publishes the log. One step at a time.
pub struct Relay {
    log: Log,
    client: Client,
    jetstream: JetStream,
    name: StreamName,
    /// What the stream ends with, known for certain; `None`: look.
    last: Option<Last>,
    /// The connection to JetStream it was seen over, by number: another server may hold another stream.
    connection: u64,
    /// What follows `last`, read while the page before was on its way.
    ahead: Option<Page>,
}

/// What the stream ends with.
struct Last {
    /// Its last sequence.
    position: i64,
    /// The hash (hex) of the batch that holds it; `None`: the stream holds nothing yet.
    batch_hash: Option<String>,
}

impl Last {
    /// Whether the page of the log goes on from here. After the database has gone back, it does not: also where
    /// nobody has noticed a lost connection.
    fn goes_on(&self, page: &Page) -> Result<(), RelayError> {
        let goes_on = match &self.batch_hash {
            None => self.position == 0 || page.before.is_some(),
            some => page.continues(self.position, some.as_deref()),
        };
        goes_on.then_some(()).ok_or(RelayError::Diverged {
            position: self.position,
        })
    }
}

impl Relay {
    /// A relay for this log and stream.
    pub fn new(log: Log, client: Client, name: StreamName) -> Self {
        let mut jetstream = async_nats::jetstream::new(client.clone());
        jetstream.set_timeout(ANSWER_WITHIN);
        Self {
            log,
            client,
            jetstream,
            name,
            last: None,
            connection: 0,
            ahead: None,
        }
    }

    /// Publishes what is pending, up to a window.
    ///
    /// # Errors
    /// [`RelayError::is_final`] tells whether to try again. A stream that holds another history ends the process's
    /// timeline too: nothing is recorded any more.
    pub async fn step(&mut self) -> Result<Progress, RelayError> {
        let stepped = self.publish_pending().await;
        if let Err(RelayError::Diverged { position }) = &stepped {
            self.log.went_back(*position);
        }
        stepped
    }

    /// Steps until one step succeeds or is refused for good, for as long as `within` lets it: whether the stream has seen
    /// a later history of the log is known before anything is recorded or sent.
    pub async fn look_back(&mut self, within: Duration) {
        let looking = async {
            while let Err(error) = self.step().await
                && !error.is_final()
            {
                sleep(PAUSE_AFTER_ERROR).await;
            }
        };
        // What is wrong now is met again by `run`.
        drop(timeout(within, looking).await);
    }

    async fn publish_pending(&mut self) -> Result<Progress, RelayError> {
        let connection = self.client.statistics().connects.load(Relaxed);
        let (last, ahead) = match (self.last.take(), self.ahead.take()) {
            (Some(last), ahead) if self.connection == connection => (last, ahead),
            _ => {
                let last = self.look().await?;
                crash_point!("relay.looked");
                // Known from the first look on, also when there is nothing to publish.
                let counters = self.log.counters();
                counters.relay_position.store(last.position as u64, Relaxed);
                (last, None)
            }
        };
        self.connection = connection;
        let page = match ahead {
            Some(page) => page,
            None => self.log.page_with_batches(last.position, WINDOW).await?,
        };
        last.goes_on(&page)?;
        let Some(end) = page.events.last().map(|event| event.position) else {
            self.last = Some(last);
            return Ok(Progress::Idle);
        };
        let messages = self.messages(&page);
        crash_point!("relay.before_publish");
        let count = messages.len() as i64;
        let next = async {
            // After a full page there is more: it is read while this one is on its way.
            if count < WINDOW {
                return None;
            }
            let page = self.log.page_with_batches(end, WINDOW).await;
            page.ok().filter(|page| !page.events.is_empty())
        };
        let (published, ahead) = join(self.publish(last.position, messages), next).await;
        published?;
        crash_point!("relay.published");
        // Only a complete success leaves the position known.
        self.last = Some(Last {
            position: end,
            batch_hash: Some(page.batch_hash(end).to_owned()),
        });
        self.ahead = ahead;
        let counters = self.log.counters();
        counters.relayed.fetch_add(count as u64, Relaxed);
        counters.relay_position.store(end as u64, Relaxed);
        Ok(Progress::Advanced)
    }

    /// Where the stream stands, after comparing its last message with the log.
    async fn look(&self) -> Result<Last, RelayError> {
        if self.log.incarnation().await? != self.name.incarnation() {
            return Err(RelayError::Superseded);
        }
        let found = self.name.find(&self.jetstream).await;
        match found.map_err(stream_error)? {
            Some(stream) if self.name.is_retired(&stream) => {
                return Err(self.outlived(&stream).await?);
            }
            Some(_) => {}
            None => {
                self.retire_earlier().await?;
                self.unoccupied().await?;
            }
        }
        let head = self.log.head().await?;
        let first = (head.position - REFILL).max(0) as u64 + 1;
        let mut stream = self
            .name
            .ensure(&self.jetstream, first)
            .await
            .map_err(stream_error)?;
        let state = stream.info().await.map_err(stream_error)?.state.clone();
        let last = state.last_sequence as i64;
        if state.messages == 0 && last == 0 {
            return Ok(Last {
                position: 0,
                batch_hash: None,
            });
        }
        if last > head.position {
            // Read anew: the log may have grown since.
            if last > self.log.head().await?.position {
                if state.messages > 0 {
                    self.claimed_hash(&stream, last).await?;
                }
                return Err(RelayError::Diverged { position: last });
            }
        }
        let batch_hash = match state.messages {
            0 => None,
            _ => Some(self.compare(&stream, last).await?),
        };
        Ok(Last {
            position: last,
            batch_hash,
        })
    }

    /// Before the stream of a new incarnation is made: two streams can not have the same subjects.
    async fn retire_earlier(&self) -> Result<(), RelayError> {
        for incarnation in self.log.incarnations().await? {
            if incarnation != self.name.incarnation() {
                let earlier = self.name.of(incarnation);
                earlier
                    .retire(&self.jetstream)
                    .await
                    .map_err(stream_error)?;
            }
        }
        Ok(())
    }

    /// Makes sure that nobody else's stream has the subjects.
    async fn unoccupied(&self) -> Result<(), RelayError> {
        let holder = self.name.holder(&self.jetstream).await;
        match holder.map_err(stream_error)? {
            Some(holder) if holder != self.name.stream => Err(RelayError::Occupied {
                stream: self.name.stream.clone(),
                holder,
            }),
            _ => Ok(()),
        }
    }

    /// Why the stream is retired: the relay of a later incarnation did that. A log that does not know of it has lost it.
    async fn outlived(&self, stream: &Stream) -> Result<RelayError, RelayError> {
        // Asked anew: it may just have begun.
        if self.log.incarnation().await? != self.name.incarnation() {
            return Ok(RelayError::Superseded);
        }
        let position = stream.cached_info().state.last_sequence as i64;
        Ok(RelayError::Diverged { position })
    }

    /// The hash of the batch that holds the stream's last message, if it is the log's.
    async fn compare(&self, stream: &Stream, last: i64) -> Result<String, RelayError> {
        let hash = self.claimed_hash(stream, last).await?;
        match self.log.holds(last, &hash).await? {
            true => Ok(hash),
            false => Err(RelayError::Diverged { position: last }),
        }
    }

    /// The hash of its batch (hex), as the message at a sequence says that a relay has put there.
    async fn claimed_hash(&self, stream: &Stream, sequence: i64) -> Result<String, RelayError> {
        let message = stream
            .get_raw_message(sequence as u64)
            .await
            .map_err(stream_error)?;
        let position = Envelope::decode(message.payload).map_or(0, |envelope| envelope.position);
        match message.headers.get(BATCH_HASH) {
            Some(hash) if position == sequence => Ok(hash.as_str().to_owned()),
            _ => Err(RelayError::Foreign {
                stream: self.name.stream.clone(),
                sequence,
            }),
        }
    }

    fn messages(&self, page: &Page) -> Vec<(String, HeaderMap, Bytes)> {
        let payload_max = self
            .client
            .server_info()
            .max_payload
            .saturating_sub(HEADER_ROOM);
        page.events
            .iter()
            .map(|event| {
                let hash = page.batch_hash(event.position);
                let headers = headers(hash, &event.metadata().traceparent);
                (
                    self.name.subject(event),
                    headers,
                    encode(event, payload_max),
                )
            })
            .collect()
    }

    async fn publish(
        &self,
        last: i64,
        messages: Vec<(String, HeaderMap, Bytes)>,
    ) -> Result<(), RelayError> {
        if messages.len() > BEHIND {
            self.publish_batch(last, messages).await
        } else {
            self.publish_singles(last, messages).await
        }
    }

    async fn publish_singles(
        &self,
        last: i64,
        messages: Vec<(String, HeaderMap, Bytes)>,
    ) -> Result<(), RelayError> {
        let mut acks = Vec::with_capacity(messages.len());
        for (expected, (subject, headers, payload)) in (last..).zip(messages) {
            let message = PublishMessage::build()
                .headers(headers)
                .payload(payload)
                // The subjects of a stream that was retired are another one's.
                .expected_stream(&self.name.stream)
                .expected_last_sequence(expected as u64);
            acks.push(
                self.jetstream
                    .send_publish(subject, message)
                    .await
                    .map_err(stream_error)?,
            );
            crash_point!("relay.within_singles");
        }
        let acks = join_all(acks.into_iter().map(PublishAckFuture::into_future)).await;
        for (position, ack) in (last + 1..).zip(acks) {
            let ack = ack.map_err(stream_error)?;
            if ack.sequence as i64 != position {
                // It says nothing about the log: the next look does.
                let sequence = ack.sequence;
                return Err(RelayError::Stream(format!(
                    "position {position} was acknowledged at sequence {sequence}"
                )));
            }
        }
        Ok(())
    }

    /// All or nothing; the expected sequence stands on the first message only, as the protocol wants it.
    async fn publish_batch(
        &self,
        last: i64,
        messages: Vec<(String, HeaderMap, Bytes)>,
    ) -> Result<(), RelayError> {
        let batch_id = format!(
            "{}-{last}",
            self.client
                .new_inbox()
                .rsplit('.')
                .next()
                .unwrap_or_default()
        );
        let count = messages.len();
        for (index, (subject, mut headers, payload)) in messages.into_iter().enumerate() {
            headers.insert(NATS_BATCH_ID, batch_id.as_str());
            headers.insert(NATS_BATCH_SEQUENCE, (index + 1).to_string().as_str());
            if index == 0 {
                headers.insert(NATS_EXPECTED_STREAM, self.name.stream.as_str());
                headers.insert(NATS_EXPECTED_LAST_SEQUENCE, last.to_string().as_str());
            }
            if index + 1 < count {
                self.client
                    .publish_with_headers(subject, headers, payload)
                    .await
                    .map_err(stream_error)?;
                crash_point!("relay.within_batch");
                continue;
            }
            headers.insert(NATS_BATCH_COMMIT, "1");
            let request = self.client.request_with_headers(subject, headers, payload);
            let answer = timeout(ANSWER_WITHIN, request)
                .await
                .map_err(|_| RelayError::Stream("no answer to a batch".to_owned()))?
                .map_err(stream_error)?;
            return batch_answer(&answer.payload, last + count as i64);
        }
        Ok(())
    }

    /// Steps until told to stop: on this process's commits, on other processes' NOTIFY, and on a slow
    /// timer as a safety net. While another process relays, this one waits for its lock.
    pub async fn run(
        mut self,
        connect: Connect,
        stop: CancellationToken,
    ) -> Result<(), RelayError> {
        // It may be stopped in the middle of anything, a server that hangs included: whoever relays next
        // looks where the stream stands.
        let relaying = async {
            loop {
                match connect().await {
                    Ok(session) => self.relay_while(session).await?,
                    Err(_) => sleep(SLOW_TIMER).await,
                }
                sleep(PAUSE_AFTER_ERROR).await;
            }
        };
        stop.run_until_cancelled(relaying).await.unwrap_or(Ok(()))
    }

    /// Relays as long as the session lives, once it has the lock.
    async fn relay_while(&mut self, mut session: Session) -> Result<(), RelayError> {
        // Otherwise the server keeps the lock of a machine that vanished for hours. A server that can
        // not set them is no reason not to relay.
        drop(session.client.batch_execute(KEEPALIVES).await);
        if session
            .client
            .batch_execute("listen publishing_log")
            .await
            .is_err()
        {
            return Ok(());
        }
        loop {
            let lock = "select pg_try_advisory_lock($1)";
            match session.client.query_one(lock, &[&RELAY_LOCK]).await {
                Ok(row) if row.get(0) => break,
                Ok(_) => sleep(SLOW_TIMER).await,
                Err(_) => return Ok(()),
            }
        }
        // The lock is ours as long as the session lives.
        self.last = None;
        let mut committed = self.log.committed();
        let mut outage = Outage::default();
        while !session.client.is_closed() {
            let stepped = self.step().await;
            if stepped.is_ok() && outage.is_over() {
                tracing::info!("the relay goes on again");
            }
            match stepped {
                Ok(Progress::Advanced) => {}
                Ok(Progress::Idle) => {
                    tokio::select! {
                        _ = committed.changed() => {}
                        _ = session.notifications.recv() => {}
                        () = sleep(SLOW_TIMER) => {}
                    }
                }
                Err(error) if error.is_final() => return Err(error),
                Err(error) => {
                    let error = why(&error);
                    if outage.is_news(&error) {
                        tracing::warn!(error, "the relay waits");
                    }
                    sleep(PAUSE_AFTER_ERROR).await;
                }
            }
        }
        Ok(())
    }
}

/// The envelope, or a stub that says "read position p from the log" when it does not fit: positions
/// are dense, so a message that can never be published would stop the relay for ever.
fn encode(event: &Recorded, payload_max: usize) -> Bytes {
    let envelope = event.to_envelope().encode_to_vec();
    if envelope.len() <= payload_max {
        return envelope.into();
    }
    let stub = Envelope {
        metadata: Bytes::new(),
        payload: Bytes::new(),
        read_from_log: true,
        ..event.to_envelope()
    };
    stub.encode_to_vec().into()
}
