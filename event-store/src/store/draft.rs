//! A commit in the making, over any streams.

use prost::Message as _;
use tidings_domain::aggregate::Aggregate;
use tidings_domain::id::nth_event;
use tidings_proto::common::Metadata;
use uuid::Uuid;

use super::{Context, Loaded, Past, Store};
use crate::committer::CommitError;
use crate::event::{Commit, Committed, Guard, NewEvent};
use crate::vault::{EventSealer, KeyRing, Under};
use crate::why::why;

/// Encodes one event once its owner's key is at hand.
type Encode = Box<dyn FnOnce(&KeyRing) -> NewEvent + Send>;

/// A commit in the making.
pub struct Draft<'a> {
    store: &'a Store,
    context: &'a Context,
    guards: Vec<Guard>,
    events: Vec<Encode>,
    owners: Vec<Uuid>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(store: &'a Store, context: &'a Context) -> Self {
        Self {
            store,
            context,
            guards: Vec::new(),
            events: Vec::new(),
            owners: Vec::new(),
        }
    }

    /// Appends events to a stream, guarded on the version it was loaded at. What they seal is sealed
    /// under the key of the stream's own id. Gives the stream as it will be.
    pub fn append<A: Aggregate>(&mut self, loaded: Loaded<A>, events: Vec<A::Event>) -> Loaded<A> {
        let owner = loaded.id;
        self.append_for(loaded, events, owner, None)
    }

    /// The same for a stream that belongs to a subscriber, or whose values are sealed under another's key.
    pub fn append_for<A: Aggregate>(
        &mut self,
        loaded: Loaded<A>,
        events: Vec<A::Event>,
        under: impl Into<Under>,
        subject: Option<Uuid>,
    ) -> Loaded<A> {
        self.guard(loaded.id, loaded.version);
        self.push(loaded, events, under.into(), subject)
    }

    /// The same to a stream that may have grown since: for facts that exclude no other. Only that it does not exist yet is guarded, since
    /// its first event names its subject.
    pub fn append_behind<A: Aggregate>(
        &mut self,
        loaded: Loaded<A>,
        events: Vec<A::Event>,
        under: impl Into<Under>,
        subject: Option<Uuid>,
    ) -> Loaded<A> {
        if loaded.version == 0 {
            self.guard(loaded.id, 0);
        }
        self.push(loaded, events, under.into(), subject)
    }

    fn push<A: Aggregate>(
        &mut self,
        mut loaded: Loaded<A>,
        events: Vec<A::Event>,
        under: Under,
        subject: Option<Uuid>,
    ) -> Loaded<A> {
        if A::SEALS {
            self.owners.extend(under.keys());
        }
        for event in events {
            let event_id = nth_event(self.context.intent, self.events.len() as u32);
            let event_type = A::event_type(&event);
            loaded.state = loaded.state.evolve(&event);
            loaded.version += 1;
            loaded.history.push(Past {
                event_id,
                event_type: event_type.to_owned(),
                position: 0,
                version: loaded.version,
                occurred_at: self.context.occurred_at,
                recorded_at: self.context.occurred_at,
                causation: self.context.causation,
                request_digest: bytes::Bytes::new(),
            });
            let context = self.context.clone();
            let stream_id = loaded.id;
            let subject = subject.filter(|_| loaded.version == 1);
            self.events.push(Box::new(move |ring| {
                let sealer = EventSealer::new(ring, under, stream_id, event_id, event_type);
                let min_reader = A::min_reader(&event);
                let payload = A::encode(&event, &sealer).encode_to_vec();
                NewEvent {
                    stream_id,
                    event_id,
                    event_type,
                    subject,
                    occurred_at: context.occurred_at,
                    actor: context.actor,
                    correlation_id: context.correlation_id,
                    causation: context.causation,
                    metadata: Metadata {
                        traceparent: context.traceparent.unwrap_or_default(),
                        request_digest: context
                            .request_digest
                            .map(|digest| bytes::Bytes::copy_from_slice(&digest))
                            .unwrap_or_default(),
                        min_reader,
                    }
                    .encode_to_vec(),
                    payload,
                }
            }));
        }
        loaded
    }

    /// The commit happens only if this stream is at this version; 0: does not exist.
    pub fn guard(&mut self, stream_id: Uuid, version: i32) -> &mut Self {
        self.guards.push(Guard { stream_id, version });
        self
    }

    /// Seals, encodes and commits.
    pub async fn commit(mut self) -> Result<Committed, CommitError> {
        self.owners.sort_unstable();
        self.owners.dedup();
        let ring = self
            .store
            .vault()
            .ensure(&self.owners, self.context.occurred_at)
            .await
            .map_err(|error| {
                tracing::warn!(error = why(&error), "no keys to seal a commit with");
                CommitError::Unavailable
            })?;
        // Sealed for nobody is for the shredded only: anything else would be lost by mistake.
        if let Some(owner) = self.owners.iter().find(|owner| !ring.knows(**owner)) {
            return Err(CommitError::Invalid(format!("there is no key of {owner}")));
        }
        let events = self
            .events
            .into_iter()
            .map(|encode| encode(&ring))
            .collect();
        self.store
            .log()
            .commit(Commit {
                guards: self.guards,
                events,
            })
            .await
    }
}
