//! What an attempt is made by: its record, and that whoever made it lives.

use tidings_service::clock::Moment;

use crate::channel::Warrant;
use crate::core::Core;
use crate::instance::Life;

/// When an attempt's record was begun.
#[derive(Clone, Copy)]
pub(super) struct Begun {
    at: Moment,
    /// None: the log was away, and others may think so of this instance.
    life: Option<Life>,
}

/// The record of an attempt.
pub(super) struct Record<'a> {
    pub(super) core: &'a Core,
    pub(super) begun: Begun,
}

impl Core {
    /// Now.
    pub(super) fn begin(&self) -> Begun {
        Begun {
            at: self.clock.moment(),
            life: self.instance.life(),
        }
    }
}

impl Warrant for Record<'_> {
    fn is_fresh(&self) -> bool {
        let age = self.core.clock.passed_since(self.begun.at);
        age < self.core.limits.attempt_fresh && self.holds()
    }

    fn holds(&self) -> bool {
        let is_ours = self.begun.life.is_some() && self.core.instance.life() == self.begun.life;
        // Nor is a record worth anything once the log that holds it has gone back.
        is_ours && self.core.store.log().alive().is_ok()
    }
}
