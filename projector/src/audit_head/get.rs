//! `GET /api/v1/audit`: the end of the log, and how far the witness has signed it.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use tidings_event_store::hex::Hex;
use tidings_event_store::witness::{Standing, Standings};
use tidings_service::Problem;
use tidings_service::auth::Role;
use tidings_service::problem::ProblemBody;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::answer;
use crate::reader::Reader;
use tidings_service::access::{Access, Route};
use tidings_service::http::{Nothing, Query};

/// Who may.
pub const ROUTE: Route = ("GET", "/api/v1/audit", Access::Roles(&[Role::Compliance]));

/// The end of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AuditHead {
    /// The last position; 0: the log is empty.
    pub position: i64,
    /// The hash of the batch that ends there: it covers the whole log up to it. 64 hexadecimal digits; null when empty.
    pub batch_hash: Option<String>,
    /// When that batch was recorded.
    #[serde(with = "time::serde::rfc3339::option")]
    pub recorded_at: Option<OffsetDateTime>,
    /// The log's incarnation: another one after it was restored from a backup.
    pub incarnation: Uuid,
    /// What stands outside the database.
    pub witness: AuditWitness,
}

/// How far the log is witnessed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AuditWitness {
    /// The Ed25519 key its signatures are checked with: 64 hexadecimal digits.
    pub public_key: String,
    /// Whether this process writes it. If not, another one over the same folder does, and the following is as old as
    /// the last time this one did.
    pub kept_here: bool,
    /// The last position with a signed head; 0: none yet.
    pub position: i64,
    /// When that head was signed.
    #[serde(with = "time::serde::rfc3339::option")]
    pub at: Option<OffsetDateTime>,
}

const SELECT: &str = "select i.incarnation, b.last_position, b.hash, b.committed_at \
     from (select incarnation from publishing_incarnations order by ordinal desc limit 1) i \
     left join lateral (select last_position, hash, committed_at from publishing_batches \
                        order by last_position desc limit 1) b on true";

/// The end of the log, and its witness
///
/// The hash covers every event up to the position, so two copies of a log with the same hash are the same log. The
/// signed heads lie in files outside the database; `tidings audit verify --witness` compares them with the log.
///
/// # Errors
/// 503 when the database does not answer.
#[utoipa::path(
    get,
    path = "/api/v1/audit",
    operation_id = "get_audit",
    tag = "audit",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The end of the log.", body = AuditHead, headers(
            ("View-Position" = i64, description = "The last position of the log."),
        )),
        (status = 503, description = "The database does not answer.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub async fn get_audit(
    reader: web::Data<Reader>,
    witness: web::Data<Standings>,
    _nothing: Query<Nothing>,
) -> Result<HttpResponse, Problem> {
    let rows = reader.rows(SELECT, &[]).await?;
    let row = rows.first();
    let head = AuditHead {
        position: row.and_then(|row| row.get(1)).unwrap_or(0),
        batch_hash: row
            .and_then(|row| row.get::<_, Option<&[u8]>>(2))
            .map(|hash| Hex(hash).to_string()),
        recorded_at: row.and_then(|row| row.get(3)),
        incarnation: row.map_or(Uuid::nil(), |row| row.get(0)),
        witness: AuditWitness::of(&witness.borrow()),
    };
    Ok(answer::ok(head.position, &head))
}

impl AuditWitness {
    fn of(standing: &Standing) -> Self {
        Self {
            public_key: standing.public_key.to_string(),
            kept_here: !standing.elsewhere,
            position: standing.position,
            at: standing.at,
        }
    }
}
