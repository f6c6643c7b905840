//! What an operator may do with a channel.

use super::{Channel, Command, Event, Refusal};
use crate::personal::Personal;

pub(super) fn decide(state: &Channel, command: Command) -> Result<Vec<Event>, Refusal> {
    match (state, command) {
        (
            Channel::Unknown,
            Command::Configure {
                kind,
                name,
                settings,
                credentials,
            },
        ) => Ok(vec![Event::Configured {
            kind,
            name,
            settings,
            credentials: credentials.map(Personal::Known),
        }]),
        (_, Command::Configure { .. }) => Err(Refusal::AlreadyConfigured),
        (Channel::Unknown, _) => Err(Refusal::NotFound),
        (
            Channel::Enabled(setup) | Channel::Disabled { setup, .. },
            Command::Reconfigure {
                name,
                settings,
                credentials,
            },
        ) => {
            let credentials = credentials
                .map(Personal::Known)
                .filter(|new| setup.credentials.as_ref() != Some(new));
            if setup.name == name && setup.settings == settings && credentials.is_none() {
                return Ok(vec![]);
            }
            Ok(vec![Event::Reconfigured {
                name,
                settings,
                credentials,
            }])
        }
        (Channel::Disabled { .. }, Command::Enable) => Ok(vec![Event::Enabled]),
        (Channel::Enabled(_), Command::Enable) => Ok(vec![]),
        (Channel::Enabled(_), Command::Disable { reason }) => Ok(vec![Event::Disabled { reason }]),
        (Channel::Disabled { .. }, Command::Disable { .. }) => Ok(vec![]),
    }
}
