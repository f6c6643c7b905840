//! What verification finds: the first place where the log is not what was recorded, and why.

use std::cmp::Reverse;
use std::fmt;

use serde::Serialize;

/// The first place where the log is not what was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The first position that may be concerned.
    pub position: i64,
    /// The last one. Greater than `position` where only a hash over several events tells.
    pub through: i64,
    /// What is wrong there.
    pub code: Defect,
}

/// What is wrong. At one place, those further up say more than those further down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Defect {
    /// No row has this position.
    PositionMissing,
    /// Two rows have this position.
    PositionTwice,
    /// A row stands before the first position, or after the last batch.
    PositionOutside,
    /// No batch holds the position.
    BatchMissing,
    /// The batch begins inside the one before.
    BatchOverlaps,
    /// A column is empty or malformed that never is.
    RowUnreadable,
    /// The content is not what the digest was made over.
    DigestDiffers,
    /// The event was not recorded when its batch was.
    RecordedAtDiffers,
    /// Versions in the stream do not count 1, 2, 3, … in the order of positions.
    VersionNotContiguous,
    /// The batch names an incarnation that the log never had, or had before.
    IncarnationWrong,
    /// The batch was recorded before the one it follows.
    TimeBackwards,
    /// The batch no longer names the hash of the one before.
    PreviousHashDiffers,
    /// The batch's hash is not that of its events.
    BatchHashDiffers,
    /// The batch is sound in itself, but not the one that the next batch follows.
    ChainBroken,
    /// The log ends here, though the witness saw it go on.
    WitnessSawMore,
    /// The witness saw another batch hash.
    WitnessSawOther,
    /// The log and the witness hold different facts about consent.
    WitnessFactDiffers,
}

impl Finding {
    /// Something is wrong with one position.
    pub(crate) fn at(position: i64, code: Defect) -> Self {
        Self::within(position, position, code)
    }

    /// Something is wrong within these positions.
    pub(crate) fn within(position: i64, through: i64, code: Defect) -> Self {
        Self {
            position,
            through: through.max(position),
            code,
        }
    }

    /// The finding that says more precisely where the first change is. A hash over several events only says that one
    /// of them changed, so one that names an event of those wins.
    #[must_use]
    pub fn first(self, other: Self) -> Self {
        let place = |it: &Self| (it.through, Reverse(it.position), it.code);
        if place(&other) < place(&self) {
            other
        } else {
            self
        }
    }
}

/// Keeps the first of two findings that may not be.
pub(crate) fn note(first: &mut Option<Finding>, found: impl Into<Option<Finding>>) {
    *first = match (*first, found.into()) {
        (Some(first), Some(found)) => Some(first.first(found)),
        (first, found) => first.or(found),
    };
}

impl Defect {
    /// One sentence about the positions `{first}` to `{last}`.
    fn sentence(self) -> &'static str {
        match self {
            Self::PositionMissing => "position {first} is missing: its row was removed",
            Self::PositionTwice => "position {first} stands in the log twice",
            Self::PositionOutside => {
                "position {first} has a row that belongs to no batch: it was inserted past the log's own way of \
                 writing, or its batch was removed"
            }
            Self::BatchMissing => "no batch holds position {first}",
            Self::BatchOverlaps => "the batch at position {first} begins inside the one before it",
            Self::RowUnreadable => "the row at position {first} has an empty or malformed column",
            Self::DigestDiffers => {
                "the event at position {first} is not what its digest was made over"
            }
            Self::RecordedAtDiffers => {
                "the event at position {first} does not carry the time at which its batch was recorded"
            }
            Self::VersionNotContiguous => {
                "the version at position {first} does not follow the one before in its stream"
            }
            Self::IncarnationWrong => {
                "the batch of positions {first} to {last} names an incarnation that the log did not have then"
            }
            Self::TimeBackwards => {
                "the batch of positions {first} to {last} was recorded before the one it follows"
            }
            Self::PreviousHashDiffers => {
                "the batch of positions {first} to {last} no longer names the hash of the batch before it"
            }
            Self::BatchHashDiffers => {
                "the hash of the batch of positions {first} to {last} is not that of its events: one of them, their \
                 order, or the batch's own row was changed"
            }
            Self::ChainBroken => {
                "the batch of positions {first} to {last} is not the one that the next batch follows: it was replaced"
            }
            Self::WitnessSawMore => {
                "the log ends before position {first}, though the witness saw it reach {last}: its end was cut off, \
                 or an older copy was put in its place"
            }
            Self::WitnessSawOther => {
                "the witness saw another batch hash at position {last}: something between {first} and {last} was \
                 rewritten together with its hashes"
            }
            Self::WitnessFactDiffers => {
                "the witness and the log disagree about the consent fact at position {first}"
            }
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sentence = self.code.sentence();
        let sentence = sentence.replace("{first}", &self.position.to_string());
        f.write_str(&sentence.replace("{last}", &self.through.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_place_wins_and_a_single_event_explains_its_batch() {
        let batch = Finding::within(2, 71, Defect::BatchHashDiffers);
        let inside = Finding::at(40, Defect::VersionNotContiguous);
        let last = Finding::at(71, Defect::DigestDiffers);
        let before = Finding::at(1, Defect::DigestDiffers);
        let after = Finding::at(80, Defect::PositionMissing);
        for (other, first) in [
            (inside, inside),
            (last, last),
            (before, before),
            (after, batch),
        ] {
            assert_eq!(batch.first(other), first);
            assert_eq!(other.first(batch), first);
        }
        let missing = Finding::at(40, Defect::PositionMissing);
        assert_eq!(inside.first(missing), missing);
    }
}
