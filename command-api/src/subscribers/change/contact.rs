//! A new address: it is claimed and the old one released in one commit, guarded on whatever could forbid it. Nothing more is
//! sent to the old one, whoever brings it: no file and no restored log that knows nothing of the change.

use tidings_domain::address::{self, Address};
use tidings_domain::aggregate::Aggregate as _;
use tidings_domain::stream_id;
use tidings_domain::subscriber::{Command, ContactMethod, Profile, Subscriber};
use tidings_domain::suppression::{self, Reason, Scope, Suppression};
use tidings_domain::value::EmailAddress;
use tidings_event_store::{Draft, Loaded};
use tidings_service::Problem;

use crate::commands::Commands;
use crate::refusal;

pub(super) fn command(commands: &Commands, email: EmailAddress) -> Command {
    let id_key = &commands.id_key;
    Command::ChangeContact {
        address_id: stream_id::address(id_key, &email),
        address_suppression_id: stream_id::address_suppression(id_key, &email),
        domain_suppression_id: stream_id::domain_suppression(id_key, email.domain()),
        method: ContactMethod::Api,
        email,
    }
}

/// Lets the commit claim the address that a subscriber has after it, and give up the one that they had.
///
/// # Errors
/// 409 when it belongs to another, or nothing may be sent to it, or to the one they had; 503 when the log can not be read.
pub(super) async fn claim(
    commands: &Commands,
    draft: &mut Draft<'_>,
    after: &Loaded<Subscriber>,
    before: &Profile,
) -> Result<(), Problem> {
    let (id, store) = (after.id, &commands.store);
    let Some(profile) = after.state.profile() else {
        return Ok(());
    };
    // Another spelling of the same mailbox.
    if profile.address_id == before.address_id {
        return Ok(());
    }
    let load = |error| refusal::load(&error);
    let address = store.load::<Address>(profile.address_id).await;
    let address = address.map_err(load)?;
    let claimed = address
        .state
        .decide(address::Command::Claim { subscriber_id: id });
    let claimed =
        claimed.map_err(|_| Problem::conflict(TAKEN).error("#/email", "This address is taken."))?;
    let old = store.load::<Address>(before.address_id).await;
    let old = old.map_err(load)?;
    let released = old
        .state
        .decide(address::Command::Release { subscriber_id: id });
    draft.append(old, released.unwrap_or_default());
    draft.append(address, claimed);
    let old = store.load::<Suppression>(before.address_suppression_id);
    leave(draft, old.await.map_err(load)?)?;
    for suppression_id in [
        profile.address_suppression_id,
        profile.domain_suppression_id,
    ] {
        let suppression = store.load::<Suppression>(suppression_id).await;
        welcome(draft, suppression.map_err(load)?)?;
    }
    Ok(())
}

const TAKEN: &str = "The address belongs to another subscriber. One of the two may be a double: erase it, or have it keep \
    the address.";

/// Nothing is sent to the address any more: a file that holds it does not sign them up twice, and who leaves is not sought
/// there. What they said of it, or its receiving side, does not end by moving on: a complaint that comes meanwhile neither,
/// since the commit is guarded on the stream.
fn leave(draft: &mut Draft<'_>, suppression: Loaded<Suppression>) -> Result<(), Problem> {
    let ends_here = |reason: &Reason| match reason {
        // The mailbox is why they move, or it is behind them.
        Reason::HardBounce | Reason::Erased | Reason::Moved => true,
        Reason::Manual | Reason::Complaint | Reason::Import | Reason::Unsubscribed => false,
    };
    if !only(&suppression, ends_here) {
        let why = "Nothing may be sent to the address they have.";
        return Err(Problem::conflict(format!("{why} {AGAINST_OLD}")).error("#/email", why));
    }
    let Ok(added) = suppression.state.decide(suppression::Command::Add {
        scope: Scope::Address,
        reason: Reason::Moved,
        delivery_id: None,
        value: None,
    });
    draft.append(suppression, added);
    Ok(())
}

const AGAINST_OLD: &str = "Another address does not put an end to that. If they want mail after all, lift `manual`, \
    `complaint` or `import` (POST /api/v1/suppressions/find, then /api/v1/suppressions/{id}/lift); `unsubscribed` ends when \
    they sign up and confirm it.";

/// Whether no reasons stand but such. Which ones do is for those to see who may look for them.
fn only(suppression: &Loaded<Suppression>, such: impl Fn(&Reason) -> bool) -> bool {
    suppression.state.reasons().iter().all(such)
}

/// That somebody was erased who had the address, or gave it up, ends here, as by a sign-up; nothing else does.
fn welcome(draft: &mut Draft<'_>, suppression: Loaded<Suppression>) -> Result<(), Problem> {
    if !only(&suppression, |reason| Reason::GIVEN_UP.contains(reason)) {
        let detail = "Nothing may be sent to the new address or its domain: see POST /api/v1/suppressions/find.";
        let why = "Nothing may be sent to this address.";
        return Err(Problem::conflict(detail).error("#/email", why));
    }
    let reasons = Reason::GIVEN_UP.to_vec();
    let Ok(lifted) = suppression
        .state
        .decide(suppression::Command::Lift { reasons });
    match lifted.is_empty() {
        true => drop(draft.guard(suppression.id, suppression.version)),
        false => drop(draft.append(suppression, lifted)),
    }
    Ok(())
}
