//! Whom a publication is for, as the log says it: topics, and what segments ask. A freeze and a count before it go by this.

use tidings_domain::publication::{Aim, AskedSegment, Picked};
use tidings_domain::segment::{Condition, Segment};
use tidings_domain::topic::ByDefault;
use tidings_event_store::picking::{self, Values};
use tidings_event_store::{LoadError, Loaded, Store};
use uuid::Uuid;

/// A topic, and who gets it without a word from them.
pub(crate) type AboutTopic = (Uuid, ByDefault);

/// A statement of PostgreSQL takes 65,535 values. More than any draft may have: segments can be revised afterwards.
const VALUES_MAX: usize = 60_000;

/// Whom a publication is for, of those who are active.
pub(crate) struct Whom {
    /// Those who want at least one of these; none: all of them.
    pub(crate) topics: Vec<AboutTopic>,
    /// And of whom this holds; none: no segment has a say.
    pub(crate) condition: Option<Condition>,
    /// The segments that ask it, each once, as they were read.
    pub(crate) asked: Vec<AskedSegment>,
    /// Position of the last event of any of them; 0: there are none.
    pub(crate) as_of: i64,
}

/// The same over rows `s` of the view.
pub(super) struct Asked {
    /// `from` and `where`: who could get it.
    pub(super) candidates: String,
    /// A condition: whom of these segments pick; none: they have no say.
    pub(super) picked: Option<String>,
}

/// Why a publication goes to nobody for now. Going to whomever else would be worse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// Named by its id alone.
    #[error("there is no segment {0}, which the publication names")]
    NoSegment(Uuid),
    /// Nobody will ever read it again.
    #[error(
        "nobody can tell whom segment {0} picks: its key was destroyed; leave it out of a draft, or cancel what is published"
    )]
    Destroyed(Uuid),
    /// A later version will read it.
    #[error(
        "segment {0} asks something that this version of Tidings does not understand: upgrade it"
    )]
    NotUnderstood(Uuid),
    /// No statement takes so many.
    #[error(
        "its segments compare with {compared} values together, and {most} are the most: name fewer, or simpler ones, in a draft, \
         or cancel what is published"
    )]
    TooMuchAsked {
        /// Values of the whole statement.
        compared: usize,
        /// As many would do.
        most: usize,
    },
    /// What segments say of each of them has to stand in one event.
    #[error(
        "segments can pick among {max} subscribers, and {0} could get it: narrow it down to topics, or leave the segments out, \
         in a draft, or cancel what is published",
        max = Picked::CANDIDATES_MAX
    )]
    TooManyCandidates(u64),
    /// Others wait meanwhile.
    #[error(
        "reading whom it goes to was given up after {0} s: set `dispatcher.freeze_within_s` higher, name fewer or simpler segments \
         in a draft, or cancel what is published"
    )]
    TakesTooLong(u64),
    /// What was put back may lack how a segment was revised last.
    #[error(
        "the log was restored, and nothing is sent before an operator has looked at it and released it (`tidings dispatch show`)"
    )]
    Held,
    /// Whatever it is told, others than those picked would see.
    #[error(
        "segments pick among single receivers, and one of its channels has none, as far as this version of Tidings knows: \
         upgrade it, leave that channel out of a draft, or cancel what is published"
    )]
    Broadcast,
}

/// Why it is not known whom a publication is for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WhomError {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Obstacle(#[from] Obstacle),
}

impl Whom {
    /// As the segments ask now. `broadcasts`: channels that make one delivery in all.
    ///
    /// # Errors
    /// When one of them can not be read: what the others ask would widen the audience. When there are broadcasts beside
    /// segments.
    pub(crate) async fn now(
        store: &Store,
        topics: Vec<AboutTopic>,
        aim: &Aim,
        broadcasts: u64,
    ) -> Result<Self, WhomError> {
        if broadcasts > 0 && aim.is_by_segments() {
            return Err(Obstacle::Broadcast.into());
        }
        let mut asked: Vec<AskedSegment> = Vec::new();
        let mut as_of = 0;
        let mut conditions = Vec::new();
        for segment_id in aim.segments() {
            let segment = segment(store, segment_id).await?;
            conditions.push(condition(&segment)?);
            as_of = segment
                .history
                .last()
                .map_or(0, |it| it.position)
                .max(as_of);
            if asked.iter().all(|it| it.segment_id != segment_id) {
                let version = segment.version;
                asked.push(AskedSegment {
                    segment_id,
                    version,
                });
            }
        }
        let excluding = conditions.split_off(aim.segment_ids.as_slice().len());
        Ok(Self {
            topics,
            condition: together(conditions, excluding),
            asked,
            as_of,
        })
    }

    /// What to ask the view. The values are added to those that a query has already.
    ///
    /// # Errors
    /// When the segments compare with more values than a statement takes.
    pub(super) fn ask(&self, values: &mut Values) -> Result<Asked, Obstacle> {
        let mut candidates =
            "from publishing_subscriber_profile s where s.state = 'active'".to_owned();
        if !self.topics.is_empty() {
            let ids: Vec<String> = self.topics.iter().map(|(id, _)| id.to_string()).collect();
            let by_default = self.topics.iter().map(|(_, it)| *it == ByDefault::In);
            values.push(Box::new(ids));
            values.push(Box::new(by_default.collect::<Vec<bool>>()));
            let (ids, by_default) = (values.len() - 1, values.len());
            // By their last word on it, or else by what the topic is by default.
            candidates += &format!(
                " and exists (select from unnest(${ids}::text[], ${by_default}::boolean[]) as topic (id, by_default) \
                 where coalesce((s.topics ->> topic.id)::boolean, topic.by_default))"
            );
        }
        let condition = self.condition.as_ref();
        let picked = condition.map(|condition| picking::sql(condition, values));
        match values.len() {
            compared @ VALUES_MAX.. => Err(Obstacle::TooMuchAsked {
                compared,
                most: VALUES_MAX - 1,
            }),
            _ => Ok(Asked { candidates, picked }),
        }
    }
}

/// Picked by any of the first, and by none of the second; none: no segment has a say.
fn together(picking: Vec<Condition>, excluding: Vec<Condition>) -> Option<Condition> {
    let picked = (!picking.is_empty()).then_some(Condition::Any(picking));
    let not_excluded =
        (!excluding.is_empty()).then(|| Condition::Not(Box::new(Condition::Any(excluding))));
    let both: Vec<Condition> = picked.into_iter().chain(not_excluded).collect();
    (!both.is_empty()).then_some(Condition::All(both))
}

async fn segment(store: &Store, id: Uuid) -> Result<Loaded<Segment>, WhomError> {
    match store.load::<Segment>(id).await {
        Ok(segment) => Ok(segment),
        Err(error) if error.is_wrong_stream() => Err(Obstacle::NoSegment(id).into()),
        Err(LoadError::Codec { .. }) => Err(Obstacle::NotUnderstood(id).into()),
        Err(error) => Err(error.into()),
    }
}

/// An archived one asks what it asked last: it was open when it was named.
fn condition(segment: &Loaded<Segment>) -> Result<Condition, Obstacle> {
    match &segment.state {
        Segment::Unknown => Err(Obstacle::NoSegment(segment.id)),
        state => state
            .condition()
            .cloned()
            .ok_or(Obstacle::Destroyed(segment.id)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_domain::subscriber::Standing;

    const PENDING: Condition = Condition::State(Standing::Pending);

    #[test]
    fn segments_ask_together_for_any_that_picks_and_none_that_excludes() {
        assert_eq!(together(vec![], vec![]), None);
        let any = || Condition::Any(vec![PENDING, PENDING]);
        let not = || Condition::Not(Box::new(any()));
        let of = |picking: usize, excluding: usize| {
            let of = |n| std::iter::repeat_n(PENDING, n).collect();
            together(of(picking), of(excluding)).unwrap()
        };
        assert_eq!(of(2, 0), Condition::All(vec![any()]));
        assert_eq!(of(0, 2), Condition::All(vec![not()]));
        assert_eq!(of(2, 2), Condition::All(vec![any(), not()]));
    }

    #[test]
    fn more_than_a_statement_takes_is_asked_of_nobody() {
        let whom = |n| Whom {
            topics: Vec::new(),
            condition: Some(Condition::Any(vec![PENDING; n])),
            asked: Vec::new(),
            as_of: 0,
        };
        assert!(whom(VALUES_MAX - 1).ask(&mut Values::new()).is_ok());
        let refused = whom(VALUES_MAX).ask(&mut Values::new()).err();
        let too_much = Obstacle::TooMuchAsked {
            compared: VALUES_MAX,
            most: VALUES_MAX - 1,
        };
        assert_eq!(refused, Some(too_much));
    }
}
