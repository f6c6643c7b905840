//! Brings a platform back to work whose database was put back to an earlier state: lays a backup as its data, begins
//! a new incarnation of the log, makes the facts about consent part of it again that were lost, and leaves everything
//! so that nothing is sent before an operator says so. Killed at any moment, it is run again and goes on.

mod error;

use std::collections::HashSet;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tidings_dispatcher::held::{self, Waiting};
use tidings_domain::log::Restored as RestoredLog;
use tidings_event_store::feed::Feed;
use tidings_event_store::hex::Hex;
use tidings_event_store::restore::{self as log_restore, Again, InStream};
use tidings_event_store::stream::StreamName;
use tidings_event_store::witness::{self, Fact, Folder, Growth, Lost, WitnessError};
use tidings_event_store::{Past, Progress, Store};
use tidings_projector::Projector;
use tidings_servers::Options;
use tidings_service::config::Config;
use tidings_service::nats;
use tidings_service::problem::chain;
use uuid::Uuid;

pub use error::RestoringError;

use crate::backup::Backup;
use crate::home::{Home, Restored, Restoring};
use crate::platform::{Backing, Core, Ground, MasterKeys, StartError};

/// What is restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The backup in this folder, over an empty data folder.
    Backup(PathBuf),
    /// Nothing: the database was put back by other means.
    InPlace,
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
    /// The log is compared with the witness.
    Compare,
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
    /// The last position of before.
    pub after_position: i64,
    /// The last position that is known to have been recorded before.
    pub lost_through: i64,
    /// Why the stream of before was not asked, where it might still be: the witness alone was.
    pub stream_not_read: Option<String>,
    /// Facts about consent that were lost and are part of the log again.
    pub again: Again,
    /// Attempts that were open, and are now in doubt.
    pub doubted: u64,
    /// What waits for the operator's word.
    pub waiting: Vec<Waiting>,
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
        self.check_witness()?;
        self.check_master_key().await?;
        let home = &self.ground.home;
        let backup = match &self.source {
            Source::Backup(folder) => Some(Backup::read(folder)?),
            Source::InPlace => None,
        };
        let restoring = self.begin(backup.as_ref())?;
        if let Source::Backup(folder) = &self.source {
            self.lay(&Backup::data(folder), tell).await?;
        }
        tell(Step::Start);
        let backing = match &self.source {
            Source::Backup(_) => Backing::start_database(self.config, home).await?,
            // The stream may hold what the witness has not signed yet.
            Source::InPlace => Backing::start(self.config, home).await?,
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
            return Ok(());
        };
        match witness::check(folder, None, &mut |_, _| ()) {
            Ok(_) => Ok(()),
            Err(WitnessError::Absent(path)) => Err(RestoringError::NoWitness(path)),
            Err(error) => Err(RestoringError::Witness(error)),
        }
    }

    async fn check_master_key(&self) -> Result<(), RestoringError> {
        let keys = MasterKeys::of(self.config, self.ground);
        if keys.read().await?.is_empty() {
            let place = keys.place();
            return Err(StartError::NoMasterKey { place }.into());
        }
        Ok(())
    }

    /// Puts down that a restore is under way, or finds that this one is.
    fn begin(&self, backup: Option<&Backup>) -> Result<Restoring, RestoringError> {
        let home = &self.ground.home;
        let backup = backup.map(|backup| Restored {
            taken_at: backup.taken_at,
            position: backup.position,
            batch_hash: backup.batch_hash,
        });
        match home.restoring()? {
            Some(begun) if begun.backup == backup => return Ok(begun),
            Some(_) => return Err(RestoringError::Another(home.dir().to_owned())),
            None => {}
        }
        if backup.is_some() && postgres_data(home).exists() {
            let used = tidings_servers::ServersError::Used(home.dir().to_owned());
            return Err(used.into());
        }
        let restoring = Restoring {
            incarnation: self.ground.ids.next(),
            backup,
        };
        // In place nothing is half done before the incarnation begins.
        if restoring.backup.is_some() {
            home.begin_restoring(&restoring)?;
        }
        Ok(restoring)
    }

    /// Copies the data, unless an earlier run has.
    async fn lay(
        &self,
        data: &Path,
        tell: &mut (dyn FnMut(Step) + Send),
    ) -> Result<(), RestoringError> {
        let home = &self.ground.home;
        if postgres_data(home).exists() {
            return Ok(());
        }
        let options = Options::from_env(home.dir());
        tell(Step::Verify);
        tidings_servers::verify(&options, data).await?;
        tell(Step::Lay);
        Ok(tidings_servers::lay(&options, data).await?)
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
        let lost = self.lost(store, end).await?;
        let common = lost.as_ref().map_or(0, |lost| lost.common);
        let stream = self
            .in_stream((core, backing), restoring, common..end)
            .await?;
        tell(Step::Begin);
        self.ground.home.begin_restoring(restoring)?;
        let after = log_restore::begin(store, restoring.incarnation, now).await?;
        let (found, stream_not_read) = match stream {
            Ok(found) => (found, None),
            Err(why) => (InStream::default(), Some(why)),
        };
        let witnessed = lost.as_ref().map_or(0, |lost| lost.through);
        let lost_through = witnessed.max(found.through).max(after);
        let restored = RestoredLog {
            incarnation: restoring.incarnation,
            after_position: after,
            lost_through,
            backed_up_at: restoring.backup.as_ref().map(|backup| backup.taken_at),
        };
        let restored = log_restore::record(store, restored, now).await?;
        let facts = together(lost.map(|lost| lost.facts).unwrap_or_default(), found.facts);
        let mut told = |done, of| tell(Step::Facts(done, of));
        let again = log_restore::again(store, &restored, &facts, now, &mut told).await?;
        tell(Step::CatchUp);
        let doubted = self.catch_up(store, &restored).await?;
        Ok(Summary {
            incarnation: restoring.incarnation,
            after_position: after,
            lost_through,
            stream_not_read,
            again,
            doubted,
            waiting: held::waiting(&core.pool).await?,
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

    async fn lost(&self, store: &Store, end: i64) -> Result<Option<Lost>, RestoringError> {
        let Some(folder) = &self.witness else {
            return Ok(None);
        };
        let key = store.vault().witness_key(self.ground.clock.now()).await;
        let key = key.map_err(RestoringError::Vault)?.public();
        let growth = match self.source {
            Source::Backup(_) => Growth::None,
            Source::InPlace => Growth::Possible,
        };
        let lost = witness::lost(store.log(), folder, key, end, growth).await?;
        Ok(Some(lost))
    }

    /// In place: what the stream of before holds beyond the log, or why that cannot be found out.
    async fn in_stream(
        &self,
        (core, backing): (&Core, &Backing),
        restoring: &Restoring,
        range: Range<i64>,
    ) -> Result<Result<InStream, String>, RestoringError> {
        if self.source != Source::InPlace {
            return Ok(Ok(InStream::default()));
        }
        let log = core.store.log();
        let before = log.incarnations().await?;
        let before = before.iter().rfind(|it| **it != restoring.incarnation);
        let Some(before) = before else {
            return Ok(Ok(InStream::default()));
        };
        let name = StreamName::new(&self.config.nats_subject_prefix, *before);
        let client = match nats::connect(backing.nats_url(), "tidings restore").await {
            Ok(client) => client,
            Err(error) => return Ok(Err(chain(&error))),
        };
        let found = log_restore::in_stream(log, client, &name, range.start, range.end).await;
        Ok(found.map_err(|error| chain(&error)))
    }

    async fn catch_up(&self, store: &Store, restored: &Past) -> Result<u64, RestoringError> {
        let now = self.ground.clock.now();
        let feed = Feed::open(store.log().clone()).await?;
        let doubted = held::doubt_open(store, &feed, restored, now).await?;
        // One more look at the log, which has got those doubts.
        let feed = Feed::open(store.log().clone()).await?;
        let mut projector = Projector::new(store, &feed);
        while projector.step().await? == Progress::Advanced {}
        Ok(doubted)
    }
}

/// Facts of both sources in the order they happened, each once.
fn together(mut facts: Vec<Fact>, more: Vec<Fact>) -> Vec<Fact> {
    let known: HashSet<Uuid> = facts.iter().map(|fact| fact.event_id).collect();
    facts.extend(more.into_iter().filter(|it| !known.contains(&it.event_id)));
    facts.sort_by_key(|fact| fact.position);
    facts
}

fn postgres_data(home: &Home) -> PathBuf {
    home.location().join("postgres")
}
