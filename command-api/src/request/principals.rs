//! Who stands behind an actor string: the log says `user:<id>` only, and this table has the name.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use tidings_domain::stream_id;
use tidings_event_store::ReadError;
use tidings_service::Problem;
use tidings_service::auth::Principal;
use uuid::Uuid;

use crate::Commands;
use crate::refusal::log_away;

/// Principals remembered as written down already; past it, memory starts over.
const REMEMBERED_MAX: usize = 10_000;

/// The principals this process has written down.
#[derive(Default)]
pub(crate) struct Principals {
    seen: Mutex<HashSet<Uuid>>,
}

impl Principals {
    /// The actor string of a caller; writes the caller's name down at first sight.
    pub(crate) async fn actor(
        &self,
        commands: &Commands,
        principal: &Principal,
    ) -> Result<String, Problem> {
        let Principal {
            issuer, subject, ..
        } = principal;
        let id = stream_id::principal(&commands.id_key, issuer, subject);
        if !self.has_seen(id) {
            write_down(commands, id, issuer, &principal.label())
                .await
                .map_err(|error| log_away(&error))?;
            self.remember(id);
        }
        Ok(format!("user:{}", id.hyphenated()))
    }

    fn has_seen(&self, id: Uuid) -> bool {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(&id)
    }

    fn remember(&self, id: Uuid) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= REMEMBERED_MAX {
            seen.clear();
        }
        seen.insert(id);
    }
}

async fn write_down(
    commands: &Commands,
    id: Uuid,
    issuer: &str,
    label: &str,
) -> Result<(), ReadError> {
    let sql = "insert into publishing_principals (principal_id, issuer, subject, first_seen_at) \
               values ($1, $2, $3, $4) on conflict (principal_id) do nothing";
    let now = commands.clock.now();
    let log = commands.store.log();
    log.query(sql, &[&id, &issuer, &label, &now]).await?;
    Ok(())
}
