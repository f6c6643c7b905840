//! The topics a publication is about.

use uuid::Uuid;

use super::Invalid;
use super::few::few;

/// At most [`Self::COUNT_MAX`] topics, each once, in the editor's order. None: it is for everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicIds(Vec<Uuid>);

impl TopicIds {
    /// The most topics one publication is about.
    pub const COUNT_MAX: usize = 20;

    /// Takes the ids as an editor listed them.
    ///
    /// # Errors
    /// [`Invalid`] when one stands twice, or there are too many.
    pub fn parse(ids: Vec<Uuid>) -> Result<Self, Invalid> {
        few(ids, "topic", Self::COUNT_MAX).map(Self)
    }

    pub(crate) fn recorded(ids: Vec<Uuid>) -> Self {
        Self(ids)
    }

    /// The ids in the editor's order.
    pub fn as_slice(&self) -> &[Uuid] {
        &self.0
    }

    /// The topic, if there is exactly one: then its sender and its way to leave count.
    pub fn only(&self) -> Option<Uuid> {
        match self.0.as_slice() {
            [one] => Some(*one),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_once_and_not_too_many() {
        let ids = |n: u128| (1..=n).map(Uuid::from_u128).collect::<Vec<_>>();
        assert!(TopicIds::parse(vec![]).is_ok_and(|it| it.only().is_none()));
        assert!(TopicIds::parse(ids(1)).is_ok_and(|it| it.only().is_some()));
        assert!(TopicIds::parse(ids(20)).is_ok_and(|it| it.only().is_none()));
        assert!(TopicIds::parse(ids(21)).is_err());
        assert!(TopicIds::parse([ids(2), ids(1)].concat()).is_err());
    }
}
