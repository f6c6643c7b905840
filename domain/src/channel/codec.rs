//! Channel events on the wire. The secrets are sealed under the channel's own key.

use tidings_proto::{Event as Wire, EventMessage as _, channel as wire, common::Sealed, to_us};

use super::{Attempt, Channel, Event};
use crate::aggregate::{Aggregate as _, CodecError};
use crate::personal::{Open, Personal, Seal};
use crate::value::{ChannelKind, ChannelName, Code, Credentials, Settings};
use crate::wire::{Fields, id, small};

pub(super) fn event_type(event: &Event) -> &'static str {
    match event {
        Event::Configured { .. } => wire::Configured::TYPE,
        Event::Reconfigured { .. } => wire::Reconfigured::TYPE,
        Event::Enabled => wire::Enabled::TYPE,
        Event::Disabled { .. } => wire::Disabled::TYPE,
        Event::CircuitOpened { .. } => wire::CircuitOpened::TYPE,
        Event::CircuitProbed { .. } => wire::CircuitProbed::TYPE,
        Event::CircuitClosed { .. } => wire::CircuitClosed::TYPE,
    }
}

pub(super) fn encode(event: &Event, seal: &dyn Seal) -> Wire {
    match event {
        Event::Configured {
            kind,
            name,
            settings,
            credentials,
        } => wire::Configured {
            kind: kind.to_string(),
            name: name.to_string(),
            settings_json: settings.to_json(),
            credentials: seal_credentials(credentials.as_ref(), seal),
        }
        .into(),
        Event::Reconfigured {
            name,
            settings,
            credentials,
        } => wire::Reconfigured {
            name: name.to_string(),
            settings_json: settings.to_json(),
            credentials: seal_credentials(credentials.as_ref(), seal),
        }
        .into(),
        Event::Enabled => wire::Enabled {}.into(),
        Event::Disabled { reason } => wire::Disabled {
            reason: reason.to_string(),
        }
        .into(),
        Event::CircuitOpened {
            reason,
            failures,
            probe_at,
            openings,
            by,
        } => wire::CircuitOpened {
            reason: reason.to_string(),
            failures: small(*failures),
            probe_at_us: to_us(*probe_at),
            openings: small(*openings),
            delivery_id: id(by.delivery_id),
            attempt: small(by.attempt),
        }
        .into(),
        Event::CircuitProbed {
            by,
            instance,
            deadline,
        } => wire::CircuitProbed {
            delivery_id: id(by.delivery_id),
            attempt: small(by.attempt),
            instance: id(*instance),
            deadline_at_us: to_us(*deadline),
        }
        .into(),
        Event::CircuitClosed { by } => wire::CircuitClosed {
            delivery_id: id(by.delivery_id),
            attempt: small(by.attempt),
        }
        .into(),
    }
}

fn seal_credentials(
    credentials: Option<&Personal<Credentials>>,
    seal: &dyn Seal,
) -> Option<Sealed> {
    let known = credentials.and_then(Personal::known);
    seal.seal_text("credentials", known.map(Credentials::expose_json))
}

pub(super) fn decode(event: &Wire, open: &dyn Open) -> Result<Event, CodecError> {
    let fields = Fields(event.event_type());
    match event {
        Wire::ChannelConfigured(e) => Ok(Event::Configured {
            kind: ChannelKind::recorded(e.kind.clone()),
            name: ChannelName::recorded(e.name.clone()),
            settings: settings(fields, &e.settings_json)?,
            credentials: open_credentials(e.credentials.as_ref(), open)?,
        }),
        Wire::ChannelReconfigured(e) => Ok(Event::Reconfigured {
            name: ChannelName::recorded(e.name.clone()),
            settings: settings(fields, &e.settings_json)?,
            credentials: open_credentials(e.credentials.as_ref(), open)?,
        }),
        Wire::ChannelEnabled(_) => Ok(Event::Enabled),
        Wire::ChannelDisabled(e) => Ok(Event::Disabled {
            reason: Code::recorded(e.reason.clone()),
        }),
        Wire::ChannelCircuitOpened(e) => Ok(Event::CircuitOpened {
            reason: Code::recorded(e.reason.clone()),
            failures: fields.small("failures", e.failures)?,
            probe_at: fields.instant("probe_at_us", e.probe_at_us)?,
            openings: fields.small("openings", e.openings)?,
            by: attempt(fields, &e.delivery_id, e.attempt)?,
        }),
        Wire::ChannelCircuitProbed(e) => Ok(Event::CircuitProbed {
            by: attempt(fields, &e.delivery_id, e.attempt)?,
            instance: fields.id("instance", &e.instance)?,
            deadline: fields.instant("deadline_at_us", e.deadline_at_us)?,
        }),
        Wire::ChannelCircuitClosed(e) => Ok(Event::CircuitClosed {
            by: attempt(fields, &e.delivery_id, e.attempt)?,
        }),
        other => Err(CodecError::WrongStream {
            noun: Channel::NOUN,
            found: other.event_type(),
        }),
    }
}

fn attempt(fields: Fields, delivery_id: &[u8], attempt: i32) -> Result<Attempt, CodecError> {
    Ok(Attempt {
        delivery_id: fields.id("delivery_id", delivery_id)?,
        attempt: fields.small("attempt", attempt)?,
    })
}

fn settings(fields: Fields, json: &str) -> Result<Settings, CodecError> {
    Settings::recorded(json).ok_or_else(|| fields.impossible("settings_json"))
}

fn open_credentials(
    sealed: Option<&Sealed>,
    open: &dyn Open,
) -> Result<Option<Personal<Credentials>>, CodecError> {
    let text = open.open_optional_text("credentials", sealed)?;
    Ok(text.map(|text| text.map(Credentials::recorded)))
}
