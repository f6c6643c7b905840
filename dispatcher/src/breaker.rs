//! What the outcomes of a channel's attempts do to its circuit. Failures in a row are counted in this process;
//! what they lead to is an event on the channel's stream, which every attempt anywhere is guarded on.

mod given_up;

use std::collections::HashMap;
use std::sync::Mutex;

use tidings_domain::aggregate::Aggregate as _;
use tidings_domain::channel::circuit::Fault;
use tidings_domain::channel::{Attempt, Channel, Circuit, Command};
use tidings_domain::value::Code;
use tidings_event_store::{CommitError, crash_point};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::channel::{Blame, Outcome};
use crate::core::{Core, DispatchError};
use crate::roster::Way;

/// The longest anybody is left alone because they ask for it.
const ASKED_FOR_MAX: time::Duration = time::Duration::HOUR;

/// Failed attempts in a row, by channel. Lost with the process: then they are counted anew.
#[derive(Default)]
pub(crate) struct Breaker {
    channels: Mutex<HashMap<Uuid, Counted>>,
}

#[derive(Clone, Copy, Default)]
struct Counted {
    /// Version of the channel's stream that the attempts were judged with.
    version: i32,
    failures: u32,
    /// Until when nothing is tried; set by the failure that opened the circuit, for those that come behind it.
    open_until: Option<OffsetDateTime>,
}

/// What an outcome means for the channel's circuit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing.
    Nothing,
    /// Messages get through again.
    Closes,
    /// Nothing gets through.
    Opens {
        /// What the attempt met.
        reason: Code,
        /// Attempts in a row that failed.
        failures: u32,
        /// When one attempt may find out whether it works again.
        probe_at: OffsetDateTime,
        /// How often it was opened since it was closed.
        openings: u32,
    },
    /// It was opened a moment ago.
    IsOpen {
        /// When one attempt may find out whether it works again.
        probe_at: OffsetDateTime,
    },
}

impl Verdict {
    /// When the delivery can be tried again, if the channel is to blame that it was not taken.
    pub(crate) fn wait_until(&self) -> Option<OffsetDateTime> {
        match self {
            Self::Nothing | Self::Closes => None,
            Self::Opens { probe_at, .. } | Self::IsOpen { probe_at } => Some(*probe_at),
        }
    }
}

impl Breaker {
    /// Counts an outcome of an attempt that was judged with the channel as `way` has it.
    pub(crate) fn judge(&self, way: &Way, outcome: &Outcome, now: OffsetDateTime) -> Verdict {
        let circuit = way.circuit();
        let probe = !circuit.is_closed();
        let mut channels = self.channels.lock().expect("no panic while it is held");
        let counted = channels.entry(way.channel_id).or_default();
        if way.version < counted.version {
            // A late word on the channel as it was before.
            return Verdict::Nothing;
        }
        if way.version > counted.version {
            *counted = Counted {
                version: way.version,
                ..Counted::default()
            };
        }
        let (reason, fault, openings) = match heard(outcome) {
            Heard::Works => {
                counted.failures = 0;
                return if probe {
                    Verdict::Closes
                } else {
                    Verdict::Nothing
                };
            }
            // What a probe should have found out is not known: another one has to.
            Heard::Nothing(reason) if probe => (reason, Fault::Network, circuit.openings()),
            Heard::Nothing(_) => return Verdict::Nothing,
            Heard::Fails(reason, fault) => (reason, fault, circuit.openings().saturating_add(1)),
        };
        counted.failures = counted.failures.saturating_add(1);
        if let Some(probe_at) = counted.open_until.filter(|until| !probe && now < *until) {
            return Verdict::IsOpen { probe_at };
        }
        if !probe && counted.failures < fault.failures_to_open() {
            return Verdict::Nothing;
        }
        let wait = fault.wait(openings.saturating_sub(1));
        // Nobody is asked sooner than they want to be.
        let wait = wait.max(asked_for(outcome));
        let probe_at = now.saturating_add(wait);
        counted.open_until = Some(probe_at);
        Verdict::Opens {
            reason: Code::from_static(reason),
            failures: counted.failures,
            probe_at,
            openings,
        }
    }
}

/// How long the receiving side wants to be left alone, as far as we go along with it.
fn asked_for(outcome: &Outcome) -> time::Duration {
    let wanted = match outcome {
        Outcome::Deferred { retry_after, .. } => *retry_after,
        _ => None,
    };
    let wanted = wanted.and_then(|wanted| wanted.try_into().ok());
    wanted.map_or(time::Duration::ZERO, |wanted: time::Duration| {
        wanted.min(ASKED_FOR_MAX)
    })
}

/// What an outcome says of the channel.
enum Heard {
    /// The receiving side is there and takes messages, if perhaps not this one.
    Works,
    /// Not a word.
    Nothing(&'static str),
    /// No message gets through.
    Fails(&'static str, Fault),
}

fn heard(outcome: &Outcome) -> Heard {
    let blamed = |reason, blame| match blame {
        // Whoever asks us to slow down is there.
        Blame::Receiver | Blame::Domain | Blame::Pace => Heard::Works,
        Blame::Network => Heard::Fails(reason, Fault::Network),
        Blame::Channel => Heard::Fails(reason, Fault::Setup),
    };
    match outcome {
        Outcome::Sent { .. } => Heard::Works,
        Outcome::Deferred { reason, blame, .. } | Outcome::Failed { reason, blame, .. } => {
            blamed(reason, *blame)
        }
        Outcome::InDoubt { reason } => Heard::Fails(reason, Fault::Network),
        Outcome::Abandoned { reason } => Heard::Nothing(reason),
    }
}

impl Core {
    /// Puts on the channel's stream what an outcome means for its circuit: only if the stream stands where the attempt
    /// left it. Or another dispatcher found it out first, or somebody has set the channel up anew, or a later probe knows
    /// better.
    pub(crate) async fn switch(
        &self,
        way: &Way,
        by: Attempt,
        cause: (Uuid, i64),
        verdict: Verdict,
    ) -> Result<(), DispatchError> {
        let command = match verdict {
            Verdict::Nothing | Verdict::IsOpen { .. } => return Ok(()),
            Verdict::Closes => Command::CloseCircuit { by },
            Verdict::Opens {
                reason,
                failures,
                probe_at,
                openings,
            } => Command::OpenCircuit {
                reason,
                failures,
                probe_at,
                openings,
                by,
            },
        };
        let loaded = self.store.load::<Channel>(way.channel_id).await?;
        let command = self
            .given_up(way, &loaded, &command)
            .await?
            .unwrap_or(command);
        let left_at = way.version + i32::from(!way.circuit().is_closed());
        let events = loaded.state.decide(command).unwrap_or_default();
        if loaded.version != left_at || events.is_empty() {
            return Ok(());
        }
        let (correlation_id, position) = cause;
        let context = self.context(correlation_id, position, None, self.ids.next());
        let mut draft = self.store.draft(&context);
        draft.append(loaded, events);
        crash_point!("circuit.before_recorded");
        match draft.commit().await {
            Ok(_) => {
                crash_point!("circuit.recorded");
                let state = &self.roster.refresh(way.channel_id).await?.state;
                match state.circuit() {
                    _ if !state.is_enabled() => {
                        tracing::warn!(channel = %way.channel_id, "a channel is disabled: it takes nothing, and says so or has done so for too long");
                    }
                    Circuit::Closed => {
                        tracing::info!(channel = %way.channel_id, "a channel works again");
                    }
                    _ => {
                        tracing::warn!(channel = %way.channel_id, "a channel takes nothing: its deliveries wait");
                    }
                }
                Ok(())
            }
            Err(CommitError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_domain::channel::Setup;
    use tidings_domain::delivery::DoubtPolicy;
    use tidings_domain::value::{ChannelKind, ChannelName, Settings};
    use time::Duration;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-01-02 03:04:05 UTC);

    fn way(circuit: Circuit) -> Way {
        let setup = Setup {
            kind: ChannelKind::parse("email").unwrap(),
            name: ChannelName::parse("mail").unwrap(),
            settings: Settings::parse(serde_json::json!({})).unwrap(),
            credentials: None,
        };
        Way {
            channel_id: Uuid::nil(),
            version: 1,
            setup_version: 1,
            state: Channel::Enabled { setup, circuit },
            kind: None,
            doubt: DoubtPolicy::Hold,
            channel: None,
        }
    }

    fn probing(openings: u32) -> Circuit {
        Circuit::Open {
            probe_at: NOW,
            openings,
        }
    }

    fn fails(blame: Blame) -> Outcome {
        Outcome::Deferred {
            reason: "connect_failed",
            code: 0,
            reply: String::new(),
            retry_after: None,
            blame,
        }
    }

    fn sent() -> Outcome {
        Outcome::Sent {
            code: 250,
            reply: String::new(),
            provider_message_id: None,
        }
    }

    fn opens(failures: u32, seconds: i64, openings: u32) -> Verdict {
        Verdict::Opens {
            reason: Code::from_static("connect_failed"),
            failures,
            probe_at: NOW + Duration::seconds(seconds),
            openings,
        }
    }

    #[test]
    fn three_failures_in_a_row_open_it_and_those_behind_them_wait_as_long() {
        let (breaker, way) = (Breaker::default(), way(Circuit::Closed));
        let fails = || breaker.judge(&way, &fails(Blame::Network), NOW);
        assert_eq!([fails(), fails()], [Verdict::Nothing, Verdict::Nothing]);
        assert_eq!(fails(), opens(3, 30, 1));
        let probe_at = NOW + Duration::seconds(30);
        assert_eq!(fails(), Verdict::IsOpen { probe_at });
    }

    #[test]
    fn a_success_between_them_starts_the_count_anew() {
        let (breaker, way) = (Breaker::default(), way(Circuit::Closed));
        for outcome in [
            fails(Blame::Network),
            fails(Blame::Network),
            sent(),
            fails(Blame::Network),
            // Somebody answers, so it works.
            fails(Blame::Receiver),
            fails(Blame::Network),
            fails(Blame::Pace),
            fails(Blame::Network),
            fails(Blame::Network),
        ] {
            assert_eq!(breaker.judge(&way, &outcome, NOW), Verdict::Nothing);
        }
    }

    #[test]
    fn wrong_credentials_open_it_at_once() {
        let breaker = Breaker::default();
        let verdict = breaker.judge(&way(Circuit::Closed), &fails(Blame::Channel), NOW);
        assert_eq!(verdict, opens(1, 300, 1));
    }

    #[test]
    fn a_probe_closes_it_or_opens_it_for_longer() {
        let abandoned = Outcome::Abandoned { reason: "stale" };
        let breaker = Breaker::default();
        let way = way(probing(2));
        assert_eq!(
            breaker.judge(&way, &fails(Blame::Network), NOW),
            opens(1, 120, 3)
        );
        // It found nothing out, so it does not count.
        assert!(matches!(
            breaker.judge(&way, &abandoned, NOW),
            Verdict::Opens { openings: 2, .. }
        ));
        assert_eq!(breaker.judge(&way, &sent(), NOW), Verdict::Closes);
    }

    #[test]
    fn late_words_on_the_channel_as_it_was_before_count_for_nothing() {
        let breaker = Breaker::default();
        let before = way(Circuit::Closed);
        let now = Way {
            version: 2,
            ..before.clone()
        };
        assert_eq!(breaker.judge(&now, &sent(), NOW), Verdict::Nothing);
        let late = breaker.judge(&before, &fails(Blame::Channel), NOW);
        assert_eq!(late, Verdict::Nothing);
    }
}
