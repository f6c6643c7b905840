//! The files of a witness: `witness-00000001.jsonl`, `witness-00000002.jsonl`, … Lines are appended and made
//! durable; a file that has grown large is followed by the next one. Nothing is ever rewritten.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use super::WitnessError;
use super::key::PublicKey;
use super::line::{Line, LineError, check_signature};
use super::state::State;
use crate::crash_point;

const PREFIX: &str = "witness-";
const SUFFIX: &str = ".jsonl";
const LOCK: &str = "witness.lock";
/// A file that has reached this is followed by the next one.
const FILE_BYTES: u64 = 16 << 20;

/// A folder that holds, or will hold, a witness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    path: PathBuf,
    file_bytes: u64,
}

/// The right to write, kept until dropped; the system frees it with the process.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// The end of the last file, to write on.
#[derive(Debug)]
pub(super) struct Tail {
    file: File,
    path: PathBuf,
    number: u32,
    bytes: u64,
    file_bytes: u64,
}

/// The lines of the newest file that has any.
#[derive(Debug)]
pub(super) struct LastLines {
    /// The newest file, which a crash may have left without a line, and its number.
    pub(super) newest: Option<(u32, Text)>,
    /// What the lines come to.
    pub(super) state: State,
}

/// The text of a file.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) path: PathBuf,
    /// Complete lines.
    pub(super) lines: Vec<String>,
    /// Bytes up to and with the last newline, and after it.
    complete: usize,
    pub(super) rest: usize,
}

impl Folder {
    /// The folder at this path, which need not exist.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self::with_files_of(path, FILE_BYTES)
    }

    /// The same with files that are followed by the next one at another size in bytes.
    pub fn with_files_of(path: impl Into<PathBuf>, file_bytes: u64) -> Self {
        Self {
            path: path.into(),
            file_bytes,
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The files in order, with their numbers.
    pub(super) fn files(&self) -> Result<Vec<(u32, PathBuf)>, WitnessError> {
        let read = WitnessError::io("read", &self.path);
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(read(error)),
        };
        let mut files = Vec::new();
        for entry in entries {
            let path = entry.map_err(WitnessError::io("read", &self.path))?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let number = name
                .and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX))
                .and_then(|digits| digits.parse().ok());
            if let Some(number) = number {
                files.push((number, path));
            }
        }
        files.sort_unstable();
        Ok(files)
    }

    /// Reads the last lines, whoever holds the lock. They must be signed with this key.
    pub(super) fn last_lines(&self, key: PublicKey) -> Result<LastLines, WitnessError> {
        let mut last = LastLines {
            newest: None,
            state: State::default(),
        };
        for (number, path) in self.files()?.into_iter().rev() {
            let text = read(&path)?;
            text.follow(&mut last.state, &mut |_, _| ())?;
            let found = !text.lines.is_empty();
            last.newest.get_or_insert((number, text));
            if found {
                break;
            }
        }
        match last.state.public_key {
            Some(found) if found != key => Err(WitnessError::OtherKey {
                folder: self.path.clone(),
                found,
                expected: key,
            }),
            _ => Ok(last),
        }
    }

    /// Takes the folder for this process, making it if absent; `None`: another process has it.
    pub(super) fn lock(&self) -> Result<Option<Lock>, WitnessError> {
        fs::create_dir_all(&self.path).map_err(WitnessError::io("make", &self.path))?;
        let path = self.path.join(LOCK);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(WitnessError::io("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(WitnessError::io("lock", &path)(source)),
        }
    }

    /// Opens the file to write on, after cutting off a line that a crash left half-written. Only whoever holds the lock
    /// may.
    pub(super) fn tail(&self, number: u32, text: &Text) -> Result<Tail, WitnessError> {
        let path = text.path.clone();
        let mut file = OpenOptions::new()
            .write(true)
            .open(&path)
            .map_err(WitnessError::io("open", &path))?;
        let bytes = text.complete as u64;
        if text.rest > 0 {
            let cut = file.set_len(bytes).and_then(|()| file.sync_all());
            cut.map_err(WitnessError::io("write", &path))?;
        }
        let end = file.seek(SeekFrom::Start(bytes));
        end.map_err(WitnessError::io("write", &path))?;
        Ok(Tail {
            file,
            path,
            number,
            bytes,
            file_bytes: self.file_bytes,
        })
    }

    /// Begins the file after this one; the first, if there is none.
    pub(super) fn begin(&self, after: Option<&Tail>) -> Result<Tail, WitnessError> {
        let number = after.map_or(0, |tail| tail.number) + 1;
        let path = self.path.join(format!("{PREFIX}{number:08}{SUFFIX}"));
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(WitnessError::io("make", &path))?;
        // A file whose name a crash takes away again would be a hole in the witness.
        let named = File::open(&self.path).and_then(|folder| folder.sync_all());
        named.map_err(WitnessError::io("write", &self.path))?;
        crash_point!("witness.file_begun");
        Ok(Tail {
            file,
            path,
            number,
            bytes: 0,
            file_bytes: self.file_bytes,
        })
    }
}

impl Tail {
    /// Whether nothing was written to it yet.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Whether the next lines belong into a new file.
    pub(super) fn is_full(&self) -> bool {
        self.bytes >= self.file_bytes
    }

    /// Appends lines and makes them durable. After an error the file must be opened anew: half of them may be there.
    pub(super) fn append(&mut self, lines: &[String]) -> Result<(), WitnessError> {
        let mut text = lines.join("\n");
        text.push('\n');
        let written = self
            .file
            .write_all(text.as_bytes())
            .and_then(|()| self.file.sync_data());
        written.map_err(WitnessError::io("write", &self.path))?;
        crash_point!("witness.appended");
        self.bytes += text.len() as u64;
        Ok(())
    }
}

/// The lines of a file.
pub(super) fn read(path: &Path) -> Result<Text, WitnessError> {
    let bytes = fs::read(path).map_err(WitnessError::io("read", path))?;
    let complete = bytes
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let rest = bytes.len() - complete;
    // What is no text is no line of ours either; that is said when it is parsed.
    let text = String::from_utf8_lossy(&bytes[..complete]);
    Ok(Text {
        path: path.to_owned(),
        lines: text.split_terminator('\n').map(str::to_owned).collect(),
        complete,
        rest,
    })
}

impl Text {
    /// The lines of the text are not what was written, from this one on, counted from 0.
    pub(super) fn tampered(&self, index: usize, what: LineError) -> WitnessError {
        WitnessError::Tampered {
            file: self.path.clone(),
            line: index + 1,
            what,
        }
    }

    /// Adds all lines to what is known from the files before. Each line's hash is part of the next, so one signature,
    /// that of the last line, speaks for all of them.
    pub(super) fn follow(
        &self,
        state: &mut State,
        each: &mut dyn FnMut(&str, Line),
    ) -> Result<(), WitnessError> {
        for (index, text) in self.lines.iter().enumerate() {
            let line = Line::parse(text).and_then(|line| state.follow(text, &line).map(|()| line));
            each(text, line.map_err(|what| self.tampered(index, what))?);
        }
        let (Some(key), Some(last)) = (state.public_key, self.lines.last()) else {
            return Ok(());
        };
        if check_signature(last, &key).is_ok() {
            return Ok(());
        }
        // Whoever changed a line and all hashes after it could not sign that: the first wrong signature is theirs.
        let wrong = |line: &String| check_signature(line, &key).is_err();
        let index = self.lines.iter().position(wrong).unwrap_or_default();
        Err(self.tampered(index, LineError::Signature))
    }
}
