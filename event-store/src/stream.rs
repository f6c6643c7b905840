//! The JetStream stream that carries the log: its name, subjects and settings.

use std::time::Duration;

use async_nats::jetstream::context::{
    CreateStreamError, GetStreamByNameError, GetStreamByNameErrorKind, GetStreamError,
    GetStreamErrorKind,
};
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType, Stream};
use async_nats::jetstream::{self, Context as JetStream, ErrorCode};
use async_nats::{Client, HeaderMap};
use tokio::time::sleep;
use uuid::Uuid;

use crate::crash_point;
use crate::event::Recorded;
use crate::log::Log;

/// Header of every message: the hash of the batch its event was committed in, hex.
pub const BATCH_HASH: &str = "Tidings-Batch-Hash";
/// Header of a message whose event has one: W3C trace context.
pub const TRACEPARENT: &str = "traceparent";

/// Twice what W3C trace contexts take today.
const TRACEPARENT_BYTES_MAX: usize = 128;
/// How often to ask how far the stream is.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
const MAX_AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
const MAX_BYTES: i64 = 4 << 30;

/// Where the log is fanned out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamName {
    /// The stream: `<PREFIX>_<incarnation>`.
    pub stream: String,
    /// First part of every subject.
    prefix: String,
    /// The incarnation it carries.
    incarnation: Uuid,
}

impl StreamName {
    /// For one installation (`prefix`: letters, digits, `-`, `_`) and one incarnation of its log.
    pub fn new(prefix: &str, incarnation: Uuid) -> Self {
        Self {
            stream: format!("{}_{}", prefix.to_ascii_uppercase(), incarnation.simple()),
            prefix: prefix.to_owned(),
            incarnation,
        }
    }

    /// The incarnation of the log that this stream carries.
    pub fn incarnation(&self) -> Uuid {
        self.incarnation
    }

    /// The stream of another incarnation of the same log.
    pub fn of(&self, incarnation: Uuid) -> Self {
        Self::new(&self.prefix, incarnation)
    }

    /// `<prefix>.log.<noun>.<PastTense>.<stream id>`: no personal data.
    pub fn subject(&self, event: &Recorded) -> String {
        format!(
            "{}.log.{}.{}",
            self.prefix, event.event_type, event.stream_id
        )
    }

    /// Takes the subjects away from this stream, for that of a later incarnation to have them; what it holds can
    /// still be read. One that is not there is left alone.
    pub async fn retire(&self, jetstream: &JetStream) -> Result<(), StreamError> {
        let Some(stream) = self.find(jetstream).await? else {
            return Ok(());
        };
        let mut config = stream.cached_info().config.clone();
        config.subjects = vec![self.retired()];
        jetstream.update_stream(config).await?;
        crash_point!("relay.retired");
        Ok(())
    }

    /// The subjects of this stream once it is retired.
    fn retired(&self) -> String {
        format!("{}.retired.{}.>", self.prefix, self.incarnation.simple())
    }

    /// Whether this stream, as it was found, has given its subjects to that of a later incarnation.
    pub(crate) fn is_retired(&self, found: &Stream) -> bool {
        found.cached_info().config.subjects == [self.retired()]
    }

    /// The stream that has the subjects of the log, whosever it is.
    ///
    /// # Errors
    /// When nobody tells: there may well be one.
    pub(crate) async fn holder(
        &self,
        jetstream: &JetStream,
    ) -> Result<Option<String>, StreamError> {
        match jetstream.stream_by_subject(self.subjects()).await {
            Ok(stream) => Ok(Some(stream)),
            Err(error) if error.kind() == GetStreamByNameErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn subjects(&self) -> String {
        format!("{}.log.>", self.prefix)
    }

    /// Gets the stream, or creates it so that its first message will be `first_position`.
    pub async fn ensure(
        &self,
        jetstream: &JetStream,
        first_position: u64,
    ) -> Result<Stream, StreamError> {
        if let Some(stream) = self.find(jetstream).await? {
            return Ok(stream);
        }
        let created = jetstream
            .create_stream(Config {
                name: self.stream.clone(),
                subjects: vec![self.subjects()],
                retention: RetentionPolicy::Limits,
                discard: DiscardPolicy::Old,
                storage: StorageType::File,
                max_age: MAX_AGE,
                max_bytes: MAX_BYTES,
                first_sequence: (first_position > 1).then_some(first_position),
                allow_atomic_publish: true,
                // Asking the leader, never a lagging replica.
                allow_direct: false,
                deny_delete: true,
                ..Config::default()
            })
            .await;
        crash_point!("relay.stream_created");
        Ok(created?)
    }

    /// Waits until the stream is as far as the log was when asked, whoever relays; or until nobody tells.
    pub async fn catches_up(&self, log: &Log, client: &Client) {
        let Ok(head) = log.head().await else {
            return;
        };
        let jetstream = jetstream::new(client.clone());
        while let Ok(Some(stream)) = self.find(&jetstream).await {
            let last = stream.cached_info().state.last_sequence;
            if i64::try_from(last).is_ok_and(|last| last >= head.position) {
                return;
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// The stream, if there is one.
    ///
    /// # Errors
    /// When nobody tells: it may well be there.
    pub async fn find(&self, jetstream: &JetStream) -> Result<Option<Stream>, StreamError> {
        match jetstream.get_stream(&self.stream).await {
            Ok(stream) => Ok(Some(stream)),
            Err(error) => match error.kind() {
                GetStreamErrorKind::JetStream(refusal)
                    if refusal.error_code() == ErrorCode::STREAM_NOT_FOUND =>
                {
                    Ok(None)
                }
                _ => Err(error.into()),
            },
        }
    }
}

/// Why the stream could not be had.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// Nobody tells whether it is there.
    #[error(transparent)]
    Get(#[from] GetStreamError),
    /// Nobody tells which one has the subjects.
    #[error(transparent)]
    Holder(#[from] GetStreamByNameError),
    /// It could not be made, or changed.
    #[error(transparent)]
    Change(#[from] CreateStreamError),
}

/// The headers of an event's message.
pub(crate) fn headers(batch_hash: &str, traceparent: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(BATCH_HASH, batch_hash);
    // Whatever an event says must not stop the relay: it is a header only if it can be one.
    let is_header = traceparent.bytes().all(|byte| byte.is_ascii_graphic());
    if is_header && (1..=TRACEPARENT_BYTES_MAX).contains(&traceparent.len()) {
        headers.insert(TRACEPARENT, traceparent);
    }
    headers
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            write!(text, "{byte:02x}").expect("writing to a string");
            text
        })
}
