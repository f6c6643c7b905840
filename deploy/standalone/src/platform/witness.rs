//! The witness of this platform: where it lies, the key it is pinned to, the task that keeps it, and what readiness
//! and metrics say of it.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tidings_event_store::witness::{Folder, Keeper, PublicKey, Standings, WitnessError};
use tidings_event_store::{Progress, crash_point};
use tidings_service::Clock;
use tidings_service::config::Config;
use tidings_service::health::Health;
use tidings_service::metrics::{Metrics, MetricsError, raise};
use tidings_service::problem::chain;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use super::{Core, Ground, StartError, until};
use crate::home::{Home, HomeError, io_error};

/// How often a head is signed while the log moves.
const SIGN_EVERY: Duration = Duration::from_secs(1);
/// A witness that has not been where the log is for so long has fallen behind.
const BEHIND_AFTER: Duration = Duration::from_secs(10);

/// Why the witness is not kept any more.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    /// The witness itself, or the log, says so.
    #[error(transparent)]
    Witness(#[from] WitnessError),
    /// The pinned key cannot be read or written.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// Somebody replaced the key in the database.
    #[error(
        "the database holds another key of the witness ({found}) than {} names ({pinned}): find out who replaced it; \
         to go on with the new one, remove that file and choose another folder with witness.folder",
        file.display()
    )]
    KeyReplaced {
        file: PathBuf,
        pinned: PublicKey,
        found: PublicKey,
    },
    /// The folder is not mounted, was emptied, or is another one than before.
    #[error(
        "the witness has begun (its key is pinned in {}), but {} holds no line of it: mount that folder again or put \
         its files back; only if they are really gone, remove {} to begin a new witness",
        file.display(), folder.display(), file.display()
    )]
    Gone { file: PathBuf, folder: PathBuf },
}

/// Where the witness of a platform lies.
pub(crate) fn folder(config: &Config, home: &Home) -> Folder {
    let configured = config.witness.folder.clone();
    Folder::new(configured.unwrap_or_else(|| home.witness_dir()))
}

/// The witness, not yet at work.
pub(super) struct Witness {
    keeper: Keeper,
    home: Home,
    clock: Clock,
    started_at: OffsetDateTime,
    trouble: Trouble,
}

/// What went wrong at the last try, and how many tries did. Clones share it.
#[derive(Clone, Default)]
struct Trouble {
    why: Arc<Mutex<Option<String>>>,
    failures: Arc<AtomicU64>,
}

impl Witness {
    pub(super) async fn open(
        config: &Config,
        ground: &Ground,
        core: &Core,
    ) -> Result<Self, StartError> {
        let now = ground.clock.now();
        let key = core.store.vault().witness_key(now).await;
        let key = key.map_err(StartError::Vault)?;
        let folder = folder(config, &ground.home);
        Ok(Self {
            keeper: Keeper::new(core.store.log().clone(), folder, key),
            home: ground.home.clone(),
            clock: ground.clock.clone(),
            started_at: now,
            trouble: Trouble::default(),
        })
    }

    /// How it is doing.
    pub(super) fn standings(&self) -> Standings {
        self.keeper.standings()
    }

    /// Lets `/readyz` and `/metrics` ask.
    pub(super) fn register(&self, health: &Health, metrics: &Metrics) -> Result<(), MetricsError> {
        let (standings, clock) = (self.standings(), self.clock.clone());
        let (trouble, started_at) = (self.trouble.clone(), self.started_at);
        health.check("witness lag", move || {
            std::future::ready(ready(&standings, &trouble, started_at, clock.now()))
        });
        let lag = metrics.gauges(
            "witness_lag_positions",
            "Positions in the log that the witness has not signed yet",
            &[],
        )?;
        let failures = metrics.counter(
            "witness_failures_total",
            "Times the witness could not be written or compared with the log",
        )?;
        let (standings, trouble) = (self.standings(), self.trouble.clone());
        metrics.on_scrape(Box::new(move |_| {
            let standing = *standings.borrow();
            let behind = standing.log_position - standing.position;
            lag.with_label_values::<&str>(&[])
                .set(if standing.elsewhere { 0 } else { behind });
            raise(&failures, trouble.failures.load(Relaxed));
        }));
        Ok(())
    }

    /// Signs what the log has got, every second, and once more when told to stop.
    pub(super) async fn run(mut self, stop: CancellationToken) -> Result<(), Ended> {
        let begun = self.begin();
        let (file, public_key, mut pinned) = self.fail_with(begun)?;
        let mut more = true;
        loop {
            self.catch_up().await?;
            // Not before the first line stands there: a pinned key says that there is one.
            let witnessed = self.keeper.standings().borrow().position > 0;
            if witnessed && !pinned {
                self.fail_with(pin(&file, public_key))?;
                pinned = true;
            }
            if !more {
                return Ok(());
            }
            more = until(&stop, SIGN_EVERY).await;
        }
    }

    /// Before anything is recorded or sent: a log that is not the one that was witnessed ends the timeline, whichever
    /// process keeps the witness. Whatever else is wrong, [`Self::run`] meets again; a folder that does not answer, such
    /// as a mount whose server is gone, is waited for no longer than `within`.
    pub(super) async fn compare(&self, within: Duration) {
        drop(tokio::time::timeout(within, self.keeper.compare()).await);
    }

    /// The file that pins the key, the key, and whether it is pinned: then the witness has begun.
    fn begin(&mut self) -> Result<(PathBuf, PublicKey, bool), Ended> {
        let file = self.home.witness_key_file();
        let public_key = self.keeper.standings().borrow().public_key;
        let pinned = is_pinned(&file, public_key)?;
        if pinned {
            self.keeper.must_go_on();
        }
        Ok((file, public_key, pinned))
    }

    async fn catch_up(&mut self) -> Result<(), Ended> {
        loop {
            match self.keeper.step(self.clock.now()).await {
                Ok(Progress::Advanced) if !self.keeper.is_current() => {}
                Ok(_) => {
                    self.trouble.note(None);
                    return Ok(());
                }
                Err(WitnessError::Gone(folder)) => {
                    let file = self.home.witness_key_file();
                    return self.fail_with(Err(Ended::Gone { file, folder }));
                }
                Err(error) if error.is_final() => return self.fail_with(Err(error.into())),
                Err(error) => {
                    self.trouble.note(Some(chain(&error)));
                    return Ok(());
                }
            }
        }
    }

    /// Counts what ends the task: it stays on record with the task itself.
    fn fail_with<T>(&self, result: Result<T, Ended>) -> Result<T, Ended> {
        if result.is_err() {
            self.trouble.failures.fetch_add(1, Relaxed);
        }
        result
    }
}

impl Trouble {
    fn note(&self, why: Option<String>) {
        let mut last = self.why.lock().unwrap_or_else(PoisonError::into_inner);
        if why.is_some() {
            self.failures.fetch_add(1, Relaxed);
        }
        if *last != why {
            match &why {
                Some(why) => tracing::warn!(why, "the witness cannot be kept"),
                None => tracing::info!("the witness is kept again"),
            }
            *last = why;
        }
    }
}

fn ready(
    standings: &Standings,
    trouble: &Trouble,
    started_at: OffsetDateTime,
    now: OffsetDateTime,
) -> Result<(), String> {
    let why = trouble.why.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(why) = why.as_ref() {
        return Err(format!("the witness cannot be kept: {why}"));
    }
    let standing = *standings.borrow();
    let since = standing.current_at.unwrap_or(started_at);
    if standing.elsewhere || now - since < BEHIND_AFTER {
        return Ok(());
    }
    Err(format!(
        "the witness stands at position {} since {} s, {} behind the log",
        standing.position,
        (now - since).whole_seconds(),
        standing.log_position - standing.position
    ))
}

/// The pinned key, if there is one.
///
/// # Errors
/// When the file cannot be read, or holds something else.
pub(crate) fn pinned(file: &Path) -> Result<Option<PublicKey>, HomeError> {
    match std::fs::read_to_string(file) {
        Ok(text) => {
            let malformed = |_| io_error("understand", file)(io::ErrorKind::InvalidData.into());
            text.trim().parse().map(Some).map_err(malformed)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_error("read", file)(error)),
    }
}

/// Whether this key is pinned; an error, if another one is.
fn is_pinned(file: &Path, key: PublicKey) -> Result<bool, Ended> {
    match pinned(file)? {
        Some(pinned) if pinned == key => Ok(true),
        Some(pinned) => Err(Ended::KeyReplaced {
            file: file.to_owned(),
            pinned,
            found: key,
        }),
        None => Ok(false),
    }
}

/// Pins the key, or finds that another one was pinned.
fn pin(file: &Path, key: PublicKey) -> Result<(), Ended> {
    if is_pinned(file, key)? {
        return Ok(());
    }
    let draft = file.with_extension("pub.new");
    let written = std::fs::File::create(&draft).and_then(|mut out| {
        writeln!(out, "{key}")?;
        out.sync_all()?;
        crash_point!("witness.key_drafted");
        std::fs::rename(&draft, file)
    });
    written.map_err(io_error("write", file))?;
    crash_point!("witness.key_pinned");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_event_store::witness::{SigningKey, Standing};
    use time::macros::datetime;

    fn standing() -> Standing {
        Standing {
            public_key: SigningKey::from_seed(&[7; 32]).public(),
            position: 40,
            at: None,
            log_position: 50,
            current_at: Some(datetime!(2026-03-01 10:00 UTC)),
            elsewhere: false,
        }
    }

    #[test]
    fn a_witness_that_lags_fails_or_hangs_is_not_ready() {
        let (sender, standings) = tokio::sync::watch::channel(standing());
        let (trouble, started_at) = (Trouble::default(), datetime!(2026-03-01 9:00 UTC));
        let at = |now| ready(&standings, &trouble, started_at, now);
        assert_eq!(at(datetime!(2026-03-01 10:00:09 UTC)), Ok(()));
        let late = datetime!(2026-03-01 10:00:12 UTC);
        assert_eq!(
            at(late).unwrap_err(),
            "the witness stands at position 40 since 12 s, 10 behind the log"
        );
        sender.send_modify(|it| it.elsewhere = true);
        assert_eq!(at(late), Ok(()));
        trouble.note(Some("the disk is full".to_owned()));
        assert!(at(started_at).unwrap_err().ends_with("the disk is full"));
        trouble.note(None);
        assert_eq!(at(late), Ok(()));
        assert_eq!(trouble.failures.load(Relaxed), 1);
    }

    #[test]
    fn a_witness_that_is_gone_says_what_to_do() {
        let gone = Ended::Gone {
            file: "/data/witness.pub".into(),
            folder: "/mnt/witness".into(),
        };
        assert_eq!(
            gone.to_string(),
            "the witness has begun (its key is pinned in /data/witness.pub), but /mnt/witness holds no line of it: \
             mount that folder again or put its files back; only if they are really gone, remove /data/witness.pub to \
             begin a new witness"
        );
    }

    #[test]
    fn the_first_key_is_pinned_and_another_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("witness.pub");
        assert_eq!(pinned(&file).unwrap(), None);
        let key = standing().public_key;
        assert!(!is_pinned(&file, key).unwrap());
        pin(&file, key).unwrap();
        pin(&file, key).unwrap();
        assert!(is_pinned(&file, key).unwrap());
        assert_eq!(pinned(&file).unwrap(), Some(key));
        let other = SigningKey::from_seed(&[8; 32]).public();
        let refused = pin(&file, other).unwrap_err().to_string();
        assert!(refused.contains(&key.to_string()), "{refused}");
        std::fs::write(&file, "no key\n").unwrap();
        assert!(pin(&file, key).is_err());
    }
}
