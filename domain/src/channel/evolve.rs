//! What a channel is after an event. An event that does not fit changes nothing.

use tidings_proto::Reason;

use super::circuit::MetBy;
use super::{Channel, Circuit, Event, Former, Setup};

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
        ) => enabled(Setup {
            kind: kind.clone(),
            name: name.clone(),
            settings: settings.clone(),
            credentials: credentials.clone(),
            times: 1,
            former: Vec::new(),
        }),
        // What was wrong may be mended.
        (Channel::Enabled { setup, .. }, Event::Reconfigured { .. }) => {
            enabled(reconfigured(setup, event))
        }
        (Channel::Disabled { setup, reason }, Event::Reconfigured { .. }) => Channel::Disabled {
            setup: reconfigured(setup, event),
            reason,
        },
        (Channel::Enabled { setup, .. } | Channel::Disabled { setup, .. }, Event::Enabled) => {
            enabled(setup)
        }
        (
            Channel::Enabled { setup, .. } | Channel::Disabled { setup, .. },
            Event::Disabled { reason },
        ) => Channel::Disabled {
            setup,
            reason: reason.clone(),
        },
        (Channel::Enabled { setup, circuit }, event) => Channel::Enabled {
            setup,
            circuit: switched(circuit, event),
        },
        (state, _) => state,
    }
}

fn enabled(setup: Setup) -> Channel {
    Channel::Enabled {
        setup,
        circuit: Circuit::Closed,
    }
}

fn switched(circuit: Circuit, event: &Event) -> Circuit {
    match event {
        Event::CircuitOpened {
            reason,
            probe_at,
            openings,
            by,
            ..
        } => Circuit::Open {
            probe_at: *probe_at,
            openings: *openings,
            met_by: circuit.met_by().and(MetBy::One(by.delivery_id)),
            // That one receiver alone has met opens nothing.
            refuses: circuit.refuses() || reason.as_str() == Reason::RelayRefused.as_str(),
        },
        Event::CircuitProbed {
            instance, deadline, ..
        } => Circuit::Probing {
            instance: *instance,
            deadline: *deadline,
            openings: circuit.openings(),
            met_by: circuit.met_by(),
            refuses: circuit.refuses(),
        },
        Event::CircuitClosed { .. } => Circuit::Closed,
        _ => circuit,
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
    let times = setup.times.saturating_add(1);
    let mut former = setup.former;
    if let (Some(_), Some(before)) = (credentials, &setup.credentials) {
        if former.len() >= Former::COUNT_MAX {
            former.remove(0);
        }
        former.push(Former {
            credentials: before.clone(),
            settings: setup.settings,
            replaced_by: times,
        });
    }
    Setup {
        kind: setup.kind,
        name: name.clone(),
        settings: settings.clone(),
        credentials: credentials.clone().or(setup.credentials),
        times,
        former,
    }
}
