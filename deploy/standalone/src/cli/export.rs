//! `tidings export`: all that is on record of a subscriber, in one file.

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::json;
use tidings_event_store::export::digest_of;
use tidings_event_store::hex::Hex;
use tidings_projector::subscriber_export::check;
use tidings_service::auth::Role;
use uuid::Uuid;

use super::caller::with_api;
use super::global::{Global, Logs};
use super::who;
use super::{Api, Bar, CliError, Out};

/// Write all that is on record of somebody to a file
#[derive(Debug, Subcommand)]
pub(super) enum Export {
    Subscriber(Subscriber),
}

/// Export a subscriber: a ZIP that a person and a program can read, and that proves itself
///
/// It holds a page to read and print, the profile, every event, tables, the proof that the events are in the log, and a
/// signed manifest. That it was handed out goes on record, with the digest of the file. What was erased is not in it.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidings export subscriber ada@example.org --reason 'asked for a copy by mail' --out ada.zip
  tidings audit check ada.zip")]
pub(super) struct Subscriber {
    /// The subscriber's id or address
    #[arg(value_name = "ID|EMAIL")]
    who: String,
    /// Why, in your words: it goes on record
    #[arg(long, value_name = "TEXT", value_parser = who::reason)]
    reason: String,
    /// Where to write it; nothing may be there yet
    #[arg(long, value_name = "FILE.zip")]
    out: PathBuf,
}

impl Export {
    pub(super) async fn run(self, global: &Global, out: Out) -> Result<(), CliError> {
        let Self::Subscriber(subscriber) = self;
        let session = global.existing()?;
        let telemetry = session.telemetry(Logs::Quiet)?;
        let work = async |api: Api| subscriber.export(&api, out).await;
        let done = with_api(&session, Role::Compliance, work).await;
        telemetry.shutdown().await;
        done
    }
}

impl Subscriber {
    async fn export(&self, api: &Api, out: Out) -> Result<(), CliError> {
        let unwritable = |source| CliError::Unwritable {
            path: self.out.clone(),
            source,
        };
        // Before it goes on record that something was handed out.
        let mut file = File::options();
        // For nobody else on this machine.
        let file = file.read(true).write(true).create_new(true).mode(0o600);
        let mut file = file.open(&self.out).map_err(unwritable)?;
        let written = self.write(api, &mut file, out).await;
        let id = match written {
            Ok(id) => id,
            Err(error) => {
                // A part of a file would be taken for the whole.
                drop(std::fs::remove_file(&self.out));
                return Err(error);
            }
        };
        file.sync_all()
            .and_then(|()| file.rewind())
            .map_err(unwritable)?;
        let digest = digest_of(&file).map_err(unwritable)?;
        file.rewind().map_err(unwritable)?;
        let checked = check::check(&file, None)?;
        out.say(format!(
            "{} events of subscriber {id} are in {}.\n\
             \x20 SHA-256     {}\n\
             \x20 public key  {}\n\
             Whoever checks it with `tidings audit check` needs the public key from you by another way.",
            checked.events,
            self.out.display(),
            Hex(digest),
            checked.public_key
        ));
        out.result(&json!({ "file": self.out, "sha256": Hex(digest), "export": checked }));
        Ok(())
    }

    async fn write(&self, api: &Api, file: &mut File, out: Out) -> Result<Uuid, CliError> {
        let id = who::subscriber(api, &self.who, Some(&self.reason)).await?;
        let bar = Bar::new(out, "export", "bytes");
        bar.say("gathering");
        let path = format!("/api/v1/subscribers/{id}/export");
        let mut take = |bytes: &[u8], so_far: u64, of: u64| {
            bar.say("");
            bar.set(so_far, of);
            file.write_all(bytes)
        };
        match api
            .download((Method::POST, &path), &self.reason, &mut take)
            .await?
        {
            Ok(()) => Ok(id),
            Err(source) => Err(CliError::Unwritable {
                path: self.out.clone(),
                source,
            }),
        }
    }
}
