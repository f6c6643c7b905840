//! Reads suppressions.

use serde::{Deserialize, Serialize};
use tidings_service::Problem;
use tokio_postgres::Row;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::causes::Cause;
use crate::reader::Reader;

/// An address or a domain that nothing may be sent to. Of an address nothing is kept but a keyed hash: by `POST
/// /api/v1/suppressions/find` it finds its suppression, and not the other way round. Only of an address that a subscriber has a
/// mask is shown.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Suppression {
    /// Its id.
    #[schema(example = "2ea9833c-7d26-8016-b92c-575cde98db94")]
    pub id: Uuid,
    /// address or domain.
    #[schema(example = "address")]
    pub scope: String,
    /// The domain; null of an address, and where it was not told.
    #[schema(example = json!(null))]
    pub domain: Option<String>,
    /// The address with all but its first character and its domain left out, if a subscriber has it; null otherwise, since it is
    /// kept nowhere then, and of a domain.
    #[schema(example = "a…@example.com")]
    pub address: Option<String>,
    /// Why: manual, hard_bounce, complaint, import, unsubscribed, erased, moved.
    #[schema(example = json!(["hard_bounce"]))]
    pub reasons: Vec<String>,
    /// The same, with since when, by whom and by which delivery each stands.
    pub causes: Vec<Cause>,
    /// Its version.
    pub version: i32,
}

/// Which suppressions, a page at a time.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// Only those that stand for this reason.
    pub reason: Option<Reason>,
    /// `next` of the page before.
    pub cursor: Option<String>,
    /// Rows of a page, 100 unless you say otherwise.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// A `Log-Position`: the answer waits for the view to reach it. 503 if it does not in time.
    #[param(minimum = 0)]
    pub at_least: Option<i64>,
}

/// Why nothing may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Somebody said so.
    Manual,
    /// The address takes no mail.
    HardBounce,
    /// The receiver called it spam.
    Complaint,
    /// It came with a file.
    Import,
    /// They left, and the log does not know them any more.
    Unsubscribed,
    /// Whoever had the address was erased.
    Erased,
    /// Whoever had the address gave it up for another.
    Moved,
}

/// The reasons in the order of their columns.
const REASONS: [(&str, Reason); 7] = [
    ("manual", Reason::Manual),
    ("hard_bounce", Reason::HardBounce),
    ("complaint", Reason::Complaint),
    ("import", Reason::Import),
    ("unsubscribed", Reason::Unsubscribed),
    ("erased", Reason::Erased),
    ("moved", Reason::Moved),
];

/// SQL for the reasons that stand in a row of the list, in their order; empty where there is no row.
pub(crate) fn standing_in(row: &str) -> String {
    let each = REASONS.map(|(column, _)| format!("case when {row}.{column} then '{column}' end"));
    format!("array_remove(array[{}]::text[], null)", each.join(", "))
}

/// Up to `limit` that stand, behind an id, in order.
pub(super) async fn list(
    reader: &Reader,
    reason: Option<Reason>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Suppression>, Problem> {
    let column = REASONS.iter().find(|(_, it)| Some(*it) == reason);
    let column = column.map_or("suppressed", |(column, _)| column);
    let columns = REASONS.map(|(column, _)| format!("coalesce({column}, false) as {column}"));
    let sql = format!(
        "select suppression_id, scope, version, {} from publishing_suppression_list \
         where {column} and suppression_id > $1 order by suppression_id limit $2",
        columns.join(", ")
    );
    let rows = reader
        .rows(&sql, &[&after.unwrap_or(Uuid::nil()), &limit])
        .await?;
    Ok(rows.iter().map(suppression).collect())
}

fn suppression(row: &Row) -> Suppression {
    let stands = REASONS.iter().filter(|(column, _)| row.get(column));
    Suppression {
        id: row.get("suppression_id"),
        scope: row.get::<_, Option<String>>("scope").unwrap_or_default(),
        reasons: stands.map(|(column, _)| (*column).to_owned()).collect(),
        domain: None,
        address: None,
        causes: Vec::new(),
        version: row.get("version"),
    }
}
