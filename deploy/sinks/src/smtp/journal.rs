//! Every message the SMTP sink accepted, in order, in memory and, if wanted, as lines of a file.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::body;
use super::journal_file::{JournalFile, Line};
use crate::Clock;
use crate::record::{Record, lock};

/// How much of each message stays in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// All of it.
    #[default]
    Full,
    /// Its headers, and the digest of the whole.
    Headers,
    /// Only the digest of the whole.
    Digest,
}

#[derive(Clone, Debug)]
enum Kept {
    Full(Bytes),
    Headers { headers: Bytes, sha256: [u8; 32] },
    Digest { sha256: [u8; 32] },
}

/// One accepted message.
#[derive(Clone, Debug)]
pub struct Message {
    /// 1, 2, 3, … in the order of acceptance; goes on from the journal file's last line if there is one.
    pub seq: u64,
    /// When the final dot had come.
    pub at: OffsetDateTime,
    /// Which connection it came on: 1, 2, 3, …
    pub connection: u64,
    /// Whether that was protected by TLS.
    pub protected: bool,
    /// Envelope sender; empty for `<>`.
    pub from: String,
    /// Envelope recipients that were accepted, in order.
    pub to: Vec<String>,
    /// The Message-ID header, angle brackets included.
    pub message_id: Option<String>,
    /// Size of the message with dots unstuffed.
    pub size_bytes: usize,
    kept: Kept,
}

impl Message {
    /// The message as it was before dot-stuffing, with CRLF line ends; `None` unless [`Keep::Full`].
    #[must_use]
    pub fn raw(&self) -> Option<&Bytes> {
        match &self.kept {
            Kept::Full(raw) => Some(raw),
            Kept::Headers { .. } | Kept::Digest { .. } => None,
        }
    }

    /// The whole message as text, bytes that are not UTF-8 replaced; empty unless [`Keep::Full`].
    #[must_use]
    pub fn text(&self) -> String {
        let raw = self.raw().map(AsRef::as_ref).unwrap_or_default();
        String::from_utf8_lossy(raw).into_owned()
    }

    /// The first header of this name, any case, unfolded and trimmed.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers(name).into_iter().next()
    }

    /// Every header of this name, in order; none with [`Keep::Digest`].
    #[must_use]
    pub fn headers(&self, name: &str) -> Vec<String> {
        let block: &[u8] = match &self.kept {
            Kept::Full(raw) => body::headers(raw),
            Kept::Headers { headers, .. } => headers,
            Kept::Digest { .. } => &[],
        };
        body::values_of(block, name).collect()
    }

    /// SHA-256 of the message.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        match &self.kept {
            Kept::Full(raw) => Sha256::digest(raw).into(),
            Kept::Headers { sha256, .. } | Kept::Digest { sha256 } => *sha256,
        }
    }
}

/// Who sent a message to whom, on which connection.
#[derive(Clone, Debug)]
pub(super) struct Envelope {
    pub(super) connection: u64,
    pub(super) protected: bool,
    pub(super) from: String,
    pub(super) to: Vec<String>,
}

#[derive(Default)]
struct Index {
    rows: usize,
    by_message_id: HashMap<String, Vec<Arc<Message>>>,
    by_recipient: HashMap<String, Vec<Arc<Message>>>,
}

pub(super) struct Journal {
    keep: Keep,
    clock: Clock,
    record: Record<Message>,
    file: Option<Mutex<JournalFile>>,
    first_seq: u64,
    // Filled when asked: accepting mail pays nothing for it.
    index: Mutex<Index>,
}

impl Journal {
    pub(super) fn new(keep: Keep, clock: Clock, file: Option<JournalFile>) -> Self {
        Self {
            keep,
            clock,
            record: Record::new(),
            first_seq: file.as_ref().map_or(0, JournalFile::last_seq) + 1,
            file: file.map(Mutex::new),
            index: Mutex::default(),
        }
    }

    /// Puts a message on record. With a journal file, its line is written before this returns;
    /// if that fails, the message is on no record.
    pub(super) fn accept(&self, envelope: Envelope, raw: &[u8]) -> io::Result<Arc<Message>> {
        let headers = body::headers(raw);
        let message_id = body::values_of(headers, "message-id").next();
        let kept = match self.keep {
            Keep::Full => Kept::Full(Bytes::copy_from_slice(raw)),
            Keep::Headers => Kept::Headers {
                headers: Bytes::copy_from_slice(headers),
                sha256: Sha256::digest(raw).into(),
            },
            Keep::Digest => Kept::Digest {
                sha256: Sha256::digest(raw).into(),
            },
        };
        self.record.push_with(|rows| {
            let message = Message {
                seq: self.first_seq + rows as u64,
                at: self.clock.now(),
                connection: envelope.connection,
                protected: envelope.protected,
                from: envelope.from,
                to: envelope.to,
                message_id,
                size_bytes: raw.len(),
                kept,
            };
            if let Some(file) = &self.file {
                lock(file).append(&Line::of(&message))?;
            }
            Ok(message)
        })
    }

    pub(super) fn record(&self) -> &Record<Message> {
        &self.record
    }

    pub(super) fn by_message_id(&self, id: &str) -> Vec<Arc<Message>> {
        let id = id.trim_matches(['<', '>']);
        let index = self.indexed();
        index.by_message_id.get(id).cloned().unwrap_or_default()
    }

    pub(super) fn by_recipient(&self, address: &str) -> Vec<Arc<Message>> {
        let address = address.to_ascii_lowercase();
        let index = self.indexed();
        index
            .by_recipient
            .get(&address)
            .cloned()
            .unwrap_or_default()
    }

    fn indexed(&self) -> std::sync::MutexGuard<'_, Index> {
        let mut index = lock(&self.index);
        for message in self.record.since(index.rows) {
            if let Some(id) = &message.message_id {
                let id = id.trim_matches(['<', '>']).to_owned();
                let found = index.by_message_id.entry(id).or_default();
                found.push(Arc::clone(&message));
            }
            for address in &message.to {
                let address = address.to_ascii_lowercase();
                let found = index.by_recipient.entry(address).or_default();
                found.push(Arc::clone(&message));
            }
            index.rows += 1;
        }
        index
    }
}
