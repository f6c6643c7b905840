//! A word on what somebody gets, through the API. They are told of it by mail, in the same commit.

use tidings_domain::aggregate::Aggregate as _;
use tidings_domain::subscriber::{Command, Standing, Subscriber};
use tidings_event_store::{ExecuteError, Loaded};
use tidings_service::Problem;
use uuid::Uuid;

use crate::answer::{Answer, same_body};
use crate::commands::Commands;
use crate::request::Call;
use crate::{notices, refusal};

/// Times it is decided anew because others write to the same streams: every look at the subscriber is among them.
const ATTEMPTS_MAX: u32 = 20;

/// Carries out a command on what they get, and tells them if they are to be told. Who gets nothing by then is not.
///
/// # Errors
/// As of any command on one stream.
pub(super) async fn carry_out(
    commands: &Commands,
    id: Uuid,
    (call, body): (Call, &[u8]),
    is_told: bool,
    command: impl Fn() -> Command + Send + Sync,
) -> Result<Answer, Problem> {
    let if_match = call.if_match;
    let request = call.begin(commands, body).await?;
    let context = &request.context;
    let mut attempts = 0;
    loop {
        let loaded = commands.store.load::<Subscriber>(id).await;
        let loaded: Loaded<Subscriber> = loaded.map_err(|error| refusal::load(&error))?;
        if let Some(past) = loaded.repeated(context.intent) {
            same_body(past, context)?;
            return Ok(Answer::at(&loaded, context));
        }
        if if_match.is_some_and(|seen| seen != loaded.version) {
            let actual = loaded.version;
            let changed =
                ExecuteError::<tidings_domain::subscriber::Refusal>::Precondition { actual };
            return Err(refusal::of(changed));
        }
        let decided = loaded.state.decide(command());
        let events = decided.map_err(|refused| refusal::refused(&refused))?;
        if events.is_empty() {
            return Ok(Answer::at(&loaded, context));
        }
        let mut draft = commands.store.draft(context);
        let after = draft.append(loaded, events);
        let told = is_told && after.state.standing() == Standing::Active;
        if let Some(profile) = after.state.profile().filter(|_| told) {
            notices::tell_of_change(commands, &mut draft, context, (id, profile)).await?;
        }
        attempts += 1;
        match draft.commit().await {
            Ok(committed) => return Ok(Answer::at(&after.recorded(&committed), context)),
            Err(error) if error.may_be_decided_anew() && attempts < ATTEMPTS_MAX => {}
            Err(error) => return Err(refusal::commit(&error)),
        }
    }
}
