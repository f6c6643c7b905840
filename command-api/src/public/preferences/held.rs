//! Whether anything is sent to the address of a reader at all, whatever they choose.

use tidings_domain::subscriber::Profile;
use tidings_domain::suppression::{Reason, Suppression};
use tidings_service::Problem;

use crate::commands::Commands;
use crate::refusal;

/// What stands against their address, as the page says it: not why, since whoever has the link sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// Nothing.
    No,
    /// Only what a sign-up of their own ends.
    UntilSignUp,
    /// What somebody has to lift, who is reached so, if that is known.
    Ask(Option<String>),
}

impl Held {
    /// As the log has it.
    ///
    /// # Errors
    /// When the log is away.
    pub(super) async fn find(commands: &Commands, profile: &Profile) -> Result<Self, Problem> {
        let ids = [
            profile.address_suppression_id,
            profile.domain_suppression_id,
        ];
        let loaded = commands.store.load_many::<Suppression>(&ids).await;
        let loaded = loaded.map_err(|error| refusal::load(&error))?;
        let [address, domain] = &loaded[..] else {
            return Ok(Self::No);
        };
        let form = commands.sign_up_form.as_ref();
        let contact = commands.own_data.as_ref().map(|it| it.contact.clone());
        let organisation = form.map(|it| it.organisation.clone());
        let held = Self::of(&address.state, &domain.state, form.is_some());
        Ok(match held {
            Self::Ask(_) => Self::Ask(contact.or(organisation)),
            held => held,
        })
    }

    /// `form`: whether people can sign up by themselves.
    fn of(address: &Suppression, domain: &Suppression, form: bool) -> Self {
        // Whoever has an address that somebody gave up is not asked by the form.
        let ends =
            |reason: &Reason| Reason::ENDED_BY_SIGN_UP.contains(reason) && *reason != Reason::Moved;
        match (address.is_suppressed(), domain.is_suppressed()) {
            (false, false) => Self::No,
            (true, false) if form && address.reasons().iter().all(ends) => Self::UntilSignUp,
            _ => Self::Ask(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_domain::suppression::Scope;

    fn by(reasons: &[Reason]) -> Suppression {
        match reasons {
            [] => Suppression::Clear,
            reasons => Suppression::Suppressed {
                scope: Scope::Address,
                reasons: reasons.to_vec(),
            },
        }
    }

    #[test]
    fn a_sign_up_is_offered_where_it_ends_all_that_stands() {
        let of =
            |address: &[Reason], domain: &[Reason], form| Held::of(&by(address), &by(domain), form);
        use Reason::{Complaint, Erased, Import, Manual, Moved, Unsubscribed};
        assert_eq!(of(&[], &[], true), Held::No);
        assert_eq!(of(&[Unsubscribed, Erased], &[], true), Held::UntilSignUp);
        assert_eq!(of(&[Unsubscribed], &[], false), Held::Ask(None));
        for address in [
            &[Complaint][..],
            &[Unsubscribed, Complaint],
            &[Import],
            &[Moved],
        ] {
            assert_eq!(of(address, &[], true), Held::Ask(None), "{address:?}");
        }
        assert_eq!(of(&[], &[Manual], true), Held::Ask(None));
        assert_eq!(of(&[Unsubscribed], &[Manual], true), Held::Ask(None));
    }
}
