//! Whether each event of an export is about the subscriber, and none between it and the one before of its stream is left
//! out. Most streams name whom they are about. Those of addresses and suppressions do not: that they are this subscriber's
//! is shown by their own events, which name the streams of each address they had, and only for as long as they held it.

use std::collections::HashMap;

use tidings_proto::Event;
use uuid::Uuid;

use super::super::line::Line;

const MISSING: &str = "an event before it is missing, or not in its place";
const ELSEWHOSE: &str = "it is about somebody else";

/// What was read so far.
pub(super) struct Streams {
    subscriber_id: Uuid,
    last: i64,
    /// The last version of each stream that is theirs alone.
    versions: HashMap<Uuid, i32>,
    /// By the stream of each address they had: those of its suppression and of its domain's.
    had: HashMap<Uuid, [Uuid; 2]>,
    /// The addresses they hold at this point, with the version at which each was claimed.
    holds: HashMap<Uuid, i32>,
    /// Of each suppression the last version, as long as they hold an address that it is about.
    suppressions: HashMap<Uuid, i32>,
}

impl Streams {
    pub(super) fn of(subscriber_id: Uuid) -> Self {
        Self {
            subscriber_id,
            last: 0,
            versions: HashMap::new(),
            had: HashMap::new(),
            holds: HashMap::new(),
            suppressions: HashMap::new(),
        }
    }

    /// Takes the next event.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn take(&mut self, line: &Line) -> Result<(), &'static str> {
        if line.position <= self.last {
            return Err(MISSING);
        }
        self.last = line.position;
        let noun = line.event.event_type.split_once('.');
        match noun.map_or("", |(noun, _)| noun) {
            "address" => self.of_address(line),
            "suppression" => self.of_suppression(line),
            _ => self.of_own(line),
        }
    }

    fn of_own(&mut self, line: &Line) -> Result<(), &'static str> {
        let version = self.versions.entry(line.event.stream_id).or_insert(0);
        *version += 1;
        if *version != line.version {
            return Err(MISSING);
        }
        if line.version == 1 && line.event.subject != Some(self.subscriber_id) {
            return Err(ELSEWHOSE);
        }
        let ids = match decoded(line) {
            Some(Event::SubscriberSignedUp(it)) => [
                it.address_id,
                it.address_suppression_id,
                it.domain_suppression_id,
            ],
            Some(Event::SubscriberContactChanged(it)) => [
                it.address_id,
                it.address_suppression_id,
                it.domain_suppression_id,
            ],
            _ => return Ok(()),
        };
        if line.event.stream_id == self.subscriber_id
            && let [Ok(address), Ok(suppression), Ok(domain)] = ids.map(|id| Uuid::from_slice(&id))
        {
            self.had.insert(address, [suppression, domain]);
        }
        Ok(())
    }

    fn of_address(&mut self, line: &Line) -> Result<(), &'static str> {
        let (of, claims) = match decoded(line) {
            Some(Event::AddressClaimed(it)) => (it.subscriber_id, true),
            Some(Event::AddressReleased(it)) => (it.subscriber_id, false),
            _ => return Err("it is of a kind that this version does not know"),
        };
        let address = line.event.stream_id;
        let had = self.had.get(&address);
        let Some(about) = had.filter(|_| of == self.subscriber_id.as_bytes()[..]) else {
            return Err(ELSEWHOSE);
        };
        match (claims, self.holds.get(&address).copied()) {
            (true, None) => {
                self.holds.insert(address, line.version);
            }
            // Nobody else has a word in between.
            (false, Some(claimed)) if claimed + 1 == line.version => {
                self.holds.remove(&address);
                for suppression in about {
                    self.suppressions.remove(suppression);
                }
            }
            _ => return Err(MISSING),
        }
        Ok(())
    }

    fn of_suppression(&mut self, line: &Line) -> Result<(), &'static str> {
        let suppression = line.event.stream_id;
        let is_theirs = |address| {
            let about = self.had.get(address);
            about.is_some_and(|about| about.contains(&suppression))
        };
        if !self.holds.keys().any(is_theirs) {
            return Err("it is about an address that was not theirs then");
        }
        let before = self.suppressions.insert(suppression, line.version);
        match before.is_none_or(|before| before + 1 == line.version) {
            true => Ok(()),
            false => Err(MISSING),
        }
    }
}

/// `None`: only a later version knows it.
fn decoded(line: &Line) -> Option<Event> {
    Event::decode(&line.event.event_type, line.event.payload.0.clone().into()).ok()
}

#[cfg(test)]
mod tests;
