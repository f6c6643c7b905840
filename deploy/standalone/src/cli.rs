//! The command line: one file per verb. Exit codes: 0 done, 1 failed, 64 bad usage or configuration, or what the platform
//! refuses because of the arguments themselves (400, 422).

mod access;
mod api;
mod api_keys;
mod audit;
mod backup;
mod bar;
mod caller;
mod channels;
mod dispatch;
mod doctor;
mod engagement;
mod erase;
mod error;
mod export;
mod global;
pub(crate) mod import;
mod input;
mod keys;
mod migrate;
mod out;
mod paging;
mod publications;
mod rebuild;
mod restore;
mod segments;
mod senders;
mod subscribers;
mod suppressions;
#[cfg(test)]
mod tests;
mod timeline;
pub(crate) mod token;
mod up;
mod views;
mod who;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

pub use api::ApiError;
pub(crate) use api::{Answer, Api};
pub(crate) use bar::Bar;
pub use error::CliError;
use global::Global;
pub(crate) use global::{Hints, Session};
pub(crate) use out::Out;

/// Tidings: publish once; readers get it by e-mail, Slack, Discord, webhook or as files, and every step is on record.
#[derive(Debug, Parser)]
#[command(name = "tidings", version, max_term_width = 100, after_help = EXAMPLES)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "\
Examples:
  tidings up --demo                 see it at work, with 2,000 readers and three articles
  tidings up                        an empty platform over ./data
  tidings token --role editor       a token for curl
  tidings doctor                    what is wrong, and what to do about it

Exit codes: 0 done, 1 failed, 64 bad usage or configuration, or an argument that the platform does not take.";

#[derive(Debug, Subcommand)]
enum Verb {
    Up(up::Up),
    Token(token::Token),
    Migrate(migrate::Migrate),
    #[command(subcommand)]
    Import(import::Import),
    #[command(subcommand)]
    Erase(erase::Erase),
    #[command(subcommand)]
    Export(export::Export),
    #[command(subcommand)]
    Subscribers(subscribers::Subscribers),
    #[command(subcommand)]
    Segments(segments::Segments),
    #[command(subcommand)]
    Suppressions(suppressions::Suppressions),
    #[command(subcommand)]
    Timeline(timeline::Timeline),
    Access(access::Access),
    #[command(subcommand)]
    Publications(publications::Publications),
    Engagement(engagement::Engagement),
    #[command(subcommand)]
    Channels(channels::Channels),
    #[command(subcommand)]
    Senders(senders::Senders),
    Rebuild(rebuild::Rebuild),
    Views(views::Views),
    #[command(subcommand)]
    ApiKeys(api_keys::ApiKeys),
    #[command(subcommand)]
    Keys(keys::Keys),
    #[command(subcommand)]
    Audit(audit::Audit),
    Backup(backup::Backup),
    Restore(restore::Restore),
    #[command(subcommand)]
    Dispatch(dispatch::Dispatch),
    Doctor(doctor::Doctor),
}

/// Runs the program on this process's arguments.
pub async fn run() -> ExitCode {
    run_with(std::env::args_os()).await
}

async fn run_with(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return unparsed(&error),
    };
    let out = Out::new(cli.global.json);
    match dispatch(cli, &out).await {
        Ok(code) => code,
        Err(error) => {
            out.failed(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

async fn dispatch(cli: Cli, out: &Out) -> Result<ExitCode, CliError> {
    let Cli { global, verb } = cli;
    let done = |()| ExitCode::SUCCESS;
    match verb {
        Verb::Up(up) => up.run(&global, out).await.map(done),
        Verb::Token(token) => token.run(&global, out).map(done),
        Verb::Migrate(migrate) => migrate.run(&global, out).await.map(done),
        Verb::Import(import) => import.run(&global, out).await.map(done),
        Verb::Erase(erase) => erase.run(&global, *out).await.map(done),
        Verb::Export(export) => export.run(&global, *out).await.map(done),
        Verb::Subscribers(subscribers) => subscribers.run(&global, *out).await.map(done),
        Verb::Segments(segments) => segments.run(&global, *out).await.map(done),
        Verb::Suppressions(suppressions) => suppressions.run(&global, *out).await.map(done),
        Verb::Timeline(timeline) => timeline.run(&global, *out).await.map(done),
        Verb::Access(access) => access.run(&global, *out).await.map(done),
        Verb::Publications(publications) => publications.run(&global, *out).await.map(done),
        Verb::Engagement(engagement) => engagement.run(&global, *out).await.map(done),
        Verb::Channels(channels) => channels.run(&global, *out).await,
        Verb::Senders(senders) => senders.run(&global, *out).await,
        Verb::Rebuild(rebuild) => rebuild.run(&global, out).await,
        Verb::Views(views) => views.run(&global, out).await.map(done),
        Verb::ApiKeys(keys) => keys.run(&global, *out).await.map(done),
        Verb::Keys(keys) => keys.run(&global, out).await.map(done),
        Verb::Audit(audit) => audit.run(&global, out).await,
        Verb::Backup(backup) => backup.run(&global, *out).await.map(done),
        Verb::Restore(restore) => restore.run(&global, *out).await.map(done),
        Verb::Dispatch(dispatch) => dispatch.run(&global, *out).await.map(done),
        Verb::Doctor(doctor) => doctor.run(&global, out).await,
    }
}

/// Help and version are asked for; anything else is a misunderstanding.
fn unparsed(error: &clap::Error) -> ExitCode {
    // Nobody is left to tell when the terminal is gone.
    drop(error.print());
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
        _ => ExitCode::from(error::USAGE),
    }
}
