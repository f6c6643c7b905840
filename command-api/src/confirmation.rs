//! Carries out what the link in a mail that asks for confirmation is for.

use tidings_domain::access::{Access, NoticeKind};
use tidings_domain::aggregate::Aggregate as _;
use tidings_domain::stream_id;
use tidings_domain::subscriber::{self, Subscriber};
use tidings_domain::suppression::{self, Reason, Suppression};
use tidings_domain::token::ConfirmLink;
use tidings_domain::value::Evidence;
use tidings_event_store::Recorded;
use tidings_proto::Event;
use tidings_service::Problem;

use crate::commands::Commands;
use crate::feedback::Origin;
use crate::notices::issued_at;
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
    let access = access.map_err(load)?;
    let asked = access.state.notice(link.delivery_id);
    let asked = asked.filter(|it| it.kind.as_str() == NoticeKind::ConfirmSignUp.as_str());
    let (Some(asked), Some(asked_at)) = (asked, issued_at(&access, link.delivery_id)) else {
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
        if !lifted.is_empty() {
            // Of the state that the commit is guarded by, or of a later one, with which it fails.
            let history = store.log().stream(suppression.id).await;
            let history = history.map_err(|error| load(error.into()))?;
            if is_given_up_since(&history, asked_at) {
                return Ok(Answered::TooLate);
            }
        }
        let mut draft = store.draft(&context);
        draft.append(subscriber, confirmed);
        lift(&mut draft, suppression, lifted);
        attempts += 1;
        match draft.commit().await {
            Ok(_) => return Ok(Answered::Subscribed),
            Err(error) if error.may_be_decided_anew() && attempts < ATTEMPTS_MAX => {}
            Err(error) => return Err(refusal::commit(&error)),
        }
    }
}

/// Whether somebody has left since, or given the address up, by what speaks of the address alone: a link from before an
/// erasure, or a file. `history`: all of its suppression's stream.
fn is_given_up_since(history: &[Recorded], position: i64) -> bool {
    let since = history.iter().filter(|it| it.position > position);
    let mut reasons = since.filter_map(|it| match it.decode() {
        Ok(Event::SuppressionAdded(it)) => Some(it.reason.clone()),
        _ => None,
    });
    let ended = |reason: &String| {
        Reason::ENDED_BY_SIGN_UP
            .iter()
            .any(|it| it.as_str() == reason)
    };
    reasons.any(|reason| ended(&reason))
}
