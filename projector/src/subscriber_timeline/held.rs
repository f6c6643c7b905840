//! The addresses that a subscriber has held, each for as long as they held it: what was said meanwhile of an address, or of
//! its domain, on the suppression list is part of their story, and what was said before and after is somebody else's.
//!
//! The streams of addresses and suppressions name nobody, since they outlive an erasure. That some of them are this
//! subscriber's is taken from what stands in their own events, and only as far as those can be opened: whoever is erased has
//! held no address that anybody could name.

use std::collections::{BTreeMap, HashMap, HashSet};

use tidings_event_store::Recorded;
use tidings_proto::{Event, EventMessage as _, subscriber};
use tidings_service::Problem;
use uuid::Uuid;

use crate::opened::{self, Words};
use crate::reader::{Reader, unreadable};

const ADDRESS_SAID_BY: [&str; 2] = [subscriber::SignedUp::TYPE, subscriber::ContactChanged::TYPE];

/// What an event of an address or a suppression is about, in the story of one subscriber.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct About {
    /// The address, or the domain.
    pub(crate) what: String,
    /// It is a domain.
    pub(crate) is_domain: bool,
    /// The reasons on the suppression list: of a claim those that stood already, of what was lifted those that still stand.
    pub(crate) standing: Vec<String>,
    /// Of a claim: the reasons that stood against the domain already.
    pub(crate) domain_standing: Vec<String>,
    /// The delivery that showed it, if it is theirs.
    pub(crate) delivery_id: Option<Uuid>,
    /// It was shown by a delivery to whoever had the address before.
    pub(crate) shown_by_others: bool,
}

/// What happened to their addresses while they held them, by position.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held(BTreeMap<i64, About>);

/// All that is about a subscriber.
#[derive(Debug, Default)]
pub(crate) struct Story {
    /// The positions of all of it, in order.
    pub(crate) positions: Vec<i64>,
    /// What those of them are about that are in nobody's streams.
    pub(crate) held: Held,
}

/// An address that was theirs once.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Had {
    email: String,
    suppression_id: Uuid,
    domain_suppression_id: Uuid,
}

/// All that is about a subscriber, as of one moment.
///
/// # Errors
/// When the log or the keys cannot be read.
pub(crate) async fn story(reader: &Reader, subscriber_id: Uuid) -> Result<Story, Problem> {
    let log = reader.store().log();
    // Everything up to here is in what is read from now on, and nothing behind it is told: so none of it lacks what came
    // before another.
    let head = log.head().await.map_err(|error| unreadable(&error))?;
    let positions = log.subject_positions(subscriber_id).await;
    let mut positions = positions.map_err(|error| unreadable(&error))?;
    let mut held = match positions.is_empty() {
        true => Held::default(),
        false => Held::of(reader, subscriber_id).await?,
    };
    held.0.retain(|position, _| *position <= head.position);
    positions.retain(|position| *position <= head.position);
    positions.extend(held.0.keys());
    positions.sort_unstable();
    Ok(Story { positions, held })
}

impl Held {
    /// What an event is about, by its position.
    pub(crate) fn about(&self, position: i64) -> Option<&About> {
        self.0.get(&position)
    }

    async fn of(reader: &Reader, subscriber_id: Uuid) -> Result<Self, Problem> {
        let log = reader.store().log();
        let said = log.stream_of(subscriber_id, &ADDRESS_SAID_BY).await;
        let said = said.map_err(|error| unreadable(&error))?;
        let opened = opened::open(reader.store(), &said).await?;
        let had = had(&said, &opened);
        if had.is_empty() {
            return Ok(Self::default());
        }
        let ids = had.iter().flat_map(|(address_id, it)| {
            [*address_id, it.suppression_id, it.domain_suppression_id]
        });
        let ids: HashSet<Uuid> = ids.collect();
        let events = log.streams(&ids.into_iter().collect::<Vec<_>>()).await;
        let events = events.map_err(|error| unreadable(&error))?;
        let mut held = Self::within(subscriber_id, &had, &streams(&events));
        held.keep_own(reader, subscriber_id).await?;
        Ok(held)
    }

    /// What of these streams happened while they held an address.
    fn within(
        subscriber_id: Uuid,
        had: &HashMap<Uuid, Had>,
        streams: &HashMap<Uuid, Vec<&Recorded>>,
    ) -> Self {
        let of = |id: &Uuid| streams.get(id).map_or(&[][..], Vec::as_slice);
        let mut all = BTreeMap::new();
        for (address_id, had) in had {
            let (address, domain) = (of(&had.suppression_id), of(&had.domain_suppression_id));
            let name = had.email.rsplit_once('@').map_or("", |(_, domain)| domain);
            for (from, to) in periods(subscriber_id, of(address_id)) {
                let itself = About {
                    what: had.email.clone(),
                    ..About::default()
                };
                let claimed = About {
                    standing: standing(address, |position| position < from),
                    domain_standing: standing(domain, |position| position < from),
                    ..itself.clone()
                };
                all.insert(from, claimed);
                all.extend(to.map(|to| (to, itself.clone())));
                let meanwhile =
                    |position: i64| from < position && to.is_none_or(|to| position < to);
                all.extend(told(address, &itself, meanwhile));
                let its_domain = About {
                    what: name.to_owned(),
                    is_domain: true,
                    ..About::default()
                };
                all.extend(told(domain, &its_domain, meanwhile));
            }
        }
        Self(all)
    }

    /// Points at no delivery but theirs: what came back late may be a message to whoever had the address before.
    async fn keep_own(&mut self, reader: &Reader, subscriber_id: Uuid) -> Result<(), Problem> {
        let named: Vec<Uuid> = self.0.values().filter_map(|it| it.delivery_id).collect();
        if named.is_empty() {
            return Ok(());
        }
        let sql = "select stream_id from publishing_events \
                   where stream_id = any($1) and version = 1 and subject = $2";
        let rows = reader.rows(sql, &[&named, &subscriber_id]).await?;
        let own: HashSet<Uuid> = rows.iter().map(|row| row.get(0)).collect();
        for about in self.0.values_mut() {
            let theirs = about.delivery_id.filter(|id| own.contains(id));
            about.shown_by_others = theirs.is_none() && about.delivery_id.is_some();
            about.delivery_id = theirs;
        }
        Ok(())
    }
}

fn streams(events: &[Recorded]) -> HashMap<Uuid, Vec<&Recorded>> {
    let mut streams: HashMap<Uuid, Vec<&Recorded>> = HashMap::new();
    for event in events {
        streams.entry(event.stream_id).or_default().push(event);
    }
    streams
}

/// The addresses that can still be named, by their streams; each as it was spelled last.
fn had(said: &[Recorded], opened: &[Vec<(String, Words)>]) -> HashMap<Uuid, Had> {
    let mut all = HashMap::new();
    for (event, opened) in said.iter().zip(opened) {
        let email = opened.iter().find(|(field, _)| field == "email");
        let Some((_, Words::Known(email))) = email else {
            continue;
        };
        let ids = match event.decode() {
            Ok(Event::SubscriberSignedUp(it)) => [
                it.address_id,
                it.address_suppression_id,
                it.domain_suppression_id,
            ],
            Ok(Event::SubscriberContactChanged(it)) => [
                it.address_id,
                it.address_suppression_id,
                it.domain_suppression_id,
            ],
            _ => continue,
        };
        let [
            Ok(address_id),
            Ok(suppression_id),
            Ok(domain_suppression_id),
        ] = ids.map(|id| Uuid::from_slice(&id))
        else {
            continue;
        };
        let had = Had {
            email: email.clone(),
            suppression_id,
            domain_suppression_id,
        };
        all.insert(address_id, had);
    }
    all
}

/// From where to where they held an address, by the events of its stream; no end: they hold it still.
fn periods(subscriber_id: Uuid, events: &[&Recorded]) -> Vec<(i64, Option<i64>)> {
    let mut periods: Vec<(i64, Option<i64>)> = Vec::new();
    for event in events {
        match event.decode() {
            Ok(Event::AddressClaimed(it)) if it.subscriber_id == subscriber_id.as_bytes()[..] => {
                periods.push((event.position, None));
            }
            Ok(Event::AddressReleased(it)) if it.subscriber_id == subscriber_id.as_bytes()[..] => {
                if let Some((_, to)) = periods.last_mut().filter(|(_, to)| to.is_none()) {
                    *to = Some(event.position);
                }
            }
            _ => {}
        }
    }
    periods
}

/// The reasons that stand after those events of a suppression that are asked for, oldest first.
fn standing(events: &[&Recorded], counts: impl Fn(i64) -> bool) -> Vec<String> {
    let mut standing: Vec<String> = Vec::new();
    for event in events.iter().filter(|it| counts(it.position)) {
        match event.decode() {
            Ok(Event::SuppressionAdded(it)) => standing.push(it.reason),
            Ok(Event::SuppressionLifted(it)) => standing.retain(|one| !it.reasons.contains(one)),
            _ => {}
        }
    }
    standing
}

/// Those events of a suppression that are asked for, each with what it is about.
fn told<'a>(
    events: &'a [&'a Recorded],
    what: &'a About,
    counts: impl Fn(i64) -> bool + 'a,
) -> impl Iterator<Item = (i64, About)> + 'a {
    let counted = events.iter().filter(move |it| counts(it.position));
    counted.map(move |event| {
        let mut about = what.clone();
        match event.decode() {
            Ok(Event::SuppressionAdded(it)) => {
                about.delivery_id = Uuid::from_slice(&it.delivery_id).ok();
            }
            _ => about.standing = standing(events, |position| position <= event.position),
        }
        (event.position, about)
    })
}

#[cfg(test)]
mod tests;
