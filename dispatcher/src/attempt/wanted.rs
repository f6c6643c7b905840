//! What is wanted of a delivery that was picked: an attempt, or that it is settled without one.

use tidings_domain::delivery::{CancelledReason, Command, Permit};
use tidings_domain::publication::Sending;
use time::OffsetDateTime;

use super::Case;
use crate::core::Core;
use crate::pick::Pick;

impl Core {
    /// Whoever wants it no more, or must not get it, need not wait until it is due.
    pub(super) fn wanted(
        &self,
        pick: &Pick,
        case: &Case,
        now: OffsetDateTime,
        deadline: OffsetDateTime,
    ) -> Command {
        let purpose = case.cause.purpose();
        let receiver = case.receiver.receiver;
        if case.cause.sending() == Sending::Never {
            return Command::Cancel {
                reason: CancelledReason::PublicationCancelled,
            };
        }
        if let Some(reason) = receiver.forbids(purpose) {
            return Command::Suppress { reason };
        }
        Command::Attempt {
            instance: self.instance.id,
            now,
            deadline,
            permit: Permit {
                cause_may_send: true,
                purpose,
                receiver,
                channel_version: case.way.version,
                // Unless somebody else has tried it meanwhile.
                waits_no_longer: pick.waits_no_longer
                    && case.delivery.version == pick.delivery.version,
            },
        }
    }
}
