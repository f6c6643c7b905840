//! The journal as a file: one JSON line per accepted message, written before the sender is told 250.
//!
//! A plain write, no fsync: the line survives the death of the process, not of the machine.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::journal::Message;

/// One line of the journal file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// 1, 2, 3, … in the order of acceptance.
    pub seq: u64,
    /// When the message was accepted; RFC 3339 in the file.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The Message-ID header, angle brackets included.
    pub message_id: Option<String>,
    /// Envelope recipients.
    pub to: Vec<String>,
    /// Size of the message in bytes.
    pub size: usize,
}

impl Line {
    pub(super) fn of(message: &Message) -> Self {
        Self {
            seq: message.seq,
            at: message.at,
            message_id: message.message_id.clone(),
            to: message.to.clone(),
            size: message.size_bytes,
        }
    }
}

/// Why a journal file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum JournalFileError {
    /// The file cannot be opened, read or cut.
    #[error("cannot use the journal file {path}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A line is not one this sink wrote.
    #[error("line {number} of the journal file {path} is not a journal line")]
    Line {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        number: usize,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
}

/// Reads a journal file, written by a sink that may still be running or may have been killed.
/// A last line without its line end is left out: its message was never acknowledged.
///
/// # Errors
/// The file cannot be read, or a whole line in it is not a journal line.
pub fn read_journal(path: &Path) -> Result<Vec<Line>, JournalFileError> {
    let mut file = File::open(path).map_err(|source| io_error(path, source))?;
    read(path, &mut file).map(|(lines, _)| lines)
}

/// The lines, and how many bytes they take.
fn read(path: &Path, file: &mut File) -> Result<(Vec<Line>, u64), JournalFileError> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)
        .map_err(|source| io_error(path, source))?;
    let whole = memchr::memrchr(b'\n', &bytes).map_or(0, |at| at + 1);
    let lines = bytes[..whole]
        .split_inclusive(|byte| *byte == b'\n')
        .enumerate()
        .map(|(index, line)| {
            serde_json::from_slice(line).map_err(|source| JournalFileError::Line {
                path: path.to_owned(),
                number: index + 1,
                source,
            })
        })
        .collect::<Result<_, _>>()?;
    Ok((lines, whole as u64))
}

fn io_error(path: &Path, source: io::Error) -> JournalFileError {
    JournalFileError::Io {
        path: path.to_owned(),
        source,
    }
}

/// A journal file that is being appended to.
#[derive(Debug)]
pub(super) struct JournalFile {
    file: File,
    last_seq: u64,
    line: Vec<u8>,
}

impl JournalFile {
    /// Opens or makes the file; a torn last line is cut off.
    pub(super) fn open(path: &Path) -> Result<Self, JournalFileError> {
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path);
        let mut file = opened.map_err(|source| io_error(path, source))?;
        let (lines, whole_bytes) = read(path, &mut file)?;
        file.set_len(whole_bytes)
            .and_then(|()| file.seek(SeekFrom::End(0)))
            .map_err(|source| io_error(path, source))?;
        Ok(Self {
            file,
            last_seq: lines.last().map_or(0, |line| line.seq),
            line: Vec::new(),
        })
    }

    pub(super) fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// Appends one line in one write.
    pub(super) fn append(&mut self, line: &Line) -> io::Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, line)?;
        self.line.push(b'\n');
        self.file.write_all(&self.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(seq: u64) -> Line {
        Line {
            seq,
            at: OffsetDateTime::UNIX_EPOCH,
            message_id: Some(format!("<{seq}@x>")),
            to: vec!["a@x.example".into()],
            size: 3,
        }
    }

    #[test]
    fn a_torn_line_is_not_read_and_is_cut_off_when_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        JournalFile::open(&path).unwrap().append(&line(1)).unwrap();
        let whole = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            whole,
            "{\"seq\":1,\"at\":\"1970-01-01T00:00:00Z\",\"message_id\":\"<1@x>\",\"to\":[\"a@x.example\"],\"size\":3}\n"
        );
        std::fs::write(&path, format!("{whole}{{\"seq\":2,")).unwrap();
        assert_eq!(read_journal(&path).unwrap(), [line(1)]);

        let mut file = JournalFile::open(&path).unwrap();
        assert_eq!(file.last_seq(), 1);
        file.append(&line(2)).unwrap();
        assert_eq!(read_journal(&path).unwrap(), [line(1), line(2)]);
    }

    #[test]
    fn a_foreign_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        std::fs::write(&path, "hello\n").unwrap();
        let error = read_journal(&path).unwrap_err();
        assert!(
            matches!(error, JournalFileError::Line { number: 1, .. }),
            "{error}"
        );
    }
}
