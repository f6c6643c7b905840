//! What a subscriber left or asked for one by one, beside leaving everything.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::topic::ByDefault;

/// What somebody leaves or comes back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum What {
    /// Everything.
    Everything,
    /// One topic, by whatever channel it comes.
    Topic(Uuid),
    /// One channel, whatever comes by it.
    Channel(Uuid),
}

impl What {
    /// The topic, or everything.
    pub fn topic_or_everything(topic_id: Option<Uuid>) -> Self {
        topic_id.map_or(Self::Everything, Self::Topic)
    }

    /// The topic, if it is one.
    pub fn topic_id(self) -> Option<Uuid> {
        match self {
            Self::Topic(id) => Some(id),
            Self::Everything | Self::Channel(_) => None,
        }
    }

    /// The channel, if it is one.
    pub fn channel_id(self) -> Option<Uuid> {
        match self {
            Self::Channel(id) => Some(id),
            Self::Everything | Self::Topic(_) => None,
        }
    }
}

/// The last word on each topic and channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choices {
    /// Whether they want it.
    topics: BTreeMap<Uuid, bool>,
    left_channels: BTreeSet<Uuid>,
}

impl Choices {
    /// What is on record elsewhere.
    pub fn new(topics: BTreeMap<Uuid, bool>, left_channels: BTreeSet<Uuid>) -> Self {
        Self {
            topics,
            left_channels,
        }
    }

    /// Whether they want a topic.
    pub fn wants(&self, topic_id: Uuid, by_default: ByDefault) -> bool {
        let said = self.topics.get(&topic_id);
        said.copied().unwrap_or(by_default == ByDefault::In)
    }

    /// Whether they have left this one, or asked for it, themselves.
    pub fn has_word_on(&self, what: What) -> bool {
        match what {
            What::Everything => false,
            What::Topic(id) => self.topics.contains_key(&id),
            What::Channel(id) => self.left_channels.contains(&id),
        }
    }

    /// Whether they want at least one of these topics. Where there is none, nobody has to.
    pub fn want_any(&self, topics: &[(Uuid, ByDefault)]) -> bool {
        topics.is_empty() || topics.iter().any(|(id, default)| self.wants(*id, *default))
    }

    /// Whether they said that they want nothing by a channel.
    pub fn has_left_channel(&self, channel_id: Uuid) -> bool {
        self.left_channels.contains(&channel_id)
    }

    /// The channels they said they want nothing by.
    pub fn left_channels(&self) -> impl Iterator<Item = Uuid> {
        self.left_channels.iter().copied()
    }

    /// Whether this was their last word on it already; of everything, nothing is said here.
    pub(super) fn says(&self, what: What, wanted: bool) -> bool {
        match what {
            What::Everything => false,
            What::Topic(id) => self.topics.get(&id) == Some(&wanted),
            What::Channel(id) => self.left_channels.contains(&id) != wanted,
        }
    }

    /// Takes a later word.
    pub fn say(&mut self, what: What, wanted: bool) {
        match what {
            What::Everything => {}
            What::Topic(id) => {
                self.topics.insert(id, wanted);
            }
            What::Channel(id) if wanted => {
                self.left_channels.remove(&id);
            }
            What::Channel(id) => {
                self.left_channels.insert(id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_counts_and_silence_is_the_topics() {
        let topic = Uuid::from_u128(1);
        let (silent, mut choices) = (Choices::default(), Choices::default());
        assert!(silent.wants(topic, ByDefault::In) && !silent.wants(topic, ByDefault::Out));
        for wanted in [false, true, false] {
            choices.say(What::Topic(topic), wanted);
            assert!(choices.says(What::Topic(topic), wanted));
            for default in ByDefault::ALL {
                assert_eq!(choices.wants(topic, *default), wanted);
            }
        }
    }

    #[test]
    fn one_topic_of_several_is_enough() {
        let [left, wanted] = [1, 2].map(Uuid::from_u128);
        let mut choices = Choices::default();
        choices.say(What::Topic(left), false);
        let both = [(left, ByDefault::In), (wanted, ByDefault::In)];
        assert!(choices.want_any(&[]) && choices.want_any(&both) && !choices.want_any(&both[..1]));
    }

    #[test]
    fn a_word_is_one_whatever_it_says() {
        let [topic, channel] = [1, 2].map(Uuid::from_u128);
        let whats = [What::Topic(topic), What::Channel(channel)];
        let mut choices = Choices::default();
        assert_eq!(whats.map(|what| choices.has_word_on(what)), [false, false]);
        choices.say(whats[0], true);
        choices.say(whats[1], false);
        assert_eq!(whats.map(|what| choices.has_word_on(what)), [true, true]);
    }

    #[test]
    fn a_channel_is_left_alone() {
        let [left, other] = [1, 2].map(Uuid::from_u128);
        let mut choices = Choices::default();
        choices.say(What::Channel(left), false);
        assert!(choices.has_left_channel(left) && !choices.has_left_channel(other));
        assert!(choices.wants(left, ByDefault::In), "a channel is no topic");
        choices.say(What::Channel(left), true);
        assert_eq!(choices, Choices::default());
    }
}
