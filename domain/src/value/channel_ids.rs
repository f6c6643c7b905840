//! The channels a publication goes to.

use uuid::Uuid;

use super::Invalid;

/// 1 to [`Self::COUNT_MAX`] channels, each once, in the editor's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelIds(Vec<Uuid>);

impl ChannelIds {
    /// The most channels one publication goes to.
    pub const COUNT_MAX: usize = 20;

    /// Takes the ids as an editor listed them.
    ///
    /// # Errors
    /// [`Invalid`] when there is none, one stands twice, or there are too many.
    pub fn parse(ids: Vec<Uuid>) -> Result<Self, Invalid> {
        if ids.is_empty() {
            return Err(Invalid::new("no channel is named; name at least one"));
        }
        if ids.len() > Self::COUNT_MAX {
            return Err(Invalid::new(format!(
                "{} channels are named; at most {} are allowed",
                ids.len(),
                Self::COUNT_MAX
            )));
        }
        for (at, id) in ids.iter().enumerate() {
            if ids[..at].contains(id) {
                return Err(Invalid::new(format!(
                    "channel {id} is named twice; name each channel once"
                )));
            }
        }
        Ok(Self(ids))
    }

    pub(crate) fn recorded(ids: Vec<Uuid>) -> Self {
        Self(ids)
    }

    /// The ids in the editor's order.
    pub fn as_slice(&self) -> &[Uuid] {
        &self.0
    }

    /// The ids in the editor's order.
    pub fn iter(&self) -> impl Iterator<Item = Uuid> + '_ {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_once_and_not_too_many() {
        let ids = |n: u128| (1..=n).map(Uuid::from_u128).collect::<Vec<_>>();
        assert!(ChannelIds::parse(vec![]).is_err());
        assert!(ChannelIds::parse(ids(20)).is_ok());
        assert!(ChannelIds::parse(ids(21)).is_err());
        let twice = vec![Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(1)];
        assert_eq!(
            ChannelIds::parse(twice).map_err(|e| e.detail),
            Err("channel 00000000-0000-0000-0000-000000000001 is named twice; name each channel once".into())
        );
    }

    proptest! {
        #[test]
        fn order_is_kept(ids in proptest::collection::vec(0u128..30, 0..25)) {
            let ids: Vec<_> = ids.into_iter().map(Uuid::from_u128).collect();
            if let Ok(parsed) = ChannelIds::parse(ids.clone()) {
                prop_assert_eq!(parsed.as_slice(), &ids[..]);
            }
        }
    }
}
