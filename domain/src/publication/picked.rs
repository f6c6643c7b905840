//! Whom segments have let through, of those who would have got a publication otherwise. What segments ask is sealed and may be
//! erased; a bit for each of these tells it for ever without that.

use uuid::Uuid;

const BITS: usize = u8::BITS as usize;

/// A segment, and the version of its stream that was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AskedSegment {
    /// Its stream.
    pub segment_id: Uuid,
    /// Version it was asked at.
    pub version: i32,
}

/// What segments have said of the candidates: whoever was active and wanted one of the topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picked {
    /// Each segment that was asked, once.
    pub segments: Vec<AskedSegment>,
    /// A bit for each candidate, ascending by id, the first in the highest bit of the first byte; 1: in the audience. What is
    /// left of the last byte is 0.
    pub bits: Vec<u8>,
}

impl Picked {
    /// The most candidates: their bits stand in one event.
    pub const CANDIDATES_MAX: u64 = 7_000_000;

    /// How many are in the audience.
    pub fn subscribers(&self) -> u64 {
        self.bits
            .iter()
            .map(|byte| u64::from(byte.count_ones()))
            .sum()
    }

    /// Who of the candidates, ascending by id, is in the audience; none: these are not the bits of so many.
    pub fn among(&self, candidates: &[Uuid]) -> Option<Vec<Uuid>> {
        if self.bits.len() != candidates.len().div_ceil(BITS) {
            return None;
        }
        let bit = |at: usize| self.bits[at / BITS] & mask(at) != 0;
        let picked = candidates.iter().enumerate().filter(|(at, _)| bit(*at));
        let picked: Vec<Uuid> = picked.map(|(_, id)| *id).collect();
        // A bit behind the last candidate is nobody's.
        (picked.len() as u64 == self.subscribers()).then_some(picked)
    }
}

/// The bits of [`Picked`] in the making.
#[derive(Clone, Debug, Default)]
pub struct Picking {
    bits: Vec<u8>,
    candidates: u64,
}

impl Picking {
    /// The next candidate, ascending by id.
    pub fn push(&mut self, picked: bool) {
        let at = (self.candidates % BITS as u64) as usize;
        if at == 0 {
            self.bits.push(0);
        }
        if picked && let Some(last) = self.bits.last_mut() {
            *last |= mask(at);
        }
        self.candidates += 1;
    }

    /// How many there were.
    pub fn candidates(&self) -> u64 {
        self.candidates
    }

    /// All of them are in. `segments`: what was asked, each once.
    pub fn by(self, segments: Vec<AskedSegment>) -> Picked {
        Picked {
            segments,
            bits: self.bits,
        }
    }
}

/// The bit of a candidate in its byte.
fn mask(at: usize) -> u8 {
    0x80 >> (at % BITS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn picked(bits: &[bool]) -> Picked {
        let mut picking = Picking::default();
        bits.iter().for_each(|bit| picking.push(*bit));
        assert_eq!(picking.candidates(), bits.len() as u64);
        picking.by(Vec::new())
    }

    fn ids(n: usize) -> Vec<Uuid> {
        (1..=n as u128).map(Uuid::from_u128).collect()
    }

    #[test]
    fn the_first_candidate_is_the_highest_bit() {
        let nine = [true, false, false, true, false, false, false, false, true];
        assert_eq!(picked(&nine).bits, [0b1001_0000, 0b1000_0000]);
        assert_eq!(picked(&[]).bits, [0; 0]);
        assert_eq!(picked(&[false]).bits, [0]);
    }

    #[test]
    fn bits_of_more_or_fewer_than_there_were_tell_of_nobody() {
        let eight = picked(&[true; 8]);
        assert_eq!(eight.among(&ids(8)), Some(ids(8)));
        assert_eq!(eight.among(&ids(9)), None);
        // The bit of an eighth is set.
        assert_eq!(eight.among(&ids(7)), None);
        assert_eq!(eight.among(&[]), None);
        assert_eq!(picked(&[]).among(&[]), Some(vec![]));
        assert_eq!(picked(&[]).among(&ids(1)), None);
    }

    #[test]
    fn all_there_may_be_fit_an_event() {
        // Of 900 KiB; the rest of it is a hundredth of that.
        let bytes = Picked::CANDIDATES_MAX.div_ceil(BITS as u64);
        assert!(bytes < 900 * 1_024 * 99 / 100);
    }

    proptest! {
        #[test]
        fn whom_they_let_through_is_found_again(bits in prop::collection::vec(any::<bool>(), 0..40)) {
            let candidates = ids(bits.len());
            let expected = candidates.iter().zip(&bits).filter(|(_, bit)| **bit);
            let expected: Vec<Uuid> = expected.map(|(id, _)| *id).collect();
            let picked = picked(&bits);
            prop_assert_eq!(picked.subscribers(), expected.len() as u64);
            prop_assert_eq!(picked.among(&candidates), Some(expected));
        }
    }
}
