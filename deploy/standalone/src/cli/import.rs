//! `tidings import subscribers`: a CSV file of subscribers, through the API of the platform.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::Value;
use tidings_service::auth::Role;

use super::caller::with_api;
use super::global::{Global, Logs};
use super::input::read;
use super::{Answer, Api, Bar, CliError, Out};

const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Rejected lines shown to a person.
const SHOWN_MAX: usize = 20;

/// Bring people in from files
#[derive(Debug, Subcommand)]
pub(super) enum Import {
    Subscribers(Subscribers),
}

/// Sign up the people of a CSV file
///
/// The header line names the columns: `email` is required, `name` is known, any other becomes an attribute, which is a text unless
/// its name ends with :number, :date or :boolean, such as age:number. Commas,
/// semicolons and tabs are understood. Who is a subscriber already stays as they are, unless they have yet to confirm: importing
/// them says that they agreed. Of the lines that cannot be
/// used the first 20 are listed with their reasons (with --json 1,000); all others are taken.
///
/// A file that another Tidings has exported (`tidings subscribers export`) is known by its header. States, suppressions, tags,
/// attributes and choices of topics are kept; preferences and times are not. Who had left a channel that is not known here
/// comes as not confirmed. It is refused when a column that says who must get no mail is missing.
///
/// A file that listmonk or Mailchimp has exported is known by its header: whom it says not to write to gets no mail, and the
/// others are signed up. Of Mailchimp's files leave out nonsubscribed_…: nothing in it says that they never signed up. listmonk lists
/// who has left one of its lists as enabled: export the subscribers of the lists you go on with, and leave out whom they show as
/// unsubscribed.
///
/// In any other file a status, or a column such as unsubscribed_at, opted_out or UNSUB_TIME, that says so keeps them out as well, and
/// so does a no in one such as subscribed, opt_in, consent or Accepts Marketing. A line is rejected that says neither yes nor no there.
///
/// If a platform runs over the data folder the file goes to it; else one is started for as long as it takes, without
/// sending anything. An import that was interrupted goes on at the next start.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  printf 'email,name,city\\nada@example.org,Ada,London\\n' > readers.csv
  tidings import subscribers readers.csv")]
pub(super) struct Subscribers {
    /// The CSV file, in UTF-8
    #[arg(value_name = "FILE.csv")]
    file: PathBuf,
}

impl Import {
    pub(super) async fn run(self, global: &Global, out: &Out) -> Result<(), CliError> {
        let Self::Subscribers(Subscribers { file }) = self;
        let bytes = read(&file)?;
        let session = global.existing()?;
        let telemetry = session.telemetry(Logs::Quiet)?;
        let imported = with_api(&session, Role::Editor, async |api| {
            import(&api, None, bytes, *out).await
        })
        .await;
        telemetry.shutdown().await;
        let imported = imported?;
        say(&imported, *out);
        out.result(&imported.body);
        Ok(())
    }
}

/// Uploads a file of subscribers and waits until it is worked off; gives the import as the API shows it.
pub(crate) async fn import(
    api: &Api,
    key: Option<&str>,
    bytes: Vec<u8>,
    out: Out,
) -> Result<Answer, CliError> {
    let started = api
        .upload("/api/v1/imports", key, "text/csv", bytes)
        .await?;
    let path = format!(
        "/api/v1/imports/{}?at_least={}",
        started.text("id")?,
        started.position
    );
    let bar = Bar::new(out, "importing", "lines");
    loop {
        let import = api.get(&path).await?;
        bar.set(import.count("through"), import.count("lines"));
        if import.text("state")? == "completed" {
            return Ok(import);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Says what became of a file, to a person.
pub(crate) fn say(import: &Answer, out: Out) {
    out.say(format!(
        "{} lines: {} signed up, {} known already, {} rejected",
        import.count("lines"),
        import.count("accepted"),
        import.count("existing"),
        import.count("rejected"),
    ));
    let suppressed = import.count("suppressed");
    if suppressed > 0 {
        out.say(format!(
            "{suppressed} of them must get no mail, by the file: their addresses are suppressed"
        ));
        let by = import.body["suppressed_for"].as_array();
        for said in by.into_iter().flatten() {
            out.say(suppressed_for(said));
        }
    }
    let none = Vec::new();
    let rejections = import.body["rejections"]["items"]
        .as_array()
        .unwrap_or(&none);
    for rejection in rejections.iter().take(SHOWN_MAX) {
        out.say(rejected(rejection));
    }
    let shown = rejections.len().min(SHOWN_MAX) as u64;
    let further = import.count("rejected").saturating_sub(shown);
    if further > 0 {
        let id = import.body["id"].as_str().unwrap_or_default();
        out.say(format!(
            "  and {further} more: GET /api/v1/imports/{id} lists them all"
        ));
    }
}

fn rejected(rejection: &Value) -> String {
    let line = rejection["line"].as_u64().unwrap_or_default();
    let reason = rejection["reason"].as_str().unwrap_or_default();
    let mut words = match rejection["record"].as_str() {
        Some(record) => format!("  line {line:>5}  {reason:18}  {record}"),
        None => format!("  line {line:>5}  {reason}"),
    };
    if let Some(why) = rejection["explanation"].as_str() {
        words += &format!("\n{:14}{why}", "");
    }
    words
}

fn suppressed_for(said: &Value) -> String {
    let records = &said["records"];
    let reason = match said["unconfirmed"].as_bool() {
        Some(true) => "they had not agreed, or not yet",
        _ => said["reason"].as_str().unwrap_or_default(),
    };
    match said["column"].as_str() {
        Some(column) => format!("  {records} by the column {column:?} ({reason})"),
        None => format!("  {records} by the file as a whole ({reason})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_rejected_line_is_shown_with_its_reason() {
        let shown = rejected(&json!({ "line": 7, "reason": "invalid_email", "record": "x,y" }));
        insta::assert_snapshot!(shown, @"  line     7  invalid_email       x,y");
        let shown = rejected(&json!({ "line": 7, "reason": "duplicate_in_file", "record": null }));
        insta::assert_snapshot!(shown, @"  line     7  duplicate_in_file");
        let shown = rejected(&json!({
            "line": 8, "reason": "not_a_number", "record": "x,old", "column": "age:number",
            "explanation": "The column \"age:number\" asks for a number.",
        }));
        insta::assert_snapshot!(shown, @r#"
          line     8  not_a_number        x,old
                      The column "age:number" asks for a number.
        "#);
    }

    #[test]
    fn what_kept_people_out_is_told_with_how_many() {
        let by = json!({ "column": "opt_in", "reason": "unsubscribed", "records": 12 });
        insta::assert_snapshot!(suppressed_for(&by), @r#"  12 by the column "opt_in" (unsubscribed)"#);
        let by = json!({ "column": "status", "reason": "unsubscribed", "unconfirmed": true, "records": 3 });
        insta::assert_snapshot!(suppressed_for(&by), @r#"  3 by the column "status" (they had not agreed, or not yet)"#);
        let by = json!({ "column": null, "reason": "hard_bounce", "records": 1 });
        insta::assert_snapshot!(suppressed_for(&by), @"  1 by the file as a whole (hard_bounce)");
    }
}
