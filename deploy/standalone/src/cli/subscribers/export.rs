//! `tidings subscribers export`: many subscribers as they are, in one file.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use reqwest::Method;
use serde_json::json;
use tempfile::NamedTempFile;

use super::{COLLECTION, Filter};
use crate::cli::api::with_query;
use crate::cli::{Api, CliError, Out, who};

/// The name for where results go.
const STDOUT: &str = "-";
/// Between two words on how far it is.
const TOLD_EVERY: u64 = 10_000;

/// Export subscribers as they are, with whole addresses; that you look goes on record for each of them
///
/// The looks are on record before the lines come. Who was erased is not among them. The file appears under its name when all
/// of it has come: one that is there is whole. `tidings import subscribers` takes the CSV again: states, suppressions, topics,
/// tags and attributes are kept, and channels that were left, where they are known; JSON Lines tell more.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidings subscribers export --reason 'moving to another installation' -o subscribers.csv
  tidings subscribers export --state active --tag vip --format jsonl --reason 'audit 2026' | jq .email")]
pub(in crate::cli) struct Export {
    #[command(flatten)]
    filter: Filter,
    /// How it is written
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    format: Format,
    /// Why, in your words: it goes on record with each look
    #[arg(long, value_name = "TEXT", value_parser = who::reason)]
    reason: String,
    /// Where to write it, readable for you alone; - or nothing: to standard output
    #[arg(short, long, value_name = "FILE", default_value = STDOUT, hide_default_value = true)]
    out: PathBuf,
    /// Put it in the place of a file that is there
    #[arg(long)]
    overwrite: bool,
}

/// How an export is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table for spreadsheets, which `tidings import subscribers` takes
    Csv,
    /// JSON Lines: one object a line
    Jsonl,
}

impl Format {
    fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
        }
    }
}

impl Export {
    pub(super) async fn run(&self, api: &Api, out: Out) -> Result<(), CliError> {
        if self.out == Path::new(STDOUT) {
            if out.is_json() {
                return Err(CliError::Usage(
                    "with --json the answer is for a program: say with --out FILE where the subscribers go".to_owned(),
                ));
            }
            self.fetch(api, out, &mut io::stdout().lock()).await?;
            return Ok(());
        }
        // Before anything goes on record.
        if !self.overwrite && self.out.exists() {
            return Err(self.unwritable(io::ErrorKind::AlreadyExists.into()));
        }
        let folder = self.out.parent().filter(|it| !it.as_os_str().is_empty());
        // For nobody else on this machine.
        let mut file =
            NamedTempFile::with_prefix_in(".tidings-export-", folder.unwrap_or(Path::new(".")))
                .map_err(|source| self.unwritable(source))?;
        let subscribers = self.fetch(api, out, &mut file).await?;
        file.as_file()
            .sync_all()
            .map_err(|source| self.unwritable(source))?;
        let placed = match self.overwrite {
            true => file.persist(&self.out),
            false => file.persist_noclobber(&self.out),
        };
        placed.map_err(|error| self.unwritable(error.error))?;
        out.say(format!(
            "{subscribers} subscribers are in {}; each look is on record: `tidings access`",
            self.out.display()
        ));
        out.result(&json!({ "file": self.out, "format": self.format.as_str(), "subscribers": subscribers }));
        Ok(())
    }

    fn unwritable(&self, source: io::Error) -> CliError {
        CliError::Unwritable {
            path: self.out.clone(),
            source,
        }
    }

    /// Gives how many there were.
    async fn fetch(&self, api: &Api, out: Out, to: &mut dyn Write) -> Result<u64, CliError> {
        let mut query = self.filter.query();
        query.push(("format", Some(self.format.as_str().to_owned())));
        let query: Vec<_> = query
            .iter()
            .map(|(name, it)| (*name, it.as_ref()))
            .collect();
        let path = with_query(&format!("{COLLECTION}/export"), &query)?;
        let mut lines = Lines::of(self.format);
        let mut told = 0;
        let mut take = |bytes: &[u8], _: u64, _: u64| {
            lines.count(bytes);
            if lines.ended / TOLD_EVERY > told {
                told = lines.ended / TOLD_EVERY;
                out.note(format!("{} subscribers so far", told * TOLD_EVERY));
            }
            to.write_all(bytes)
        };
        let fetched = api.download((Method::GET, &path), &self.reason, &mut take);
        fetched.await?.map_err(|source| self.unwritable(source))?;
        to.flush().map_err(|source| self.unwritable(source))?;
        let header = u64::from(self.format == Format::Csv);
        Ok(lines.ended.saturating_sub(header))
    }
}

/// Counts lines. In CSV one may go on within quotes.
struct Lines {
    format: Format,
    is_quoted: bool,
    ended: u64,
}

impl Lines {
    fn of(format: Format) -> Self {
        Self {
            format,
            is_quoted: false,
            ended: 0,
        }
    }

    fn count(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match byte {
                b'"' if self.format == Format::Csv => self.is_quoted = !self.is_quoted,
                b'\n' if !self.is_quoted => self.ended += 1,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    /// A platform that answers once, with these chunks; the end of the body comes only if it is whole.
    async fn platform(chunks: &'static [&'static str], is_whole: bool) -> Api {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut caller, _) = listener.accept().await.unwrap();
            let mut head = [0; 4_096];
            assert!(caller.read(&mut head).await.unwrap() > 0);
            let mut answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_owned();
            for chunk in chunks {
                answer += &format!("{:x}\r\n{chunk}\r\n", chunk.len());
            }
            if is_whole {
                answer += "0\r\n\r\n";
            }
            caller.write_all(answer.as_bytes()).await.unwrap();
        });
        Api::new(&url, "token".to_owned()).unwrap()
    }

    #[derive(Debug, clap::Parser)]
    struct Parsed {
        #[command(flatten)]
        export: Export,
    }

    #[tokio::test]
    async fn a_file_that_is_there_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("all.csv");
        let name = file.to_str().unwrap();
        let export = async |more: &[&str], is_whole| {
            let api = platform(&["\"id\"\r\n", "\"1\"\r\n"], is_whole).await;
            let asked = [&["export", "--reason", "a trial", "-o", name][..], more].concat();
            let parsed = Parsed::parse_from(asked).export;
            parsed.run(&api, Out::new(true)).await
        };
        let there = || folder.path().read_dir().unwrap().count();
        let broken = export(&[], false).await.unwrap_err();
        assert!(broken.to_string().contains("ended half way"), "{broken}");
        assert_eq!(there(), 0, "nothing is left of it");
        export(&[], true).await.unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"\"id\"\r\n\"1\"\r\n");
        assert!(export(&[], true).await.is_err(), "one is there");
        assert!(export(&["--overwrite"], false).await.is_err());
        assert_eq!(std::fs::read(&file).unwrap().len(), 11, "the one before");
        export(&["--overwrite"], true).await.unwrap();
        assert_eq!(there(), 1);
    }

    fn counted(format: Format, pieces: &[&str]) -> u64 {
        let mut lines = Lines::of(format);
        for piece in pieces {
            lines.count(piece.as_bytes());
        }
        lines.ended
    }

    #[test]
    fn a_line_that_goes_on_in_quotes_is_one() {
        let csv = ["\"id\",\"name\"\r\n\"1\",\"A\r", "\nB \"\"C\"\"\"\r\n"];
        assert_eq!(counted(Format::Csv, &csv), 2);
        let jsonl = ["{\"name\":\"a \\\" b\"}\n", "{}\n"];
        assert_eq!(counted(Format::Jsonl, &jsonl), 2);
    }
}
