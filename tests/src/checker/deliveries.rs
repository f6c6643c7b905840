//! Deliveries as the contract says they fold, written down once more and apart from the product: each is
//! settled exactly once (5), none is attempted after its receiver has left (6), none is suppressed or cancelled that nothing
//! forbade, and the receivers have what the log says they have.

use std::collections::{BTreeMap, HashMap, HashSet};

use tidings_event_store::Recorded;
use tidings_proto::{Event, delivery};
use tidings_sinks::smtp;
use uuid::Uuid;

use super::mailboxes::Mailboxes;
use super::publications::Publications;
use super::wishes::{For, Message, Wishes};

/// Why an attempt is in doubt that was made in what a restored log has lost.
const RESTORED: &str = "restored";

/// One message that a receiver has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Received {
    /// It bears its delivery's id.
    Mail {
        /// What it is a copy of.
        delivery_id: Uuid,
        /// The address it came to.
        mailbox: String,
    },
    /// It bears only what it is a copy of, and came by this channel.
    Broadcast {
        /// What was published.
        publication_id: Uuid,
        /// The way it came.
        channel_id: Uuid,
    },
}

impl Received {
    /// Every mail that a mail server has. Panics at one to several mailboxes, or that is nobody's.
    pub fn mails_at(server: &smtp::Handle) -> Vec<Self> {
        let mails = server.messages();
        let copy = |mail: &smtp::Message| {
            let id = mail.message_id.as_deref().unwrap().trim_start_matches('<');
            let [mailbox] = &mail.to[..] else {
                panic!("one reader a mail: {:?}", mail.to);
            };
            Self::Mail {
                delivery_id: id.split('@').next().unwrap().parse().unwrap(),
                mailbox: mailbox.to_ascii_lowercase(),
            }
        };
        mails.iter().map(|mail| copy(mail)).collect()
    }

    /// What it is a copy of, if anybody knows.
    fn delivery(&self, broadcasts: &HashMap<(Uuid, Uuid), Uuid>) -> Option<Uuid> {
        match self {
            Self::Mail { delivery_id, .. } => Some(*delivery_id),
            Self::Broadcast {
                publication_id,
                channel_id,
            } => broadcasts.get(&(*publication_id, *channel_id)).copied(),
        }
    }
}

/// How an attempt stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attempt {
    Open,
    Taken,
    NotTaken,
    Doubtful,
}

/// The class a delivery was settled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Sent,
    Failed,
    Suppressed,
    Cancelled,
    InDoubt,
}

#[derive(Debug)]
struct Delivery {
    /// Of its cause: of a notice, its receiver's `access` stream.
    publication_id: Uuid,
    is_notice: bool,
    is_for: For,
    channel_id: Uuid,
    subscriber_id: Option<Uuid>,
    attempts: BTreeMap<i32, Attempt>,
    /// The address each attempt was made to, by the stream of its suppression.
    went_to: HashSet<Uuid>,
    class: Option<Class>,
    /// The reports that were taken: what each is called.
    reports: HashSet<Vec<u8>>,
}

/// Everything the log says about deliveries.
#[derive(Default)]
pub struct Deliveries {
    deliveries: HashMap<Uuid, Delivery>,
    publications: Publications,
    wishes: Wishes,
    /// What those are for that are not mail somebody wants.
    purposes: HashMap<Uuid, For>,
    /// Whether the log was put back to an earlier state once.
    restored: bool,
}

impl Deliveries {
    /// Folds the log. Panics at the first event that must not stand where it does.
    pub fn of(events: &[Recorded]) -> Self {
        let mut deliveries = Self::default();
        for (index, event) in events.iter().enumerate() {
            deliveries.fold(event, events.get(index + 1));
        }
        deliveries
    }

    fn fold(&mut self, recorded: &Recorded, next: Option<&Recorded>) {
        let (id, at) = (recorded.stream_id, recorded.position);
        // Tests have events of their own, which are nobody's business here.
        let Ok(event) = recorded.decode() else { return };
        self.wishes.fold(recorded, &event);
        self.publications.fold(recorded, &event, &self.wishes);
        match event {
            // In the commit that plans it, before that.
            Event::AccessNoticeIssued(it) => {
                let is_for = match it.kind.as_str() {
                    "confirm_sign_up" => For::Asking,
                    "own_data" => For::OwnData,
                    _ => For::Mail,
                };
                self.purposes.insert(uuid(&it.delivery_id), is_for);
            }
            Event::DeliveryPlanned(it) => self.planned(id, &it, at),
            Event::DeliveryReopened(it) => self.reopened(id, it.attempts, at),
            Event::LogRestored(_) => self.restored = true,
            Event::DeliveryAttempted(it) => {
                let was_lost = self.restored && next.is_some_and(|next| doubts(next, recorded));
                self.attempted(id, it.attempt, was_lost, at);
            }
            Event::DeliverySent(it) => self.ended(id, it.attempt, Attempt::Taken, at),
            Event::DeliveryDeferred(it) => self.ended(id, it.attempt, Attempt::NotTaken, at),
            Event::DeliveryAbandoned(it) => self.ended(id, it.attempt, Attempt::NotTaken, at),
            Event::DeliveryFailed(it) => {
                if it.attempt > 0 {
                    self.ended(id, it.attempt, Attempt::NotTaken, at);
                }
                self.settle(id, Class::Failed, at);
            }
            Event::DeliverySuppressed(it) => {
                self.forbidden(id, &it.reason, at);
                self.settle(id, Class::Suppressed, at);
            }
            Event::DeliveryCancelled(_) => {
                let cause = self.deliveries[&id].publication_id;
                let cancelled = self.publications.is_cancelled(cause);
                assert!(cancelled, "cancelled, and {cause} is not, at {at}");
                self.settle(id, Class::Cancelled, at);
            }
            Event::DeliveryInDoubt(it) => {
                self.ended(id, it.attempt, Attempt::Doubtful, at);
                if it.retry_at_us == 0 {
                    self.settle(id, Class::InDoubt, at);
                }
            }
            Event::DeliveryDelivered(it) => self.reported(id, it.attempt, &it.event_digest, at),
            Event::DeliveryBounced(it) => self.reported(id, it.attempt, &it.event_digest, at),
            Event::DeliveryComplained(it) => self.reported(id, it.attempt, &it.event_digest, at),
            _ => {}
        }
    }

    fn planned(&mut self, id: Uuid, planned: &delivery::Planned, at: i64) {
        let subscriber = &planned.subscriber_id;
        let before = self.deliveries.insert(
            id,
            Delivery {
                publication_id: uuid(&planned.cause_id),
                is_notice: planned.cause_kind == "notice",
                is_for: self.purposes.get(&id).copied().unwrap_or(For::Mail),
                channel_id: uuid(&planned.channel_id),
                subscriber_id: (!subscriber.is_empty()).then(|| uuid(subscriber)),
                attempts: BTreeMap::new(),
                went_to: HashSet::new(),
                class: None,
                reports: HashSet::new(),
            },
        );
        assert!(before.is_none(), "planned twice, at {at}");
    }

    /// What was given up, or held in doubt, is open once more.
    fn reopened(&mut self, id: Uuid, attempts: i32, at: i64) {
        let delivery = self.deliveries.get_mut(&id).expect("planned before");
        let settled = delivery.class.take();
        assert!(
            matches!(settled, Some(Class::Failed | Class::InDoubt)),
            "reopened although it was {settled:?}, at {at}"
        );
        let made = delivery.attempts.len();
        assert_eq!(attempts as usize, made, "attempts so far, at {at}");
    }

    /// `was_lost`: it was made before anything of this, and nothing of it stands where it was made.
    fn attempted(&mut self, id: Uuid, attempt: i32, was_lost: bool, at: i64) {
        let delivery = self.deliveries.get_mut(&id).expect("planned before");
        assert_eq!(delivery.class, None, "attempted after its end, at {at}");
        assert_eq!(
            attempt as usize,
            delivery.attempts.len() + 1,
            "attempts are counted, at {at}"
        );
        let open = delivery.attempts.values().any(|it| *it == Attempt::Open);
        assert!(!open, "two attempts open at once, at {at}");
        delivery.attempts.insert(attempt, Attempt::Open);
        let reader = delivery.subscriber_id;
        // As of here: they may change it, and it may be tried again.
        let address = reader.and_then(|reader| self.wishes.address_of(reader));
        delivery.went_to.extend(address);
        if was_lost {
            return;
        }
        if let Some((reader, message)) = self.message(id)
            && let Some(why) = self.wishes.forbids(reader, &message)
        {
            panic!("attempted although it was forbidden ({why}), at {at}");
        }
    }

    /// Nobody is left out without a reason.
    fn forbidden(&self, id: Uuid, reason: &str, at: i64) {
        let (reader, message) = self.message(id).expect("there is one reader");
        assert!(
            self.wishes.forbade(reader, &message, reason),
            "suppressed as {reason}, which it never was, at {at}"
        );
    }

    /// Whom a delivery goes to, and what it is; `None`: it has no single receiver.
    fn message(&self, id: Uuid) -> Option<(Uuid, Message<'_>)> {
        let delivery = &self.deliveries[&id];
        let message = Message {
            is_for: delivery.is_for,
            topics: self.publications.topics_of(delivery.publication_id),
            channel_id: delivery.channel_id,
        };
        Some((delivery.subscriber_id?, message))
    }

    /// An outcome closes the attempt it names, and no other.
    fn ended(&mut self, id: Uuid, attempt: i32, how: Attempt, at: i64) {
        let delivery = self.deliveries.get_mut(&id).expect("planned before");
        let before = delivery.attempts.insert(attempt, how);
        let fits = match before {
            Some(Attempt::Open) => true,
            Some(Attempt::Doubtful) => how != Attempt::Doubtful,
            _ => false,
        };
        assert!(fits, "{how:?} after {before:?}, at {at}");
        if how == Attempt::Taken {
            // Nobody records any more how one came out that is open besides.
            let others = delivery.attempts.values_mut();
            others
                .filter(|it| **it == Attempt::Open)
                .for_each(|it| *it = Attempt::Doubtful);
            self.settle(id, Class::Sent, at);
        }
    }

    /// Something is said of what was attempted, once; it moves no class, and leaves no doubt about what it names.
    fn reported(&mut self, id: Uuid, attempt: i32, digest: &[u8], at: i64) {
        let delivery = self.deliveries.get_mut(&id).expect("planned before");
        assert!(
            !delivery.attempts.is_empty(),
            "spoken of and never attempted, at {at}"
        );
        let known = attempt == 0 || delivery.attempts.contains_key(&attempt);
        assert!(known, "there was no attempt {attempt}, at {at}");
        assert!(
            delivery.reports.insert(digest.to_vec()),
            "reported twice, at {at}"
        );
        assert!(delivery.reports.len() <= 16, "reported too often, at {at}");
        let held = delivery.class == Some(Class::InDoubt);
        let doubtful = attempt == 0 || delivery.attempts[&attempt] == Attempt::Doubtful;
        assert!(!(held && doubtful), "in doubt and spoken of, at {at}");
    }

    fn settle(&mut self, id: Uuid, class: Class, at: i64) {
        let delivery = self.deliveries.get_mut(&id).expect("planned before");
        // What was in doubt may still turn out one way or the other.
        let late =
            delivery.class == Some(Class::InDoubt) && matches!(class, Class::Sent | Class::Failed);
        assert!(
            delivery.class.is_none() || late,
            "{class:?} after {:?}, at {at}",
            delivery.class
        );
        delivery.class = Some(class);
    }

    /// Compares the receivers' copies with the attempts: at least one for each that was taken, at most one
    /// more for each that is in doubt or open, none from nowhere, none in another's mailbox. `addresses`: of each
    /// subscriber. `ended`: no attempt may be open any more.
    pub fn compare(&self, copies: &[Received], addresses: &HashMap<Uuid, String>, ended: bool) {
        let is_theirs = |delivery: &Delivery, mailbox: &str| {
            let address = delivery.subscriber_id.and_then(|id| addresses.get(&id));
            address.is_some_and(|address| address == mailbox)
        };
        self.compare_with(is_theirs, copies, ended);
    }

    /// The same where readers change their addresses: each copy is in a mailbox that was its reader's when an attempt was made.
    pub(super) fn compare_in(&self, mailboxes: &Mailboxes, copies: &[Received], ended: bool) {
        let was_theirs = |delivery: &Delivery, mailbox: &str| {
            let stream = mailboxes.stream_of(mailbox);
            stream.is_some_and(|stream| delivery.went_to.contains(&stream))
        };
        self.compare_with(was_theirs, copies, ended);
    }

    fn compare_with(
        &self,
        is_theirs: impl Fn(&Delivery, &str) -> bool,
        copies: &[Received],
        ended: bool,
    ) {
        let broadcasts = self.broadcasts();
        let mut counts: HashMap<Uuid, usize> = HashMap::new();
        for copy in copies {
            let id = copy.delivery(&broadcasts);
            let known = id.and_then(|id| Some((id, self.deliveries.get(&id)?)));
            let (id, delivery) = known.unwrap_or_else(|| panic!("a copy from nowhere: {copy:?}"));
            if let Received::Mail { mailbox, .. } = copy {
                let is_theirs = is_theirs(delivery, mailbox);
                assert!(is_theirs, "the mailbox of delivery {id} is not {mailbox}");
            }
            *counts.entry(id).or_default() += 1;
        }
        for (id, delivery) in &self.deliveries {
            delivery.has(*id, counts.get(id).copied().unwrap_or(0), ended);
        }
    }

    /// Whether the log knows a delivery that this is a copy of.
    pub fn knows(&self, copy: &Received) -> bool {
        let id = copy.delivery(&self.broadcasts());
        id.is_some_and(|id| self.deliveries.contains_key(&id))
    }

    /// Whether the log knows an attempt that may have made this copy.
    pub fn attempted_as(&self, copy: &Received) -> bool {
        let id = copy.delivery(&self.broadcasts());
        let delivery = id.and_then(|id| self.deliveries.get(&id));
        delivery.is_some_and(|delivery| !delivery.attempts.is_empty())
    }

    /// Deliveries without a single receiver, by publication and channel.
    fn broadcasts(&self) -> HashMap<(Uuid, Uuid), Uuid> {
        let deliveries = self.deliveries.iter();
        let broadcasts = deliveries.filter(|(_, delivery)| delivery.subscriber_id.is_none());
        broadcasts
            .map(|(id, delivery)| ((delivery.publication_id, delivery.channel_id), *id))
            .collect()
    }

    /// The notices that may go out yet: no publication's end tells of them.
    pub fn open_notices(&self) -> impl Iterator<Item = Uuid> {
        let open = |(_, it): &(&Uuid, &Delivery)| it.is_notice && it.class.is_none();
        self.deliveries.iter().filter(open).map(|(id, _)| *id)
    }

    /// Panics unless every publication has come to its end with every delivery in one class.
    pub fn all_settled(&self) {
        let notice = self.open_notices().next().map(|id| &self.deliveries[&id]);
        assert!(notice.is_none(), "a notice is not settled: {notice:?}");
        let mut classes: HashMap<Uuid, Vec<Option<Class>>> = HashMap::new();
        for delivery in self.deliveries.values() {
            let of_it = classes.entry(delivery.publication_id).or_default();
            of_it.push(delivery.class);
        }
        self.publications
            .all_settled(|id| classes.get(&id).cloned().unwrap_or_default());
    }
}

impl Delivery {
    /// Panics unless its attempts explain so many copies.
    fn has(&self, id: Uuid, copies: usize, ended: bool) {
        let count = |how| self.attempts.values().filter(|it| **it == how).count();
        let (taken, open) = (count(Attempt::Taken), count(Attempt::Open));
        let most = taken + open + count(Attempt::Doubtful);
        assert!(
            (taken..=most).contains(&copies),
            "{copies} copies of delivery {id}: {self:?}"
        );
        assert!(!ended || open == 0, "delivery {id} is open: {self:?}");
    }
}

/// Whether it stands in one commit with an attempt that was made in what a restored log has lost, as its doubt.
fn doubts(next: &Recorded, attempted: &Recorded) -> bool {
    let together =
        next.stream_id == attempted.stream_id && next.recorded_at == attempted.recorded_at;
    let doubt = next.decode();
    together && matches!(doubt, Ok(Event::DeliveryInDoubt(it)) if it.reason == RESTORED)
}

pub(super) fn uuid(bytes: &[u8]) -> Uuid {
    Uuid::from_slice(bytes).unwrap()
}
