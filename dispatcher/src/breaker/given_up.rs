//! Channels that are left alone for good: whose receiving side says that it is gone, has taken nothing for days, or shuts
//! out whoever insists.

use tidings_domain::channel::circuit::Fault;
use tidings_domain::channel::{Channel, Command};
use tidings_domain::value::Code;
use tidings_event_store::{Loaded, ReadError};
use tidings_proto::{Event, EventMessage as _, Reason, channel as wire};
use time::{Duration, OffsetDateTime};

use crate::channel::LeftAlone;
use crate::core::{Core, DispatchError};
use crate::roster::Way;

impl Core {
    /// What to do in place of opening the circuit, where the channel's kind has it: disable the channel, until somebody
    /// enables it.
    pub(super) async fn given_up(
        &self,
        way: &Way,
        loaded: &Loaded<Channel>,
        command: &Command,
    ) -> Result<Option<Command>, DispatchError> {
        let (Command::OpenCircuit { reason, .. }, Some(kind)) = (command, way.kind) else {
            return Ok(None);
        };
        let code = match kind.left_alone {
            LeftAlone::Never => None,
            // A webhook that does not want to be called any more (410).
            LeftAlone::Failing { .. } if reason.as_str() == Reason::Gone.as_str() => {
                Some(Reason::Gone)
            }
            LeftAlone::Failing { after } => {
                // So long nobody may try although something waits.
                let gap_max = kind.family.wait_max() + Fault::WAIT_MAX;
                let has_failed_long = failing_for(loaded, self.clock.now(), gap_max) >= after;
                has_failed_long.then_some(Reason::Failing)
            }
            LeftAlone::Refused { reasons, times } => {
                let counts = |code: &str| reasons.iter().any(|it| it.as_str() == code);
                let is_last =
                    counts(reason.as_str()) && self.opened(loaded, counts).await? + 1 >= times;
                is_last.then_some(Reason::Refused)
            }
        };
        Ok(code.map(|code| Command::Disable {
            reason: Code::from_static(code.as_str()),
        }))
    }

    /// How often the circuit was opened for such reasons since the channel last worked, was set up, or was enabled.
    async fn opened(
        &self,
        loaded: &Loaded<Channel>,
        counts: impl Fn(&str) -> bool,
    ) -> Result<usize, ReadError> {
        let events = self.store.log().stream(loaded.id).await?;
        let since_it_worked = events
            .iter()
            .filter(|event| event.version <= loaded.version)
            .rev()
            .take_while(|event| is_down(&event.event_type));
        let opened = since_it_worked.filter(|event| {
            matches!(event.decode(), Ok(Event::ChannelCircuitOpened(opened)) if counts(&opened.reason))
        });
        Ok(opened.count())
    }
}

/// How long every attempt has failed, up to now. A channel that had nothing to take for a while (its only delivery was
/// given up, say) has not failed in that time: what counts begins behind the last gap between attempts.
fn failing_for(loaded: &Loaded<Channel>, now: OffsetDateTime, gap_max: Duration) -> Duration {
    let mut later = now;
    let mut first = now;
    let since_it_worked = loaded.history.iter().rev();
    for past in since_it_worked.take_while(|past| is_down(&past.event_type)) {
        if later - past.occurred_at > gap_max {
            break;
        }
        later = past.occurred_at;
        if past.event_type == wire::CircuitOpened::TYPE {
            first = past.occurred_at;
        }
    }
    now - first
}

/// Whether an event of a channel leaves its circuit open.
fn is_down(event_type: &str) -> bool {
    [wire::CircuitOpened::TYPE, wire::CircuitProbed::TYPE].contains(&event_type)
}
