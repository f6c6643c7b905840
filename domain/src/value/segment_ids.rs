//! The segments a publication goes to, or not.

use uuid::Uuid;

use super::Invalid;
use super::few::few;

/// At most [`Self::COUNT_MAX`] segments, each once, in the editor's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SegmentIds(Vec<Uuid>);

impl SegmentIds {
    /// The most segments in one list of a publication.
    pub const COUNT_MAX: usize = 5;

    /// Takes the ids as an editor listed them.
    ///
    /// # Errors
    /// [`Invalid`] when one stands twice, or there are too many.
    pub fn parse(ids: Vec<Uuid>) -> Result<Self, Invalid> {
        few(ids, "segment", Self::COUNT_MAX).map(Self)
    }

    pub(crate) fn recorded(ids: Vec<Uuid>) -> Self {
        Self(ids)
    }

    /// The ids in the editor's order.
    pub fn as_slice(&self) -> &[Uuid] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_once_and_not_too_many() {
        let ids = |n: u128| (1..=n).map(Uuid::from_u128).collect::<Vec<_>>();
        assert!(SegmentIds::parse(ids(5)).is_ok_and(|it| it.as_slice() == ids(5)));
        assert_eq!(
            SegmentIds::parse(ids(6)).unwrap_err().detail,
            "6 segments are named; at most 5 are allowed"
        );
        assert_eq!(
            SegmentIds::parse([ids(2), ids(1)].concat())
                .unwrap_err()
                .detail,
            "a segment is named twice; name each segment once"
        );
    }
}
