//! What deliveries come from: publications, with their content composed once for everybody, and notices, which say what
//! they have to say to one subscriber.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidings_domain::access::{Access, NoticeKind};
use tidings_domain::delivery::Purpose;
use tidings_domain::publication::{Content, Priority, Publication, Sending};
use tidings_domain::subscriber::{Consent, Subscriber};
use tidings_domain::topic::{Sender, Topic};
use tidings_domain::value::ConsentWording;
use tidings_event_store::{Guard, LoadError, Store};
use tidings_proto::EventMessage as _;
use tidings_proto::subscriber::SignedUp;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::audience::AboutTopic;
use crate::content::Composed;

/// Publications kept in memory; past it the cache starts over.
const CAUSES_MAX: usize = 256;

/// What asked for a delivery.
#[derive(Clone)]
pub(crate) enum Cause {
    /// A publication.
    Publication(Arc<Publishing>),
    /// A notice: nobody can take it back.
    Notice(Notice),
}

/// What a notice's delivery has to say.
#[derive(Clone)]
pub(crate) struct Notice {
    /// What.
    pub(crate) kind: NoticeKind,
    /// The words they are asked to agree to, where it asks, as far as these are on record and not erased.
    pub(crate) wording: Option<ConsentWording>,
    /// When a link to somebody's data would have had its time, had it brought one.
    pub(crate) link_until: OffsetDateTime,
}

impl Cause {
    /// Whether it still wants to be sent.
    pub(crate) fn sending(&self) -> Sending {
        match self {
            Self::Publication(publication) => publication.state.sending(),
            Self::Notice(_) => Sending::Now,
        }
    }

    /// What it is for.
    pub(crate) fn purpose(&self) -> Purpose {
        match self {
            Self::Publication(_) => Purpose::Mail,
            Self::Notice(notice) => notice.kind.purpose(),
        }
    }

    /// What it is about.
    pub(crate) fn topics(&self) -> &[AboutTopic] {
        match self {
            Self::Publication(publication) => &publication.topics,
            Self::Notice(_) => &[],
        }
    }

    /// What an attempt is guarded on, so that none is made for what was taken back meanwhile.
    pub(crate) fn guard(&self) -> Option<Guard> {
        match self {
            Self::Publication(publication) => Some(Guard {
                stream_id: publication.publication_id,
                version: publication.version,
            }),
            Self::Notice(_) => None,
        }
    }
}

/// A publication as it stood when it was folded.
pub(crate) struct Publishing {
    /// Its stream.
    pub(crate) publication_id: Uuid,
    /// Version it was folded at.
    pub(crate) version: i32,
    /// Its state.
    pub(crate) state: Publication,
    /// What goes out; none when it was taken down.
    pub(crate) content: Option<Arc<Composed>>,
    /// What it is about.
    pub(crate) topics: Vec<AboutTopic>,
    /// Who it comes from, as far as its topic says so: only one can.
    pub(crate) sender: Sender,
}

impl Publishing {
    /// The topic that a reader leaves who leaves by its mails. Whoever leaves what came by several wants none of the kind.
    pub(crate) fn only_topic(&self) -> Option<Uuid> {
        match self.topics.as_slice() {
            [(id, _)] => Some(*id),
            _ => None,
        }
    }

    /// Whether readers get it whatever day they have chosen.
    pub(crate) fn is_urgent(&self) -> bool {
        let priority = self.state.draft().map(|draft| draft.aim.priority);
        priority == Some(Priority::Urgent)
    }
}

/// Publications met so far.
pub(crate) struct Causes {
    store: Store,
    known: Known,
}

/// As last folded. Looked at from everywhere: whatever takes long is done before it is held.
#[derive(Default)]
struct Known(Mutex<HashMap<Uuid, Arc<Publishing>>>);

impl Known {
    fn get(&self, publication_id: Uuid) -> Option<Arc<Publishing>> {
        self.held().get(&publication_id).cloned()
    }

    /// Puts it in the place of an earlier one; gives the one that stands there then.
    fn keep(&self, cause: Arc<Publishing>) -> Arc<Publishing> {
        let mut known = self.held();
        let id = cause.publication_id;
        // Whoever has read it later was quicker.
        if let Some(newer) = known.get(&id).filter(|it| it.version > cause.version) {
            return newer.clone();
        }
        if known.len() >= CAUSES_MAX {
            known.clear();
        }
        known.insert(id, cause.clone());
        cause
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Uuid, Arc<Publishing>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Causes {
    /// Empty; publications are folded when asked for.
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store,
            known: Known::default(),
        }
    }

    /// The publication, as last folded.
    pub(crate) async fn get(&self, publication_id: Uuid) -> Result<Arc<Publishing>, LoadError> {
        match self.known.get(publication_id) {
            Some(cause) => Ok(cause),
            None => self.refresh(publication_id).await,
        }
    }

    /// What a notice's delivery to a subscriber has to say; none: it is of a kind that a later build knows.
    pub(crate) async fn notice(
        &self,
        access_id: Uuid,
        delivery_id: Uuid,
        subscriber_id: Option<Uuid>,
    ) -> Result<Option<Notice>, LoadError> {
        let access = self
            .store
            .load_of::<Access>(access_id, Access::NOTICES)
            .await?;
        let Some(notice) = access.state.notice(delivery_id) else {
            return Ok(None);
        };
        let Ok(kind) = NoticeKind::parse(notice.kind.as_str()) else {
            return Ok(None);
        };
        let consent = match (kind, &notice.consent, subscriber_id) {
            (NoticeKind::ConfirmSignUp, None, Some(id)) => self.signed_up_with(id).await?,
            (_, consent, _) => consent.clone(),
        };
        Ok(Some(Notice {
            kind,
            wording: consent.and_then(|it| it.wording.known().cloned()),
            link_until: notice.link_until(),
        }))
    }

    /// What they agreed to by the sign-up itself, which is the first that is known of them.
    async fn signed_up_with(&self, subscriber_id: Uuid) -> Result<Option<Consent>, LoadError> {
        let subscriber = self
            .store
            .load_of::<Subscriber>(subscriber_id, &[SignedUp::TYPE])
            .await?;
        let profile = subscriber.state.profile();
        Ok(profile.and_then(|it| it.consent.clone()))
    }

    /// Folds the publication anew; its composed content is kept while it is the same version.
    pub(crate) async fn refresh(&self, publication_id: Uuid) -> Result<Arc<Publishing>, LoadError> {
        let loaded = self.store.load::<Publication>(publication_id).await?;
        let (topics, sender) = topics(&self.store, &loaded.state).await?;
        // One that missed its time was a draft again, and may have been revised since.
        let version = |it: &Publication| it.draft().map(|draft| draft.content_version);
        let before = self.known.get(publication_id);
        let before = before
            .filter(|before| version(&before.state) == version(&loaded.state))
            .and_then(|before| before.content.clone());
        let content = loaded.state.draft().and_then(|draft| {
            let Content { title, source, .. } = &draft.content;
            match before {
                Some(before) if title.known().is_some() && source.known().is_some() => Some(before),
                _ => Composed::of(&draft.content).map(Arc::new),
            }
        });
        Ok(self.known.keep(Arc::new(Publishing {
            publication_id,
            version: loaded.version,
            state: loaded.state,
            content,
            topics,
            sender,
        })))
    }
}

/// What a publication is about, and who it comes from, as far as its topic says so.
pub(crate) async fn topics(
    store: &Store,
    publication: &Publication,
) -> Result<(Vec<AboutTopic>, Sender), LoadError> {
    let ids = publication.draft().map(|draft| &draft.aim.topic_ids);
    let ids = ids.map_or(&[][..], |ids| ids.as_slice());
    if ids.is_empty() {
        return Ok((Vec::new(), Sender::default()));
    }
    let loaded = store.load_many::<Topic>(ids).await?;
    let topics = loaded.iter().map(|it| (it.id, it.state.by_default()));
    let sender = match loaded.as_slice() {
        [only] => only.state.card().map(|card| card.sender.clone()),
        _ => None,
    };
    Ok((topics.collect(), sender.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publishing(id: u128, version: i32) -> Arc<Publishing> {
        Arc::new(Publishing {
            publication_id: Uuid::from_u128(id),
            version,
            state: Publication::default(),
            content: None,
            topics: Vec::new(),
            sender: Sender::default(),
        })
    }

    #[test]
    fn of_two_that_fold_it_anew_the_earlier_one_does_not_win_because_it_ends_later() {
        let known = Known::default();
        let held = || known.get(Uuid::from_u128(1)).map(|it| it.version);
        assert_eq!(held(), None);
        for (folded, stands) in [(2, 2), (4, 4), (3, 4), (5, 5)] {
            assert_eq!(known.keep(publishing(1, folded)).version, stands);
            assert_eq!(held(), Some(stands));
        }
        // What is read beside it may have changed alone.
        let again = publishing(1, 5);
        assert!(Arc::ptr_eq(&known.keep(again.clone()), &again));
    }

    #[test]
    fn there_is_no_end_of_publications_and_there_is_one_of_what_is_kept() {
        let known = Known::default();
        for id in 0..3 * CAUSES_MAX as u128 {
            known.keep(publishing(id, 1));
            assert!(known.get(Uuid::from_u128(id)).is_some());
        }
        assert!(known.held().len() <= CAUSES_MAX);
    }
}
