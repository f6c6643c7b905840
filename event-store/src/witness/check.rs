//! Reads a witness back: that nobody changed it, and that the log is still the one it saw.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use super::WitnessError;
use super::facts::{self, FACT_TYPES};
use super::folder::{self, Folder, Text};
use super::incarnations;
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
    /// Lines of kinds that only a later build knows.
    pub unknown: u64,
    /// The last witnessed position.
    pub position: i64,
    /// When that was written.
    #[serde(with = "time::serde::rfc3339::option")]
    pub at: Option<OffsetDateTime>,
    /// Bytes of a half-written last line, which say nothing.
    pub half_written_bytes: usize,
    /// The incarnation of the log that was witnessed last; none: there is no head yet.
    pub incarnation: Option<Uuid>,
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
    /// The log was restored since the last line, which is written down once the platform runs again: what is witnessed after
    /// this position no longer counts.
    pub restored_after: Option<i64>,
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
    let mut tally = Tally::default();
    let mut last: Option<Text> = None;
    for (_, path) in folder.files()? {
        // Whoever writes cuts off a half line before the next file begins.
        if let Some(text) = last.filter(|text| text.rest > 0) {
            return Err(text.tampered(text.lines.len(), LineError::Malformed));
        }
        let text = folder::read(&path)?;
        text.follow(&mut state, &mut |text, line| {
            tally.take(&line);
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
        heads: tally.heads,
        facts: tally.facts,
        unknown: tally.unknown,
        position: state.position,
        at: state.at,
        half_written_bytes: last.map_or(0, |text| text.rest),
        incarnation: state.incarnation,
        given_up: tally.given_up,
    })
}

/// What is counted on the way through the lines.
#[derive(Default)]
struct Tally {
    heads: u64,
    facts: u64,
    unknown: u64,
    /// The last witnessed position.
    position: i64,
    given_up: Vec<GivenUp>,
}

impl Tally {
    fn take(&mut self, line: &Line) {
        match &line.entry {
            Entry::Opened { position, .. } => self.position = *position,
            Entry::Head { position, .. } => {
                self.heads += 1;
                self.position = *position;
            }
            Entry::Fact(_) => self.facts += 1,
            Entry::Restored {
                incarnation,
                after_position,
            } => {
                if *after_position < self.position {
                    self.given_up.push(GivenUp {
                        line: line.line,
                        at: line.at,
                        incarnation: *incarnation,
                        after: *after_position,
                        through: self.position,
                    });
                    self.position = *after_position;
                }
            }
            Entry::Other => self.unknown += 1,
        }
    }
}

impl WitnessReport {
    /// How much of what a line says up to this position still counts: restores after it may have given up the rest.
    fn lasting(&self, line: u64, position: i64) -> i64 {
        let later = self.given_up.iter().filter(|it| it.line > line);
        later.map(|it| it.after).fold(position, i64::min)
    }

    /// Whether a line about this position still counts: no restore after it gave the position up.
    fn counts(&self, line: u64, position: i64) -> bool {
        self.lasting(line, position) == position
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

/// Compares a witness that was checked with the log: every head, and every fact. A fact is compared for what its line
/// says, for the build that wrote it may have known fewer fields; and only those are missed that the `opened` line
/// before promised. Facts of types that this build does not know are passed over: the heads cover their events.
///
/// # Errors
/// When the log or the files can not be read.
pub async fn compare(
    log: &Log,
    folder: &Folder,
    report: &WitnessReport,
) -> Result<Compared, WitnessError> {
    let restored = unwritten(log, report).await?;
    let report = &WitnessReport {
        given_up: report.given_up.iter().copied().chain(restored).collect(),
        ..report.clone()
    };
    let mut comparison = Comparison {
        log,
        log_position: log.head().await?.position,
        same_up_to: 0,
        heads: Vec::new(),
        facts: Vec::new(),
        promises: Promises::default(),
        compared: Compared {
            heads: 0,
            restored_after: restored.map(|restored| restored.after),
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
            comparison.take(report, line).await?;
            if comparison.compared.finding.is_some() {
                return Ok(comparison.compared);
            }
        }
    }
    if let Some(restored) = restored {
        comparison.restored(restored.after);
    }
    comparison.all_now().await?;
    Ok(comparison.compared)
}

/// A restore that the log knows of and the witness does not yet, as it will be written down.
async fn unwritten(log: &Log, report: &WitnessReport) -> Result<Option<GivenUp>, WitnessError> {
    let since = incarnations::since(log, report.incarnation).await?;
    let Some((incarnation, Some(after))) = since else {
        return Ok(None);
    };
    Ok(Some(GivenUp {
        line: report.line + 1,
        at: report.at.unwrap_or(OffsetDateTime::UNIX_EPOCH),
        incarnation,
        after,
        through: report.position,
    }))
}

struct Comparison<'a> {
    log: &'a Log,
    log_position: i64,
    /// Heads and facts are the same up to here.
    same_up_to: i64,
    heads: Vec<(i64, Hash)>,
    facts: Vec<Fact>,
    promises: Promises,
    compared: Compared,
}

/// Which types of facts are written down where.
#[derive(Default)]
struct Promises {
    /// All that are promised are written down up to here.
    up_to: i64,
    /// Types by the position after which they are promised; rising.
    since: Vec<(i64, BTreeSet<String>)>,
}

impl Promises {
    fn follow(&mut self, entry: &Entry) {
        match entry {
            Entry::Opened {
                position, facts, ..
            } => {
                self.up_to = self.up_to.max(*position);
                self.go_on(facts.iter().cloned().collect());
            }
            Entry::Head { position, .. } => self.up_to = *position,
            Entry::Fact(fact) => self.up_to = fact.position,
            Entry::Restored { after_position, .. } => {
                self.up_to = self.up_to.min(*after_position);
                if let Some((_, types)) = self.since.last().cloned() {
                    self.go_on(types);
                }
            }
            Entry::Other => {}
        }
    }

    fn go_on(&mut self, types: BTreeSet<String>) {
        let up_to = self.up_to;
        self.since.retain(|(after, _)| *after < up_to);
        self.since.push((up_to, types));
    }

    fn cover(&self, fact: &Fact) -> bool {
        let mut latest = self.since.iter().rev();
        latest
            .find(|(after, _)| *after < fact.position)
            .is_some_and(|(_, types)| types.contains(&fact.event_type))
    }
}

impl Comparison<'_> {
    /// Takes the next line, and compares what is at hand when it has become much.
    async fn take(&mut self, report: &WitnessReport, line: Line) -> Result<(), WitnessError> {
        self.promises.follow(&line.entry);
        let number = line.line;
        match line.entry {
            Entry::Opened {
                position,
                batch_hash,
                ..
            } if number == report.begins_at_line => {
                if position > 0 && report.counts(number, position) {
                    self.heads.push((position, batch_hash));
                    self.heads_now().await?;
                }
                // The facts up to here are in files that are elsewhere.
                self.same_up_to = report.lasting(number, position);
            }
            Entry::Head {
                position,
                batch_hash,
                ..
            } if report.counts(number, position) => {
                self.heads.push((position, batch_hash));
                if self.heads.len() >= HEADS || self.facts.len() >= FACTS {
                    self.all_now().await?;
                }
            }
            Entry::Fact(fact) if report.counts(number, fact.position) => self.facts.push(fact),
            Entry::Restored { after_position, .. } => self.restored(after_position),
            _ => {}
        }
        Ok(())
    }

    /// Facts that had no head yet are given up without being on record as such.
    fn restored(&mut self, after_position: i64) {
        self.facts.retain(|fact| fact.position <= after_position);
    }

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
        let known = self.facts.drain(..count);
        let known = known.filter(|fact| FACT_TYPES.contains(&fact.event_type.as_str()));
        let witnessed: HashMap<i64, Fact> = known.map(|fact| (fact.position, fact)).collect();
        let in_log: HashMap<i64, Fact> = in_log
            .into_iter()
            .map(|fact| (fact.position, fact))
            .collect();
        let differs = witnessed.values().filter(|fact| {
            let other = in_log.get(&fact.position);
            other.is_none_or(|other| !agrees(fact, other))
        });
        let lacks = in_log
            .values()
            .filter(|fact| !witnessed.contains_key(&fact.position) && self.promises.cover(fact));
        let position = differs.chain(lacks).map(|fact| fact.position).min();
        self.compared.finding =
            position.map(|position| Finding::at(position, Defect::WitnessFactDiffers));
        Ok(())
    }
}

/// Whether the log has every field that the line has, and has it so.
fn agrees(line: &Fact, in_log: &Fact) -> bool {
    if line == in_log {
        return true;
    }
    let fields = |fact: &Fact| -> Value {
        serde_json::to_value(fact).expect("facts are made of plain values")
    };
    let (said, held) = (fields(line), fields(in_log));
    let mut said = said.as_object().into_iter().flatten();
    said.all(|(name, value)| held.get(name) == Some(value))
}
