//! Reads API keys, and when they were used last.

use serde::Serialize;
use serde_json::Value;
use tidings_service::Problem;
use time::OffsetDateTime;
use tokio_postgres::Row;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::reader::Reader;

/// How another program gets in. Its token is shown when it is made, and never again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ApiKey {
    /// Its id.
    pub id: Uuid,
    /// What whoever made it calls it.
    #[schema(example = "Web shop")]
    pub name: String,
    /// active, expired or revoked.
    #[schema(example = "active")]
    pub state: String,
    /// What every token of it begins with.
    #[schema(example = "tdk_AQGS86QAAHAAgAAAAAAAAA")]
    pub prefix: String,
    /// The roles it may never go beyond.
    pub roles: Vec<String>,
    /// What it may do of that.
    pub scopes: Vec<String>,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339::option")]
    pub created_at: Option<OffsetDateTime>,
    /// By whom.
    #[schema(example = "user:019b7cba-7a2e-8000-9c5e-0d8f6f2f3b16")]
    pub created_by: Option<String>,
    /// What their token calls them; null when it is no person.
    #[schema(example = "ada")]
    pub created_by_name: Option<String>,
    /// From then on it lets nobody in.
    #[serde(with = "time::serde::rfc3339::option")]
    pub expires_at: Option<OffsetDateTime>,
    /// When it let somebody in last, to the minute; null: not yet.
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_used_at: Option<OffsetDateTime>,
    /// When it got its newest secret; null: it has its first.
    #[serde(with = "time::serde::rfc3339::option")]
    pub rotated_at: Option<OffsetDateTime>,
    /// Until when tokens of before let somebody in; null: none do.
    #[serde(with = "time::serde::rfc3339::option")]
    pub earlier_until: Option<OffsetDateTime>,
    /// When a token of before was used last since then, to the minute: somebody has it still. Null: nobody has.
    #[serde(with = "time::serde::rfc3339::option")]
    pub earlier_secret_used_at: Option<OffsetDateTime>,
    /// When it was revoked.
    #[serde(with = "time::serde::rfc3339::option")]
    pub revoked_at: Option<OffsetDateTime>,
    /// Why: a code.
    pub revoked_reason: Option<String>,
    /// Its version.
    pub version: i32,
}

const SELECT: &str = "select k.key_id, k.name, k.prefix, k.roles, k.scopes, k.created_at, k.created_by, \
     p.subject as created_by_name, k.expires_at, u.last_used_at, k.rotated_at, k.earlier_until, \
     u.earlier_secret_used_at, k.revoked_at, k.revoked_reason, k.version \
     from publishing_api_key_list k \
     left join publishing_api_key_uses u using (key_id) \
     left join publishing_principals p on k.created_by = 'user:' || p.principal_id \
     where k.name is not null";

/// One key as it is now.
pub(super) async fn get(
    reader: &Reader,
    id: Uuid,
    now: OffsetDateTime,
) -> Result<Option<ApiKey>, Problem> {
    let sql = format!("{SELECT} and k.key_id = $1");
    let rows = reader.rows(&sql, &[&id]).await?;
    Ok(rows.first().map(|row| key(row, now)))
}

/// Up to `limit` keys behind an id, in order, as they are now.
pub(super) async fn list(
    reader: &Reader,
    after: Option<Uuid>,
    limit: i64,
    now: OffsetDateTime,
) -> Result<Vec<ApiKey>, Problem> {
    let sql = format!("{SELECT} and k.key_id > $1 order by k.key_id limit $2");
    let rows = reader
        .rows(&sql, &[&after.unwrap_or(Uuid::nil()), &limit])
        .await?;
    Ok(rows.iter().map(|row| key(row, now)).collect())
}

fn key(row: &Row, now: OffsetDateTime) -> ApiKey {
    let at = |column: &str| row.get::<_, Option<OffsetDateTime>>(column);
    let text = |column: &str| row.get::<_, Option<String>>(column);
    let (expires_at, revoked_at) = (at("expires_at"), at("revoked_at"));
    let (rotated_at, used_at) = (at("rotated_at"), at("earlier_secret_used_at"));
    let state = if revoked_at.is_some() {
        "revoked"
    } else if expires_at.is_some_and(|at| at <= now) {
        "expired"
    } else {
        "active"
    };
    ApiKey {
        id: row.get("key_id"),
        name: text("name").unwrap_or_default(),
        state: state.to_owned(),
        prefix: text("prefix").unwrap_or_default(),
        roles: texts(row.get("roles")),
        scopes: texts(row.get("scopes")),
        created_at: at("created_at"),
        created_by: text("created_by"),
        created_by_name: text("created_by_name"),
        expires_at,
        last_used_at: at("last_used_at"),
        rotated_at,
        earlier_until: at("earlier_until").filter(|at| *at > now && state == "active"),
        // What was used before the last rotation is not what goes on beside the newest secret.
        earlier_secret_used_at: used_at.filter(|used| rotated_at.is_some_and(|at| *used >= at)),
        revoked_at,
        revoked_reason: text("revoked_reason"),
        version: row.get("version"),
    }
}

fn texts(array: Option<Value>) -> Vec<String> {
    serde_json::from_value(array.unwrap_or_default()).unwrap_or_default()
}
