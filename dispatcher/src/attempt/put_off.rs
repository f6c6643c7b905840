//! A delivery that its channel would rather not attempt now, although others may be, or that its receiver wants later:
//! that stands in the log in place of the attempt.

use tidings_domain::aggregate::Aggregate as _;
use tidings_domain::delivery::{Command, Delivery, Event, WANTED_LATER};
use tidings_domain::value::Code;
use tidings_event_store::Loaded;
use time::{Duration, OffsetDateTime};

use super::decide;
use crate::channel::{PutOff, Rendered};
use crate::core::DispatchError;
use crate::roster::Way;

/// Whether the channel wants to put it off.
pub(super) fn wanted(
    way: &Way,
    delivery: &Loaded<Delivery>,
    rendered: Option<&Rendered>,
) -> Option<PutOff> {
    let tries = delivery.state.tries();
    let abandons = tries.map_or(0, |tries| tries.abandons_in_all);
    way.channel.as_ref()?.put_off(rendered?, abandons)
}

/// What follows the attempt in the same commit, so that it ends where it begins: nothing is sent for it, and nobody can be
/// in doubt about it.
pub(super) fn instead(
    delivery: &Loaded<Delivery>,
    attempted: &[Event],
    put_off: PutOff,
    now: OffsetDateTime,
) -> Result<Vec<Event>, DispatchError> {
    let state = attempting(delivery, attempted);
    let command = Command::Abandon {
        delivery_id: delivery.id,
        attempt: state.tries().map_or(0, |tries| tries.attempts),
        reason: Code::from_static(put_off.reason.as_str()),
        now,
        wait_min: put_off.wait.try_into().unwrap_or(Duration::HOUR),
    };
    decide(delivery.id, &state, command)
}

/// The same for one that its receiver wants at another time.
pub(super) fn until(
    delivery: &Loaded<Delivery>,
    attempted: &[Event],
    until: OffsetDateTime,
) -> Result<Vec<Event>, DispatchError> {
    let state = attempting(delivery, attempted);
    let command = Command::PutOff {
        attempt: state.tries().map_or(0, |tries| tries.attempts),
        reason: Code::from_static(WANTED_LATER),
        until,
    };
    decide(delivery.id, &state, command)
}

fn attempting(delivery: &Loaded<Delivery>, attempted: &[Event]) -> Delivery {
    let before = delivery.state.clone();
    attempted.iter().fold(before, Delivery::evolve)
}
