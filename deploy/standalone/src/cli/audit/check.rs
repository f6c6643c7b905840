//! `tidings audit check`: checks a proof, the receipt of an erasure, or an export, with nothing but the file.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;
use tidings_event_store::audit::{Checked, Proof};
use tidings_event_store::export::digest_of;
use tidings_event_store::hex::Hex;
use tidings_event_store::receipt::Receipt;
use tidings_event_store::witness::PublicKey;
use tidings_projector::subscriber_export::check as export;

use crate::cli::erase::words as receipt_words;
use crate::cli::out::instant;
use crate::cli::{CliError, Out};

/// What a ZIP with something in it begins with.
const ZIP: [u8; 4] = *b"PK\x03\x04";

/// Check a proof that an event is in a log, the receipt of an erasure, or an export
///
/// Needs no platform, no database and no secret. It recomputes the event's digest, the hashes that lead to the
/// witnessed head, and the signature; of a receipt the signature; of an export the digest of every file and the proof of
/// every event, and it names the file and the place that was changed. The exit code is 1 if the file proves nothing.
///
/// Each is worth as much as the public key it is signed with: give the one you know with --public-key, or compare
/// the one that is printed.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidings audit check proof.json --public-key 5d0f…
  tidings audit check ada.zip --public-key 5d0f…")]
pub(in crate::cli) struct Check {
    /// The file that `tidings audit prove`, `tidings erase` or `tidings export` wrote, whatever it is called
    file: PathBuf,
    /// Who must have signed it [default: whoever the file names]
    #[arg(long, value_name = "KEY")]
    public_key: Option<PublicKey>,
}

impl Check {
    pub(super) fn run(self, out: Out) -> Result<ExitCode, CliError> {
        if self.is_zip()? {
            return self.export(out);
        }
        let text = std::fs::read(&self.file).map_err(|source| self.unreadable(source))?;
        if let Ok(text) = std::str::from_utf8(&text)
            && let Some(receipt) = Receipt::read(text)
        {
            receipt.check(text, self.public_key)?;
            out.say(receipt_words(&receipt));
            out.result(&json!({ "proven": true, "key_given": self.public_key.is_some(), "receipt": receipt }));
            return Ok(ExitCode::SUCCESS);
        }
        let proof = Proof::read(&text).map_err(|_| CliError::NothingToCheck {
            path: self.file.clone(),
        })?;
        let checked = proof.check(self.public_key)?;
        out.say(words(&checked, self.public_key.is_some()));
        out.result(
            &json!({ "proven": true, "key_given": self.public_key.is_some(), "proof": checked }),
        );
        Ok(ExitCode::SUCCESS)
    }
}

impl Check {
    fn unreadable(&self, source: io::Error) -> CliError {
        CliError::File {
            path: self.file.clone(),
            source,
        }
    }

    /// Whether it begins as a ZIP does, whatever it is called.
    fn is_zip(&self) -> Result<bool, CliError> {
        let file = File::open(&self.file).map_err(|source| self.unreadable(source))?;
        let mut begins = Vec::new();
        let read = file.take(ZIP.len() as u64).read_to_end(&mut begins);
        read.map_err(|source| self.unreadable(source))?;
        Ok(begins == ZIP)
    }

    /// Checks an export.
    fn export(&self, out: Out) -> Result<ExitCode, CliError> {
        let unreadable = |source| self.unreadable(source);
        let mut file = File::open(&self.file).map_err(unreadable)?;
        let digest = digest_of(&file).map_err(unreadable)?;
        file.rewind().map_err(unreadable)?;
        let checked = export::check(&file, self.public_key)?;
        out.say(export_words(
            &checked,
            &Hex(digest).to_string(),
            self.public_key.is_some(),
        ));
        out.result(&json!({
            "proven": true,
            "key_given": self.public_key.is_some(),
            "sha256": Hex(digest),
            "export": checked,
        }));
        Ok(ExitCode::SUCCESS)
    }
}

fn export_words(checked: &export::Checked, digest: &str, key_given: bool) -> String {
    let witnessed = checked.witnessed_at.map_or_else(String::new, instant);
    let mut text = format!(
        "The export holds: every file is as it was made, and its {} events are in the log.\n\
         \x20 subscriber    {}\n\
         \x20 made at       {}, up to position {}\n\
         \x20 witnessed at  {witnessed}\n\
         \x20 SHA-256       {digest}\n\
         \x20 public key    {} ({})\n\
         files:\n",
        checked.events,
        checked.subscriber_id,
        instant(checked.made_at),
        checked.through_position,
        checked.public_key,
        whose(key_given),
    );
    for (name, bytes) in &checked.files {
        text.push_str(&format!("  {name:<16}{bytes} bytes\n"));
    }
    text.trim_end().to_owned()
}

fn whose(key_given: bool) -> &'static str {
    match key_given {
        true => "the key you gave",
        false => "compare it with the one you know",
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
    let key = whose(key_given);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_none_of_the_three_is_said_to_be_so_whatever_it_is_called() {
        let folder = tempfile::tempdir().unwrap();
        let said = |name: &str, bytes: &[u8]| {
            let file = folder.path().join(name);
            std::fs::write(&file, bytes).unwrap();
            let check = Check {
                file,
                public_key: None,
            };
            let error = check.run(Out::new(false)).err().unwrap();
            assert_eq!(error.exit_code(), 1, "{name}");
            error
        };
        for (name, bytes) in [
            ("notes.txt", &b"hello"[..]),
            ("empty.zip", b""),
            ("other.json", b"{}"),
            ("picture.zip", b"\xff\xd8\xff"),
        ] {
            let error = said(name, bytes);
            assert!(
                matches!(error, CliError::NothingToCheck { .. }),
                "{name}: {error}"
            );
        }
        // A ZIP under another name is taken for an export.
        let error = said("ada.bin", b"PK\x03\x04 and nothing more");
        assert!(matches!(error, CliError::Export(_)), "{error}");
    }
}
