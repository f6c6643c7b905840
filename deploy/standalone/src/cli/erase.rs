//! `tidings erase`: destroys what is known of a subscriber.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use tidings_event_store::receipt::Receipt;
use tidings_service::auth::Role;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::caller::with_api;
use super::global::{Global, Logs};
use super::out::instant;
use super::who;
use super::{Api, CliError, Out};

const LOOK_EVERY: Duration = Duration::from_millis(200);
/// What stands in the way ends by itself, but may take long: a file that is being taken in, an attempt, a rebuild.
const PATIENCE: Duration = Duration::from_secs(60);

/// Destroy what is known of somebody, for good
#[derive(Debug, Subcommand)]
pub(super) enum Erase {
    Subscriber(Subscriber),
}

/// Erase a subscriber: destroy the key that opens their data, in every copy of the log
///
/// Nothing is sent to them from then on, no file brings them back, and it cannot be undone. Prints the receipt: which keys
/// were destroyed, what remains, and why. Run again with
/// their id, it prints the same receipt; the address is nobody's by then.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidings erase subscriber ada@example.org --reason 'asked by mail, ticket 4711' --out receipt.json
  tidings audit check receipt.json")]
pub(super) struct Subscriber {
    /// The subscriber's id or address
    #[arg(value_name = "ID|EMAIL")]
    who: String,
    /// Why
    #[arg(long, value_enum, default_value_t = Basis::Request)]
    basis: Basis,
    /// Why you look them up, in your words: required with an address; it goes on record with the look, and is destroyed with the
    /// rest
    #[arg(long, value_name = "TEXT", value_parser = who::reason)]
    reason: Option<String>,
    /// When they asked, if it was before now, such as 2026-03-01T09:30:00Z
    #[arg(long, value_name = "TIME", value_parser = super::out::time)]
    asked_at: Option<OffsetDateTime>,
    /// Write the receipt to this file, as it was signed; it must not be there yet
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Basis {
    /// They asked for it
    Request,
    /// You decided so
    Operator,
}

impl Erase {
    pub(super) async fn run(self, global: &Global, out: Out) -> Result<(), CliError> {
        let Self::Subscriber(subscriber) = self;
        who::is_said_why(&subscriber.who, subscriber.reason.as_deref())?;
        let session = global.existing()?;
        let telemetry = session.telemetry(Logs::Quiet)?;
        let key = session.ground.ids.next().to_string();
        let work = async |api: Api| subscriber.erase(&api, &key, out).await;
        let done = with_api(&session, Role::Compliance, work).await;
        telemetry.shutdown().await;
        done
    }
}

impl Subscriber {
    async fn erase(&self, api: &Api, key: &str, out: Out) -> Result<(), CliError> {
        // Before anything is destroyed.
        let file = self.out.as_deref().map(new_file).transpose()?;
        let done = self.signed(api, key).await;
        if let (Err(_), Some(path)) = (&done, &self.out) {
            // No receipt is in it.
            drop(std::fs::remove_file(path));
        }
        let signed = done?;
        if let Some(receipt) = Receipt::read(&signed) {
            out.say(words(&receipt));
        }
        out.verbatim(&signed);
        if let (Some(mut file), Some(path)) = (file, &self.out) {
            let written = file.write_all(signed.as_bytes());
            let written = written.and_then(|()| file.sync_all());
            written.map_err(|source| unwritable(path, source))?;
        }
        Ok(())
    }

    /// Has them erased; gives the receipt as it was signed.
    async fn signed(&self, api: &Api, key: &str) -> Result<String, CliError> {
        let id = who::subscriber(api, &self.who, self.reason.as_deref()).await?;
        let body = json!({
            "basis": match self.basis {
                Basis::Request => "request",
                Basis::Operator => "operator",
            },
            "asked_at": self.asked_at.map(|at| at.format(&Rfc3339).unwrap_or_default()),
        });
        let path = format!("/api/v1/subscribers/{id}/erase");
        api.command(&path, key, &body).await?;
        receipt(api, id).await
    }
}

/// A file that is not there yet: another's receipt is not written over.
fn new_file(path: &Path) -> Result<File, CliError> {
    let file = File::options().write(true).create_new(true).open(path);
    file.map_err(|source| unwritable(path, source))
}

fn unwritable(path: &Path, source: io::Error) -> CliError {
    CliError::Unwritable {
        path: path.to_owned(),
        source,
    }
}

/// Waits until it is done.
async fn receipt(api: &Api, id: Uuid) -> Result<String, CliError> {
    let path = format!("/api/v1/subscribers/{id}/erasure");
    let mut waited = Duration::ZERO;
    loop {
        let answer = api.get(&path).await?;
        if answer.body["state"].is_null() {
            return Ok(answer.raw);
        }
        if waited >= PATIENCE {
            let key_destroyed = !answer.body["key_destroyed_at"].is_null();
            let waits_for = answer.body["waits_for"].as_str().map(str::to_owned);
            return Err(CliError::Erasing {
                id,
                key_destroyed,
                waits_for,
            });
        }
        tokio::time::sleep(LOOK_EVERY).await;
        waited += LOOK_EVERY;
    }
}

pub(super) fn words(receipt: &Receipt) -> String {
    let mut text = format!(
        "erased {}\n\x20 asked at    {} ({})\n\x20 erased at   {}, position {}\n",
        receipt.subscriber_id,
        instant(receipt.asked_at),
        receipt.basis,
        instant(receipt.erased.at),
        receipt.erased.position,
    );
    text.push_str("destroyed:\n");
    for key in &receipt.destroyed {
        let (kind, at) = (&key.kind, instant(key.at));
        text.push_str(&format!("  {kind:<10}  key {}, {at}\n", key.key_id));
    }
    text.push_str("what remains:\n");
    for remaining in &receipt.remains {
        text.push_str(&format!("  {}\n", remaining.why));
    }
    text.push_str(&format!("signed by {}", receipt.public_key));
    text
}
