//! Carries out what the link in a mail that asks for confirmation is for.

use tidings_domain::access::{Access, NoticeKind};
use tidings_domain::aggregate::Aggregate as _;
use tidings_domain::stream_id;
use tidings_domain::subscriber::{self, Subscriber};
use tidings_domain::suppression::{self, Reason, Suppression};
use tidings_domain::token::ConfirmLink;
use tidings_domain::value::Evidence;
use tidings_event_store::CommitError;
use tidings_service::Problem;

use crate::commands::Commands;
use crate::feedback::Origin;
use crate::refusal;
use crate::subscribers::lift;

/// Times it is decided anew because others were faster.
const ATTEMPTS_MAX: u32 = 5;

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    /// They get mail, from now on or already.
    Subscribed,
    /// They have left or changed their address since they were asked, or the log does not know that they were.
    TooLate,
}

/// Puts on record that whoever was asked wants mail, and lifts what only their own word had put in the way. Doing it
/// again changes nothing.
pub(crate) async fn confirm(
    commands: &Commands,
    origin: &Origin,
    link: &ConfirmLink,
    evidence: Option<Evidence>,
) -> Result<Answered, Problem> {
    let context = commands.context("subscriber:page", origin);
    let (store, id) = (&commands.store, link.subscriber_id);
    let load = |error| refusal::load(&error);
    let access = store
        .load_of::<Access>(stream_id::access(id), Access::NOTICES)
        .await;
    let asked = access
        .map_err(load)?
        .state
        .notice(link.delivery_id)
        .cloned();
    let asked = asked.filter(|it| it.kind.as_str() == NoticeKind::ConfirmSignUp.as_str());
    let Some(asked) = asked else {
        return Ok(Answered::TooLate);
    };
    let mut attempts = 0;
    loop {
        let subscriber = store.load::<Subscriber>(id).await.map_err(load)?;
        let command = subscriber::Command::Confirm {
            delivery_id: link.delivery_id,
            departures: asked.departures,
            address_suppression_id: link.address_suppression_id,
            evidence: evidence.clone(),
        };
        let (Ok(confirmed), Some(profile)) =
            (subscriber.state.decide(command), subscriber.state.profile())
        else {
            return Ok(Answered::TooLate);
        };
        let suppression = profile.address_suppression_id;
        let suppression = store.load::<Suppression>(suppression).await.map_err(load)?;
        let reasons = Reason::ENDED_BY_SIGN_UP.to_vec();
        let Ok(lifted) = suppression
            .state
            .decide(suppression::Command::Lift { reasons });
        if confirmed.is_empty() && lifted.is_empty() {
            return Ok(Answered::Subscribed);
        }
        let mut draft = store.draft(&context);
        draft.append(subscriber, confirmed);
        lift(&mut draft, suppression, lifted);
        attempts += 1;
        match draft.commit().await {
            Ok(_) => return Ok(Answered::Subscribed),
            Err(CommitError::Conflict { .. } | CommitError::Unknown) if attempts < ATTEMPTS_MAX => {
            }
            Err(error) => return Err(refusal::commit(&error)),
        }
    }
}
