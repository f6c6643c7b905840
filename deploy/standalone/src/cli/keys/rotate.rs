//! `tidings keys rotate`: another master key takes the place of the one in use.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use tidings_event_store::Progress;
use tidings_event_store::vault::{self, KeyStatus, MasterId, RotateError, RotationProgress};
use tidings_service::config::MasterKey;

use crate::cli::{Bar, CliError, Out, Session};
use crate::platform::{Core, MasterKeys, for_vault, read_master_keys};

/// Put another master key in use
///
/// Wraps every key in the database anew; events are not touched, and what was sealed opens as before. It may run
/// beside a working platform, and be killed at any moment: run it again and it goes on. It ends by looking whether the
/// new master key opens every key, and only then lets go of the old one.
///
/// The master key in the data folder is replaced by one that is made for it; every process over the same folder finds
/// both meanwhile, and the old one is kept under its id. A master key of yours (master_key, master_key_file or
/// master_key_command) you replace yourself: let the source give both keys, the new one beside the old, start the
/// other processes again if it is the setting master_key, run this, and then take the old one away. Where no other
/// process runs, --new-key-file spares the first step.
///
/// Backups of the database from before need the old master key. Keep it as long as you keep them, elsewhere.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidings keys rotate                                make a new master key in the data folder
  openssl rand -base64 32 > new.key
  tidings keys rotate --new-key-file new.key         put this one in use")]
pub(crate) struct Rotate {
    /// A file with the new master key: 32 bytes in base64
    #[arg(long, value_name = "FILE")]
    new_key_file: Option<PathBuf>,
}

/// What a rotation came to.
struct Rotated {
    from: Option<MasterId>,
    to: MasterId,
    progress: RotationProgress,
    /// Whether an earlier run had ended it.
    already_complete: bool,
    /// Where the old key in the data folder is now.
    kept: Option<PathBuf>,
}

impl Rotate {
    /// The key in the file that was named.
    pub(super) fn new_key(&self) -> Result<Option<MasterKey>, CliError> {
        let Some(path) = &self.new_key_file else {
            return Ok(None);
        };
        let keys = read_master_keys(path)?;
        match <[MasterKey; 1]>::try_from(keys) {
            Ok([key]) => Ok(Some(key)),
            Err(_) => Err(CliError::Usage(format!(
                "{} holds two keys: leave only the new one in it",
                path.display()
            ))),
        }
    }

    pub(super) async fn run(
        self,
        session: &Session,
        core: &Core,
        masters: &MasterKeys,
        out: Out,
    ) -> Result<(), CliError> {
        let ground = &session.ground;
        let vault = core.store.vault();
        let status = vault.status().await?;
        let to = self.choose(session, masters, &status).await?;
        let to_id = to.id();
        let from = old_id(masters, to_id).await?;
        let bar = Bar::new(out, "keys", "looked at");
        let begun = vault.rotate(to, ground.clock.now()).await;
        if masters.is_ours() && matches!(begun, Err(RotateError::UsedBefore(_))) {
            // Nothing was changed, and the next run shall not find it.
            ground.home.discard_next_master_key()?;
        }
        let mut rotation = begun?;
        while rotation.step(ground.clock.now()).await? == Progress::Advanced {
            let at = rotation.progress();
            bar.set(at.looked_at, at.live * 2);
        }
        drop(bar);
        let kept = match (masters.is_ours(), from) {
            (true, Some(from)) => ground.home.replace_master_key(&from.to_string())?,
            _ => None,
        };
        Rotated {
            from,
            to: to_id,
            progress: rotation.progress(),
            already_complete: is_complete(&status, to_id),
            kept,
        }
        .tell(masters, self.new_key_file.as_deref(), out);
        Ok(())
    }

    /// The new master key: the one that was named, ours, or the other one that the source has. If the last change has
    /// ended and nobody has begun another, it is the one in use: a run that was killed at its very end is run again.
    async fn choose(
        &self,
        session: &Session,
        masters: &MasterKeys,
        status: &KeyStatus,
    ) -> Result<vault::MasterKey, CliError> {
        let named = self.new_key()?;
        if let Some(named) = &named
            && is_complete(status, for_vault(named).id())
        {
            if status.replaced.is_empty() {
                let used = "the master key that was named is in use already: name a fresh one";
                return Err(CliError::Usage(used.to_owned()));
            }
            if !session.ground.home.next_master_key_file().exists() {
                return Ok(for_vault(named));
            }
        }
        if masters.is_ours() {
            let ground = &session.ground;
            let next = ground
                .home
                .make_next_master_key(named.clone(), &ground.ids)?;
            return match named {
                Some(named) if named != next => Err(CliError::Usage(format!(
                    "{} holds another key, of a change that has not ended: finish it without --new-key-file",
                    ground.home.next_master_key_file().display()
                ))),
                _ => Ok(for_vault(&next)),
            };
        }
        if let Some(named) = named {
            return Ok(for_vault(&named));
        }
        let keys = masters.read().await?;
        let one_of = |which: &dyn Fn(MasterId) -> bool| {
            let mut keys = keys.iter().map(for_vault);
            keys.find(|key| which(key.id()))
        };
        let in_use = |id| Some(id) == status.in_use;
        let replaced = |id| status.replaced.contains(&id);
        let fresh = || one_of(&|id| !in_use(id) && !replaced(id));
        let next = match status.rotating {
            true => one_of(&in_use),
            // As long as the key before it was not taken away, the last change may be the one that is meant.
            false => fresh().or_else(|| one_of(&replaced).and_then(|_| one_of(&in_use))),
        };
        next.ok_or_else(|| {
            CliError::Usage(format!(
                "{} gives no new master key: let it give both, with white space between, or name a file with the new \
                 one by --new-key-file",
                masters.place()
            ))
        })
    }
}

/// Whether the change to this master key has ended.
fn is_complete(status: &KeyStatus, to: MasterId) -> bool {
    status.in_use == Some(to) && !status.rotating
}

/// The master key that is replaced: the other one at hand.
async fn old_id(masters: &MasterKeys, to: MasterId) -> Result<Option<MasterId>, CliError> {
    let keys = masters.read().await?;
    let mut ids = keys.iter().map(|key| for_vault(key).id());
    Ok(ids.find(|id| *id != to))
}

impl Rotated {
    fn tell(&self, masters: &MasterKeys, new_key_file: Option<&Path>, out: Out) {
        let RotationProgress {
            rewrapped,
            verified,
            ..
        } = self.progress;
        let to = self.to;
        out.say(match self.already_complete {
            true => format!(
                "The change to the master key {to} was complete already; it opens all {verified} keys."
            ),
            false => format!(
                "{rewrapped} keys were wrapped anew; the master key {to} opens all {verified}."
            ),
        });
        match (&self.kept, masters.is_ours()) {
            (Some(kept), _) => out.say(format!(
                "The old master key is now {}: keep it elsewhere as long as you keep backups of the database from \
                 before, then destroy it. Back up {} too.",
                kept.display(),
                masters.place()
            )),
            (None, true) => {}
            (None, false) => {
                let new = new_key_file.map_or_else(
                    || "the new key".to_owned(),
                    |path| format!("the key in {}", path.display()),
                );
                out.say(format!(
                    "Now let {} give {new} and no other, and start every process again. Backups of the database from \
                     before need the old one.",
                    masters.place()
                ));
            }
        }
        out.result(&json!({
            "from": self.from.map(|id| id.to_string()),
            "to": to.to_string(),
            "rewrapped": rewrapped,
            "verified": verified,
            "already_complete": self.already_complete,
            "kept": self.kept.as_ref().map(|path| path.display().to_string()),
        }));
    }
}
