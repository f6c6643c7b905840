//! What deliveries come from: publications, with their content composed once for everybody, and notices, which say what
//! they have to say to one subscriber.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tidings_domain::access::{Access, NoticeKind};
use tidings_domain::delivery::Purpose;
use tidings_domain::publication::{Content, Publication, Sending};
use tidings_event_store::{Guard, LoadError, Store};
use uuid::Uuid;

use crate::content::Composed;

/// Publications kept in memory; past it the cache starts over.
const CAUSES_MAX: usize = 256;

/// What asked for a delivery.
#[derive(Clone)]
pub(crate) enum Cause {
    /// A publication.
    Publication(Arc<Publishing>),
    /// A notice: nobody can take it back.
    Notice(NoticeKind),
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
            Self::Notice(kind) => kind.purpose(),
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
}

/// Publications met so far.
pub(crate) struct Causes {
    store: Store,
    causes: Mutex<HashMap<Uuid, Arc<Publishing>>>,
}

impl Causes {
    /// Empty; publications are folded when asked for.
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store,
            causes: Mutex::default(),
        }
    }

    /// The publication, as last folded.
    pub(crate) async fn get(&self, publication_id: Uuid) -> Result<Arc<Publishing>, LoadError> {
        let known = self
            .causes
            .lock()
            .expect("no panic while the causes are held")
            .get(&publication_id)
            .cloned();
        match known {
            Some(cause) => Ok(cause),
            None => self.refresh(publication_id).await,
        }
    }

    /// What a notice's delivery has to say; none: it is of a kind that a later build knows.
    pub(crate) async fn notice(
        &self,
        access_id: Uuid,
        delivery_id: Uuid,
    ) -> Result<Option<NoticeKind>, LoadError> {
        let access = self.store.load::<Access>(access_id).await?;
        let notice = access.state.notice(delivery_id);
        Ok(notice.and_then(|notice| NoticeKind::parse(notice.kind.as_str()).ok()))
    }

    /// Folds the publication anew; its composed content is kept, since published content never changes.
    pub(crate) async fn refresh(&self, publication_id: Uuid) -> Result<Arc<Publishing>, LoadError> {
        let loaded = self.store.load::<Publication>(publication_id).await?;
        let mut causes = self
            .causes
            .lock()
            .expect("no panic while the causes are held");
        let before = causes
            .get(&publication_id)
            .and_then(|before| before.content.clone());
        let content = loaded.state.draft().and_then(|draft| {
            let Content { title, source } = &draft.content;
            match before {
                Some(before) if title.known().is_some() && source.known().is_some() => Some(before),
                _ => Composed::of(&draft.content).map(Arc::new),
            }
        });
        if causes.len() >= CAUSES_MAX {
            causes.clear();
        }
        let cause = Arc::new(Publishing {
            publication_id,
            version: loaded.version,
            state: loaded.state,
            content,
        });
        causes.insert(publication_id, cause.clone());
        Ok(cause)
    }
}
