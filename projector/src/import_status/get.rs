//! `GET /api/v1/imports/{id}`: how far an import is, and the lines it did not take.

use std::collections::{BTreeMap, HashMap, HashSet};

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
use crate::import_rejections::records::{self, Line, Opened, Said};
use crate::import_rejections::{ImportRejections, words};
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
    /// Records that say that somebody must get no mail: their addresses were suppressed.
    pub suppressed: i64,
    /// Which columns said so of how many of these; empty until it is completed, and of imports of earlier versions.
    pub suppressed_for: Vec<SuppressedFor>,
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

/// What said that somebody must get no mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SuppressedFor {
    /// What the header calls the column that said so; null where the file as a whole does, and for roles other than editor and
    /// compliance.
    #[schema(example = "opt_in")]
    pub column: Option<String>,
    /// For what their addresses were suppressed: unsubscribed, hard_bounce, complaint or import.
    #[schema(example = "unsubscribed")]
    pub reason: String,
    /// They had not agreed there, or not yet; false: they had left, or their address was refused.
    pub unconfirmed: bool,
    /// Of how many records.
    #[schema(example = 12)]
    pub records: i64,
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
    /// What the header calls the column at fault; null where it is none in particular, and for roles other than editor and
    /// compliance.
    #[schema(example = "age:number")]
    pub column: Option<String>,
    /// The reason in words, and what to do about it.
    #[schema(example = "The address is none; addresses must be ASCII.")]
    pub explanation: Option<String>,
    /// The record as received; only for the roles editor and compliance, and null where it was not kept: it is longer than 1,000 bytes,
    /// has no address, or names somebody who is a subscriber or was erased.
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
    // Whoever waits for the end asks often.
    let is_wanted = (sees_records && !read.is_empty())
        || (import.suppressed > 0 && import.completed_at.is_some());
    let shown = match sees_records {
        true => read.iter().map(|it| it.line).collect(),
        false => HashSet::new(),
    };
    let opened = match is_wanted {
        true => records::open(reader.store(), *id, &shown).await?,
        false => Opened::default(),
    };
    let Opened {
        lines: said,
        suppressed,
    } = opened;
    let lines = lines(said, read);
    let suppressed = match import.completed_at {
        Some(_) => suppressed_for(suppressed, sees_records),
        None => Vec::new(),
    };
    let rejections = Page::of(lines, limit, |rejected| rejected.line.to_cursor());
    let version = import.version;
    Ok(answer::resource(
        position,
        version,
        &answer_of(*id, import, suppressed, rejections),
    ))
}

fn sees_records(request: &HttpRequest) -> bool {
    let extensions = request.extensions();
    extensions
        .get::<Principal>()
        .is_some_and(|principal| principal.require(RECORDS).is_ok())
}

fn lines(mut said: HashMap<i64, Line>, read: Vec<Rejection>) -> Vec<RejectedLine> {
    let line = |rejection: Rejection| {
        let Line { record, column } = said.remove(&rejection.line).unwrap_or_default();
        RejectedLine {
            explanation: words::words(&rejection.reason, column.as_deref()),
            line: rejection.line,
            reason: rejection.reason,
            column,
            record,
        }
    };
    read.into_iter().map(line).collect()
}

/// Who does not see what the lines say is not told what the file calls its columns either.
fn suppressed_for(said: BTreeMap<Said, i64>, sees_records: bool) -> Vec<SuppressedFor> {
    let mut shown: BTreeMap<Said, i64> = BTreeMap::new();
    for (mut said, records) in said {
        said.column = said.column.filter(|_| sees_records);
        *shown.entry(said).or_default() += records;
    }
    let each = shown.into_iter();
    each.map(|(said, records)| SuppressedFor {
        column: said.column,
        reason: said.reason,
        unconfirmed: said.unconfirmed,
        records,
    })
    .collect()
}

fn answer_of(
    id: Uuid,
    import: query::Import,
    suppressed_for: Vec<SuppressedFor>,
    rejections: Page<RejectedLine>,
) -> Import {
    Import {
        id,
        state: import.state,
        lines: import.lines,
        through: import.through,
        accepted: import.accepted,
        existing: import.existing,
        suppressed: import.suppressed,
        suppressed_for,
        rejected: import.rejected,
        started_at: import.started_at,
        completed_at: import.completed_at,
        version: import.version,
        rejections,
    }
}
