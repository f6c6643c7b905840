//! `tidings access`: who looked at whose data.

use clap::Args;
use serde_json::{Value, json};
use tidings_service::auth::Role;
use time::OffsetDateTime;
use uuid::Uuid;

use super::caller::with_api;
use super::global::{Global, Logs};
use super::out::instant;
use super::paging::{self, Paging};
use super::{Api, CliError, Out};

/// Show who looked at whose data, newest first
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidings access                                               the latest looks of all
  tidings access --actor ada --since 2026-03-01T00:00:00Z      of one person
  tidings access --subscriber 019b7cba-7a2e-8000-9c5e-0d8f6f2f3b15")]
pub(super) struct Access {
    /// Only looks of this one: an actor such as user:ID, or what their token calls them
    #[arg(long, value_name = "WHO")]
    actor: Option<String>,
    /// Only looks at this subscriber's data
    #[arg(long, value_name = "ID")]
    subscriber: Option<Uuid>,
    /// Only looks from this time on, such as 2026-03-01T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = super::out::time)]
    since: Option<OffsetDateTime>,
    #[command(flatten)]
    paging: Paging,
}

impl Access {
    pub(super) async fn run(self, global: &Global, out: Out) -> Result<(), CliError> {
        let session = global.existing()?;
        let telemetry = session.telemetry(Logs::Quiet)?;
        let work = async |api: Api| self.show(&api, out).await;
        let done = with_api(&session, Role::Compliance, work).await;
        telemetry.shutdown().await;
        done
    }

    async fn show(&self, api: &Api, out: Out) -> Result<(), CliError> {
        let subscriber = self.subscriber.map(|id| id.to_string());
        let since = self.since.map(instant);
        let read = async |limit: String, cursor: Option<String>| {
            let query = [
                ("limit", Some(&limit)),
                ("cursor", cursor.as_ref()),
                ("actor", self.actor.as_ref()),
                ("subscriber", subscriber.as_ref()),
                ("since", since.as_ref()),
            ];
            api.list("/api/v1/access", &query).await
        };
        let shown = |look: &Value| out.say(words(look));
        let page = self.paging.read(read, shown).await?;
        if page["items"] == json!([]) {
            out.say("nobody looked");
        }
        if let Some(more) = paging::more(&page) {
            out.say(more);
        }
        out.result(&page);
        Ok(())
    }
}

fn words(look: &Value) -> String {
    let text = |key: &str| look[key].as_str().unwrap_or_default();
    let who = look["actor_name"].as_str().unwrap_or(text("actor"));
    let why = match look["reason"].as_str() {
        Some(reason) => format!("“{reason}”"),
        None if look["reason_erased"] == true => "(erased)".to_owned(),
        None => "no reason given".to_owned(),
    };
    format!(
        "{}  {who}  {} of {}  {why}  (position {})",
        text("at"),
        text("what"),
        text("subscriber_id"),
        look["position"]
    )
}
