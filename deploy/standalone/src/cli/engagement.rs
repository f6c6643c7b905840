//! `tidings engagement`: the months of engagement, and until when the evidence of each is kept.

use clap::Args;
use serde_json::Value;
use tidings_service::auth::Role;

use super::caller::with_api;
use super::global::{Global, Logs};
use super::{Api, CliError, Out};

/// Show what mails told in which month, and until when the evidence is kept
///
/// Newest first: how often a mail's picture was fetched and a link of it followed, by people and programs, and whether which
/// link it was, and how the program called itself, is kept still. It is destroyed so many whole months after the month as
/// engagement.keep_months says; the counts stay.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidings engagement
  tidings engagement --limit 24 --json")]
pub(super) struct Engagement {
    /// How many months
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
}

impl Engagement {
    pub(super) async fn run(self, global: &Global, out: Out) -> Result<(), CliError> {
        let session = global.existing()?;
        let telemetry = session.telemetry(Logs::Quiet)?;
        let work = async |api: Api| self.show(&api, out).await;
        let done = with_api(&session, Role::Operator, work).await;
        telemetry.shutdown().await;
        done
    }

    async fn show(&self, api: &Api, out: Out) -> Result<(), CliError> {
        let limit = self.limit.to_string();
        let query = [("limit", Some(&limit))];
        let page = api.list("/api/v1/engagement/periods", &query).await?;
        out.say(table(&page.body));
        out.result(&page.body);
        Ok(())
    }
}

fn table(page: &Value) -> String {
    let months = page["items"].as_array().map_or(&[][..], Vec::as_slice);
    if months.is_empty() {
        return "no mail has told anything".to_owned();
    }
    let head = format!(
        "{:8} {:>11} {:>11}  {}",
        "month", "opens", "clicks", "evidence"
    );
    let mut lines = vec![head];
    lines.extend(months.iter().map(line));
    if !page["next"].is_null() {
        lines.push("… and more before that: ask for it with --limit".to_owned());
    }
    lines.join("\n")
}

fn line(month: &Value) -> String {
    let text = |key: &str| month[key].as_str().unwrap_or_default();
    let evidence = match text("state") {
        "shredded" => format!("destroyed at {}", text("shredded_at")),
        "closed" => "about to be destroyed".to_owned(),
        _ => match month["kept_until"].as_str() {
            Some(until) => format!("kept until {until}"),
            None => "kept".to_owned(),
        },
    };
    format!(
        "{:8} {:>11} {:>11}  {evidence}",
        text("period"),
        month["opens"],
        month["clicks"]
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_operator_sees_what_is_kept_until_when() {
        let month = |period: &str, state: &str, until: Value, shredded: Value| {
            json!({
                "period": period, "state": state, "opens": 1_204_417, "clicks": 902,
                "kept_until": until, "closed_at": null, "shredded_at": shredded,
            })
        };
        let until = json!("2027-11-01T00:00:00Z");
        let shredded = json!("2026-11-01T00:00:04Z");
        let shown = table(&json!({
            "items": [
                month("2026-09", "open", until, Value::Null),
                month("2025-10", "closed", Value::Null, Value::Null),
                month("2025-09", "shredded", Value::Null, shredded),
            ],
            "next": "MjAyNS0wOQ",
        }));
        insta::assert_snapshot!(shown);
        assert_eq!(table(&json!({ "items": [] })), "no mail has told anything");
    }
}
