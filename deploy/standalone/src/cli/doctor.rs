//! `tidings doctor`: examines a platform and says, for each thing that is wrong, what to do about it.

mod channels;
mod database;
mod engagement;
mod finding;
mod place;
mod publications;
mod running;
mod stream;

use std::process::ExitCode;

use clap::Args;
use deadpool_postgres::{Object, Pool};
use serde_json::json;
use tidings_event_store::Log;
use tidings_service::postgres::{self, Connector, Settings};

use super::global::{Global, Logs};
use super::{CliError, Out, Session};
use crate::platform::{Backing, dialler};
use finding::Finding;

/// Examine the platform
///
/// Looks at the servers, the database, the stream, the views, the keys, the clock and the disk, and says for each
/// thing that is wrong what to do about it. It changes nothing. If nothing runs over the data folder, the private
/// servers are started for as long as it takes.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  tidings doctor --data /srv/tidings || mail -s 'Tidings is ill' ops@example.org")]
pub(super) struct Doctor {}

impl Doctor {
    pub(super) async fn run(self, global: &Global, out: &Out) -> Result<ExitCode, CliError> {
        global.must_exist()?;
        let session = global.session_whatever_state()?;
        let telemetry = session.telemetry(Logs::Quiet)?;
        let findings = examine(&session).await;
        telemetry.shutdown().await;
        let ill = findings.iter().filter(|finding| !finding.well).count();
        for finding in &findings {
            out.say(finding);
        }
        out.say(match ill {
            0 => "\nAll is well.".to_owned(),
            1 => "\nOne thing needs attention.".to_owned(),
            n => format!("\n{n} things need attention."),
        });
        out.result(&json!({ "well": ill == 0, "checks": findings }));
        Ok(if ill == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

/// Everything that can be found out; what depends on something that is missing is left out.
async fn examine(session: &Session) -> Vec<Finding> {
    let mut findings = vec![place::folder(session), place::disk(session)];
    findings.extend(place::servers(session).await);
    if let Some(finding) = place::half_restored(session) {
        findings.push(finding);
        return findings;
    }
    match Backing::start(&session.config, &session.ground.home).await {
        Ok(backing) => {
            findings.extend(behind(session, &backing).await);
            if let Err(error) = backing.stop().await {
                let remedy = "see its log, and end the process by hand";
                findings.push(Finding::failed("servers stop", &error, remedy));
            }
        }
        Err(error) => {
            let remedy = "do as the message says, then ask again";
            findings.push(Finding::failed("servers start", &error, remedy));
        }
    }
    findings
}

/// What takes a database to find out.
async fn behind(session: &Session, backing: &Backing) -> Vec<Finding> {
    let remedy = "check that PostgreSQL runs and that TIDINGS_DATABASE_URL is right";
    let settings = Settings::new("tidings doctor", &session.config.database);
    let connector = Connector::new(backing.database_url(), "tidings doctor");
    let connected = postgres::connect(backing.database_url(), &settings).await;
    let (pool, connector) = match (connected, connector) {
        (Ok(pool), Ok(connector)) => (pool, connector),
        (Err(error), _) | (_, Err(error)) => {
            return vec![Finding::failed("database", &error, remedy)];
        }
    };
    let client = match pool.get().await {
        Ok(client) => client,
        Err(error) => return vec![Finding::failed("database", &error, remedy)],
    };
    let findings = look(session, backing, (&pool, &client), connector).await;
    drop(client);
    pool.close();
    findings
}

async fn look(
    session: &Session,
    backing: &Backing,
    (pool, client): (&Pool, &Object),
    connector: Connector,
) -> Vec<Finding> {
    let mut findings = database::server(session, client).await;
    let (schema, current) = database::schema(client).await;
    findings.push(schema);
    if current {
        // Reads need no committer of their own, but a log has one; it connects at its first commit.
        let log = Log::open(dialler(connector), pool.clone());
        findings.push(database::master_key(session, client, pool).await);
        findings.push(stream::against_log(session, backing, &log).await);
        findings.push(database::views(client).await);
        findings.push(database::dispatch(client).await);
        findings.push(channels::channels(session, client).await);
        let now = session.ground.clock.now();
        findings.push(publications::publications(client, now).await);
        let keep_months = session.config.engagement.keep_months;
        // Where it can not be read, other findings say so.
        let recorded_at = log.last_recorded_at().await.ok().flatten();
        findings.push(engagement::engagement(client, now, recorded_at, keep_months).await);
    }
    findings.extend(running::readiness(session).await);
    findings
}
