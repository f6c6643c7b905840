//! `tidings segments`: whom conditions pick.

use std::path::Path;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tidings_service::auth::Role;
use uuid::Uuid;

use super::caller::with_api;
use super::global::{Global, Logs};
use super::input::read;
use super::{Api, CliError, Out};

const COLLECTION: &str = "/api/v1/segments";

/// Try conditions that pick subscribers
#[derive(Debug, Subcommand)]
pub(super) enum Segments {
    Preview(Preview),
}

/// Count whom conditions pick now, and whom they overlook
///
/// How many subscribers, how many of them may get mail, and five of them, masked. Who has an attribute as a text that is
/// compared with a number, a date, or yes or no, is picked by no such comparison: they are counted too.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  echo '{\"attribute\": \"age\", \"at_least\": 18}' > adults.json
  tidings segments preview adults.json
  tidings segments preview 2ea9833c-7d26-8016-b92c-575cde98db94")]
pub(super) struct Preview {
    /// A file with the conditions, in JSON, or the segment's id
    #[arg(value_name = "FILE|ID")]
    of: String,
}

impl Segments {
    pub(super) async fn run(self, global: &Global, out: Out) -> Result<(), CliError> {
        let Self::Preview(Preview { of }) = self;
        let asked = Asked::read(&of)?;
        let session = global.existing()?;
        let telemetry = session.telemetry(Logs::Quiet)?;
        let work = async |api: Api| asked.preview(&api, out).await;
        let done = with_api(&session, Role::Editor, work).await;
        telemetry.shutdown().await;
        done
    }
}

/// What to preview.
#[derive(Debug, PartialEq)]
enum Asked {
    Segment(Uuid),
    Conditions(Value),
}

impl Asked {
    fn read(of: &str) -> Result<Self, CliError> {
        if let Ok(id) = Uuid::parse_str(of) {
            return Ok(Self::Segment(id));
        }
        let text = read(Path::new(of))?;
        let conditions = serde_json::from_slice(&text);
        let no_json = |_| CliError::Usage(format!("{of} holds no JSON: see --help for conditions"));
        conditions.map(Self::Conditions).map_err(no_json)
    }

    async fn preview(&self, api: &Api, out: Out) -> Result<(), CliError> {
        let preview = match self {
            Self::Segment(id) => api.get(&format!("{COLLECTION}/{id}/preview")).await?,
            Self::Conditions(conditions) => {
                let body = json!({ "conditions": conditions });
                api.find(&format!("{COLLECTION}/preview"), &body, None)
                    .await?
            }
        };
        out.say(words(&preview.body));
        out.result(&preview.body);
        Ok(())
    }
}

fn words(preview: &Value) -> String {
    let (matching, reachable) = (&preview["matching"], &preview["reachable"]);
    let mut words = format!("it picks {matching} subscribers; {reachable} of them may get mail");
    for sample in preview["samples"].as_array().into_iter().flatten() {
        let text = |key: &str| sample[key].as_str().unwrap_or_default();
        words += &format!("\n  {}  {}", text("id"), text("email"));
    }
    for overlooked in preview["overlooked"].as_array().into_iter().flatten() {
        let explanation = overlooked["explanation"].as_str().unwrap_or_default();
        words += &format!("\nnote: {explanation}");
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_come_from_a_file_and_a_segment_by_its_id() {
        let id = "2ea9833c-7d26-8016-b92c-575cde98db94";
        let segment = Asked::Segment(Uuid::parse_str(id).unwrap());
        assert_eq!(Asked::read(id).unwrap(), segment);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("adults.json");
        let of = file.to_str().unwrap();
        std::fs::write(&file, r#"{"attribute": "age", "at_least": 18}"#).unwrap();
        let conditions = json!({ "attribute": "age", "at_least": 18 });
        assert_eq!(Asked::read(of).unwrap(), Asked::Conditions(conditions));
        std::fs::write(&file, "age").unwrap();
        assert_eq!(Asked::read(of).unwrap_err().exit_code(), 64);
    }

    #[test]
    fn whom_it_overlooks_is_said() {
        let shown = words(&json!({
            "matching": 3, "reachable": 2, "samples": [{ "id": "7", "email": "a…@example.org" }],
            "overlooked": [{ "explanation": "12 subscribers have “age” as a text." }],
        }));
        insta::assert_snapshot!(shown, @r"
        it picks 3 subscribers; 2 of them may get mail
          7  a…@example.org
        note: 12 subscribers have “age” as a text.
        ");
    }
}
