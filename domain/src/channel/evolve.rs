//! What a channel is after an event. An event that does not fit changes nothing.

use super::{Channel, Event, Setup};

pub(super) fn evolve(state: Channel, event: &Event) -> Channel {
    match (state, event) {
        (
            Channel::Unknown,
            Event::Configured {
                kind,
                name,
                settings,
                credentials,
            },
        ) => Channel::Enabled(Setup {
            kind: kind.clone(),
            name: name.clone(),
            settings: settings.clone(),
            credentials: credentials.clone(),
        }),
        (Channel::Enabled(setup), Event::Reconfigured { .. }) => {
            Channel::Enabled(reconfigured(setup, event))
        }
        (Channel::Disabled { setup, reason }, Event::Reconfigured { .. }) => Channel::Disabled {
            setup: reconfigured(setup, event),
            reason,
        },
        (Channel::Disabled { setup, .. }, Event::Enabled) => Channel::Enabled(setup),
        (Channel::Enabled(setup) | Channel::Disabled { setup, .. }, Event::Disabled { reason }) => {
            Channel::Disabled {
                setup,
                reason: reason.clone(),
            }
        }
        (state, _) => state,
    }
}

fn reconfigured(setup: Setup, event: &Event) -> Setup {
    let Event::Reconfigured {
        name,
        settings,
        credentials,
    } = event
    else {
        return setup;
    };
    Setup {
        kind: setup.kind,
        name: name.clone(),
        settings: settings.clone(),
        credentials: credentials.clone().or(setup.credentials),
    }
}
