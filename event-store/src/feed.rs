//! The feed: this process's one subscription to the log, decoded once and shared by every view and
//! reaction. Whoever asks for a page gets it from memory if it is recent, and from Postgres if not, so
//! a slow reader falls back to the log by itself. JetStream only brings the news early: every received
//! sequence is compared with the expected one, and whatever it does not bring is read from the log.

mod following;
mod window;

use std::sync::{Arc, Mutex, PoisonError};
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
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::crash_point;
use crate::event::Recorded;
use crate::log::{Log, Page, ReadError, SLOW_TIMER};
use crate::stream::{BATCH_HASH, StreamName, hex};
use crate::why::why;

use following::{Following, LATE, Unfollowed};
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
    /// The hash of its batch (hex) as whoever brought it says, JetStream or the log; a view that moves on compares
    /// it with the log as it is then.
    pub claimed_batch_hash: Option<String>,
    /// It came through JetStream, not from the log itself.
    pub through_stream: bool,
}

impl Item {
    /// An event that was read from the log.
    pub(crate) fn new(recorded: Recorded, claimed_batch_hash: Option<String>) -> Self {
        let event = recorded.decode();
        Self {
            recorded,
            event,
            claimed_batch_hash,
            through_stream: false,
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
    tip: Arc<Mutex<Tip>>,
}

/// What the feed ends with.
struct Tip {
    /// The hash (hex) of the batch that holds the last event; `None` before the first.
    batch_hash: Option<String>,
}

impl Feed {
    /// A feed that starts at the log's present end; earlier events are read from the log.
    pub async fn open(log: Log) -> Result<Self, ReadError> {
        let head = log.head().await?;
        if head.position > 0 {
            log.saw(head.position, &hex(&head.batch_hash));
        }
        Ok(Self {
            log,
            window: Arc::new(Window::after(head.position)),
            head: watch::Sender::new(head.position),
            tip: Arc::new(Mutex::new(Tip {
                batch_hash: (head.position > 0).then(|| hex(&head.batch_hash)),
            })),
        })
    }

    /// Up to `limit` events after a position, in order. Empty: the feed has not seen any yet.
    ///
    /// # Errors
    /// When the log can not be read, or is not the one that was followed so far: then for ever.
    pub async fn page_after(
        &self,
        position: i64,
        limit: usize,
    ) -> Result<Vec<Arc<Item>>, ReadError> {
        self.log.alive()?;
        if position >= self.head() {
            return Ok(Vec::new());
        }
        if let Some(page) = self.window.page_after(position, limit) {
            return Ok(page);
        }
        let page = self.log.page_with_batches(position, limit as i64).await?;
        Ok(items(page).map(Arc::new).collect())
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
    ///
    /// # Errors
    /// When the log is not the one that was followed so far.
    pub async fn run(
        self,
        client: async_nats::Client,
        name: StreamName,
        stop: CancellationToken,
    ) -> Result<(), ReadError> {
        let jetstream = async_nats::jetstream::new(client.clone());
        let mut following = Following::default();
        while !stop.is_cancelled() {
            // Asking a server that is away would only wait for time-outs.
            if client.connection_state() == State::Connected {
                following.begins();
                let followed = tokio::select! {
                    () = stop.cancelled() => return Ok(()),
                    followed = self.follow(&jetstream, &name, &mut following) => followed,
                };
                match followed {
                    Err(Unfollowed::Stream(error)) => {
                        tracing::debug!(error, "the feed reads the log");
                        if client.connection_state() == State::Connected {
                            following.failed(&error, Instant::now());
                        }
                    }
                    // Whoever reads it now meets the same.
                    Err(Unfollowed::Log(error)) => {
                        tracing::debug!(error = why(&error), "the feed reads the log");
                    }
                    Ok(()) => {}
                }
            }
            self.backfill_all(&stop, &mut following).await?;
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(PAUSE_AFTER_ERROR) => {}
            }
        }
        Ok(())
    }

    /// Takes messages in order until something is wrong with them.
    async fn follow(
        &self,
        jetstream: &JetStream,
        name: &StreamName,
        following: &mut Following,
    ) -> Result<(), Unfollowed> {
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
        following.subscribed(Instant::now());
        crash_point!("subscribe.following");
        let mut compared = false;
        loop {
            match tokio::time::timeout(SLOW_TIMER, messages.next()).await {
                Ok(Some(message)) => {
                    let message = message.map_err(|error| error.to_string())?;
                    let sequence = message
                        .info()
                        .map_err(|error| error.to_string())?
                        .stream_sequence as i64;
                    if !compared {
                        // The stream goes on from the log as it is now. Does what was read so far, perhaps from a
                        // log that has gone back since?
                        self.compare().await?;
                        compared = true;
                        following.works();
                    }
                    self.receive(sequence, &message).await?;
                }
                Ok(None) => return Err("the subscription ended".to_owned().into()),
                Err(_) => {
                    // Silence: either there is nothing, or it does not reach us.
                    let late = self.backfill().await?;
                    following.has_log();
                    if late > 0 {
                        return Err(LATE.to_owned().into());
                    }
                }
            }
        }
    }

    async fn receive(
        &self,
        sequence: i64,
        message: &async_nats::Message,
    ) -> Result<(), Unfollowed> {
        let expected = self.head() + 1;
        if sequence < expected {
            return Ok(());
        }
        let envelope = Envelope::decode(message.payload.clone())
            .ok()
            .filter(|envelope| envelope.position == sequence);
        let headers = message.headers.as_ref();
        let claimed = headers.and_then(|headers| headers.get(BATCH_HASH));
        match (envelope.and_then(Recorded::from_envelope), claimed) {
            (Some(recorded), Some(hash)) if sequence == expected => {
                crash_point!("subscribe.received");
                self.push(Item {
                    through_stream: true,
                    ..Item::new(recorded, Some(hash.as_str().to_owned()))
                });
                Ok(())
            }
            // A hole, a stub or a stranger's message: the log knows.
            _ => {
                while self.head() < sequence && self.backfill().await? > 0 {}
                if self.head() < sequence {
                    Err("the stream is ahead of the log".to_owned().into())
                } else {
                    Ok(())
                }
            }
        }
    }

    /// Reads the next page from the log; gives how many events it found.
    async fn backfill(&self) -> Result<usize, ReadError> {
        let head = self.head();
        let page = self.log.page_with_batches(head, BACKFILL_PAGE).await?;
        let goes_on = page.continues(head, self.tip().batch_hash.as_deref());
        self.alive(head, goes_on)?;
        crash_point!("subscribe.backfilled");
        let count = page.events.len();
        for item in items(page) {
            self.push(item);
        }
        Ok(count)
    }

    async fn backfill_all(
        &self,
        stop: &CancellationToken,
        following: &mut Following,
    ) -> Result<(), ReadError> {
        while !stop.is_cancelled() {
            let read = self.backfill().await;
            if read.is_ok() {
                following.has_log();
            }
            match read {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.is_final() => return Err(error),
                Err(error) => {
                    following.log_is_away(&why(&error));
                    break;
                }
            }
        }
        Ok(())
    }

    /// Whether the log still holds what was read so far.
    async fn compare(&self) -> Result<(), ReadError> {
        let head = self.head();
        let tip = self.tip().batch_hash.clone();
        let same = match tip {
            Some(hash) => self.log.holds(head, &hash).await?,
            None => head == 0,
        };
        self.alive(head, same)
    }

    /// Once the log is another one, nothing that was read is handed out any more.
    fn alive(&self, position: i64, same: bool) -> Result<(), ReadError> {
        if same {
            return Ok(());
        }
        Err(self.log.went_back(position).into())
    }

    fn push(&self, item: Item) {
        let position = item.position();
        self.tip().batch_hash.clone_from(&item.claimed_batch_hash);
        if let Some(hash) = &item.claimed_batch_hash {
            self.log.saw(position, hash);
        }
        self.window.push(Arc::new(item));
        self.head.send_replace(position);
    }

    fn tip(&self) -> std::sync::MutexGuard<'_, Tip> {
        self.tip.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn items(page: Page) -> impl Iterator<Item = Item> {
    let hashes: Vec<String> = page
        .events
        .iter()
        .map(|event| page.batch_hash(event.position).to_owned())
        .collect();
    let items = page.events.into_iter().zip(hashes);
    items.map(|(recorded, hash)| Item::new(recorded, Some(hash)))
}
