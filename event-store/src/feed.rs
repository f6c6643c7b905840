//! The feed: this process's one subscription to the log, decoded once and shared by every view and
//! reaction. Whoever asks for a page gets it from memory if it is recent, and from Postgres if not, so
//! a slow reader falls back to the log by itself. JetStream only brings the news early: every received
//! sequence is compared with the expected one, and whatever it does not bring is read from the log.

mod window;

use std::sync::Arc;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::Context as JetStream;
use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::consumer::pull::{Ordered, OrderedConfig};
use futures_util::StreamExt as _;
use prost::Message as _;
use tidings_proto::common::Envelope;
use tidings_proto::{DecodeError, Event};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::crash_point;
use crate::event::Recorded;
use crate::log::{Log, ReadError, SLOW_TIMER};
use crate::stream::{BATCH_HASH, StreamName};
use crate::why::why;

use window::Window;

const BACKFILL_PAGE: i64 = 1_000;
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(200);

/// An event of the log, decoded once.
#[derive(Debug)]
pub struct Item {
    /// The row.
    pub recorded: Recorded,
    /// What it says; an error is for whoever needs to know to stop at.
    pub event: Result<Event, DecodeError>,
    /// The hash of its batch as JetStream claims it; `None` when it came from the log itself.
    pub claimed_batch_hash: Option<String>,
}

impl Item {
    pub(crate) fn new(recorded: Recorded, claimed_batch_hash: Option<String>) -> Self {
        let event = recorded.decode();
        Self {
            recorded,
            event,
            claimed_batch_hash,
        }
    }

    /// Position in the log.
    pub fn position(&self) -> i64 {
        self.recorded.position
    }
}

/// The subscription. A cheap handle.
#[derive(Clone)]
pub struct Feed {
    log: Log,
    window: Arc<Window>,
    head: watch::Sender<i64>,
}

impl Feed {
    /// A feed that starts at the log's present end; earlier events are read from the log.
    pub async fn open(log: Log) -> Result<Self, ReadError> {
        let head = log.head().await?.position;
        Ok(Self {
            log,
            window: Arc::new(Window::after(head)),
            head: watch::Sender::new(head),
        })
    }

    /// Up to `limit` events after a position, in order. Empty: the feed has not seen any yet.
    pub async fn page_after(
        &self,
        position: i64,
        limit: usize,
    ) -> Result<Vec<Arc<Item>>, ReadError> {
        if position >= self.head() {
            return Ok(Vec::new());
        }
        if let Some(page) = self.window.page_after(position, limit) {
            return Ok(page);
        }
        let page = self.log.page_after(position, limit as i64).await?;
        Ok(page
            .into_iter()
            .map(|recorded| Arc::new(Item::new(recorded, None)))
            .collect())
    }

    /// The last position the feed has seen.
    pub fn head(&self) -> i64 {
        *self.head.borrow()
    }

    /// Changes whenever the feed moves on.
    pub fn moves(&self) -> watch::Receiver<i64> {
        self.head.subscribe()
    }

    /// Waits until the feed has seen a position.
    pub async fn reached(&self, position: i64) {
        // The sender lives in self, so waiting can not fail.
        drop(
            self.head
                .subscribe()
                .wait_for(|head| *head >= position)
                .await,
        );
    }

    /// Follows JetStream until told to stop; with JetStream away, polls the log.
    pub async fn run(self, client: async_nats::Client, name: StreamName, stop: CancellationToken) {
        let jetstream = async_nats::jetstream::new(client.clone());
        while !stop.is_cancelled() {
            // Asking a server that is away would only wait for time-outs.
            if client.connection_state() == State::Connected {
                let followed = tokio::select! {
                    () = stop.cancelled() => return,
                    followed = self.follow(&jetstream, &name) => followed,
                };
                if let Err(error) = followed {
                    tracing::debug!(error, "the feed reads the log");
                }
            }
            self.backfill_all(&stop).await;
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(PAUSE_AFTER_ERROR) => {}
            }
        }
    }

    /// Takes messages in order until something is wrong with them.
    async fn follow(&self, jetstream: &JetStream, name: &StreamName) -> Result<(), String> {
        let stream = jetstream
            .get_stream(&name.stream)
            .await
            .map_err(|error| error.to_string())?;
        let consumer = stream
            .create_consumer(OrderedConfig {
                deliver_policy: DeliverPolicy::ByStartSequence {
                    start_sequence: self.head() as u64 + 1,
                },
                ..OrderedConfig::default()
            })
            .await
            .map_err(|error| error.to_string())?;
        let mut messages: Ordered = consumer
            .messages()
            .await
            .map_err(|error| error.to_string())?;
        crash_point!("subscribe.following");
        loop {
            match tokio::time::timeout(SLOW_TIMER, messages.next()).await {
                Ok(Some(message)) => {
                    let message = message.map_err(|error| error.to_string())?;
                    let sequence = message
                        .info()
                        .map_err(|error| error.to_string())?
                        .stream_sequence as i64;
                    self.receive(sequence, &message).await?;
                }
                Ok(None) => return Err("the subscription ended".to_owned()),
                Err(_) => {
                    // Silence: either there is nothing, or it does not reach us.
                    if self.backfill().await.map_err(|error| error.to_string())? > 0 {
                        return Err("events came late".to_owned());
                    }
                }
            }
        }
    }

    async fn receive(&self, sequence: i64, message: &async_nats::Message) -> Result<(), String> {
        let expected = self.head() + 1;
        if sequence < expected {
            return Ok(());
        }
        let envelope = Envelope::decode(message.payload.clone())
            .ok()
            .filter(|envelope| envelope.position == sequence);
        match envelope.and_then(Recorded::from_envelope) {
            Some(recorded) if sequence == expected => {
                crash_point!("subscribe.received");
                let claimed = message
                    .headers
                    .as_ref()
                    .and_then(|headers| headers.get(BATCH_HASH));
                self.push(Item::new(
                    recorded,
                    claimed.map(|value| value.as_str().to_owned()),
                ));
                Ok(())
            }
            // A hole, a stub or a stranger's message: the log knows.
            _ => {
                while self.head() < sequence
                    && self.backfill().await.map_err(|error| error.to_string())? > 0
                {
                }
                if self.head() < sequence {
                    Err("the stream is ahead of the log".to_owned())
                } else {
                    Ok(())
                }
            }
        }
    }

    /// Reads the next page from the log; gives how many events it found.
    async fn backfill(&self) -> Result<usize, ReadError> {
        let page = self.log.page_after(self.head(), BACKFILL_PAGE).await?;
        crash_point!("subscribe.backfilled");
        let count = page.len();
        for recorded in page {
            self.push(Item::new(recorded, None));
        }
        Ok(count)
    }

    async fn backfill_all(&self, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            match self.backfill().await {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(error = why(&error), "the feed waits for the log");
                    return;
                }
            }
        }
    }

    fn push(&self, item: Item) {
        let position = item.position();
        self.window.push(Arc::new(item));
        self.head.send_replace(position);
    }
}
