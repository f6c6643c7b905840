//! Who may claim or release an address.

use super::{Address, Command, Event, Refusal};

pub(super) fn decide(state: &Address, command: Command) -> Result<Vec<Event>, Refusal> {
    match (*state, command) {
        (Address::Free { .. }, Command::Claim { subscriber_id }) => {
            Ok(vec![Event::Claimed { subscriber_id }])
        }
        (Address::Held { subscriber_id: by }, Command::Claim { subscriber_id }) => {
            if by == subscriber_id {
                Ok(vec![])
            } else {
                Err(Refusal::Taken { by })
            }
        }
        (Address::Free { .. }, Command::Release { .. }) => Ok(vec![]),
        (Address::Held { subscriber_id: by }, Command::Release { subscriber_id }) => {
            if by == subscriber_id {
                Ok(vec![Event::Released { subscriber_id }])
            } else {
                Err(Refusal::Taken { by })
            }
        }
    }
}
