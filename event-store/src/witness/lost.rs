//! What a log that was put back to an earlier state has lost, as far as the witness knows: how many positions, and
//! which facts about consent.

use std::collections::{HashMap, HashSet, VecDeque};

use time::OffsetDateTime;
use uuid::Uuid;

use super::check::{WitnessReport, check};
use super::folder::Folder;
use super::key::PublicKey;
use super::line::{Entry, Fact, Line};
use super::{WitnessError, facts};
use crate::hex::Hash;
use crate::log::{Log, ReadError};

/// Heads that are kept to compare: hours of them. A database goes back by seconds, or to a backup, whose own
/// last head is among them.
const HEADS_MAX: usize = 100_000;

/// Whether the log may have gone on before anybody noticed that it was put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// It ends where it was put back to.
    None,
    /// Commits were made since, as after a failover: heads of the end need not be the log's.
    Possible,
}

/// What is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The last witnessed head at which the log is still the one that was witnessed; 0: none is known.
    pub common: i64,
    /// The last position at which the log holds what was witnessed: `common`, or that of a fact after it.
    pub same: i64,
    /// The last position that was witnessed; not less than `common`.
    pub through: i64,
    /// Facts the log lacks, in their order.
    pub facts: Vec<Fact>,
    /// The incarnations that were witnessed, oldest first.
    pub incarnations: Vec<Incarnation>,
    /// What was found in the files.
    pub report: WitnessReport,
}

/// An incarnation that was witnessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incarnation {
    /// Its id.
    pub incarnation: Uuid,
    /// The last position before it, or the greatest that can be.
    pub after_position: i64,
    /// When the first line that names it was written.
    pub at: OffsetDateTime,
}

/// Why a witness is of no use for this log.
#[derive(Debug, thiserror::Error)]
pub enum LostError {
    /// It can not be kept or read, or not be believed.
    #[error(transparent)]
    Witness(#[from] WitnessError),
    /// The heads are not the log's.
    #[error(
        "the witness in {folder} is not of this log: it has another hash at position {position}; name the folder of \
         the witness that was kept of it"
    )]
    OtherLog {
        /// The folder.
        folder: String,
        /// Where they differ.
        position: i64,
    },
    /// It ends before the log does.
    #[error(
        "the witness in {folder} ends at position {witnessed}, before the log, which ends at {log}: it is an older \
         copy; name the folder of the newest one, or say --without-witness if there is none"
    )]
    Older {
        /// The folder.
        folder: String,
        /// The last witnessed position.
        witnessed: i64,
        /// The last position of the log.
        log: i64,
    },
    /// It begins after the log ends, so that facts between may be missing.
    #[error(
        "the witness in {folder} begins at position {begins}, after the log, which ends at {log}: put its earlier \
         files beside the others"
    )]
    BeginsLate {
        /// The folder.
        folder: String,
        /// The position before its first line.
        begins: i64,
        /// The last position of the log.
        log: i64,
    },
}

/// Heads and facts that count, read in the order they were written.
#[derive(Default)]
struct Counting {
    /// The position before the first line.
    begins: Option<i64>,
    /// Position and hash of the last heads up to the end of the log.
    heads: VecDeque<(i64, Hash)>,
    through: i64,
    facts: Vec<Fact>,
    incarnations: Vec<Incarnation>,
}

/// Compares a witness with a log that ends at `end`, and gives what comes after it. `expected`: who must have signed
/// it, as the log's own vault says: the same installation.
///
/// # Errors
/// When the witness is not of this log, is older, lacks its beginning, or was tampered with; when the log or the
/// files can not be read.
pub async fn lost(
    log: &Log,
    folder: &Folder,
    expected: PublicKey,
    end: i64,
    growth: Growth,
) -> Result<Lost, LostError> {
    let mut counting = Counting::default();
    let report = check(folder, Some(expected), &mut |_, line| {
        counting.take(line, end);
    })?;
    let name = || folder.path().display().to_string();
    if counting.through < end && growth == Growth::None {
        return Err(LostError::Older {
            folder: name(),
            witnessed: counting.through,
            log: end,
        });
    }
    let begins = counting.begins.unwrap_or(0);
    if begins > end {
        return Err(LostError::BeginsLate {
            folder: name(),
            begins,
            log: end,
        });
    }
    let common = match common(log, &counting.heads).await.map_err(read)? {
        // Up to its first head nothing can be compared; the key says whose it is.
        None if counting.heads.is_empty() => begins,
        None => {
            let position = counting.heads.front().map_or(0, |(position, _)| *position);
            let folder = name();
            return Err(LostError::OtherLog { folder, position });
        }
        Some(common) => common,
    };
    if let Some((position, _)) = counting.heads.iter().find(|(it, _)| *it > common)
        && growth == Growth::None
    {
        return Err(LostError::OtherLog {
            folder: name(),
            position: *position,
        });
    }
    let mut facts = counting.facts;
    facts.retain(|fact| fact.position > common);
    let in_log = known(log, common, end).await.map_err(read)?;
    let mut same = common;
    facts.retain(|fact| {
        let held = in_log.contains(&(fact.position, fact.event_id));
        same = same.max(if held { fact.position } else { common });
        !held
    });
    Ok(Lost {
        common,
        same,
        through: counting.through.max(common),
        facts,
        incarnations: counting.incarnations,
        report,
    })
}

fn read(error: ReadError) -> LostError {
    LostError::Witness(error.into())
}

impl Counting {
    fn take(&mut self, line: &Line, end: i64) {
        match &line.entry {
            Entry::Opened {
                position,
                batch_hash,
                incarnation,
                ..
            } => {
                self.name(*incarnation, *position, line.at);
                if self.begins.is_none() {
                    self.begins = Some(*position);
                    self.through = *position;
                    self.head(*position, *batch_hash, end);
                }
            }
            Entry::Head {
                position,
                batch_hash,
                incarnation,
                ..
            } => {
                self.name(*incarnation, *position, line.at);
                self.through = *position;
                self.head(*position, *batch_hash, end);
            }
            Entry::Fact(fact) => {
                self.through = self.through.max(fact.position);
                self.facts.push(fact.clone());
            }
            // It says nothing of what was lost: a later version wrote it.
            Entry::Other => {}
            Entry::Restored {
                incarnation,
                after_position,
            } => {
                self.incarnations.push(Incarnation {
                    incarnation: *incarnation,
                    after_position: *after_position,
                    at: line.at,
                });
                self.heads
                    .retain(|(position, _)| position <= after_position);
                self.facts.retain(|fact| fact.position <= *after_position);
                self.through = self.through.min(*after_position);
            }
        }
    }

    /// Notes an incarnation that a line names by the way. One that no line said had begun came before the last that
    /// did: the log had been restored twice before anybody looked.
    fn name(&mut self, incarnation: Uuid, after_position: i64, at: OffsetDateTime) {
        let is_it = |it: &Incarnation| it.incarnation == incarnation;
        if self.incarnations.iter().any(is_it) {
            return;
        }
        let before_last = self.incarnations.len().saturating_sub(1);
        let named = Incarnation {
            incarnation,
            after_position,
            at,
        };
        self.incarnations.insert(before_last, named);
    }

    fn head(&mut self, position: i64, hash: Hash, end: i64) {
        if position == 0 || position > end {
            return;
        }
        self.heads.push_back((position, hash));
        if self.heads.len() > HEADS_MAX {
            self.heads.pop_front();
        }
    }
}

/// The last head that is the log's. All before it are too: each hash covers the one before.
async fn common(log: &Log, heads: &VecDeque<(i64, Hash)>) -> Result<Option<i64>, ReadError> {
    let positions: Vec<i64> = heads.iter().map(|(position, _)| *position).collect();
    let client = log.pool().get().await?;
    let sql = "select last_position, hash from publishing_batches where last_position = any($1)";
    let rows = client.query(sql, &[&positions]).await?;
    let in_log: HashMap<i64, Option<&[u8]>> =
        rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let same = |(position, hash): &&(i64, Hash)| in_log.get(position) == Some(&Some(&hash.0));
    Ok(heads.iter().rev().find(same).map(|(position, _)| *position))
}

/// The facts that the log has between two positions.
pub(crate) async fn known(
    log: &Log,
    after: i64,
    up_to: i64,
) -> Result<HashSet<(i64, Uuid)>, ReadError> {
    let facts = facts::between(log, after, up_to).await?;
    let ids = facts.into_iter().map(|fact| (fact.position, fact.event_id));
    Ok(ids.collect())
}
