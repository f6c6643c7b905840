//! What readers said they want, and what speaks against writing to them, folded from the log and apart from the product.

use std::collections::{BTreeSet, HashMap, HashSet};

use tidings_domain::preferences::Part;
use tidings_event_store::Recorded;
use tidings_proto::Event;
use uuid::Uuid;

use super::deliveries::uuid;

/// Reasons that do not keep somebody from being asked whether they want mail after all.
const OWN_WORD: [&str; 3] = ["erased", "unsubscribed", "moved"];

/// What is said of a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    SignedUp {
        suppressions: [Uuid; 2],
        confirmed: bool,
    },
    Confirmed,
    /// Mail goes to another address, which these suppression streams are about.
    Moved([Uuid; 2]),
    Left,
    CameBack,
    /// Whether they want it.
    Topic(Uuid, bool),
    Channel(Uuid, bool),
    /// Their data are to be destroyed.
    Erased,
    /// How much they want at the most, or that they set no such limit any more.
    Capped,
}

/// A reader, as of some position.
#[derive(Clone, Debug, Default)]
struct Reader {
    /// The suppression streams of their address, and of its domain.
    suppressions: [Uuid; 2],
    confirmed: bool,
    left: bool,
    erased: bool,
    topics: HashMap<Uuid, bool>,
    left_channels: HashSet<Uuid>,
    /// What once was, however it stands now.
    had_to_confirm: bool,
    ever_left: bool,
    ever_left_parts: HashSet<Uuid>,
    ever_capped: bool,
}

/// What a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    /// Its receiver wants mail.
    Mail,
    /// It asks them whether they do.
    Asking,
    /// It brings them a link to what is held about them.
    OwnData,
}

/// A message, as far as it matters who wants it.
pub(super) struct Message<'a> {
    /// What it is for.
    pub(super) is_for: For,
    /// The topics it is about.
    pub(super) topics: &'a [Uuid],
    /// The way it goes.
    pub(super) channel_id: Uuid,
}

/// All that was said.
#[derive(Default)]
pub(super) struct Wishes {
    /// In the log's order: an audience is read at a position further back.
    said: Vec<(i64, Uuid, Said)>,
    readers: HashMap<Uuid, Reader>,
    /// Whether everybody gets a topic until they say otherwise.
    topics: HashMap<Uuid, bool>,
    /// Reasons by suppression stream.
    suppressed: HashMap<Uuid, HashSet<String>>,
    ever_suppressed: HashSet<Uuid>,
}

impl Wishes {
    pub(super) fn fold(&mut self, recorded: &Recorded, event: &Event) {
        let id = recorded.stream_id;
        match event {
            Event::TopicDefined(it) => {
                self.topics.insert(id, it.by_default == "in");
            }
            Event::SuppressionAdded(it) => {
                let reasons = self.suppressed.entry(id).or_default();
                reasons.insert(it.reason.clone());
                self.ever_suppressed.insert(id);
            }
            Event::SuppressionLifted(it) => {
                let reasons = self.suppressed.entry(id).or_default();
                reasons.retain(|reason| !it.reasons.contains(reason));
            }
            event => {
                if let Some(said) = said(event) {
                    self.said.push((recorded.position, id, said));
                    self.readers.entry(id).or_default().say(said);
                }
            }
        }
    }

    /// Everybody who wanted mail about one of these topics (without any: whatever there is) once the log had come to
    /// this position.
    pub(super) fn readers(&self, through: i64, topics: &[Uuid]) -> BTreeSet<Uuid> {
        let mut readers: HashMap<Uuid, Reader> = HashMap::new();
        for (_, reader, said) in self.said.iter().take_while(|(at, ..)| *at <= through) {
            readers.entry(*reader).or_default().say(*said);
        }
        let get_it = |reader: &Reader| {
            let active = reader.confirmed && !reader.left && !reader.erased;
            active && self.wants_any(reader, topics)
        };
        let readers = readers.into_iter().filter(|(_, reader)| get_it(reader));
        readers.map(|(id, _)| id).collect()
    }

    /// Where a reader's mail goes now, by the stream of that address's suppression.
    pub(super) fn address_of(&self, reader: Uuid) -> Option<Uuid> {
        let [address, _] = self.readers.get(&reader)?.suppressions;
        Some(address)
    }

    /// What forbids a message to a reader now.
    pub(super) fn forbids(&self, reader: Uuid, message: &Message<'_>) -> Option<&'static str> {
        let reader = &self.readers[&reader];
        let asks = message.is_for == For::Asking;
        let suppressed = |stream: &Uuid| {
            let reasons = self.suppressed.get(stream).into_iter().flatten();
            let own = |reason: &String| asks && OWN_WORD.contains(&reason.as_str());
            reasons.filter(|reason| !own(reason)).count() > 0
        };
        if reader.erased {
            return Some("erased");
        }
        if reader.suppressions.iter().any(suppressed) {
            return Some("suppressed");
        }
        match message.is_for {
            For::Asking => return None,
            For::OwnData => return (!reader.confirmed).then_some("not_confirmed"),
            For::Mail => {}
        }
        [
            (reader.left, "unsubscribed"),
            (!reader.confirmed, "not_confirmed"),
            (!self.wants_any(reader, message.topics), "topic_left"),
            (
                reader.left_channels.contains(&message.channel_id),
                "channel_left",
            ),
        ]
        .into_iter()
        .find_map(|(forbids, why)| forbids.then_some(why))
    }

    /// Whether there ever was this reason not to send a message to a reader.
    pub(super) fn forbade(&self, reader: Uuid, message: &Message<'_>, reason: &str) -> bool {
        let reader = &self.readers[&reader];
        let [address, domain] = reader.suppressions;
        let parts = &reader.ever_left_parts;
        match reason {
            "erased" => reader.erased,
            "unsubscribed" => reader.ever_left,
            "not_confirmed" => reader.had_to_confirm,
            "address_suppressed" => self.ever_suppressed.contains(&address),
            "domain_suppressed" => self.ever_suppressed.contains(&domain),
            "topic_left" => {
                let out = |topic: &Uuid| parts.contains(topic) || !self.topics[topic];
                !message.topics.is_empty() && message.topics.iter().all(out)
            }
            "channel_left" => parts.contains(&message.channel_id),
            "frequency_cap" => reader.ever_capped,
            _ => false,
        }
    }

    fn wants_any(&self, reader: &Reader, topics: &[Uuid]) -> bool {
        let said = |topic: &Uuid| reader.topics.get(topic).copied();
        let wants = |topic: &Uuid| said(topic).unwrap_or_else(|| self.topics[topic]);
        topics.is_empty() || topics.iter().any(wants)
    }
}

impl Reader {
    fn say(&mut self, said: Said) {
        match said {
            Said::SignedUp {
                suppressions,
                confirmed,
            } => {
                self.suppressions = suppressions;
                self.confirmed = confirmed;
                self.had_to_confirm = !confirmed;
            }
            Said::Confirmed => self.confirmed = true,
            Said::Moved(suppressions) => self.suppressions = suppressions,
            Said::Left => {
                self.left = true;
                self.ever_left = true;
            }
            Said::CameBack => self.left = false,
            Said::Topic(topic, wanted) => {
                self.topics.insert(topic, wanted);
                if !wanted {
                    self.ever_left_parts.insert(topic);
                }
            }
            Said::Channel(channel, true) => {
                self.left_channels.remove(&channel);
            }
            Said::Channel(channel, false) => {
                self.left_channels.insert(channel);
                self.ever_left_parts.insert(channel);
            }
            Said::Erased => self.erased = true,
            Said::Capped => self.ever_capped = true,
        }
    }
}

fn said(event: &Event) -> Option<Said> {
    Some(match event {
        Event::SubscriberSignedUp(it) => Said::SignedUp {
            suppressions: [
                uuid(&it.address_suppression_id),
                uuid(&it.domain_suppression_id),
            ],
            confirmed: it.confirmation == "not_required",
        },
        Event::SubscriberConfirmed(_) => Said::Confirmed,
        Event::SubscriberContactChanged(it) => Said::Moved([
            uuid(&it.address_suppression_id),
            uuid(&it.domain_suppression_id),
        ]),
        Event::SubscriberUnsubscribed(it) => {
            part(&it.topic_id, &it.channel_id, false).unwrap_or(Said::Left)
        }
        Event::SubscriberResubscribed(it) => {
            part(&it.topic_id, &it.channel_id, true).unwrap_or(Said::CameBack)
        }
        Event::SubscriberErasureRequested(_) => Said::Erased,
        Event::SubscriberPreferencesChanged(it) => {
            let cap = |part: &String| part == Part::FrequencyCap.as_str();
            it.changed.iter().any(cap).then_some(Said::Capped)?
        }
        _ => return None,
    })
}

/// One topic or one channel; `None`: everything.
fn part(topic_id: &[u8], channel_id: &[u8], wanted: bool) -> Option<Said> {
    match (topic_id.is_empty(), channel_id.is_empty()) {
        (true, true) => None,
        (false, _) => Some(Said::Topic(uuid(topic_id), wanted)),
        (true, false) => Some(Said::Channel(uuid(channel_id), wanted)),
    }
}
