//! The `file` kind: one `.eml` per publication in a folder, for trying things out.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures_util::future::BoxFuture;
use lettre::{
    Address, Message,
    address::Envelope,
    message::{
        Mailbox,
        header::{HeaderName, HeaderValue},
    },
};
use serde_json::Value;
use tidings_domain::delivery::DoubtPolicy;
use tidings_domain::delivery::retry::Family;
use tidings_event_store::crash_point;

use super::settings::{Fields, checked};
use crate::channel::{
    Blame, Channel, ConfigError, Environment, Job, Kind, LeftAlone, Outcome, Reach, RenderError,
    Rendered, Warrant, one_line,
};
use tidings_proto::Reason;

#[cfg(test)]
mod tests;

/// Settings: `{"folder": "relative/path"}`, inside the process's file root. No credentials.
pub const KIND: Kind = Kind {
    name: "file",
    reach: Reach::Broadcast,
    family: Family::Http,
    doubt: DoubtPolicy::Hold,
    left_alone: LeftAlone::Never,
    build,
};

#[derive(Debug)]
struct FileChannel {
    root: PathBuf,
    folder: PathBuf,
}

fn build(
    settings: &Value,
    credentials: Option<&str>,
    environment: &Environment,
) -> Result<Arc<dyn Channel>, ConfigError> {
    let mut fields = Fields::settings(settings);
    let folder = fields.required_text("folder").map(PathBuf::from);
    if let Some(folder) = &folder
        && !folder
            .components()
            .all(|part| matches!(part, Component::Normal(_)))
    {
        fields.problem("folder", "must be a relative path without `..`");
    }
    let channel = folder.map(|folder| FileChannel {
        root: environment.file_root.clone(),
        folder,
    });
    let channel = checked(channel, [fields, Fields::credentials(credentials)])?;
    Ok(Arc::new(channel))
}

impl Channel for FileChannel {
    fn render(&self, job: &Job<'_>) -> Result<Rendered, RenderError> {
        let unbuildable = |_| RenderError::Unbuildable;
        let address = Address::new("tidings", "localhost").map_err(|_| RenderError::Unbuildable)?;
        let envelope = Envelope::new(Some(address.clone()), vec![address.clone()]);
        // A broadcast has no single reader, and lettre no type for an empty group.
        let nobody = "undisclosed-recipients:;".to_owned();
        let to = HeaderName::new_from_ascii_str("To");
        let message = Message::builder()
            .from(Mailbox::new(Some("Tidings".to_owned()), address))
            .raw_header(HeaderValue::dangerous_new_pre_encoded(
                to,
                nobody.clone(),
                nobody,
            ))
            .subject(job.content.title())
            .date(SystemTime::from(job.date))
            .message_id(Some(format!("<{}@localhost>", job.delivery_id)))
            .envelope(envelope.map_err(unbuildable)?)
            .multipart(
                job.content
                    .mail()
                    .alternative(None, None, &job.delivery_id.to_string()),
            )
            .map_err(unbuildable)?;
        Ok(Rendered {
            delivery_id: job.delivery_id,
            attempt: job.attempt,
            media_type: "message/rfc822",
            from: String::new(),
            to: format!("{}.eml", job.about.publication()?),
            body: message.formatted(),
        })
    }

    fn send<'a>(
        &'a self,
        rendered: &'a Rendered,
        warrant: &'a dyn Warrant,
    ) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match self.attempt(rendered, warrant).await {
                Ok(outcome) => outcome,
                // Nothing appears under the final name until the last step, so nothing is in doubt.
                Err(error) => Outcome::Deferred {
                    reason: Reason::NotWritable,
                    code: 0,
                    reply: one_line(&error.to_string()),
                    retry_after: None,
                    blame: Blame::Channel,
                },
            }
        })
    }

    fn attempt_time_max(&self) -> Duration {
        Duration::from_secs(30)
    }

    fn concurrency(&self) -> usize {
        4
    }
}

impl FileChannel {
    async fn attempt(&self, rendered: &Rendered, warrant: &dyn Warrant) -> io::Result<Outcome> {
        let (root, folder) = (self.root.clone(), self.root.join(&self.folder));
        let folder = blocking(move || folder_inside(&root, &folder)).await?;
        let target = folder.join(named(rendered));
        let draft = folder.join(format!(".{}.draft", rendered.delivery_id));

        let (bytes, existing, path) = (rendered.body.clone(), target.clone(), draft.clone());
        let found = blocking(move || found_or_drafted(&existing, &path, &bytes)).await?;
        match found {
            Found::Same => return Ok(sent("already there")),
            Found::Other => {
                return Ok(Outcome::Failed {
                    reason: Reason::NameTaken,
                    code: 0,
                    reply: "another message has the file's name".to_owned(),
                    // No other delivery of the channel meets it.
                    blame: Blame::Receiver,
                });
            }
            Found::Nothing => {}
        }
        crash_point!("attempt.drafted");
        if !warrant.is_fresh() {
            blocking(move || fs::remove_file(draft)).await?;
            return Ok(Outcome::Abandoned {
                reason: Reason::Stale,
            });
        }
        blocking(move || {
            fs::rename(draft, target)?;
            fs::File::open(folder)?.sync_all()
        })
        .await?;
        Ok(sent("written"))
    }
}

/// What somebody tries the channel with must not take the name of the delivery that comes after it.
fn named(rendered: &Rendered) -> String {
    match rendered.attempt {
        0 => format!("test-{}.eml", rendered.delivery_id),
        _ => rendered.to.clone(),
    }
}

enum Found {
    Nothing,
    Same,
    Other,
}

/// Looks for the message under its final name, and writes it under its draft name if absent.
fn found_or_drafted(target: &Path, draft: &Path, bytes: &[u8]) -> io::Result<Found> {
    match fs::read(target) {
        Ok(there) if there == bytes => return Ok(Found::Same),
        Ok(_) => return Ok(Found::Other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    fs::write(draft, bytes)?;
    fs::File::open(draft)?.sync_all()?;
    Ok(Found::Nothing)
}

/// Makes the folder, and refuses one that a symbolic link leads out of the root.
fn folder_inside(root: &Path, folder: &Path) -> io::Result<PathBuf> {
    fs::create_dir_all(root)?;
    let root = root.canonicalize()?;
    // Look before making anything: the deepest part that exists must be inside already.
    let existing = folder.ancestors().find(|part| part.exists());
    if let Some(existing) = existing
        && !existing.canonicalize()?.starts_with(&root)
    {
        let message = "the folder lies outside the file root";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    fs::create_dir_all(folder)?;
    folder.canonicalize()
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)))
}

fn sent(reply: &str) -> Outcome {
    Outcome::Sent {
        code: 0,
        reply: reply.to_owned(),
        provider_message_id: None,
    }
}
