//! What an operator may do with a channel, and what its attempts may do to its circuit.

use super::circuit::Passage;
use super::{Channel, Circuit, Command, Event, Refusal};
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
            Channel::Enabled { setup, .. } | Channel::Disabled { setup, .. },
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
        // Whoever enables what is enabled has a reason to believe that it works again: whatever it had kept back is due, also
        // before enough had failed to open its circuit.
        (Channel::Disabled { .. } | Channel::Enabled { .. }, Command::Enable) => {
            Ok(vec![Event::Enabled])
        }
        (Channel::Enabled { .. }, Command::Disable { reason }) => {
            Ok(vec![Event::Disabled { reason }])
        }
        (Channel::Disabled { .. }, Command::Disable { .. }) => Ok(vec![]),
        (Channel::Enabled { circuit, .. }, command) => break_circuit(circuit, command),
        (Channel::Disabled { .. }, Command::ProbeCircuit { .. }) => Err(Refusal::NotProbed),
        (Channel::Disabled { .. }, Command::OpenCircuit { .. } | Command::CloseCircuit { .. }) => {
            Ok(vec![])
        }
    }
}

fn break_circuit(circuit: &Circuit, command: Command) -> Result<Vec<Event>, Refusal> {
    match (circuit, command) {
        // Somebody else found it out first.
        (Circuit::Open { .. }, Command::OpenCircuit { .. }) => Ok(vec![]),
        (
            Circuit::Closed | Circuit::Probing { .. },
            Command::OpenCircuit {
                reason,
                failures,
                probe_at,
                openings,
                by,
            },
        ) => Ok(vec![Event::CircuitOpened {
            reason,
            failures,
            probe_at,
            openings,
            by,
        }]),
        (
            circuit,
            Command::ProbeCircuit {
                by,
                instance,
                now,
                deadline,
            },
        ) if circuit.passage(now) == Passage::Probe => Ok(vec![Event::CircuitProbed {
            by,
            instance,
            deadline,
        }]),
        (_, Command::ProbeCircuit { .. }) => Err(Refusal::NotProbed),
        (Circuit::Open { .. } | Circuit::Probing { .. }, Command::CloseCircuit { by }) => {
            Ok(vec![Event::CircuitClosed { by }])
        }
        _ => Ok(vec![]),
    }
}
