//! `POST /api/v1/subscribers/{id}/export`: all that is on record of one subscriber, as a file.

use std::fs::File;
use std::io::{self, Read as _};

use actix_web::http::header::{self, HeaderName};
use actix_web::web::Bytes;
use actix_web::{HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::stream;
use tidings_service::auth::Role;
use tidings_service::problem::ProblemBody;
use tidings_service::{Clock, Problem};
use uuid::Uuid;

use super::make::make;
use crate::answer;
use crate::reader::Reader;
use tidings_service::access::{Access, Route};
use tidings_service::look::{Looker, Seen};

/// Who may.
pub const ROUTE: Route = (
    "POST",
    "/api/v1/subscribers/{id}/export",
    Access::Roles(&[Role::Compliance]),
);

/// RFC 9530.
const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");
const CHUNK_BYTES: usize = 64 << 10;

/// All that is on record of a subscriber, as a file
///
/// A ZIP with a page to read and print, the profile, every event as it lies in the log and opened beside it, tables of
/// consent, deliveries and what the receiving side said, the proof that the events are in the log, and a signed manifest.
/// `tidings audit check` checks it offline. That it was handed out goes on record first, with the file's digest.
///
/// # Errors
/// 404 when the log knows nothing of them.
#[utoipa::path(
    post,
    path = "/api/v1/subscribers/{id}/export",
    operation_id = "export_subscriber",
    tag = "compliance",
    security(("bearer" = [])),
    params(
        ("id" = Uuid, Path, description = "The subscriber."),
        ("Look-Reason" = Option<String>, Header, description = "Why you export, in your words, UTF-8: it goes on record. At most 500 characters."),
    ),
    responses(
        (status = 200, description = "The file.", content_type = "application/zip", body = Vec<u8>, headers(
            ("Log-Position" = i64, description = "Where it is on record that it was handed out."),
            ("Repr-Digest" = String, description = "SHA-256 of the file (RFC 9530)."),
        )),
        (status = 400, description = "The reason is not acceptable.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "The log knows nothing of them.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The views or the witness are behind, or it could not be put on record.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub async fn export_subscriber(
    reader: web::Data<Reader>,
    clock: web::Data<Clock>,
    id: web::Path<Uuid>,
    by: Looker,
) -> Result<HttpResponse, Problem> {
    let made = make(&reader, *id, clock.now()).await?;
    let size = made
        .file
        .metadata()
        .map_err(|error| Problem::internal(&error))?;
    let look = reader.look(by, *id, Seen::Export(made.handed)).await?;
    let mut response = HttpResponse::Ok()
        .content_type("application/zip")
        .insert_header((
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"subscriber-{}.zip\"", *id),
        ))
        .insert_header((
            REPR_DIGEST,
            format!("sha-256=:{}:", STANDARD.encode(made.handed.digest)),
        ))
        .no_chunking(size.len())
        .streaming(chunks(made.file));
    answer::looked(&mut response, look);
    Ok(response)
}

/// The file from where it stands, piece by piece.
fn chunks(file: File) -> impl futures_util::Stream<Item = io::Result<Bytes>> {
    stream::unfold(Some(file), |file| async move {
        let mut file = file?;
        let read = tokio::task::spawn_blocking(move || {
            let mut bytes = vec![0; CHUNK_BYTES];
            let read = file.read(&mut bytes)?;
            bytes.truncate(read);
            Ok((bytes, file))
        });
        match read.await.map_err(io::Error::other).flatten() {
            Ok((bytes, _)) if bytes.is_empty() => None,
            Ok((bytes, file)) => Some((Ok(Bytes::from(bytes)), Some(file))),
            Err(error) => Some((Err(error), None)),
        }
    })
}
