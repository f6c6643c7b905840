//! Reads a witness back: that nobody changed it, and that the log is still the one it saw.

use std::collections::HashMap;

use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

use super::WitnessError;
use super::facts;
use super::folder::{self, Folder, Text};
use super::key::PublicKey;
use super::line::{Entry, Fact, Line, LineError};
use super::state::State;
use crate::audit::{Defect, Finding};
use crate::hex::Hash;
use crate::log::{Log, ReadError};

/// Heads, and facts, that are compared at once.
const HEADS: usize = 2_000;
const FACTS: usize = 20_000;

/// What stands in a witness whose lines are all as they were written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WitnessReport {
    /// Who signed it.
    pub public_key: PublicKey,
    /// The number of the first line: greater than 1 when older files are elsewhere.
    pub begins_at_line: u64,
    /// The number of the last line.
    pub line: u64,
    /// Signed heads.
    pub heads: u64,
    /// Facts about consent.
    pub facts: u64,
    /// The last witnessed position.
    pub position: i64,
    /// When that was written.
    #[serde(with = "time::serde::rfc3339::option")]
    pub at: Option<OffsetDateTime>,
    /// Bytes of a half-written last line, which say nothing.
    pub half_written_bytes: usize,
    /// What the log once held and lost when it was restored from a backup.
    pub given_up: Vec<GivenUp>,
}

/// Positions that were witnessed and are not in the log any more, because it was restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct GivenUp {
    /// The line that says so.
    pub line: u64,
    /// When that was written.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The incarnation that began.
    pub incarnation: Uuid,
    /// The last position that still counts.
    pub after: i64,
    /// The last position that was witnessed before.
    pub through: i64,
}

/// What came of the comparison with the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compared {
    /// Heads that are the log's.
    pub heads: u64,
    /// The first place where the log is not the one that was witnessed.
    pub finding: Option<Finding>,
}

/// Reads all files of a witness; `each` sees every line with its text. `expected`: who must have signed it; without,
/// whoever the first line names is believed.
///
/// # Errors
/// The first line that is not what was written, or another key.
pub fn check(
    folder: &Folder,
    expected: Option<PublicKey>,
    each: &mut dyn FnMut(&str, &Line),
) -> Result<WitnessReport, WitnessError> {
    let mut state = State::default();
    let (mut heads, mut facts) = (0, 0);
    let mut last: Option<Text> = None;
    let mut given_up = Vec::new();
    let mut position = 0;
    for (_, path) in folder.files()? {
        // Whoever writes cuts off a half line before the next file begins.
        if let Some(text) = last.filter(|text| text.rest > 0) {
            return Err(text.tampered(text.lines.len(), LineError::Malformed));
        }
        let text = folder::read(&path)?;
        text.follow(&mut state, &mut |text, line| {
            match &line.entry {
                Entry::Opened { position: at, .. } => position = *at,
                Entry::Head { position: at, .. } => {
                    heads += 1;
                    position = *at;
                }
                Entry::Fact(_) => facts += 1,
                Entry::Restored {
                    incarnation,
                    after_position,
                } => {
                    if *after_position < position {
                        given_up.push(GivenUp {
                            line: line.line,
                            at: line.at,
                            incarnation: *incarnation,
                            after: *after_position,
                            through: position,
                        });
                        position = *after_position;
                    }
                }
            }
            each(text, &line);
        })?;
        last = Some(text);
    }
    let absent = || WitnessError::Absent(folder.path().to_owned());
    let public_key = state.public_key.ok_or_else(absent)?;
    if let Some(expected) = expected.filter(|expected| *expected != public_key) {
        return Err(WitnessError::OtherKey {
            folder: folder.path().to_owned(),
            found: public_key,
            expected,
        });
    }
    Ok(WitnessReport {
        public_key,
        begins_at_line: state.begins_at,
        line: state.line,
        heads,
        facts,
        position: state.position,
        at: state.at,
        half_written_bytes: last.map_or(0, |text| text.rest),
        given_up,
    })
}

impl WitnessReport {
    /// Whether a line about this position still counts: no restore after it gave the position up.
    fn counts(&self, line: u64, position: i64) -> bool {
        let later = |it: &&GivenUp| it.line > line;
        let mut later = self.given_up.iter().filter(later);
        later.all(|it| position <= it.after)
    }
}

/// The text of the first head at or after a position, of a witness that was checked; `None`: it is not witnessed yet.
///
/// # Errors
/// When the files can not be read.
pub fn head_after(
    folder: &Folder,
    report: &WitnessReport,
    position: i64,
) -> Result<Option<(String, i64)>, WitnessError> {
    for (_, path) in folder.files()? {
        for text in folder::read(&path)?.lines {
            let Ok(line) = Line::parse(&text) else {
                continue;
            };
            if let Entry::Head { position: at, .. } = line.entry
                && at >= position
                && line.line <= report.line
                && report.counts(line.line, at)
            {
                return Ok(Some((text, at)));
            }
        }
    }
    Ok(None)
}

/// Compares a witness that was checked with the log: every head, and every fact.
///
/// # Errors
/// When the log or the files can not be read.
pub async fn compare(
    log: &Log,
    folder: &Folder,
    report: &WitnessReport,
) -> Result<Compared, WitnessError> {
    let mut comparison = Comparison {
        log,
        log_position: log_position(log).await?,
        same_up_to: 0,
        heads: Vec::new(),
        facts: Vec::new(),
        compared: Compared {
            heads: 0,
            finding: None,
        },
    };
    for (_, path) in folder.files()? {
        for text in folder::read(&path)?.lines {
            // What a working platform has appended meanwhile was not checked.
            let Ok(line) = Line::parse(&text) else {
                continue;
            };
            if line.line > report.line {
                continue;
            }
            match line.entry {
                Entry::Opened {
                    position,
                    batch_hash,
                    ..
                } if line.line == report.begins_at_line && position > 0 => {
                    if report.counts(line.line, position) {
                        comparison.heads.push((position, batch_hash));
                        comparison.heads_now().await?;
                        comparison.same_up_to = position;
                    }
                }
                Entry::Head {
                    position,
                    batch_hash,
                    ..
                } if report.counts(line.line, position) => {
                    comparison.heads.push((position, batch_hash));
                }
                Entry::Fact(fact) if report.counts(line.line, fact.position) => {
                    comparison.facts.push(fact);
                    continue;
                }
                _ => continue,
            }
            if comparison.heads.len() >= HEADS || comparison.facts.len() >= FACTS {
                comparison.all_now().await?;
            }
            if comparison.compared.finding.is_some() {
                return Ok(comparison.compared);
            }
        }
    }
    comparison.all_now().await?;
    Ok(comparison.compared)
}

struct Comparison<'a> {
    log: &'a Log,
    log_position: i64,
    /// Heads and facts are the same up to here.
    same_up_to: i64,
    heads: Vec<(i64, Hash)>,
    facts: Vec<Fact>,
    compared: Compared,
}

impl Comparison<'_> {
    async fn all_now(&mut self) -> Result<(), WitnessError> {
        let from = self.same_up_to;
        let up_to = self.heads_now().await?;
        if self.compared.finding.is_none() && up_to > from {
            self.facts_now(from, up_to).await?;
        }
        Ok(())
    }

    /// Compares the heads at hand. Gives the last position up to which they are the log's.
    async fn heads_now(&mut self) -> Result<i64, ReadError> {
        let positions: Vec<i64> = self.heads.iter().map(|(position, _)| *position).collect();
        let client = self.log.pool().get().await?;
        let sql =
            "select last_position, hash from publishing_batches where last_position = any($1)";
        let statement = client.prepare_cached(sql).await?;
        let rows = client.query(&statement, &[&positions]).await?;
        let in_log: HashMap<i64, Option<&[u8]>> =
            rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        for (position, hash) in self.heads.drain(..) {
            if in_log.get(&position) != Some(&Some(hash.0.as_slice())) {
                let end = self.log_position;
                self.compared.finding = Some(if end < position {
                    Finding::within(end + 1, position, Defect::WitnessSawMore)
                } else {
                    Finding::within(self.same_up_to + 1, position, Defect::WitnessSawOther)
                });
                break;
            }
            self.compared.heads += 1;
            self.same_up_to = position;
        }
        Ok(self.same_up_to)
    }

    /// Compares the facts at hand between these positions.
    async fn facts_now(&mut self, after: i64, up_to: i64) -> Result<(), ReadError> {
        let in_log = facts::between(self.log, after, up_to).await?;
        // Those beyond the last head wait for the next one.
        let count = self.facts.partition_point(|fact| fact.position <= up_to);
        let witnessed: Vec<Fact> = self.facts.drain(..count).collect();
        let same = witnessed.iter().zip(&in_log).take_while(|(a, b)| a == b);
        let same = same.count();
        let differs = [witnessed.get(same), in_log.get(same)];
        let position = differs
            .into_iter()
            .flatten()
            .map(|fact| fact.position)
            .min();
        self.compared.finding =
            position.map(|position| Finding::at(position, Defect::WitnessFactDiffers));
        Ok(())
    }
}

async fn log_position(log: &Log) -> Result<i64, ReadError> {
    let client = log.pool().get().await?;
    let sql = "select coalesce(max(last_position), 0) from publishing_batches";
    Ok(client.query_one(sql, &[]).await?.get(0))
}
