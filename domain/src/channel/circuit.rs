//! The circuit breaker of a channel: what keeps deliveries from a receiving side that takes none.

use time::{Duration, OffsetDateTime};
use uuid::Uuid;

/// Whether anything goes out through an enabled channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Circuit {
    /// It does.
    #[default]
    Closed,
    /// Nothing does: deliveries wait.
    Open {
        /// From then on one attempt may find out whether it works again.
        probe_at: OffsetDateTime,
        /// How often it was opened since it was closed.
        openings: u32,
        /// Whose attempts have met it since then.
        met_by: MetBy,
        /// Whether it was opened, since then, because several receivers were refused for what may be our fault.
        refuses: bool,
    },
    /// One attempt is finding out.
    Probing {
        /// The process that makes it.
        instance: Uuid,
        /// Without word by then another may be made.
        deadline: OffsetDateTime,
        /// How often it was opened since it was closed.
        openings: u32,
        /// Whose attempts have met it since then.
        met_by: MetBy,
        /// Whether it was opened, since then, because several receivers were refused for what may be our fault.
        refuses: bool,
    },
}

/// Whose attempts have met that nothing goes out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MetBy {
    /// Nobody's, as far as is known.
    #[default]
    Nobody,
    /// Those of one delivery: it may be the only one that does not go out.
    One(Uuid),
    /// Those of several.
    Several,
}

/// What an attempt at a moment would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// One of many.
    Free,
    /// The one that finds out.
    Probe,
    /// Too early: not before this moment.
    Wait {
        /// When to look again.
        until: OffsetDateTime,
    },
}

/// Whose fault it is that nothing goes out: it says how soon trying again is worth it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The way there, or the receiving side itself: such things pass.
    Network,
    /// Our credentials or settings: somebody has to mend them, which closes the circuit at once.
    Setup,
}

const NETWORK: [Duration; 6] = [
    Duration::seconds(30),
    Duration::minutes(1),
    Duration::minutes(2),
    Duration::minutes(5),
    Duration::minutes(10),
    Duration::minutes(15),
];
const SETUP: [Duration; 4] = [
    Duration::minutes(5),
    Duration::minutes(15),
    Duration::minutes(30),
    Duration::hours(1),
];

impl Fault {
    /// The longest that nothing is tried, unless the receiving side asks for more.
    pub const WAIT_MAX: Duration = SETUP[SETUP.len() - 1];

    /// Failed attempts in a row that open the circuit. Wrong credentials are wrong for every delivery, and
    /// servers lock out whoever insists.
    pub const fn failures_to_open(self) -> u32 {
        match self {
            Self::Network => 3,
            Self::Setup => 1,
        }
    }

    /// How long nothing is tried after it was opened for the n-th time in a row (from 0).
    pub fn wait(self, openings: u32) -> Duration {
        let waits: &[Duration] = match self {
            Self::Network => &NETWORK,
            Self::Setup => &SETUP,
        };
        waits[(openings as usize).min(waits.len() - 1)]
    }
}

impl Circuit {
    /// What an attempt at this moment would be.
    pub fn passage(&self, now: OffsetDateTime) -> Passage {
        match *self {
            Self::Closed => Passage::Free,
            Self::Open { probe_at: at, .. } | Self::Probing { deadline: at, .. } if now >= at => {
                Passage::Probe
            }
            Self::Open { probe_at: at, .. } | Self::Probing { deadline: at, .. } => {
                Passage::Wait { until: at }
            }
        }
    }

    /// How often it was opened since it was closed.
    pub fn openings(&self) -> u32 {
        match *self {
            Self::Closed => 0,
            Self::Open { openings, .. } | Self::Probing { openings, .. } => openings,
        }
    }

    /// Whose attempts have met it since it was closed.
    pub fn met_by(&self) -> MetBy {
        match *self {
            Self::Closed => MetBy::Nobody,
            Self::Open { met_by, .. } | Self::Probing { met_by, .. } => met_by,
        }
    }

    /// Whether several receivers are known to have been refused, since it was closed, for what may be our fault.
    pub fn refuses(&self) -> bool {
        match *self {
            Self::Closed => false,
            Self::Open { refuses, .. } | Self::Probing { refuses, .. } => refuses,
        }
    }

    /// Whether everything may go out.
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed)
    }
}

impl MetBy {
    /// These, and those.
    #[must_use]
    pub fn and(self, others: Self) -> Self {
        match (self, others) {
            (Self::Nobody, who) | (who, Self::Nobody) => who,
            (Self::One(one), Self::One(other)) if one == other => self,
            _ => Self::Several,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const AT: OffsetDateTime = datetime!(2026-01-02 03:04:05 UTC);

    #[test]
    fn waits_grow_and_end() {
        let seconds =
            |fault: Fault| -> Vec<i64> { (0..8).map(|n| fault.wait(n).whole_seconds()).collect() };
        assert_eq!(
            seconds(Fault::Network),
            [30, 60, 120, 300, 600, 900, 900, 900]
        );
        assert_eq!(
            seconds(Fault::Setup),
            [300, 900, 1_800, 3_600, 3_600, 3_600, 3_600, 3_600]
        );
    }

    #[test]
    fn one_attempt_passes_when_it_is_time() {
        let early = AT - Duration::SECOND;
        let probing = Circuit::Probing {
            instance: Uuid::nil(),
            deadline: AT,
            openings: 1,
            met_by: MetBy::Nobody,
            refuses: false,
        };
        let open = Circuit::Open {
            probe_at: AT,
            openings: 1,
            met_by: MetBy::Nobody,
            refuses: false,
        };
        assert_eq!(Circuit::Closed.passage(early), Passage::Free);
        for circuit in [open, probing] {
            assert_eq!(circuit.passage(early), Passage::Wait { until: AT });
            assert_eq!(circuit.passage(AT), Passage::Probe);
        }
    }

    #[test]
    fn one_that_meets_it_twice_is_still_one() {
        let one = |n| MetBy::One(Uuid::from_u128(n));
        assert_eq!(MetBy::Nobody.and(one(1)), one(1));
        assert_eq!(one(1).and(MetBy::Nobody), one(1));
        assert_eq!(one(1).and(one(1)), one(1));
        assert_eq!(one(1).and(one(2)), MetBy::Several);
        assert_eq!(MetBy::Several.and(one(1)), MetBy::Several);
    }
}
