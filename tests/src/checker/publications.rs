//! Who is to get a publication, folded from the log and apart from the product: whoever had signed up and not left
//! at the position its audience was frozen at, once by each channel that has single receivers; and each other
//! channel once. Of whom segments pick it believes what is on record, as what they ask is sealed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_lc_rs::digest::{SHA256, digest};
use tidings_event_store::Recorded;
use tidings_proto::{Event, delivery, publication};
use uuid::Uuid;

use super::deliveries::{Class, uuid};
use super::wishes::Wishes;

/// The kinds of channels that make a delivery for each reader; the others make one in all.
pub(super) const ADDRESSED: [&str; 2] = ["email", "ses"];

/// A channel, and whom it leads to; `None`: one message for everybody.
type Receiver = (Uuid, Option<Uuid>);

/// Where a version of a publication's content goes, and what it is about.
#[derive(Debug, Default)]
struct Aim {
    channels: Vec<Uuid>,
    topics: Vec<Uuid>,
    /// Those that pick, and those that exclude.
    segments: BTreeSet<Uuid>,
}

#[derive(Debug, Default)]
struct Publication {
    /// By the version of its content.
    aims: HashMap<i32, Aim>,
    /// The version of the content that goes out, and where that was said.
    published: Option<(i32, i64)>,
    frozen: Option<i64>,
    /// Whoever the frozen audience and the channels make.
    receivers: BTreeSet<Receiver>,
    planned: BTreeSet<Receiver>,
    cancelled: bool,
    plan: Option<publication::PlanCompleted>,
    completed: Option<publication::Completed>,
    /// Asked for, and not put into effect.
    retries: i32,
}

/// Everything the log says about publications and their audiences.
#[derive(Default)]
pub(super) struct Publications {
    /// Channels by id: whether each has single receivers.
    addressed: HashMap<Uuid, bool>,
    /// Segments by id: version, and where it stands.
    segments: HashMap<Uuid, (i32, i64)>,
    publications: BTreeMap<Uuid, Publication>,
}

impl Publications {
    /// Panics at an event that must not stand where it does.
    pub(super) fn fold(&mut self, recorded: &Recorded, event: &Event, wishes: &Wishes) {
        let (id, at) = (recorded.stream_id, recorded.position);
        match event {
            Event::ChannelConfigured(it) => {
                self.addressed
                    .insert(id, ADDRESSED.contains(&it.kind.as_str()));
            }
            Event::SegmentDefined(_) | Event::SegmentRevised(_) | Event::SegmentArchived(_) => {
                self.segments.insert(id, (recorded.version, at));
            }
            Event::PublicationDrafted(it) => {
                let segments = [&it.segment_ids[..], &it.excluded_segment_ids].concat();
                self.written(recorded, &it.channel_ids, &it.topic_ids, &segments);
            }
            Event::PublicationRevised(it) => {
                let segments = [&it.segment_ids[..], &it.excluded_segment_ids].concat();
                self.written(recorded, &it.channel_ids, &it.topic_ids, &segments);
            }
            Event::PublicationPublished(it) => {
                self.of(id).published = Some((it.content_version, at));
            }
            Event::PublicationAudienceFrozen(it) => self.frozen(id, it, at, wishes),
            Event::PublicationCancelled(_) => {
                self.of(id).cancelled = true;
                self.of(id).completed = None;
            }
            Event::PublicationRetryRequested(_) => {
                assert!(
                    !self.of(id).cancelled,
                    "retried after a cancellation, at {at}"
                );
                // Under way again: what was counted before is not the last word.
                self.of(id).completed = None;
                self.of(id).retries += 1;
            }
            Event::PublicationRetryCompleted(_) => self.of(id).retries -= 1,
            Event::PublicationPlanCompleted(it) => self.plan_completed(id, **it, at),
            Event::PublicationCompleted(it) => self.of(id).completed = Some(**it),
            Event::DeliveryPlanned(it) if it.cause_kind != "notice" => self.planned(it, at),
            _ => {}
        }
    }

    fn of(&mut self, id: Uuid) -> &mut Publication {
        self.publications.entry(id).or_default()
    }

    fn written<T: AsRef<[u8]>>(
        &mut self,
        recorded: &Recorded,
        channels: &[T],
        topics: &[T],
        segments: &[T],
    ) {
        let ids = |ids: &[T]| -> Vec<Uuid> { ids.iter().map(|id| uuid(id.as_ref())).collect() };
        let aim = Aim {
            channels: ids(channels),
            topics: ids(topics),
            segments: ids(segments).into_iter().collect(),
        };
        let publication = self.of(recorded.stream_id);
        publication.aims.insert(recorded.version, aim);
    }

    /// The topics of what was published.
    pub(super) fn topics_of(&self, id: Uuid) -> &[Uuid] {
        let publication = self.publications.get(&id);
        let aim = publication.and_then(|it| it.aims.get(&it.published?.0));
        aim.map_or(&[], |aim| &aim.topics)
    }

    /// Whether somebody has cancelled it.
    pub(super) fn is_cancelled(&self, id: Uuid) -> bool {
        self.publications.get(&id).is_some_and(|it| it.cancelled)
    }

    fn frozen(&mut self, id: Uuid, frozen: &publication::AudienceFrozen, at: i64, wishes: &Wishes) {
        let candidates = wishes.readers(frozen.view_position, self.topics_of(id));
        let publication = self.publications.entry(id).or_default();
        assert_eq!(publication.frozen, None, "frozen twice, at {at}");
        let published = publication.published;
        let (version, published_at) =
            published.unwrap_or_else(|| panic!("frozen unpublished, at {at}"));
        assert!(
            (published_at..at).contains(&frozen.view_position),
            "an audience as of {} for what was published at {published_at}, at {at}",
            frozen.view_position
        );
        let aim = &publication.aims[&version];
        let readers = match aim.segments.is_empty() {
            true => candidates,
            false => {
                asked(frozen, aim, &self.segments, at);
                picked(frozen, candidates, at)
            }
        };
        let mut in_it = BTreeSet::new();
        for channel_id in &aim.channels {
            if self.addressed[channel_id] {
                let each = readers.iter().map(|reader| (*channel_id, Some(*reader)));
                publication.receivers.extend(each);
                in_it.clone_from(&readers);
            } else {
                assert!(aim.segments.is_empty(), "segments and a broadcast, at {at}");
                publication.receivers.insert((*channel_id, None));
            }
        }
        let subscribers = in_it.len() as i64;
        assert_eq!(frozen.subscribers, subscribers, "readers of {id}, at {at}");
        let in_it: Vec<u8> = in_it.into_iter().flat_map(Uuid::into_bytes).collect();
        let digest = digest(&SHA256, &in_it);
        let found = frozen.audience_digest.as_ref();
        assert_eq!(found, digest.as_ref(), "which readers of {id}, at {at}");
        let receivers = publication.receivers.len() as i64;
        assert_eq!(frozen.deliveries, receivers, "deliveries of {id}, at {at}");
        publication.frozen = Some(at);
    }

    fn planned(&mut self, planned: &delivery::Planned, at: i64) {
        let publication = self.of(uuid(&planned.cause_id));
        let subscriber = &planned.subscriber_id;
        let receiver = (
            uuid(&planned.channel_id),
            (!subscriber.is_empty()).then(|| uuid(subscriber)),
        );
        assert!(
            publication.receivers.contains(&receiver),
            "{receiver:?} is not in the audience, at {at}"
        );
        assert!(
            publication.planned.insert(receiver),
            "{receiver:?} has two deliveries, at {at}"
        );
        let ended = publication.cancelled || publication.plan.is_some();
        assert!(!ended, "planned after the plan had ended, at {at}");
        let version = publication.published.map(|(version, _)| version);
        assert_eq!(version, Some(planned.content_version), "content, at {at}");
    }

    fn plan_completed(&mut self, id: Uuid, plan: publication::PlanCompleted, at: i64) {
        let publication = self.of(id);
        assert_eq!(publication.plan, None, "planned twice, at {at}");
        let left_out = publication.receivers.difference(&publication.planned);
        let left_out: Vec<&Receiver> = left_out.collect();
        assert!(
            left_out.is_empty() || publication.cancelled,
            "the plan of {id} leaves out {left_out:?}, at {at}"
        );
        let counted = publication::PlanCompleted {
            planned: publication.planned.len() as i64,
            not_planned: left_out.len() as i64,
        };
        assert_eq!(plan, counted, "the plan of {id}, at {at}");
        publication.plan = Some(plan);
    }

    /// Panics unless every publication has come to its end, with these classes of its deliveries.
    pub(super) fn all_settled(&self, classes: impl Fn(Uuid) -> Vec<Option<Class>>) {
        for (id, publication) in &self.publications {
            match &publication.completed {
                Some(completed) => publication.books(*id, completed, &classes(*id)),
                None => {
                    let ended = publication.cancelled && publication.frozen.is_none();
                    assert!(
                        publication.published.is_none() || ended,
                        "publication {id} never came to its end: {publication:?}"
                    );
                }
            }
        }
    }
}

/// Each segment must have been asked once, as it stood at the position the audience was read at, and still does.
fn asked(
    frozen: &publication::AudienceFrozen,
    aim: &Aim,
    segments: &HashMap<Uuid, (i32, i64)>,
    at: i64,
) {
    let asked = frozen.segments.iter().map(|it| uuid(&it.segment_id));
    let asked: BTreeSet<Uuid> = asked.collect();
    assert!(
        asked == aim.segments && asked.len() == frozen.segments.len(),
        "other segments were asked, at {at}"
    );
    for it in &frozen.segments {
        let (version, position) = segments[&uuid(&it.segment_id)];
        assert!(
            it.version == version && position <= frozen.view_position,
            "a segment was asked at version {} that is at {version} since {position}, at {at}",
            it.version
        );
    }
}

/// Whoever has a bit of 1.
fn picked(
    frozen: &publication::AudienceFrozen,
    candidates: BTreeSet<Uuid>,
    at: i64,
) -> BTreeSet<Uuid> {
    let bits: String = frozen
        .picked
        .iter()
        .map(|byte| format!("{byte:08b}"))
        .collect();
    let (bits, rest) = bits.split_at_checked(candidates.len()).unwrap_or_else(|| {
        panic!(
            "{} bits of {} readers, at {at}",
            bits.len(),
            candidates.len()
        )
    });
    assert!(
        rest.len() < 8 && !rest.contains('1'),
        "bits of more than {} readers, at {at}",
        candidates.len()
    );
    let picked = candidates.into_iter().zip(bits.chars());
    picked
        .filter(|(_, bit)| *bit == '1')
        .map(|(id, _)| id)
        .collect()
}

impl Publication {
    fn books(&self, id: Uuid, completed: &publication::Completed, classes: &[Option<Class>]) {
        assert!(
            self.cancelled || self.retries == 0,
            "a retry of {id} never came to its end"
        );
        assert!(
            !classes.contains(&None),
            "a delivery of {id} is not settled"
        );
        let count = |class| classes.iter().filter(|it| **it == Some(class)).count() as i64;
        let counted = publication::Completed {
            sent: completed.sent,
            failed: completed.failed,
            in_doubt: completed.in_doubt,
            suppressed: count(Class::Suppressed),
            cancelled: count(Class::Cancelled),
            not_planned: self.plan.as_ref().map_or(0, |it| it.not_planned),
        };
        assert_eq!(*completed, counted, "the books of {id}");
        // What was in doubt then may have turned out one way or the other since.
        let open_ended = completed.sent + completed.failed + completed.in_doubt;
        let now = [Class::Sent, Class::Failed, Class::InDoubt].map(count);
        assert_eq!(open_ended, now.iter().sum::<i64>(), "the books of {id}");
        assert!(count(Class::Sent) >= completed.sent && count(Class::Failed) >= completed.failed);
        let planned = self.plan.as_ref().map(|it| it.planned);
        assert_eq!(planned, Some(classes.len() as i64), "planned of {id}");
    }
}
