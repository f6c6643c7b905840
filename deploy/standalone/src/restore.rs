//! Brings a platform back to work whose database was put back to an earlier state: lays a backup as its data, begins
//! a new incarnation of the log, makes the facts about consent part of it again that were lost, and leaves everything
//! so that nothing is sent before an operator says so. Killed at any moment, it is run again and goes on.

mod before;
mod error;

use std::path::PathBuf;

use serde::Serialize;
use tidings_dispatcher::erasure::Eraser;
use tidings_dispatcher::held::{self, Waiting, WaitingNotices};
use tidings_domain::log::Restored as RestoredLog;
use tidings_event_store::feed::Feed;
use tidings_event_store::hex::Hex;
use tidings_event_store::restore::{self as log_restore, Again, Beginning, Lacking};
use tidings_event_store::witness::{self, Folder, WitnessError};
use tidings_event_store::{Past, Progress, Store, crash_point};
use tidings_projector::Projector;
use tidings_servers::Options;
use tidings_service::config::Config;
use uuid::Uuid;

pub use before::Witnessed;
pub use error::RestoringError;

use before::Known;

use crate::backup::Backup;
use crate::home::{Home, Restored, Restoring};
use crate::platform::{Backing, Core, Ground, MasterKeys, witness_folder};

/// What is restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The backup in this folder, over an empty data folder.
    Backup {
        /// Where it is.
        folder: PathBuf,
        /// The stream of before is asked what came after the backup, if it is there: NATS is the operator's own.
        read_stream: bool,
    },
    /// Nothing: the database was put back by other means.
    InPlace {
        /// The stream of before is asked what the witness does not know yet; if not, that is lost.
        read_stream: bool,
    },
}

impl Source {
    fn reads_stream(&self) -> bool {
        match self {
            Self::Backup { read_stream, .. } | Self::InPlace { read_stream } => *read_stream,
        }
    }
}

/// A step, for whoever looks on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The backup is compared with its checksums.
    Verify,
    /// Its data are copied.
    Lay,
    /// The database starts, and recovers what was copied while it was written.
    Start,
    /// The log is compared with the witness, and with the stream of before.
    Compare,
    /// So far the witness goes.
    Witnessed(Witnessed),
    /// The new incarnation begins.
    Begin,
    /// Facts about consent become part of the log again: how many of how many streams are done.
    Facts(u64, u64),
    /// Open attempts come in doubt, and the views catch up.
    CatchUp,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The incarnation that began.
    pub incarnation: Uuid,
    /// The last position before it.
    pub after_position: i64,
    /// The last position at which the log is known to be the one of before.
    pub parted_after: i64,
    /// The last position that is known to have been recorded before.
    pub lost_through: i64,
    /// How many positions are known to be lost; none: nothing tells where the histories parted.
    pub lost: Option<i64>,
    /// How far the witness goes; none: there was none.
    pub witness: Option<Witnessed>,
    /// The stream of before was not read: it was not to be, or it is not there.
    pub without_stream: bool,
    /// Facts about consent that were lost and are part of the log again.
    pub again: Again,
    /// Attempts that were open in the log, or that only the stream of before knows, and are now in doubt.
    pub doubted: u64,
    /// Attempts that only the stream of before knows, of deliveries that the log does not know.
    pub unknown_attempts: u64,
    /// What waits for the operator's word.
    pub waiting: Vec<Waiting>,
    /// Notices that wait for it too.
    pub notices: WaitingNotices,
}

/// What the log has learnt again.
struct Learnt {
    again: Again,
    doubted: u64,
    unknown_attempts: u64,
}

/// A restore that was asked for.
pub struct Restore<'a> {
    /// The settings.
    pub config: &'a Config,
    /// Time, ids, and the data folder, which must be claimed.
    pub ground: &'a Ground,
    /// What is restored.
    pub source: Source,
    /// The witness of the log; none: on the operator's own word.
    pub witness: Option<Folder>,
}

impl Restore<'_> {
    /// Runs it to its end.
    ///
    /// # Errors
    /// What hindered it. Whatever was done until then is found by the next run.
    pub async fn run(
        &self,
        tell: &mut (dyn FnMut(Step) + Send),
    ) -> Result<Summary, RestoringError> {
        let home = &self.ground.home;
        // First: who has mistyped it should not hear of a witness or a key.
        let backup = match &self.source {
            Source::Backup { folder, .. } => Some(Backup::read(folder)?),
            Source::InPlace { .. } => None,
        };
        self.check_witness()?;
        self.check_master_key().await?;
        let begun = self.begun(backup.as_ref())?;
        let copy = self.copy()?;
        // Before it is put down that a restore is under way: over a folder that holds one, nothing else goes on.
        if let Some(copy) = &copy {
            tell(Step::Verify);
            tidings_servers::verify(&Options::from_env(home.dir()), copy).await?;
        }
        let restoring = match begun {
            Some(restoring) => restoring,
            None => self.begin(backup.as_ref())?,
        };
        if let Some(copy) = &copy {
            tell(Step::Lay);
            tidings_servers::lay(&Options::from_env(home.dir()), copy).await?;
            crash_point!("restore.laid");
        }
        tell(Step::Start);
        let backing = match self.source.reads_stream() {
            // The stream may hold what the witness has not signed yet.
            true => Backing::start(self.config, home).await?,
            false => Backing::start_database(self.config, home).await?,
        };
        let summary = match Core::open(self.config, self.ground, &backing).await {
            Ok(core) => {
                let database = (&core, &backing);
                let summary = self.adopt(database, &restoring, tell).await;
                core.close();
                summary
            }
            Err(error) => Err(error.into()),
        };
        backing.stop().await?;
        let summary = summary?;
        home.end_restoring()?;
        Ok(summary)
    }

    /// Before anything is begun: whether there is one, and nobody changed it. Whose it is, the vault will tell.
    fn check_witness(&self) -> Result<(), RestoringError> {
        let Some(folder) = &self.witness else {
            return self.check_no_witness();
        };
        match witness::check(folder, None, &mut |_, _| ()) {
            Ok(_) => Ok(()),
            Err(WitnessError::Absent(path)) => Err(RestoringError::NoWitness(path)),
            Err(error) => Err(RestoringError::Witness(error)),
        }
    }

    /// A witness that was not asked would not go on with the log: it may know an incarnation that the log never learns
    /// of.
    fn check_no_witness(&self) -> Result<(), RestoringError> {
        let home = &self.ground.home;
        let folder = witness_folder(self.config, home);
        match witness::check(&folder, None, &mut |_, _| ()) {
            Err(WitnessError::Absent(_)) => Ok(()),
            Err(error @ WitnessError::Io { .. }) => Err(RestoringError::Witness(error)),
            _ => Err(RestoringError::Witnessed {
                folder: folder.path().to_owned(),
                pinned: home.witness_key_file(),
            }),
        }
    }

    async fn check_master_key(&self) -> Result<(), RestoringError> {
        let keys = MasterKeys::of(self.config, self.ground);
        if keys.read().await?.is_empty() {
            return Err(RestoringError::NoMasterKey(keys.place()));
        }
        Ok(())
    }

    /// The restore that is under way, if it is this one.
    fn begun(&self, backup: Option<&Backup>) -> Result<Option<Restoring>, RestoringError> {
        let home = &self.ground.home;
        match home.restoring()? {
            Some(begun) if begun.backup == backup.map(restored) => Ok(Some(begun)),
            Some(_) => Err(RestoringError::Another(home.dir().to_owned())),
            None if backup.is_some() && postgres_data(home).exists() => {
                let used = tidings_servers::ServersError::Used(home.dir().to_owned());
                Err(used.into())
            }
            None => Ok(None),
        }
    }

    /// The data that have to be copied; none when there are none, or an earlier run has copied them.
    fn copy(&self) -> Result<Option<PathBuf>, RestoringError> {
        match &self.source {
            Source::Backup { folder, .. } if !postgres_data(&self.ground.home).exists() => {
                Ok(Some(Backup::data(folder)?))
            }
            _ => Ok(None),
        }
    }

    /// Puts down that a restore is under way.
    fn begin(&self, backup: Option<&Backup>) -> Result<Restoring, RestoringError> {
        let restoring = Restoring {
            incarnation: self.ground.ids.next(),
            backup: backup.map(restored),
        };
        // In place nothing is half done before the incarnation begins.
        if restoring.backup.is_some() {
            self.ground.home.begin_restoring(&restoring)?;
        }
        Ok(restoring)
    }

    /// Goes on from the log as it is now.
    async fn adopt(
        &self,
        (core, backing): (&Core, &Backing),
        restoring: &Restoring,
        tell: &mut (dyn FnMut(Step) + Send),
    ) -> Result<Summary, RestoringError> {
        let (store, now) = (&core.store, self.ground.clock.now());
        self.check_data(store, restoring.backup.as_ref()).await?;
        let begun = log_restore::begun(store, restoring.incarnation).await?;
        let end = match begun {
            Some(after) => after,
            None => store.log().head().await?.position,
        };
        tell(Step::Compare);
        let known = Known::of(self, (core, backing), restoring, end).await?;
        if let Some(witnessed) = known.witnessed() {
            tell(Step::Witnessed(witnessed));
        }
        tell(Step::Begin);
        self.ground.home.begin_restoring(restoring)?;
        let beginning = Beginning {
            incarnation: restoring.incarnation,
            parted_after: known.parted_after(),
            witnessed: known.incarnations(),
        };
        let begun = log_restore::begin(store, beginning, now).await?;
        let restored = RestoredLog {
            incarnation: restoring.incarnation,
            after_position: begun.after_position,
            parted_after: begun.parted_after,
            lost_through: known.through().max(begun.parted_after),
            backed_up_at: restoring.backup.as_ref().map(|backup| backup.taken_at),
        };
        let learnt = self.learn(core, &known, &restored, tell).await?;
        Ok(Summary {
            incarnation: restoring.incarnation,
            after_position: restored.after_position,
            parted_after: restored.parted_after,
            lost_through: restored.lost_through,
            lost: restored.lost(),
            witness: known.witnessed(),
            without_stream: !known.has_read_stream(),
            again: learnt.again,
            doubted: learnt.doubted,
            unknown_attempts: learnt.unknown_attempts,
            waiting: held::waiting(&core.pool).await?,
            notices: held::waiting_notices(&core.pool).await?,
        })
    }

    /// Puts the restore on record, and what is known of before.
    async fn learn(
        &self,
        core: &Core,
        known: &Known,
        restored: &RestoredLog,
        tell: &mut (dyn FnMut(Step) + Send),
    ) -> Result<Learnt, RestoringError> {
        let (store, now) = (&core.store, self.ground.clock.now());
        let recorded = log_restore::record(store, *restored, now).await?;
        // Before the facts: an attempt that was made stands before the word of whoever left after it.
        let unrecorded = held::doubt_unrecorded(store, &recorded, known.attempts(), now).await?;
        let lacking = Lacking {
            facts: &known.facts(),
            parted_after: known.same(restored.after_position),
        };
        let mut told = |done, of| tell(Step::Facts(done, of));
        let again = log_restore::again(store, &recorded, lacking, now, &mut told).await?;
        tell(Step::CatchUp);
        let open = self.catch_up(store, &recorded).await?;
        crash_point!("restore.caught_up");
        Ok(Learnt {
            again,
            doubted: open + unrecorded.doubted,
            unknown_attempts: unrecorded.unknown,
        })
    }

    /// What was laid is what the backup's page says.
    async fn check_data(
        &self,
        store: &Store,
        backup: Option<&Restored>,
    ) -> Result<(), RestoringError> {
        let Some(backup) = backup.filter(|backup| backup.position > 0) else {
            return Ok(());
        };
        let hash = store.log().batch_hash(backup.position).await?;
        if hash.map(Hex) == Some(backup.batch_hash) {
            return Ok(());
        }
        Err(RestoringError::OtherData {
            folder: self.ground.home.dir().to_owned(),
            position: backup.position,
        })
    }

    async fn catch_up(&self, store: &Store, restored: &Past) -> Result<u64, RestoringError> {
        let now = self.ground.clock.now();
        let feed = Feed::open(store.log().clone()).await?;
        let doubted = held::doubt_open(store, &feed, restored, now).await?;
        // One more look at the log, which has got those doubts.
        fold(store).await?;
        // Who was erased in what the log has lost is erased again, before anybody may be written to. What a file hinders
        // that is half taken in ends when the platform runs; the keys are destroyed here.
        if Eraser::new(store.clone(), self.ground.clock.clone())
            .step()
            .await?
            == Progress::Advanced
        {
            fold(store).await?;
        }
        Ok(doubted)
    }
}

/// Brings the views to the log's end.
async fn fold(store: &Store) -> Result<(), RestoringError> {
    let feed = Feed::open(store.log().clone()).await?;
    let mut projector = Projector::new(store, &feed);
    while projector.step().await? == Progress::Advanced {}
    Ok(())
}

fn restored(backup: &Backup) -> Restored {
    Restored {
        taken_at: backup.taken_at,
        position: backup.position,
        batch_hash: backup.batch_hash,
    }
}

fn postgres_data(home: &Home) -> PathBuf {
    home.location().join("postgres")
}
