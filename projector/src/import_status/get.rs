//! `GET /api/v1/imports/{id}`: how far an import is, and the lines it did not take.

use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, web};
use serde::Serialize;
use tidings_event_store::view::View as _;
use tidings_service::Problem;
use tidings_service::auth::{Principal, Role};
use tidings_service::problem::ProblemBody;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{ImportStatus, query};
use crate::answer;
use crate::import_rejections::query::{Rejection, list};
use crate::import_rejections::{ImportRejections, records};
use crate::page::{self, Key as _, LIMIT_MAX, Page, Paging};
use crate::reader::Reader;
use tidings_service::access::{Access, Route};
use tidings_service::http::Query;

/// Who may.
pub const ROUTE: Route = (
    "GET",
    "/api/v1/imports/{id}",
    Access::Roles(&[
        Role::Editor,
        Role::Operator,
        Role::Compliance,
        Role::Service,
    ]),
);

/// Who also sees what the rejected lines say: they quote addresses.
const RECORDS: &[Role] = &[Role::Editor, Role::Compliance];

/// An import and the lines it did not take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Import {
    /// Its id.
    pub id: Uuid,
    /// running or completed.
    #[schema(example = "completed")]
    pub state: String,
    /// Records in the file.
    pub lines: i64,
    /// Records worked off so far.
    pub through: i64,
    /// Subscribers signed up.
    pub accepted: i64,
    /// Records whose address belonged to a subscriber already; nothing changed for them.
    pub existing: i64,
    /// Records of an export that say that somebody must get no mail: their addresses were suppressed.
    pub suppressed: i64,
    /// Records not taken.
    pub rejected: i64,
    /// When it was started.
    #[serde(with = "time::serde::rfc3339")]
    pub started_at: OffsetDateTime,
    /// When it was done.
    #[serde(with = "time::serde::rfc3339::option")]
    pub completed_at: Option<OffsetDateTime>,
    /// Its version.
    pub version: i32,
    /// A page of the lines not taken.
    pub rejections: Page<RejectedLine>,
}

/// A line that was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RejectedLine {
    /// Line in the file, 1-based, header included.
    #[schema(example = 17)]
    pub line: i64,
    /// Why, a stable code.
    #[schema(example = "invalid_email")]
    pub reason: String,
    /// The record as received; only for the roles editor and compliance, and null where it was not kept.
    pub record: Option<String>,
}

/// One import
///
/// How far it is, and the first 1,000 lines it did not take; `cursor` leads to the next ones.
///
/// # Errors
/// 404 for an unknown id, 400 for a cursor or limit that is none.
#[utoipa::path(
    get,
    path = "/api/v1/imports/{id}",
    operation_id = "get_import",
    tag = "imports",
    security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The import."), Paging),
    responses(
        (status = 200, description = "The import.", body = Import, headers(
            ("View-Position" = i64, description = "Every event up to here is in the answer."),
            ("ETag" = String, description = "Its version."),
        )),
        (status = 400, description = "The cursor or limit is none.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "There is none of that id.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The views did not reach `at_least` in time.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub async fn get_import(
    request: HttpRequest,
    reader: web::Data<Reader>,
    id: web::Path<Uuid>,
    paging: Query<Paging>,
) -> Result<HttpResponse, Problem> {
    let after = i64::from_cursor(paging.cursor.as_deref())?;
    let limit = page::limit(paging.limit.or(Some(LIMIT_MAX)))?;
    let sees_records = sees_records(&request);
    let views = [
        ImportStatus::DEFINITION.name,
        ImportRejections::DEFINITION.name,
    ];
    let position = reader.position(&views, paging.at_least).await?;
    let found = query::get(&reader, *id).await?;
    let import = found.ok_or_else(|| answer::not_found(position, "import", *id))?;
    let read = list(&reader, *id, after, limit + 1).await?;
    let lines = lines(&reader, *id, read, sees_records).await?;
    let rejections = Page::of(lines, limit, |rejected| rejected.line.to_cursor());
    let version = import.version;
    Ok(answer::resource(
        position,
        version,
        &answer_of(*id, import, rejections),
    ))
}

fn sees_records(request: &HttpRequest) -> bool {
    let extensions = request.extensions();
    extensions
        .get::<Principal>()
        .is_some_and(|principal| principal.require(RECORDS).is_ok())
}

async fn lines(
    reader: &Reader,
    import_id: Uuid,
    read: Vec<Rejection>,
    sees_records: bool,
) -> Result<Vec<RejectedLine>, Problem> {
    let mut records = if sees_records && !read.is_empty() {
        records::open(reader.store(), import_id).await?
    } else {
        std::collections::HashMap::new()
    };
    let line = |rejection: Rejection| RejectedLine {
        record: records.remove(&rejection.line),
        line: rejection.line,
        reason: rejection.reason,
    };
    Ok(read.into_iter().map(line).collect())
}

fn answer_of(id: Uuid, import: query::Import, rejections: Page<RejectedLine>) -> Import {
    Import {
        id,
        state: import.state,
        lines: import.lines,
        through: import.through,
        accepted: import.accepted,
        existing: import.existing,
        suppressed: import.suppressed,
        rejected: import.rejected,
        started_at: import.started_at,
        completed_at: import.completed_at,
        version: import.version,
        rejections,
    }
}
