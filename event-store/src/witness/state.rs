//! What the lines of a witness come to, one after the other, and which line can follow which.

use std::collections::BTreeSet;

use time::OffsetDateTime;
use uuid::Uuid;

use super::facts::FACT_TYPES;
use super::key::PublicKey;
use super::line::{Entry, FORMAT, Line, LineError, hash};
use crate::hex::{Hash, Hex};

const ZEROS: Hash = Hex([0; 32]);

/// After any number of lines.
#[derive(Clone, Debug)]
pub(super) struct State {
    /// The number of the last line; 0: none yet.
    pub(super) line: u64,
    /// What the next line names as its previous one.
    pub(super) previous: Hash,
    /// The number of the first line that was read: greater than 1 when older files are elsewhere.
    pub(super) begins_at: u64,
    /// Who signs.
    pub(super) public_key: Option<PublicKey>,
    /// The incarnation of the log.
    pub(super) incarnation: Option<Uuid>,
    /// The last witnessed position; 0: none.
    pub(super) position: i64,
    /// The batch hash there; `None`: none that still counts after a restore.
    pub(super) batch_hash: Option<Hash>,
    /// When that was written.
    pub(super) at: Option<OffsetDateTime>,
    /// The facts are written down up to here: beyond `position` after a crash between facts and their head.
    pub(super) facts_up_to: i64,
    /// Position and event id of those beyond `position`, as far as this build knows their types.
    pub(super) beyond: Vec<(i64, Uuid)>,
    /// The types of the facts that the last `opened` line promises.
    pub(super) promised: BTreeSet<String>,
    /// Whether the last line that says something is a head: only then may a new file begin, for the files before it may
    /// go elsewhere, with facts that still lack their head.
    pub(super) after_head: bool,
}

impl Default for State {
    fn default() -> Self {
        Self {
            line: 0,
            previous: ZEROS,
            begins_at: 0,
            public_key: None,
            incarnation: None,
            position: 0,
            batch_hash: None,
            at: None,
            facts_up_to: 0,
            beyond: Vec::new(),
            promised: BTreeSet::new(),
            after_head: false,
        }
    }
}

impl State {
    /// Takes the next line, whose text this is.
    pub(super) fn follow(&mut self, text: &str, line: &Line) -> Result<(), LineError> {
        if self.line == 0 {
            // The first file need not be the first of all; but only the first of all follows nothing.
            let begins = (line.line == 1) == (line.previous == ZEROS);
            if !begins || line.line == 0 || !matches!(line.entry, Entry::Opened { .. }) {
                return Err(LineError::Chain);
            }
            self.begins_at = line.line;
        } else if line.line != self.line + 1 || line.previous != self.previous {
            return Err(LineError::Chain);
        }
        self.say(line)?;
        if !matches!(line.entry, Entry::Other) {
            self.after_head = matches!(line.entry, Entry::Head { .. });
        }
        self.line = line.line;
        self.previous = hash(text);
        Ok(())
    }

    fn say(&mut self, line: &Line) -> Result<(), LineError> {
        match &line.entry {
            Entry::Opened {
                format,
                public_key,
                incarnation,
                position,
                batch_hash,
                facts,
            } => {
                let first = self.line == 0;
                let continues = self.public_key == Some(*public_key)
                    && self.incarnation == Some(*incarnation)
                    && self.position == *position
                    && self.batch_hash.unwrap_or(ZEROS) == *batch_hash;
                if format != FORMAT || !(first || continues) {
                    return Err(LineError::Contradiction);
                }
                self.public_key = Some(*public_key);
                self.incarnation = Some(*incarnation);
                self.position = *position;
                // Zeros beyond 0: a restore, and no head since.
                let counts = *position > 0 && *batch_hash != ZEROS;
                self.batch_hash = counts.then_some(*batch_hash);
                self.facts_up_to = self.facts_up_to.max(*position);
                self.promised = facts.iter().cloned().collect();
            }
            Entry::Head {
                position,
                batch_hash,
                ..
            } => {
                if *position <= self.position || *position < self.facts_up_to {
                    return Err(LineError::Contradiction);
                }
                self.position = *position;
                self.batch_hash = Some(*batch_hash);
                self.at = Some(line.at);
                self.facts_up_to = *position;
                self.beyond.clear();
            }
            Entry::Fact(fact) => {
                if fact.position <= self.facts_up_to {
                    return Err(LineError::Contradiction);
                }
                self.facts_up_to = fact.position;
                if FACT_TYPES.contains(&fact.event_type.as_str()) {
                    self.beyond.push((fact.position, fact.event_id));
                }
            }
            Entry::Restored {
                incarnation,
                after_position,
            } => {
                if self.incarnation == Some(*incarnation) {
                    return Err(LineError::Contradiction);
                }
                self.incarnation = Some(*incarnation);
                self.give_up(*after_position);
            }
            Entry::Other => {}
        }
        Ok(())
    }

    /// A restore gave up what comes after this position.
    pub(super) fn give_up(&mut self, after_position: i64) {
        if after_position < self.position {
            self.position = after_position;
            self.batch_hash = None;
        }
        self.facts_up_to = self.facts_up_to.min(after_position).max(self.position);
        self.beyond
            .retain(|(position, _)| *position <= after_position);
    }
}
