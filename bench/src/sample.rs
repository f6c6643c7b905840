//! Events that look like the product's: time-ordered ids, 180 bytes of payload.

use tidings_event_store::{Commit, Guard, NewEvent};
use tidings_service::{Clock, Ids};
use uuid::Uuid;

/// The type of the events. Nobody decodes them.
pub(crate) const EVENT_TYPE: &str = "bench.Measured";
/// Who writes them.
pub(crate) const ACTOR: &str = "system:bench";
const PAYLOAD_BYTES: usize = 180;

/// Makes events. A cheap handle.
#[derive(Clone)]
pub(crate) struct Sample {
    clock: Clock,
    ids: Ids,
}

impl Sample {
    /// With the machine's clock and random ids.
    pub(crate) fn new(clock: Clock, ids: Ids) -> Self {
        Self { clock, ids }
    }

    /// The first event of a new stream.
    pub(crate) fn event(&self) -> NewEvent {
        NewEvent {
            stream_id: self.ids.next(),
            event_id: self.ids.next(),
            event_type: EVENT_TYPE,
            subject: None,
            occurred_at: self.clock.now(),
            actor: ACTOR.to_owned(),
            correlation_id: self.ids.next(),
            causation: None,
            metadata: Vec::new(),
            payload: self.payload(),
        }
    }

    /// A commit of one event, guarded on its stream not existing.
    pub(crate) fn commit(&self) -> Commit {
        let event = self.event();
        Commit {
            guards: vec![absent(event.stream_id)],
            events: vec![event],
        }
    }

    /// Half of it repeats, so that it is neither all alike nor all random.
    fn payload(&self) -> Vec<u8> {
        let random: [u8; PAYLOAD_BYTES / 2] = self.ids.bytes();
        [random, [b'.'; PAYLOAD_BYTES / 2]].concat()
    }
}

fn absent(stream_id: Uuid) -> Guard {
    Guard {
        stream_id,
        version: 0,
    }
}

/// A payload for those who keep text, of as many characters.
pub(crate) fn text(payload: &[u8]) -> String {
    let random = &payload[..payload.len() / 2];
    random.iter().map(|byte| format!("{byte:02x}")).collect()
}
