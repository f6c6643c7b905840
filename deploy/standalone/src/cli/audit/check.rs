//! `tidings audit check`: checks a proof, or the receipt of an erasure, with nothing but the file.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;
use tidings_event_store::audit::{Checked, Proof};
use tidings_event_store::receipt::Receipt;
use tidings_event_store::witness::PublicKey;

use crate::cli::erase::words as receipt_words;
use crate::cli::out::instant;
use crate::cli::{CliError, Out};

/// Check a proof that an event is in a log, or the receipt of an erasure
///
/// Needs no platform, no database and no secret. It recomputes the event's digest, the hashes that lead to the
/// witnessed head, and the signature; of a receipt the signature. The exit code is 1 if the file proves nothing.
///
/// Either is worth as much as the public key it is signed with: give the one you know with --public-key, or compare
/// the one that is printed.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  tidings audit check proof.json --public-key 5d0f…")]
pub(in crate::cli) struct Check {
    /// The file that `tidings audit prove` or `tidings erase` wrote
    file: PathBuf,
    /// Who must have signed it [default: whoever the file names]
    #[arg(long, value_name = "KEY")]
    public_key: Option<PublicKey>,
}

impl Check {
    pub(super) fn run(self, out: Out) -> Result<ExitCode, CliError> {
        let text = std::fs::read(&self.file).map_err(|source| CliError::File {
            path: self.file.clone(),
            source,
        })?;
        if let Ok(text) = std::str::from_utf8(&text)
            && let Some(receipt) = Receipt::read(text)
        {
            receipt.check(text, self.public_key)?;
            out.say(receipt_words(&receipt));
            out.result(&json!({ "proven": true, "key_given": self.public_key.is_some(), "receipt": receipt }));
            return Ok(ExitCode::SUCCESS);
        }
        let checked = Proof::read(&text)?.check(self.public_key)?;
        out.say(words(&checked, self.public_key.is_some()));
        out.result(
            &json!({ "proven": true, "key_given": self.public_key.is_some(), "proof": checked }),
        );
        Ok(ExitCode::SUCCESS)
    }
}

fn words(checked: &Checked, key_given: bool) -> String {
    let Checked {
        position,
        version,
        event,
        recorded_at,
        witnessed_at,
        public_key,
    } = checked;
    let key = if key_given {
        "the key you gave"
    } else {
        "compare it with the one you know"
    };
    format!(
        "The event is in the log, at position {position}.\n\
         \x20 type          {}\n\
         \x20 stream        {}, version {version}\n\
         \x20 event id      {}\n\
         \x20 actor         {}\n\
         \x20 recorded at   {}\n\
         \x20 witnessed at  {}\n\
         \x20 public key    {public_key} ({key})",
        event.event_type,
        event.stream_id,
        event.event_id,
        event.actor,
        instant(*recorded_at),
        instant(*witnessed_at),
    )
}
