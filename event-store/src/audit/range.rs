//! A range of whole batches, recomputed: digests, places, groups, batches, and how each batch follows the one
//! before. Knows no database, so that ranges can be read and hashed in parallel.

use std::collections::HashMap;
use std::collections::VecDeque;

use uuid::Uuid;

use super::finding::{Defect, Finding, note};
use crate::copy::Fields;
use crate::digest::{self, BatchHead, GROUP_EVENTS, Input, Placed};

/// The columns of an event in the order [`Row::of`] reads them.
pub(super) const EVENT_COLUMNS: &str = "position, version, digest, recorded_at, event_id, stream_id, type, subject, \
     occurred_at, actor, correlation_id, causation, metadata, payload";
/// The columns of a batch in the order [`Batch::of`] reads them.
pub(super) const BATCH_COLUMNS: &str =
    "last_position, first_position, previous_hash, hash, committed_at, incarnation";

/// An event's place, and whether its content is what the digest was made over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    placed: Placed,
    recorded_at_us: i64,
    sound: bool,
}

impl Row {
    /// From a row of [`EVENT_COLUMNS`]; the position alone if the rest can not be read.
    pub(super) fn of(row: &[u8]) -> Result<Self, i64> {
        let mut fields = Fields::of(row);
        // It is the primary key and what the rows were asked by.
        let position = fields.int8().unwrap_or(0);
        Self::rest(position, &mut fields).ok_or(position)
    }

    fn rest(position: i64, fields: &mut Fields<'_>) -> Option<Self> {
        let version = fields.int4()?;
        let stored = fields.bytes()?;
        let recorded_at_us = fields.instant_us()?;
        let input = content(fields)?;
        let digest = digest::event(&input);
        Some(Self {
            placed: Placed {
                position,
                version,
                digest,
            },
            recorded_at_us,
            sound: stored == digest,
        })
    }
}

/// What the digest of a row of [`EVENT_COLUMNS`] is made over; `None`: it can not be read.
pub(super) fn content_of(row: &[u8]) -> Option<Input<'_>> {
    let mut fields = Fields::of(row);
    for _ in ["position", "version", "digest", "recorded_at"] {
        fields.nullable()?;
    }
    content(&mut fields)
}

/// What the digest is made over; the rest of a row of [`EVENT_COLUMNS`].
fn content<'a>(fields: &mut Fields<'a>) -> Option<Input<'a>> {
    let event_id = fields.uuid()?;
    let stream_id = fields.uuid()?;
    let event_type = fields.text()?;
    let subject = match fields.nullable()? {
        None => None,
        Some(id) => Some(Uuid::from_slice(id).ok()?),
    };
    let occurred_at_us = fields.instant_us()?;
    let actor = fields.text()?;
    let correlation_id = fields.uuid()?;
    let causation = match fields.nullable()? {
        None => None,
        Some(position) => Some(i64::from_be_bytes(position.try_into().ok()?)),
    };
    Some(Input {
        event_id,
        stream_id,
        event_type,
        subject,
        occurred_at_us,
        actor,
        correlation_id,
        causation,
        metadata: fields.bytes()?,
        payload: fields.bytes()?,
    })
}

/// A row of the table of batches. A hash that is not 32 bytes long equals none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) previous_hash: Option<[u8; 32]>,
    pub(super) hash: Option<[u8; 32]>,
    pub(super) committed_at_us: i64,
    pub(super) incarnation: Uuid,
}

impl Batch {
    /// From a row of [`BATCH_COLUMNS`]; the last position alone if the rest can not be read.
    pub(super) fn of(row: &[u8]) -> Result<Self, i64> {
        let mut fields = Fields::of(row);
        let last = fields.int8().unwrap_or(0);
        Self::rest(last, &mut fields).ok_or(last)
    }

    fn rest(last: i64, fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            last,
            first: fields.int8()?,
            previous_hash: fields.bytes()?.try_into().ok(),
            hash: fields.bytes()?.try_into().ok(),
            committed_at_us: fields.instant_us()?,
            incarnation: fields.uuid()?,
        })
    }

    fn computed(&self, previous_hash: [u8; 32], groups: &[[u8; 32]]) -> Option<[u8; 32]> {
        let head = BatchHead {
            previous_hash,
            incarnation: self.incarnation,
            first_position: self.first,
            last_position: self.last,
            committed_at_us: self.committed_at_us,
        };
        Some(digest::batch(&head, groups))
    }

    fn finding(&self, after: i64, code: Defect) -> Finding {
        Finding::within(after + 1, self.last, code)
    }
}

/// The incarnations of the log: the ordinal of each, and the position after which it began.
pub(super) type Incarnations = HashMap<Uuid, (i32, i64)>;

/// Takes the events of a range one after the other.
pub(super) struct Range<'a> {
    incarnations: &'a Incarnations,
    /// The batch before the current one; `None`: the current one is the first of the log.
    before: Option<Batch>,
    /// The current batch and those after it.
    batches: VecDeque<Batch>,
    next: i64,
    group: Vec<Placed>,
    groups: Vec<[u8; 32]>,
    finding: Option<Finding>,
}

impl<'a> Range<'a> {
    /// The range of these batches, in order, which follow `before`.
    pub(super) fn new(
        incarnations: &'a Incarnations,
        before: Option<Batch>,
        batches: VecDeque<Batch>,
    ) -> Self {
        Self {
            incarnations,
            before,
            batches,
            next: before.map_or(0, |batch| batch.last) + 1,
            group: Vec::with_capacity(GROUP_EVENTS),
            groups: Vec::new(),
            finding: None,
        }
    }

    fn after(&self) -> i64 {
        self.before.map_or(0, |batch| batch.last)
    }

    /// The next event in the order of positions.
    pub(super) fn event(&mut self, row: Result<Row, i64>) {
        let position = row.map_or_else(|position| position, |row| row.placed.position);
        if position < self.next {
            return self.note(Finding::at(position, Defect::PositionTwice));
        }
        if position > self.next {
            self.note(Finding::at(self.next, Defect::PositionMissing));
        }
        self.next = position + 1;
        while self.batches.front().is_some_and(|it| it.last < position) {
            self.close();
        }
        let Ok(row) = row else {
            return self.note(Finding::at(position, Defect::RowUnreadable));
        };
        if !row.sound {
            self.note(Finding::at(position, Defect::DigestDiffers));
        }
        match self.batches.front() {
            None => self.note(Finding::at(position, Defect::BatchMissing)),
            Some(batch) if batch.committed_at_us != row.recorded_at_us => {
                self.note(Finding::at(position, Defect::RecordedAtDiffers));
            }
            Some(_) => {}
        }
        self.group.push(row.placed);
        if self.group.len() == GROUP_EVENTS {
            self.close_group();
        }
    }

    /// No more events: what was found first.
    pub(super) fn finish(mut self) -> Option<Finding> {
        if let Some(last) = self.batches.back().map(|batch| batch.last)
            && self.next <= last
        {
            self.note(Finding::at(self.next, Defect::PositionMissing));
        }
        while !self.batches.is_empty() {
            self.close();
        }
        self.finding
    }

    fn note(&mut self, found: Finding) {
        note(&mut self.finding, found);
    }

    fn close_group(&mut self) {
        if !self.group.is_empty() {
            self.groups.push(digest::group(&self.group));
            self.group.clear();
        }
    }

    /// All events of the current batch were seen.
    fn close(&mut self) {
        let Some(batch) = self.batches.pop_front() else {
            return;
        };
        self.close_group();
        let after = self.after();
        if batch.first > after + 1 {
            self.note(Finding::at(after + 1, Defect::BatchMissing));
        } else if batch.first <= after {
            self.note(Finding::at(after + 1, Defect::BatchOverlaps));
        }
        if let Some(found) = self.hashes(&batch) {
            self.note(found);
        }
        if !self.incarnation_fits(&batch) {
            self.note(batch.finding(after, Defect::IncarnationWrong));
        }
        if let Some(before) = &self.before
            && batch.committed_at_us < before.committed_at_us
        {
            self.note(batch.finding(after, Defect::TimeBackwards));
        }
        self.groups.clear();
        self.before = Some(batch);
    }

    /// A batch's hash covers the hash it names as the one before. So a batch that is sound in itself and names
    /// another hash than the batch before has shows that the batch before was replaced.
    fn hashes(&self, batch: &Batch) -> Option<Finding> {
        let after = self.after();
        let before = self.before.map_or(Some([0; 32]), |before| before.hash);
        let named = batch.previous_hash;
        let sound = |previous: Option<[u8; 32]>| {
            previous.is_some_and(|previous| batch.computed(previous, &self.groups) == batch.hash)
        };
        // After a hole the batch before is not the one that is named.
        let adjoins = batch.first == after + 1;
        match (named == before || !adjoins, sound(named)) {
            (true, true) => None,
            (false, true) => Some(match &self.before {
                Some(before) => Finding::within(before.first, before.last, Defect::ChainBroken),
                None => batch.finding(after, Defect::PreviousHashDiffers),
            }),
            (false, false) if sound(before) => {
                Some(batch.finding(after, Defect::PreviousHashDiffers))
            }
            (_, false) => Some(batch.finding(after, Defect::BatchHashDiffers)),
        }
    }

    fn incarnation_fits(&self, batch: &Batch) -> bool {
        let Some((ordinal, after)) = self.incarnations.get(&batch.incarnation) else {
            return false;
        };
        let before = self
            .before
            .and_then(|it| self.incarnations.get(&it.incarnation))
            .map_or(0, |(ordinal, _)| *ordinal);
        before <= *ordinal && *after < batch.first
    }
}
