//! Log and vault together: load a stream, decide, commit. This is how every room writes.

mod context;
mod draft;

use std::time::Duration;

use tidings_domain::aggregate::{Aggregate, CodecError};
use tidings_proto::DecodeError;
use time::OffsetDateTime;
use uuid::Uuid;

pub use context::Context;
pub use draft::Draft;

use crate::committer::CommitError;
use crate::event::{Committed, Recorded};
use crate::log::{Log, ReadError};
use crate::vault::{EventOpener, KeyRing, Vault, VaultError, keys_of_value};

/// The revision of the event contract this build reads. An event that asks for a newer one stops
/// every fold that may lead to an action.
pub const CONTRACT_REVISION: u32 = 4;

/// Times a decision is made anew because its stream moved on meanwhile.
const ATTEMPTS_MAX: u32 = 5;

/// Log and vault. A cheap handle.
#[derive(Clone)]
pub struct Store {
    log: Log,
    vault: Vault,
}

/// A stream folded.
#[derive(Clone, Debug)]
pub struct Loaded<A> {
    /// The stream.
    pub id: Uuid,
    /// Its state.
    pub state: A,
    /// Its version; 0: it does not exist.
    pub version: i32,
    /// Its events, oldest first: enough to recognise a repeated intent.
    pub history: Vec<Past>,
}

/// What is remembered of an event after folding it.
#[derive(Clone, Debug)]
pub struct Past {
    /// Its id.
    pub event_id: Uuid,
    /// Its type.
    pub event_type: String,
    /// Where it stands.
    pub position: i64,
    /// Its version in the stream.
    pub version: i32,
    /// When it happened, by the clock of whoever wrote it.
    pub occurred_at: OffsetDateTime,
    /// When the log took it.
    pub recorded_at: OffsetDateTime,
    /// Position of the event that caused it.
    pub causation: Option<i64>,
    /// Keyed digest of the request body that led to it; empty without one.
    pub request_digest: bytes::Bytes,
}

impl<A: Aggregate> Loaded<A> {
    /// A stream whose state is known without reading it, from a row that carries the version it was
    /// folded from. The guard on that version finds out if it has moved on.
    pub fn known(id: Uuid, state: A, version: i32) -> Self {
        Self {
            id,
            state,
            version,
            history: Vec::new(),
        }
    }

    /// The event this intent led to before, if it did.
    pub fn repeated(&self, intent: Uuid) -> Option<&Past> {
        self.history.iter().find(|past| past.event_id == intent)
    }
}

/// Why a stream could not be folded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The log could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The keys could not be had.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// An event could not be understood.
    #[error("the event at position {position} can not be understood")]
    Codec {
        /// Where it stands.
        position: i64,
        /// What is wrong with it.
        #[source]
        source: UnderstandError,
    },
}

/// Why an event could not be understood.
#[derive(Debug, thiserror::Error)]
pub enum UnderstandError {
    /// Its bytes.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Its fields.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A newer version wrote it and said that older ones must not act on it.
    #[error("it needs contract revision {0}; upgrade this process")]
    TooNew(u32),
}

impl LoadError {
    /// Worth another try: the database was away, not wrong.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Read(_) => true,
            Self::Vault(error) => error.is_temporary(),
            Self::Codec { .. } => false,
        }
    }

    /// A later build has written it, and says that this one does not understand it.
    pub fn is_of_a_later_build(&self) -> bool {
        matches!(
            self,
            Self::Codec {
                source: UnderstandError::TooNew(_),
                ..
            }
        )
    }

    /// The stream is of another kind: for whoever asked, it does not exist.
    pub fn is_wrong_stream(&self) -> bool {
        matches!(
            self,
            Self::Codec {
                source: UnderstandError::Codec(CodecError::WrongStream { .. }),
                ..
            }
        )
    }
}

/// Why a command had no effect.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError<R: std::error::Error + 'static> {
    /// The domain said no.
    #[error(transparent)]
    Refused(R),
    /// The stream could not be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The commit failed.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The caller named a version the stream is not at.
    #[error("the stream is at version {actual}")]
    Precondition {
        /// Its version.
        actual: i32,
    },
}

/// What a command led to.
#[derive(Clone, Debug)]
pub struct Executed<A: Aggregate> {
    /// The stream after it.
    pub after: Loaded<A>,
    /// Where it stands in the log; `None` when nothing changed.
    pub committed: Option<Committed>,
    /// The same intent had been carried out before; this is where.
    pub repeated: Option<Past>,
}

impl<A: Aggregate> Executed<A> {
    /// The position a reader must reach to see the effect.
    pub fn position(&self) -> i64 {
        let last = self.after.history.last().map_or(0, |past| past.position);
        self.repeated.as_ref().map_or(last, |past| past.position)
    }
}

impl Store {
    /// Log and vault of one database.
    pub fn new(log: Log, vault: Vault) -> Self {
        Self { log, vault }
    }

    /// The log.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The vault.
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// Reads and folds a stream.
    pub async fn load<A: Aggregate>(&self, id: Uuid) -> Result<Loaded<A>, LoadError> {
        let events = self.log.stream(id).await?;
        let ring = self.keys_of(&events).await?;
        fold(id, &events, &ring)
    }

    /// Folds a stream's events of some types alone, for decisions that no other type counts in; the version is that of the
    /// whole stream. For streams that grow for as long as somebody looks.
    pub async fn load_of<A: Aggregate>(
        &self,
        id: Uuid,
        types: &[&str],
    ) -> Result<Loaded<A>, LoadError> {
        // Before the events: one that comes in between makes a commit on it fail.
        let version = self.log.version(id).await?;
        let events = match version {
            0 => Vec::new(),
            _ => self.log.stream_of(id, types).await?,
        };
        let ring = self.keys_of(&events).await?;
        let loaded = fold(id, &events, &ring)?;
        Ok(Loaded { version, ..loaded })
    }

    /// Reads and folds several streams of one kind, in the order asked for.
    pub async fn load_many<A: Aggregate>(&self, ids: &[Uuid]) -> Result<Vec<Loaded<A>>, LoadError> {
        let events = self.log.streams(ids).await?;
        let ring = self.keys_of(&events).await?;
        ids.iter()
            .map(|id| {
                let from = events.partition_point(|event| event.stream_id < *id);
                let to = events.partition_point(|event| event.stream_id <= *id);
                fold(*id, &events[from..to], &ring)
            })
            .collect()
    }

    /// The keys that open these events, as far as they exist.
    pub async fn keys_of(&self, events: &[Recorded]) -> Result<KeyRing, VaultError> {
        let mut owners = Vec::new();
        for event in events {
            if let Ok(event) = event.decode() {
                event.for_each_sealed(&mut |sealed| owners.extend(keys_of_value(sealed)));
            }
        }
        self.keys_for(owners).await
    }

    /// The same for events that were decoded already, those of these nouns only.
    pub(crate) async fn keys_of_items(
        &self,
        items: &[impl std::borrow::Borrow<crate::feed::Item>],
        nouns: &[&str],
    ) -> Result<KeyRing, VaultError> {
        if nouns.is_empty() {
            return Ok(KeyRing::default());
        }
        let mut owners = Vec::new();
        let wanted = items
            .iter()
            .map(std::borrow::Borrow::borrow)
            .filter(|item| nouns.contains(&item.recorded.noun()));
        for event in wanted.filter_map(|item| item.event.as_ref().ok()) {
            event.for_each_sealed(&mut |sealed| owners.extend(keys_of_value(sealed)));
        }
        self.keys_for(owners).await
    }

    async fn keys_for(&self, mut owners: Vec<Uuid>) -> Result<KeyRing, VaultError> {
        owners.sort_unstable();
        owners.dedup();
        if owners.is_empty() {
            Ok(KeyRing::default())
        } else {
            self.vault.keys(&owners).await
        }
    }

    /// Starts a commit over any streams.
    pub fn draft<'a>(&'a self, context: &'a Context) -> Draft<'a> {
        Draft::new(self, context)
    }

    /// Carries a command out on one stream: load, decide, commit; anew while others are faster.
    /// `if_match`: the version the caller has seen. `command` is asked again for each attempt.
    pub async fn execute<A: Aggregate>(
        &self,
        id: Uuid,
        context: &Context,
        if_match: Option<i32>,
        command: impl Fn() -> A::Command + Send + Sync,
    ) -> Result<Executed<A>, ExecuteError<A::Refusal>> {
        let mut attempts = 0;
        loop {
            let loaded = self.load::<A>(id).await?;
            if let Some(past) = loaded.repeated(context.intent).cloned() {
                return Ok(Executed {
                    after: loaded,
                    committed: None,
                    repeated: Some(past),
                });
            }
            if if_match.is_some_and(|wanted| wanted != loaded.version) {
                let actual = loaded.version;
                return Err(ExecuteError::Precondition { actual });
            }
            let events = loaded
                .state
                .decide(command())
                .map_err(ExecuteError::Refused)?;
            if events.is_empty() {
                return Ok(Executed {
                    after: loaded,
                    committed: None,
                    repeated: None,
                });
            }
            let mut draft = self.draft(context);
            let after = draft.append(loaded, events);
            attempts += 1;
            match draft.commit().await {
                Ok(committed) => {
                    let after = after.recorded(&committed);
                    return Ok(Executed {
                        after,
                        committed: Some(committed),
                        repeated: None,
                    });
                }
                Err(error) if error.may_be_decided_anew() && attempts < ATTEMPTS_MAX => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl<A> Loaded<A> {
    /// Fills in where the events of a draft ended up.
    pub fn recorded(mut self, committed: &Committed) -> Self {
        let new = self.history.iter_mut().filter(|past| past.position == 0);
        for (position, past) in (committed.first_position..).zip(new) {
            past.position = position;
            past.recorded_at = committed.recorded_at;
        }
        self
    }
}

/// How long a caller of a public route should wait before trying again when the log is away.
pub const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Decodes one event of a stream of this kind.
pub fn understand<A: Aggregate>(
    event: &Recorded,
    ring: &KeyRing,
) -> Result<A::Event, UnderstandError> {
    let min_reader = event.metadata().min_reader;
    if min_reader > CONTRACT_REVISION {
        return Err(UnderstandError::TooNew(min_reader));
    }
    let opener = EventOpener::new(ring, event.stream_id, event.event_id, &event.event_type);
    Ok(A::decode(&event.decode()?, &opener)?)
}

fn fold<A: Aggregate>(
    id: Uuid,
    events: &[Recorded],
    ring: &KeyRing,
) -> Result<Loaded<A>, LoadError> {
    let mut loaded = Loaded {
        id,
        state: A::default(),
        version: 0,
        history: Vec::with_capacity(events.len()),
    };
    for event in events {
        let past = understand::<A>(event, ring).map_err(|source| LoadError::Codec {
            position: event.position,
            source,
        })?;
        loaded.state = loaded.state.evolve(&past);
        loaded.version = event.version;
        loaded.history.push(Past {
            event_id: event.event_id,
            event_type: event.event_type.clone(),
            position: event.position,
            version: event.version,
            occurred_at: event.occurred_at,
            recorded_at: event.recorded_at,
            causation: event.causation,
            request_digest: event.metadata().request_digest,
        });
    }
    Ok(loaded)
}
