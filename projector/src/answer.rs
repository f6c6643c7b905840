//! What every read answers: a body, how far the views it was read from had come, and the version of a
//! single resource.

use actix_web::HttpResponse;
use actix_web::http::header::{self, HeaderName};
use serde::Serialize;
use tidings_service::Problem;
use tidings_service::http::VIEW_POSITION;

/// Response header: where what the request has put on record stands.
const LOG_POSITION: HeaderName = HeaderName::from_static("log-position");

/// 200 with a body.
pub(crate) fn ok(position: i64, body: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((VIEW_POSITION, position.to_string()))
        .json(body)
}

/// 200 with a single resource; its stream version is the `ETag` that a command's `If-Match` takes.
pub(crate) fn resource(position: i64, version: i32, body: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((VIEW_POSITION, position.to_string()))
        .insert_header((header::ETAG, format!("\"{version}\"")))
        .json(body)
}

/// 200 with a subscriber: the `ETag` has the version of their stream and that of their record's.
pub(crate) fn subscriber(
    position: i64,
    (version, record): (i32, i32),
    body: &impl Serialize,
) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((VIEW_POSITION, position.to_string()))
        .insert_header((header::ETAG, format!("\"{version}.{record}\"")))
        .json(body)
}

/// Says where the look that the answer allows is on record.
pub(crate) fn looked(response: &mut HttpResponse, position: i64) {
    let headers = response.headers_mut();
    headers.insert(LOG_POSITION, position.into());
}

/// 404: there is no such thing, or the view has not reached it yet.
pub(crate) fn not_found(position: i64, what: &str, id: impl std::fmt::Display) -> Problem {
    Problem::not_found(format!(
        "There is no {what} {id} up to log position {position}."
    ))
    .header(VIEW_POSITION, &position.to_string())
}
