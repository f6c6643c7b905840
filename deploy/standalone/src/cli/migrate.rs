//! `tidings migrate`: brings the database up to date, as an upgrade does before its processes start.

use clap::Args;
use serde_json::json;

use super::global::Global;
use super::{CliError, Out};
use crate::platform::Core;

/// Bring the database up to date
///
/// Applies the changes of schema that the database lacks, each in one transaction, and checks that the master key
/// fits. `tidings up` does the same at its start; run this by itself when several processes are upgraded one after
/// the other.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  TIDINGS_DATABASE_URL=postgres://tidings@db/tidings?sslmode=verify-full tidings migrate")]
pub(super) struct Migrate {}

impl Migrate {
    pub(super) async fn run(self, global: &Global, out: &Out) -> Result<(), CliError> {
        let session = match global.config()?.database_url {
            // A database of the operator's own may be brought up to date before anything has run.
            Some(_) => global.session()?,
            None => global.existing()?,
        };
        let act = async |core: &Core| Ok(core.migrated.clone());
        let applied = session.with_core(&session.masters(), act).await?;
        let newest = tidings_schema::MIGRATIONS.last().map_or(0, |it| it.number);
        out.say(if applied.is_empty() {
            format!("The database is up to date: schema {newest}.")
        } else {
            let numbers: Vec<String> = applied.iter().map(i32::to_string).collect();
            format!(
                "Applied {}; the database is at schema {newest}.",
                numbers.join(", ")
            )
        });
        out.result(&json!({ "applied": applied, "schema": newest }));
        Ok(())
    }
}
