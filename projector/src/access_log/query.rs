//! Reads looks, and opens the words that stand with them.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use tidings_event_store::Recorded;
use tidings_event_store::hex::Hex;
use tidings_service::Problem;
use time::OffsetDateTime;
use tokio_postgres::Row;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::opened::{self, Words};
use crate::reader::{Reader, unreadable};

/// A look at somebody's data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Looked {
    /// Where it stands in the log.
    pub position: i64,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Who looked.
    #[schema(example = "user:019b7cba-7a2e-8000-9c5e-0d8f6f2f3b16")]
    pub actor: String,
    /// What their token calls them; null when it is no person.
    #[schema(example = "ada")]
    pub actor_name: Option<String>,
    /// Whose data.
    pub subscriber_id: Uuid,
    /// At what: profile, search (they were found by their whole address), timeline, bulk_export (their line in a file of
    /// many), or export (all of it, in a file of their own).
    #[schema(example = "profile")]
    pub what: String,
    /// Why, in the words of whoever looked; null when they gave none, or the subscriber was erased.
    pub reason: Option<String>,
    /// Whether there are words that nobody can open any more, because the subscriber was erased.
    pub reason_erased: bool,
    /// Of an export: SHA-256 of the file, 64 hexadecimal digits.
    pub digest: Option<String>,
    /// Of an export: how many events the file tells of.
    pub events: Option<i64>,
}

/// Which looks.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// Only of this one: an actor such as `user:…`, or what their token calls them.
    pub actor: Option<String>,
    /// Only at this subscriber's data.
    pub subscriber: Option<Uuid>,
    /// Only from this time on, such as 2026-03-01T00:00:00Z.
    #[serde(default, deserialize_with = "tidings_service::clock::instant")]
    #[param(value_type = Option<String>, format = DateTime)]
    pub since: Option<OffsetDateTime>,
    /// `next` of the page before.
    pub cursor: Option<String>,
    /// Rows of a page, 100 unless you say otherwise.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// A `Log-Position`: the answer waits for the view to reach it. 503 if it does not in time.
    #[param(minimum = 0)]
    pub at_least: Option<i64>,
}

const SELECT: &str = "select l.position, l.at, l.actor, p.subject as actor_name, l.subscriber_id, l.what, l.digest, l.events \
     from publishing_access_log l \
     left join publishing_principals p on l.actor = 'user:' || p.principal_id \
     where l.position < $1 \
     and ($2::text is null or l.actor = $2 or p.subject = $2) \
     and ($3::uuid is null or l.subscriber_id = $3) \
     and ($4::timestamptz is null or l.at >= $4) \
     order by l.position desc limit $5";

/// Looks before a position, newest first.
pub(super) async fn list(
    reader: &Reader,
    which: &Which,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Looked>, Problem> {
    let before = before.unwrap_or(i64::MAX);
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 5] = [
        &before,
        &which.actor,
        &which.subscriber,
        &which.since,
        &limit,
    ];
    let rows = reader.rows(SELECT, &params).await?;
    let mut looks: Vec<Looked> = rows.iter().map(looked).collect();
    let positions: Vec<i64> = looks.iter().map(|look| look.position).collect();
    let mut words = words(reader, &positions).await?;
    for look in &mut looks {
        match words.remove(&look.position) {
            Some(Words::Known(reason)) => look.reason = Some(reason),
            Some(Words::Erased) => look.reason_erased = true,
            None => {}
        }
    }
    Ok(looks)
}

fn looked(row: &Row) -> Looked {
    Looked {
        position: row.get("position"),
        at: row.get("at"),
        actor: row.get("actor"),
        actor_name: row.get("actor_name"),
        subscriber_id: row.get("subscriber_id"),
        what: row.get("what"),
        reason: None,
        reason_erased: false,
        digest: row
            .get::<_, Option<&[u8]>>("digest")
            .map(|digest| Hex(digest).to_string()),
        events: row.get("events"),
    }
}

/// The reasons that stand in the events at these positions.
async fn words(reader: &Reader, positions: &[i64]) -> Result<HashMap<i64, Words>, Problem> {
    let events = reader.store().log().at(positions).await;
    let events: Vec<Recorded> = events.map_err(|error| unreadable(&error))?;
    let opened = opened::open(reader.store(), &events).await?;
    let reasons = events.iter().zip(opened).filter_map(|(event, fields)| {
        let reason = fields.into_iter().find(|(field, _)| field == "reason")?;
        Some((event.position, reason.1))
    });
    Ok(reasons.collect())
}
