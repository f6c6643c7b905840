//! `GET /api/v1/subscribers/export`: many subscribers as they are, in one file. Nobody's line leaves before the look at them
//! is on record.

mod line;
mod pages;
mod wanted;

use std::io;

use actix_web::http::{Version, header};
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tidings_event_store::view::View as _;
use tidings_service::Problem;
use tidings_service::auth::Role;
use tidings_service::problem::ProblemBody;

use super::SubscriberProfile;
use crate::reader::Reader;
use crate::segment_list::SegmentList;
use crate::suppression_list::SuppressionList;
use crate::topic_list::TopicList;
use pages::Pages;
use tidings_service::access::{Access, Route};
use tidings_service::http::{Query, VIEW_POSITION};
use tidings_service::look::Looker;

pub use line::ExportedSubscriber;
pub use wanted::{Format, Wanted};

/// Who may.
pub const ROUTE: Route = (
    "GET",
    "/api/v1/subscribers/export",
    Access::Roles(&[Role::Compliance]),
);

const VIEWS: [&str; 4] = [
    SubscriberProfile::DEFINITION.name,
    SuppressionList::DEFINITION.name,
    TopicList::DEFINITION.name,
    SegmentList::DEFINITION.name,
];

/// Subscribers as they are, in a file
///
/// By id, each as they were at one moment, with whole addresses. That you look goes on record for each of them, before their
/// line is sent: say why in `Look-Reason`. Of whom is not sent any more, because you hang up, at most the next pages are on
/// record all the same.
///
/// The file comes in chunks, and is complete only if the last one (of length 0) has come: when something fails half way, the
/// connection ends without it, which every HTTP client takes for an error.
///
/// A CSV file can be imported again by `POST /api/v1/imports`: states, suppressions, topics, tags and typed attributes are
/// kept, and channels that were left, where they are known by the same ids. A topic that was left and that there is none of
/// here stands there by its id. A cell that a spreadsheet would take for a formula begins with an apostrophe, which the import
/// takes off. JSON Lines tell more, such as preferences.
///
/// # Errors
/// 400 for a filter that is none, or without a reason.
#[utoipa::path(
    get,
    path = "/api/v1/subscribers/export",
    operation_id = "export_subscribers",
    tag = "compliance",
    security(("bearer" = [])),
    params(
        ("Look-Reason" = String, Header, description = "Why you export, in your words, UTF-8: it goes on record with each look. At most 500 characters."),
        Wanted,
    ),
    responses(
        (status = 200, description = "The file, or as much of it as came before the connection ended.", content(
            (String = "text/csv"), (ExportedSubscriber = "application/jsonl"),
        ), headers(
            ("View-Position" = i64, description = "Every event up to here is in the answer."),
        )),
        (status = 400, description = "A filter is none, or the reason is missing or not acceptable.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The views did not reach `at_least` in time, the looks could not be put on record, or too many exports are under way.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub async fn export_subscribers(
    reader: web::Data<Reader>,
    request: HttpRequest,
    wanted: Query<Wanted>,
    by: Looker,
) -> Result<HttpResponse, Problem> {
    if by.reason.is_none() {
        return Err(Problem::bad_request(
            "Say why you export, in the header Look-Reason: it goes on record with each subscriber in the file.",
        ));
    }
    // Without chunks, a file that ends half way looks whole.
    if request.version() < Version::HTTP_11 {
        return Err(Problem::bad_request(
            "An export needs HTTP/1.1 all the way: by HTTP/1.0 nobody could tell a part of the file from the whole. A proxy \
             may have to be told so, such as nginx by proxy_http_version.",
        ));
    }
    let place = reader.bulk()?;
    let format = wanted.format.unwrap_or_default();
    let mut pages = Pages::new(&reader, &wanted.which(), (by, format)).await?;
    let position = reader.position(&VIEWS, wanted.at_least).await?;
    // What can be told before the answer has begun is told as a problem.
    let first = pages.next().await?.unwrap_or_default();
    let begins = format!("{}{first}", line::header(format));
    let rest = stream::try_unfold((pages, place), |(mut pages, place)| async move {
        let page = pages.next().await;
        let page = page.inspect_err(|problem| {
            tracing::warn!(%problem, "an export of subscribers has ended half way");
        })?;
        Ok::<_, Problem>(page.map(|page| (Bytes::from(page), (pages, place))))
    });
    let body = stream::once(async { Ok(Bytes::from(begins)) }).chain(rest);
    Ok(HttpResponse::Ok()
        .content_type(format.media_type())
        .insert_header((VIEW_POSITION, position.to_string()))
        .insert_header((
            header::CONTENT_DISPOSITION,
            format!(
                "attachment; filename=\"subscribers.{}\"",
                format.extension()
            ),
        ))
        .streaming(body.map_err(io::Error::other)))
}
