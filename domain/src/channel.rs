//! A channel: a way out of the house, with its settings and secrets.

pub mod circuit;
mod codec;
mod decide;
mod evolve;
#[cfg(test)]
mod tests;

use time::OffsetDateTime;
use uuid::Uuid;

use crate::aggregate::{Aggregate, CodecError};
use crate::personal::{Open, Personal, Seal};
use crate::value::{ChannelKind, ChannelName, Code, Credentials, Settings};

pub use circuit::Circuit;

/// How a channel is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setup {
    /// Which kind it is; never changes.
    pub kind: ChannelKind,
    /// What operators call it.
    pub name: ChannelName,
    /// Its public settings, in its kind's schema.
    pub settings: Settings,
    /// Its secrets, in its kind's schema; absent when it has none.
    pub credentials: Option<Personal<Credentials>>,
    /// How often it was set up; `Configured` is the first time.
    pub times: u32,
    /// The credentials it had before, the latest last; at most [`Former::COUNT_MAX`].
    pub former: Vec<Former>,
}

/// Credentials that others took the place of. For a while the receiving side may know no others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Former {
    /// What they were.
    pub credentials: Personal<Credentials>,
    /// The settings beside them.
    pub settings: Settings,
    /// The n-th time that the channel was set up is what replaced them.
    pub replaced_by: u32,
}

impl Former {
    /// Most that are remembered of a channel.
    pub const COUNT_MAX: usize = 4;
}

/// State of a `channel` stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Channel {
    /// There is no such channel.
    #[default]
    Unknown,
    /// It takes messages, as far as its circuit lets them through.
    Enabled {
        /// How it is set up.
        setup: Setup,
        /// Whether anything goes out.
        circuit: Circuit,
    },
    /// It takes none.
    Disabled {
        /// How it is set up.
        setup: Setup,
        /// Why it takes none.
        reason: Code,
    },
}

impl Channel {
    /// How it is set up, if it exists.
    pub fn setup(&self) -> Option<&Setup> {
        match self {
            Self::Unknown => None,
            Self::Enabled { setup, .. } | Self::Disabled { setup, .. } => Some(setup),
        }
    }

    /// Whether it takes messages.
    pub fn is_enabled(&self) -> bool {
        matches!(self, Self::Enabled { .. })
    }

    /// Its circuit; closed while it is not enabled, which is another thing.
    pub fn circuit(&self) -> Circuit {
        match self {
            Self::Enabled { circuit, .. } => *circuit,
            Self::Unknown | Self::Disabled { .. } => Circuit::Closed,
        }
    }
}

/// An attempt to deliver something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The delivery.
    pub delivery_id: Uuid,
    /// 1, 2, 3, …
    pub attempt: u32,
}

/// What an operator or a dispatcher wants of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Set it up.
    Configure {
        /// Which kind.
        kind: ChannelKind,
        /// What to call it.
        name: ChannelName,
        /// Its public settings, which its kind has checked.
        settings: Settings,
        /// Its secrets, which its kind has checked.
        credentials: Option<Credentials>,
    },
    /// Set it up anew.
    Reconfigure {
        /// What to call it.
        name: ChannelName,
        /// Its public settings, which its kind has checked.
        settings: Settings,
        /// New secrets; none: they stay as they are.
        credentials: Option<Credentials>,
    },
    /// Let it take messages again.
    Enable,
    /// Let it take none.
    Disable {
        /// Why, as a code.
        reason: Code,
    },
    /// Too many attempts in a row failed, or a probe did.
    OpenCircuit {
        /// What the last attempt met, as a code.
        reason: Code,
        /// Attempts in a row that failed.
        failures: u32,
        /// When one attempt may find out whether it works again.
        probe_at: OffsetDateTime,
        /// How often it was opened since it was closed, this time included.
        openings: u32,
        /// The attempt.
        by: Attempt,
    },
    /// An attempt is about to find out.
    ProbeCircuit {
        /// The attempt.
        by: Attempt,
        /// The process that makes it.
        instance: Uuid,
        /// The time it is.
        now: OffsetDateTime,
        /// Without word by then another may be made.
        deadline: OffsetDateTime,
    },
    /// The receiving side takes messages again.
    CloseCircuit {
        /// The probe.
        by: Attempt,
    },
}

/// What happened to a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It was set up and takes messages.
    Configured {
        /// Which kind.
        kind: ChannelKind,
        /// What it is called.
        name: ChannelName,
        /// Its public settings.
        settings: Settings,
        /// Its secrets.
        credentials: Option<Personal<Credentials>>,
    },
    /// It was set up anew.
    Reconfigured {
        /// What it is called.
        name: ChannelName,
        /// Its public settings.
        settings: Settings,
        /// New secrets; none: they stayed as they were.
        credentials: Option<Personal<Credentials>>,
    },
    /// It takes messages again.
    Enabled,
    /// It takes none.
    Disabled {
        /// Why, as a code.
        reason: Code,
    },
    /// Nothing gets through: deliveries wait.
    CircuitOpened {
        /// What the last attempt met, as a code.
        reason: Code,
        /// Attempts in a row that failed.
        failures: u32,
        /// When one attempt may find out whether it works again.
        probe_at: OffsetDateTime,
        /// How often it was opened since it was closed.
        openings: u32,
        /// The attempt that met it.
        by: Attempt,
    },
    /// One delivery is attempted to find out.
    CircuitProbed {
        /// The attempt.
        by: Attempt,
        /// The process that makes it.
        instance: Uuid,
        /// Without word by then another may be made.
        deadline: OffsetDateTime,
    },
    /// Messages get through again.
    CircuitClosed {
        /// The probe.
        by: Attempt,
    },
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such stream.
    #[error("there is no such channel")]
    NotFound,
    /// Configured twice.
    #[error("the channel exists already; reconfigure it instead")]
    AlreadyConfigured,
    /// Probed while its circuit is closed, or too early.
    #[error("the channel's circuit is not to be probed now")]
    NotProbed,
}

impl Aggregate for Channel {
    const NOUN: &'static str = "channel";
    type Command = Command;
    type Event = Event;
    type Refusal = Refusal;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Refusal> {
        decide::decide(self, command)
    }

    fn evolve(self, event: &Event) -> Self {
        evolve::evolve(self, event)
    }

    fn event_type(event: &Event) -> &'static str {
        codec::event_type(event)
    }

    fn encode(event: &Event, seal: &dyn Seal) -> tidings_proto::Event {
        codec::encode(event, seal)
    }

    fn decode(event: &tidings_proto::Event, open: &dyn Open) -> Result<Event, CodecError> {
        codec::decode(event, open)
    }
}
