//! `tidings timeline`: what happened to a subscriber.

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tidings_service::auth::Role;

use super::api::with_query;
use super::caller::with_api;
use super::global::{Global, Logs};
use super::paging::{self, Paging};
use super::who;
use super::{Api, CliError, Out};

/// Show what happened to somebody
#[derive(Debug, Subcommand)]
pub(super) enum Timeline {
    Subscriber(Subscriber),
}

/// Show all that happened to a subscriber, newest first, in plain words
///
/// What they said, each message to them and what became of it, who looked at their data, and what was said of their address on
/// the suppression list while they had it. That you look goes on record, for each thousand events once.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  tidings timeline subscriber ada@example.org --reason 'asked us by phone what we hold'")]
pub(super) struct Subscriber {
    /// The subscriber's id or address
    #[arg(value_name = "ID|EMAIL")]
    who: String,
    /// Why you look, in your words: it goes on record with the look
    #[arg(long, value_name = "TEXT", value_parser = who::reason)]
    reason: String,
    #[command(flatten)]
    paging: Paging,
}

impl Timeline {
    pub(super) async fn run(self, global: &Global, out: Out) -> Result<(), CliError> {
        let Self::Subscriber(subscriber) = self;
        let session = global.existing()?;
        let telemetry = session.telemetry(Logs::Quiet)?;
        let work = async |api: Api| subscriber.show(&api, out).await;
        let done = with_api(&session, Role::Compliance, work).await;
        telemetry.shutdown().await;
        done
    }
}

impl Subscriber {
    async fn show(&self, api: &Api, out: Out) -> Result<(), CliError> {
        let id = who::subscriber(api, &self.who, Some(&self.reason)).await?;
        let path = format!("/api/v1/subscribers/{id}/timeline");
        let read = async |limit: String, cursor: Option<String>| {
            let query = [("limit", Some(&limit)), ("cursor", cursor.as_ref())];
            api.look(&with_query(&path, &query)?, &self.reason).await
        };
        let shown = |event: &Value| out.say(words(event));
        let page = self.paging.read(read, shown).await?;
        if let Some(more) = paging::more(&page) {
            out.say(more);
        }
        out.result(&json!({ "subscriber_id": id, "timeline": page }));
        Ok(())
    }
}

fn words(event: &Value) -> String {
    let text = |key: &str| event[key].as_str().unwrap_or_default();
    let position = &event["position"];
    let mut words = format!(
        "{}  {}\n    by {}; position {position}, {}",
        text("at"),
        text("words"),
        text("who"),
        text("type")
    );
    if let Some(cause) = event["cause"]["words"].as_str() {
        words += &format!(
            "; because at position {} {cause}",
            event["cause"]["position"]
        );
    }
    words
}
