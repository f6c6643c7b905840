//! Works imports off: chunk by chunk, every subscriber a commit of its own. It may be killed at any
//! point, or run twice: ids derive from the import, so whoever goes on meets what is done already.

mod chunk;

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tidings_domain::id::IdKey;
use tidings_domain::stream_id::reaction;
use tidings_domain::subscriber_import::{self, Command, SubscriberImport};
use tidings_event_store::vault::VaultError;
use tidings_event_store::{
    CommitError, Context, ExecuteError, IMPORTER, LoadError, Loaded, Outage, Progress, ReadError,
    Recorded, Store, crash_point,
};
use tidings_proto::Event;
use tidings_service::Clock;
use tidings_service::problem::chain;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::stored::{self, Pending, StoredError};
use crate::subscribers::RegistrationError;

/// Who writes what came with a file.
pub(crate) const ACTOR: &str = IMPORTER;
/// Chunks worked off before the import's stream is read again.
const CHUNKS_PER_STEP: u32 = 16;
/// Chunks whose import was never started: their request died, or is about to commit. Somebody who may stand in them
/// waits to be erased, so they must not lie about for long.
const ORPHANED_AFTER: Duration = Duration::from_secs(120);
/// Between two looks at least: most commits are none of ours.
const BREATHER: Duration = Duration::from_millis(50);
/// How often to look for imports that another process took in.
const SLOW_TIMER: Duration = Duration::from_secs(1);

/// Why an import did not get on.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The log could not be read.
    #[error("the log could not be read")]
    Read(#[from] ReadError),
    /// The keys could not be had.
    #[error("the keys could not be had")]
    Vault(#[from] VaultError),
    /// A stream could not be folded.
    #[error("a stream could not be folded")]
    Load(#[from] LoadError),
    /// A commit failed.
    #[error("a commit failed")]
    Commit(#[from] CommitError),
    /// The import's own stream did not take what was done.
    #[error("the import refused to go on")]
    Refused(#[from] subscriber_import::Refusal),
    /// A subscriber's stream did not take the sign-up.
    #[error("a subscriber refused to be signed up")]
    SignUp(#[source] tidings_domain::subscriber::Refusal),
    /// What is stored of the file is not what was stored.
    #[error("the stored file of import {import_id} can not be used after record {after_records}")]
    Stored {
        /// The import.
        import_id: Uuid,
        /// Where in the file.
        after_records: u64,
    },
}

impl ImportError {
    /// The log or its keys are away: everything waits. Anything else concerns one import.
    fn is_outage(&self) -> bool {
        match self {
            Self::Read(_) | Self::Load(LoadError::Read(_) | LoadError::Vault(_)) => true,
            Self::Vault(error) => error.is_temporary(),
            Self::Commit(error) => matches!(
                error,
                CommitError::Unavailable | CommitError::Unknown | CommitError::WentBack(_)
            ),
            _ => false,
        }
    }
}

impl From<StoredError> for ImportError {
    fn from(error: StoredError) -> Self {
        match error {
            StoredError::Read(error) => Self::Read(error),
            StoredError::Vault(error) => Self::Vault(error),
            StoredError::Unreadable {
                import_id,
                after_records,
            } => Self::Stored {
                import_id,
                after_records,
            },
        }
    }
}

impl From<RegistrationError> for ImportError {
    fn from(error: RegistrationError) -> Self {
        match error {
            RegistrationError::Load(error) => Self::Load(error),
            RegistrationError::Commit(error) => Self::Commit(error),
            RegistrationError::Refused(refusal) => Self::SignUp(refusal),
        }
    }
}

impl From<ExecuteError<subscriber_import::Refusal>> for ImportError {
    fn from(error: ExecuteError<subscriber_import::Refusal>) -> Self {
        match error {
            ExecuteError::Refused(refusal) => Self::Refused(refusal),
            ExecuteError::Load(error) => Self::Load(error),
            ExecuteError::Commit(error) => Self::Commit(error),
            // No version is asked for, so this can only mean that the stream moved on.
            ExecuteError::Precondition { .. } => Self::Commit(CommitError::Unknown),
        }
    }
}

/// Works imports off. Any number may run; one is enough.
pub struct ImportWorker {
    store: Store,
    clock: Clock,
    id_key: IdKey,
    /// Imports that have been said to be stuck.
    stuck: Mutex<HashSet<Uuid>>,
}

/// An import and the event that started it.
struct Started {
    import: Loaded<SubscriberImport>,
    event: Recorded,
    file_digest: [u8; 32],
}

impl ImportWorker {
    /// A worker over one log.
    pub fn new(store: Store, clock: Clock, id_key: IdKey) -> Self {
        Self {
            store,
            clock,
            id_key,
            stuck: Mutex::default(),
        }
    }

    /// Works off up to 8,000 records of the oldest import that can get on.
    ///
    /// # Errors
    /// [`ImportError`], when the log is away, or when imports are left and none can get on.
    pub async fn step(&self) -> Result<Progress, ImportError> {
        let mut stuck = None;
        for pending in stored::pending(self.store.log()).await? {
            let import_id = pending.import_id;
            match self.advance(&pending).await {
                Ok(Progress::Idle) => {}
                Ok(Progress::Advanced) => {
                    if self.said_stuck(|stuck| stuck.remove(&import_id)) {
                        tracing::info!(%import_id, "an import goes on again");
                    }
                    return Ok(Progress::Advanced);
                }
                Err(error) if error.is_outage() => return Err(error),
                Err(error) => {
                    // It stays where it is, and holds up no other.
                    if self.said_stuck(|stuck| stuck.insert(import_id)) {
                        tracing::error!(%import_id, error = %chain(&error), "an import is stuck");
                    }
                    stuck = Some(error);
                }
            }
        }
        stuck.map_or(Ok(Progress::Idle), Err)
    }

    fn said_stuck(&self, change: impl FnOnce(&mut HashSet<Uuid>) -> bool) -> bool {
        change(&mut self.stuck.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Steps until told to stop; wakes when this process commits something, and every second.
    pub async fn run(self, stop: CancellationToken) {
        let mut commits = self.store.log().committed();
        let mut outage = Outage::default();
        while !stop.is_cancelled() {
            // Cutting a step off is harmless: the next one meets what it did.
            let stepped = tokio::select! {
                () = stop.cancelled() => return,
                stepped = self.step() => stepped,
            };
            let is_away = stepped.as_ref().is_err_and(ImportError::is_outage);
            if !is_away && outage.is_over() {
                tracing::info!("imports go on again");
            }
            let pause = match stepped {
                Ok(Progress::Advanced) => continue,
                Ok(Progress::Idle) => BREATHER,
                Err(error) => {
                    let error = chain(&error);
                    if is_away && outage.is_news(&error) {
                        tracing::warn!(error, "imports wait");
                    }
                    SLOW_TIMER
                }
            };
            let woken = async {
                tokio::time::sleep(pause).await;
                // The outcome is the same: time to look again.
                drop(tokio::time::timeout(SLOW_TIMER, commits.changed()).await);
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = woken => {}
            }
        }
    }

    async fn advance(&self, pending: &Pending) -> Result<Progress, ImportError> {
        let import_id = pending.import_id;
        let import = self.store.load::<SubscriberImport>(import_id).await?;
        match import.state {
            SubscriberImport::Unknown
                if self.clock.now() - pending.received_at < ORPHANED_AFTER =>
            {
                Ok(Progress::Idle)
            }
            SubscriberImport::Unknown | SubscriberImport::Completed(_) => {
                stored::delete(&self.store, import_id, self.clock.now()).await?;
                Ok(Progress::Advanced)
            }
            SubscriberImport::Running(_) => {
                let mut started = self.started(import).await?;
                for _ in 0..CHUNKS_PER_STEP {
                    if !self.work_off_one(&mut started).await? {
                        break;
                    }
                }
                Ok(Progress::Advanced)
            }
        }
    }

    async fn started(&self, import: Loaded<SubscriberImport>) -> Result<Started, ImportError> {
        let unusable = || ImportError::Stored {
            import_id: import.id,
            after_records: 0,
        };
        let event = self
            .store
            .log()
            .stream(import.id)
            .await?
            .into_iter()
            .next()
            .ok_or_else(unusable)?;
        let Ok(Event::SubscriberImportStarted(fields)) = event.decode() else {
            return Err(unusable());
        };
        let file_digest = fields
            .file_digest
            .as_ref()
            .try_into()
            .map_err(|_| unusable())?;
        Ok(Started {
            import,
            event,
            file_digest,
        })
    }

    /// Works one chunk off, or completes the import. False: there is nothing more to do in it.
    async fn work_off_one(&self, started: &mut Started) -> Result<bool, ImportError> {
        let SubscriberImport::Running(progress) = started.import.state else {
            return Ok(false);
        };
        if progress.through == progress.lines {
            self.record(
                started,
                "subscriber_import.complete",
                progress.through,
                Command::Complete,
            )
            .await?;
            crash_point!("import.completed");
            stored::delete(&self.store, started.import.id, self.clock.now()).await?;
            return Ok(false);
        }
        let rows = stored::chunk(
            &self.store,
            started.import.id,
            &started.file_digest,
            progress.through,
        )
        .await?;
        if rows.is_empty() {
            return Err(ImportError::Stored {
                import_id: started.import.id,
                after_records: progress.through,
            });
        }
        let through = progress.through + rows.len() as u64;
        let tally = chunk::sign_up(self, started, rows).await?;
        crash_point!("import.signed_up");
        let command = Command::Advance {
            through,
            accepted: tally.accepted,
            existing: tally.existing,
            suppressed: tally.suppressed,
            rejected: tally.rejected,
            suppressed_for: tally.suppressed_for,
        };
        self.record(started, "subscriber_import.advance", through, command)
            .await?;
        crash_point!("import.advanced");
        Ok(true)
    }

    /// Writes to the import's own stream what was done. Somebody else may have done it meanwhile.
    async fn record(
        &self,
        started: &mut Started,
        name: &str,
        through: u64,
        command: Command,
    ) -> Result<(), ImportError> {
        let context = self.context(started, name, &through.to_be_bytes());
        let executed = self
            .store
            .execute::<SubscriberImport>(started.import.id, &context, None, || command.clone())
            .await?;
        started.import = executed.after;
        Ok(())
    }

    fn context(&self, started: &Started, name: &str, part: &[u8]) -> Context {
        let cause = &started.event;
        let intent = reaction(cause.recorded_at, name, cause.event_id, &[part]);
        Context::reaction(ACTOR, cause, intent, self.clock.now())
    }
}
