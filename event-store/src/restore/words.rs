//! Facts as words: what each of them does to which stream.

use std::collections::{BTreeMap, HashMap, HashSet};

use tidings_domain::aggregate::Aggregate as _;
use tidings_domain::api_key::{self, ApiKey};
use tidings_domain::engagement_period::EngagementPeriod;
use tidings_domain::subscriber::{
    self, ErasureBasis, ResubscribeMethod, Subscriber, UnsubscribeMethod, What,
};
use tidings_domain::suppression::{self, Reason, Scope, Suppression};
use tidings_domain::value::Code;
use tidings_proto::EventMessage as _;
use tidings_proto::{
    api_key as of_api_key, subscriber as of_subscriber, suppression as of_suppression,
};
use uuid::Uuid;

use super::RestoreError;
use crate::witness::Fact;

/// Why a key is revoked that was rotated or revoked in what is lost.
const RESTORED: &str = "restored";

/// Events that say the opposite of what somebody said who left.
pub(super) const BACK: [&str; 2] = [
    of_subscriber::Resubscribed::TYPE,
    of_suppression::Lifted::TYPE,
];

/// What outweighs a word that is said later by the same person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// Nothing: they were erased, or are not let in any more.
    ForGood,
    /// That they came back: they must not be written to.
    Leaves,
    /// Anything.
    Back,
}

/// What a fact does to a stream.
#[derive(Debug)]
pub(super) struct Word<C> {
    /// The fact, by the id of its event.
    pub(super) fact: Uuid,
    pub(super) weight: Weight,
    /// What it is about; of an address, everything.
    pub(super) what: What,
    pub(super) command: C,
}

/// The words for each stream, in their order.
pub(super) type Words<C> = BTreeMap<Uuid, Vec<Word<C>>>;

/// What all facts come to.
#[derive(Debug, Default)]
pub(super) struct AllWords {
    pub(super) subscribers: Words<subscriber::Command>,
    pub(super) suppressions: Words<suppression::Command>,
    pub(super) api_keys: Words<api_key::Command>,
    /// Subscribers the log does not know who had left.
    pub(super) unknown: u64,
    /// Keys that had been destroyed.
    pub(super) shredded: Vec<Uuid>,
}

/// The subscribers that facts are about.
pub(super) fn subscribers(facts: &[Fact]) -> Vec<Uuid> {
    let about = facts
        .iter()
        .filter(|fact| noun(fact) == Some(Subscriber::NOUN));
    about.map(|fact| fact.stream_id).collect()
}

/// The words in facts, which are in their order. `known`: the subscribers that the log has.
///
/// # Errors
/// A new kind of fact needs an arm of its own: what is not understood stops the restore.
pub(super) fn words(facts: &[Fact], known: &HashSet<Uuid>) -> Result<AllWords, RestoreError> {
    let left = left_unknown(facts, known);
    let mut all = AllWords {
        unknown: left.len() as u64,
        ..AllWords::default()
    };
    for fact in facts {
        match noun(fact) {
            Some(Subscriber::NOUN) if fact.event_type == of_subscriber::Erased::TYPE => {
                all.shredded.extend(&fact.key_ids);
            }
            Some(Subscriber::NOUN) => {
                let command = subscriber_command(fact)?;
                if known.contains(&fact.stream_id) {
                    push(&mut all.subscribers, fact.stream_id, fact, command);
                } else if let Some((suppression_id, reason)) = left.get(&fact.event_id) {
                    push(&mut all.suppressions, *suppression_id, fact, add(*reason));
                }
            }
            Some(Suppression::NOUN) => {
                let command = suppression_command(fact)?;
                push(&mut all.suppressions, fact.stream_id, fact, command);
            }
            // The secret it was rotated to is lost, and the one before may be known to whoever must not be let in.
            Some(ApiKey::NOUN) => {
                let reason = Code::from_static(RESTORED);
                let command = api_key::Command::Revoke { reason };
                push(&mut all.api_keys, fact.stream_id, fact, command);
            }
            // That its time was over is found out again; its key is destroyed here.
            Some(EngagementPeriod::NOUN) => all.shredded.extend(&fact.key_ids),
            _ => return Err(unheard(fact, "the kind")),
        }
    }
    Ok(all)
}

fn noun(fact: &Fact) -> Option<&str> {
    fact.event_type.split('.').next()
}

fn push<C>(words: &mut Words<C>, stream_id: Uuid, fact: &Fact, command: C) {
    // Of an address, what somebody erased has said is outweighed by whoever signs up with it later.
    let weight = match weight(fact) {
        Weight::ForGood if stream_id != fact.stream_id => Weight::Leaves,
        weight => weight,
    };
    words.entry(stream_id).or_default().push(Word {
        fact: fact.event_id,
        weight,
        what: what(fact),
        command,
    });
}

/// What somebody left, or came back to.
pub(super) fn what(fact: &Fact) -> What {
    match fact.channel_id {
        Some(channel_id) => What::Channel(channel_id),
        None => What::topic_or_everything(fact.topic_id),
    }
}

fn weight(fact: &Fact) -> Weight {
    let for_good = [
        of_subscriber::ErasureRequested::TYPE,
        of_api_key::Rotated::TYPE,
        of_api_key::Revoked::TYPE,
    ];
    if for_good.contains(&fact.event_type.as_str()) {
        return Weight::ForGood;
    }
    match BACK.contains(&fact.event_type.as_str()) {
        true => Weight::Back,
        false => Weight::Leaves,
    }
}

/// The facts by which subscribers left whom the log does not know, with the suppressions of their addresses and the
/// reasons for those: they signed up and left, or were erased, in what was lost. Whoever brings the address again must
/// not have it mailed.
fn left_unknown(facts: &[Fact], known: &HashSet<Uuid>) -> HashMap<Uuid, (Uuid, Reason)> {
    let mut unknown: HashMap<Uuid, Vec<&Fact>> = HashMap::new();
    for fact in facts {
        if noun(fact) == Some(Subscriber::NOUN) && !known.contains(&fact.stream_id) {
            unknown.entry(fact.stream_id).or_default().push(fact);
        }
    }
    unknown
        .values()
        .filter_map(|facts| left_as(facts))
        .collect()
}

/// The fact by which somebody left in the end or was erased, and what it does to their address. Who left one topic or channel
/// and did not come back to it counts as having left: of an address one can not know which, and a sign-up of their own ends it.
fn left_as(facts: &[&Fact]) -> Option<(Uuid, (Uuid, Reason))> {
    let mut last: Vec<(What, &Fact)> = Vec::new();
    for fact in facts {
        if fact.event_type != of_subscriber::Erased::TYPE {
            last.retain(|(of, _)| *of != what(fact));
            last.push((what(fact), fact));
        }
    }
    let reason = |fact: &Fact| match fact.event_type.as_str() {
        of_subscriber::Unsubscribed::TYPE => Some(Reason::Unsubscribed),
        of_subscriber::ErasureRequested::TYPE => Some(Reason::Erased),
        _ => None,
    };
    let left = last
        .iter()
        .rev()
        .filter_map(|(of, fact)| Some((*of, *fact, reason(fact)?)));
    // An erasure, or leaving everything, outweighs one topic.
    let (_, fact, reason) = left.min_by_key(|(of, ..)| *of != What::Everything)?;
    Some((fact.event_id, (fact.address_suppression_id?, reason)))
}

fn add(reason: Reason) -> suppression::Command {
    suppression::Command::Add {
        scope: Scope::Address,
        reason,
        delivery_id: None,
        value: None,
    }
}

fn subscriber_command(fact: &Fact) -> Result<subscriber::Command, RestoreError> {
    match fact.event_type.as_str() {
        of_subscriber::Unsubscribed::TYPE => Ok(subscriber::Command::Unsubscribe {
            method: UnsubscribeMethod::Restored,
            delivery_id: None,
            evidence: None,
            what: what(fact),
        }),
        of_subscriber::Resubscribed::TYPE => Ok(subscriber::Command::Resubscribe {
            method: ResubscribeMethod::Restored,
            evidence: None,
            what: what(fact),
        }),
        of_subscriber::ErasureRequested::TYPE => Ok(subscriber::Command::RequestErasure {
            basis: ErasureBasis::Restored,
            asked_at: Some(fact.occurred_at),
            restored_event_id: Some(fact.event_id),
        }),
        _ => Err(unheard(fact, "the kind")),
    }
}

fn suppression_command(fact: &Fact) -> Result<suppression::Command, RestoreError> {
    let reasons = fact
        .reasons
        .iter()
        .map(|reason| Reason::parse(reason).map_err(|_| unheard(fact, "the reason")))
        .collect::<Result<Vec<_>, _>>()?;
    match fact.event_type.as_str() {
        of_suppression::Added::TYPE => {
            let scope = fact.scope.as_deref().unwrap_or_default();
            Ok(suppression::Command::Add {
                scope: Scope::parse(scope).map_err(|_| unheard(fact, "the scope"))?,
                reason: *reasons.first().ok_or_else(|| unheard(fact, "the reason"))?,
                delivery_id: None,
                value: None,
            })
        }
        // Whoever lifted it signed up with the address, or moved back to it, in what is lost; who gave it up may have it
        // again in what is not, and must not be written to there.
        of_suppression::Lifted::TYPE => Ok(suppression::Command::Lift {
            reasons: reasons
                .into_iter()
                .filter(|reason| *reason != Reason::Moved)
                .collect(),
        }),
        _ => Err(unheard(fact, "the kind")),
    }
}

fn unheard(fact: &Fact, what: &'static str) -> RestoreError {
    RestoreError::Unheard {
        what,
        event_type: fact.event_type.clone(),
        position: fact.position,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    fn fact(event_type: &str, topic_id: Option<Uuid>) -> Fact {
        let at = datetime!(2026-03-01 10:00 UTC);
        Fact {
            position: 7,
            event_type: event_type.to_owned(),
            stream_id: Uuid::from_u128(1),
            event_id: Uuid::from_u128(2),
            occurred_at: at,
            recorded_at: at,
            topic_id,
            channel_id: None,
            method: None,
            address_suppression_id: Some(Uuid::from_u128(3)),
            scope: None,
            reasons: Vec::new(),
            key_ids: Vec::new(),
        }
    }

    #[test]
    fn only_who_left_everything_in_the_end_is_suppressed() {
        let topic = Some(Uuid::from_u128(9));
        let left = fact("subscriber.Unsubscribed", None);
        let left_topic = fact("subscriber.Unsubscribed", topic);
        let back = fact("subscriber.Resubscribed", None);
        let address = Uuid::from_u128(3);
        let suppression = Some((Uuid::from_u128(2), (address, Reason::Unsubscribed)));
        let erasure = fact("subscriber.ErasureRequested", None);
        let erased = Some((Uuid::from_u128(2), (address, Reason::Erased)));
        assert_eq!(left_as(&[&left, &erasure]), erased);
        assert_eq!(left_as(&[&erasure]), erased);
        assert_eq!(left_as(&[&left]), suppression);
        assert_eq!(left_as(&[&left, &left_topic]), suppression);
        assert_eq!(left_as(&[&left, &back]), None);
        assert_eq!(left_as(&[&left, &back, &left]), suppression);
        assert_eq!(left_as(&[&left_topic]), suppression);
        let back_to_topic = fact("subscriber.Resubscribed", topic);
        assert_eq!(left_as(&[&left, &back_to_topic]), suppression);
        assert_eq!(left_as(&[&left_topic, &back_to_topic]), None);
        let mut left_channel = fact("subscriber.Unsubscribed", None);
        left_channel.channel_id = topic;
        assert_eq!(left_as(&[&left_channel]), suppression);
        assert_eq!(left_as(&[&left, &back, &left_channel]), suppression);
    }

    #[test]
    fn a_word_goes_to_the_subscriber_if_there_is_one_else_to_the_address() {
        let left = fact("subscriber.Unsubscribed", None);
        let (subscriber, address) = (left.stream_id, Uuid::from_u128(3));
        let known = words(std::slice::from_ref(&left), &[subscriber].into()).unwrap();
        assert!(known.subscribers.contains_key(&subscriber) && known.suppressions.is_empty());
        let unknown = words(&[left], &HashSet::new()).unwrap();
        assert!(unknown.subscribers.is_empty() && unknown.suppressions.contains_key(&address));
        assert_eq!((known.unknown, unknown.unknown), (0, 1));
    }

    /// The address that somebody gave up is none to write to, whether or not the log knows that they changed it.
    #[test]
    fn an_address_that_was_given_up_is_suppressed_again() {
        let moved = Fact {
            scope: Some("address".to_owned()),
            reasons: vec!["moved".to_owned()],
            ..fact("suppression.Added", None)
        };
        let stream = moved.stream_id;
        let all = words(&[moved], &HashSet::new()).unwrap();
        let [word] = all.suppressions[&stream].as_slice() else {
            panic!("{all:?}");
        };
        assert_eq!(word.weight, Weight::Leaves);
        assert_eq!(word.command, add(Reason::Moved));
    }

    #[test]
    fn who_signs_up_with_an_address_in_what_is_lost_does_not_get_what_goes_to_whoever_gave_it_up() {
        let mut lifted = fact("suppression.Lifted", None);
        lifted.reasons = vec!["moved".to_owned(), "erased".to_owned()];
        let all = words(&[lifted], &HashSet::new()).unwrap();
        let [word] = all.suppressions[&Uuid::from_u128(1)].as_slice() else {
            panic!("one word");
        };
        let reasons = vec![Reason::Erased];
        assert_eq!(word.command, suppression::Command::Lift { reasons });
    }

    #[test]
    fn what_is_not_understood_is_no_consent() {
        let refused = |fact: Fact| words(&[fact], &HashSet::new()).unwrap_err().to_string();
        for unknown in ["subscriber.Vanished", "address.Claimed", ""] {
            refused(fact(unknown, None));
        }
        let text = refused(fact("suppression.Added", None));
        assert!(text.contains("suppression.Added, position 7"), "{text}");
    }
}
