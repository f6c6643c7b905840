//! A subscriber asks for all that is held about them, without a login: whoever has a mail of theirs asks for a link, which goes
//! to the address they have now, and whoever has that link takes the file. Everything is judged anew at each step.

mod ask;
mod places;
mod take;

use tidings_domain::access::Moves;
use tidings_domain::subscriber::Subscriber;
use tidings_event_store::Loaded;
use tidings_proto::{EventMessage as _, subscriber};
use tidings_service::look::MakeExport;

pub(crate) use ask::{Asked, ask};
pub(crate) use places::Place;
pub(crate) use take::{Refused, Taken, judge, take};

use places::Places;

/// Actor of what readers do here.
const ACTOR: &str = "subscriber:page";

/// What lets subscribers ask for their own data.
pub(crate) struct OwnData {
    /// How to reach whoever answers such requests, as people read it.
    pub(crate) contact: String,
    make: MakeExport,
    places: Places,
}

impl OwnData {
    pub(crate) fn new(contact: String, make: MakeExport) -> Self {
        Self {
            contact,
            make,
            places: Places::default(),
        }
    }
}

/// When somebody's address was changed, and whether after this position.
fn moves(subscriber: &Loaded<Subscriber>, issued: Option<i64>) -> Moves {
    let changes = subscriber.history.iter().rev();
    let mut changes = changes.filter(|it| it.event_type == subscriber::ContactChanged::TYPE);
    let last = changes.next();
    Moves {
        last_at: last.map(|it| it.occurred_at),
        since_issued: last.is_some_and(|it| issued.is_some_and(|issued| it.position > issued)),
    }
}
