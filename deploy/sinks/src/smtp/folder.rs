//! Writes accepted messages as `.eml` files that a person can open, beside the dialogue.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::journal::Message;

/// How many messages may wait to be written; past that, accepting mail waits too.
const QUEUE_MESSAGES_MAX: usize = 1_024;

enum Job {
    Write(Arc<Message>, Bytes),
    Flush(oneshot::Sender<Option<io::Error>>),
}

/// The way to the writer. Its thread ends when this is dropped and all is written.
#[derive(Debug)]
pub(super) struct Folder {
    jobs: mpsc::Sender<Job>,
}

impl Folder {
    /// Makes the folder and starts its writer.
    pub(super) fn open(folder: PathBuf) -> io::Result<Self> {
        std::fs::create_dir_all(&folder)?;
        let before = last_number(&folder)?;
        let (jobs, mut queue) = mpsc::channel(QUEUE_MESSAGES_MAX);
        // A thread of its own, so that no runtime waits for it when it shuts down.
        thread::Builder::new()
            .name("mail-folder".into())
            .spawn(move || {
                let mut failed = None;
                while let Some(job) = queue.blocking_recv() {
                    match job {
                        Job::Write(message, raw) => {
                            if let Err(error) = write(&folder, before, &message, &raw) {
                                tracing::warn!(seq = message.seq, %error, "mail not written");
                                failed.get_or_insert(error);
                            }
                        }
                        // Nobody listening any more is nobody to tell.
                        Job::Flush(done) => drop(done.send(failed.take())),
                    }
                }
            })?;
        Ok(Self { jobs })
    }

    /// Queues a message; waits while the queue is full.
    pub(super) async fn write(&self, message: Arc<Message>, raw: Bytes) {
        // The writer ends only after its sender, which is us.
        let _ = self.jobs.send(Job::Write(message, raw)).await;
    }

    /// Waits until all queued so far is written; the error is the first since the last flush.
    pub(super) async fn flush(&self) -> io::Result<()> {
        let (done, written) = oneshot::channel();
        let _ = self.jobs.send(Job::Flush(done)).await;
        match written.await {
            Ok(None) => Ok(()),
            Ok(Some(error)) => Err(error),
            Err(_) => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

fn write(folder: &Path, before: u64, message: &Message, raw: &[u8]) -> io::Result<()> {
    let recipient = message.to.first().map_or("nobody", String::as_str);
    std::fs::write(folder.join(file_name(before + message.seq, recipient)), raw)
}

/// The number of the last message that an earlier process has left; 0: none.
fn last_number(folder: &Path) -> io::Result<u64> {
    let mut last = 0;
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name().into_string().unwrap_or_default();
        let number = name
            .split('-')
            .next()
            .and_then(|digits| digits.parse().ok());
        last = last.max(number.unwrap_or(0));
    }
    Ok(last)
}

/// `000012-ada@example.org.eml`: nothing in it that a file system could take amiss.
fn file_name(seq: u64, recipient: &str) -> String {
    let recipient: String = recipient
        .chars()
        .take(100)
        .map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '@' | '.' | '-' | '_' | '+' => c,
            _ => '_',
        })
        .collect();
    format!("{seq:06}-{recipient}.eml")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_holds_mail_is_gone_on_with() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(last_number(folder.path()).unwrap(), 0);
        for name in [
            "000007-ada@example.org.eml",
            "000012-b@example.org.eml",
            "notes.txt",
        ] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(last_number(folder.path()).unwrap(), 12);
    }

    #[test]
    fn file_names_are_tame() {
        assert_eq!(
            file_name(12, "ada+x@example.org"),
            "000012-ada+x@example.org.eml"
        );
        assert_eq!(file_name(1, "\"../../etc\"@x"), "000001-_.._.._etc_@x.eml");
        assert!(file_name(1_234_567, &"x".repeat(300)).len() < 120);
    }
}
