//! Who holds an address after an event.

use super::{Address, Event};

pub(super) fn evolve(_: Address, event: &Event) -> Address {
    match *event {
        Event::Claimed { subscriber_id } => Address::Held { subscriber_id },
        Event::Released { subscriber_id } => Address::Free {
            before: Some(subscriber_id),
        },
    }
}
