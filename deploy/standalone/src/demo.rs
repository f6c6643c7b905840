//! `tidings up --demo`: an editorial office at work, through the real API, with receivers on this machine.

mod channels;
mod content;
mod mail;
mod receivers;
mod script;
mod table;
mod trace;

use crate::cli::{Api, ApiError, CliError, Hints, Out, Session};
use crate::platform::Platform;
use receivers::Receivers;

pub use receivers::ReceiverError;

/// What the demo plays on.
pub(crate) struct Stage<'a> {
    /// Settings, clock, data folder.
    pub(crate) session: &'a Session,
    /// For the hints at the end.
    pub(crate) hints: Hints,
    /// The platform, for a look behind the API.
    pub(crate) platform: &'a Platform,
    /// Where the story is told.
    pub(crate) out: Out,
}

/// Why the demo broke off.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what is wrong")]
pub enum DemoError {
    #[error(transparent)]
    Receiver(#[from] ReceiverError),
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error("the demo could not go on")]
    Import(#[source] Box<CliError>),
    #[error("no mail with an unsubscribe link was found in {}: was it emptied? Try `--data` with a fresh folder", .0.display())]
    NoMail(std::path::PathBuf),
    #[error("the log cannot be read")]
    Log(#[from] tidings_event_store::ReadError),
    #[error(
        "{title} has not settled within {limit_s} s: look at /readyz and at the log lines above"
    )]
    NotSettled { title: String, limit_s: u64 },
}

/// Plays the demo; returns once everything has settled and been told.
pub(crate) async fn run(stage: &Stage<'_>) -> Result<(), DemoError> {
    let receivers = Receivers::start(&stage.session.ground.home).await?;
    let played = script::play(stage, &receivers).await;
    // They go on receiving for as long as the platform is up.
    receivers.keep();
    played
}

/// A caller with a token of its own, as an editorial tool has one.
fn caller(stage: &Stage<'_>, token: String) -> Result<Api, ApiError> {
    Api::new(&format!("http://{}", stage.platform.address()), token)
}
