//! Takes mail out of a Maildir, for whom a hook in the mail server is too much: the server delivers into the folder,
//! and this looks what came.
//!
//! A mail that was understood is deleted: what it said is in the log, and nothing else should keep the address in it.
//! Any other is moved to `cur/`, unread, for a person to look at; whose mailbox that is cleans it up.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tidings_event_store::Outage;
use tidings_service::Problem;
use tidings_service::problem::chain;
use tokio_util::sync::CancellationToken;

use super::{MAIL_BYTES_MAX, Taken, take};
use crate::commands::Commands;
use crate::feedback::Origin;

/// Between two looks. Mail servers take longer to give up than to look again costs.
const EVERY: Duration = Duration::from_secs(10);
/// What a mail program calls a mail in `cur/` that nobody has seen.
const UNREAD: &str = ":2,";

/// Why mail cannot be taken out of a folder.
#[derive(Debug, thiserror::Error)]
pub enum MaildirError {
    /// It is no Maildir, or not for us.
    #[error("{folder} is no Maildir that mail can be taken out of (it needs new/ and cur/)")]
    Folder {
        /// As it was named.
        folder: PathBuf,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// A mail cannot be read, moved or deleted.
    #[error("a mail in {folder} cannot be taken")]
    Mail {
        /// Where it lies.
        folder: PathBuf,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// The log takes nothing now.
    #[error("the log takes nothing now")]
    Away,
}

/// What one look has led to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Mails that were understood, and are gone.
    pub taken: u32,
    /// Mails that are left to a person.
    pub left: u32,
    /// Mails that could not be written down, and are tried again.
    pub failed: u32,
}

/// A folder that a mail server delivers to. Any number of processes may take mail out of one.
pub struct Maildir {
    commands: Arc<Commands>,
    folder: PathBuf,
}

impl Maildir {
    /// Makes sure that the folder is one.
    ///
    /// # Errors
    /// When it is not.
    pub fn open(commands: Arc<Commands>, folder: PathBuf) -> Result<Self, MaildirError> {
        for part in ["new", "cur"] {
            fs::read_dir(folder.join(part)).map_err(|source| MaildirError::Folder {
                folder: folder.clone(),
                source,
            })?;
        }
        Ok(Self { commands, folder })
    }

    /// Takes what has come, until it is told to stop.
    pub async fn run(self, stop: CancellationToken) {
        let mut outage = Outage::default();
        loop {
            let swept = tokio::select! {
                // Cutting a look off is harmless: a mail that was taken and still lies there is known.
                () = stop.cancelled() => return,
                swept = self.step() => swept,
            };
            match swept.map_err(|error| chain(&error)) {
                Err(error) if outage.is_news(&error) => {
                    tracing::warn!(error, "mail that came back waits in its folder");
                }
                Ok(_) if outage.is_over() => {
                    tracing::info!("mail is taken out of its folder again");
                }
                _ => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }

    /// Takes what lies in the folder now.
    ///
    /// # Errors
    /// When the folder cannot be used, or the log takes nothing: what lies there then stays there.
    pub async fn step(&self) -> Result<Swept, MaildirError> {
        let folder = self.folder.join("new");
        let mut swept = Swept::default();
        for name in blocking(move || names(&folder))
            .await
            .map_err(|source| self.failed(source))?
        {
            let taken = match self.one(&name).await {
                Ok(taken) => taken,
                // One that cannot be read or moved holds up no other.
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "a mail that came back is not taken");
                    swept.failed += 1;
                    continue;
                }
            };
            match taken {
                None => {}
                Some(Ok(Taken::Done)) => swept.taken += 1,
                Some(Ok(Taken::Ignored | Taken::NoToken)) => swept.left += 1,
                Some(Err(problem)) if problem.kind().status == 503 => {
                    return Err(MaildirError::Away);
                }
                Some(Err(problem)) => {
                    tracing::warn!(%problem, "a mail that came back is not written down");
                    swept.failed += 1;
                }
            }
        }
        Ok(swept)
    }

    /// Takes one mail; none when somebody else has it.
    async fn one(&self, name: &str) -> Result<Option<Result<Taken, Problem>>, MaildirError> {
        let path = self.folder.join("new").join(name);
        let read = {
            let path = path.clone();
            blocking(move || read(&path)).await
        };
        let mail = match read {
            Ok(mail) => mail,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed(error)),
        };
        let origin = Origin {
            correlation_id: self.commands.ids.next(),
            traceparent: None,
        };
        let taken = take(&self.commands, &origin, &mail, None).await;
        let done = match &taken {
            Ok(Taken::Done) => blocking(move || fs::remove_file(path)).await,
            Ok(Taken::Ignored | Taken::NoToken) => {
                let kept = self.folder.join("cur").join(format!("{name}{UNREAD}"));
                blocking(move || fs::rename(path, kept)).await
            }
            Err(_) => Ok(()),
        };
        match done {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.failed(error)),
            _ => Ok(Some(taken)),
        }
    }

    fn failed(&self, source: io::Error) -> MaildirError {
        MaildirError::Mail {
            folder: self.folder.clone(),
            source,
        }
    }
}

/// The mails in a folder, in the order of their names, which begin with when they came.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_type()?.is_file() {
            continue;
        }
        // What no mail server calls a mail is none.
        let name = entry.file_name().into_string().ok();
        names.extend(name.filter(|name| !name.starts_with('.')));
    }
    names.sort_unstable();
    Ok(names)
}

/// The beginning of a mail.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut mail = Vec::new();
    File::open(path)?
        .take(MAIL_BYTES_MAX as u64)
        .read_to_end(&mut mail)?;
    Ok(mail)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)?
}
