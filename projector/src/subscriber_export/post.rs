//! `POST /api/v1/subscribers/{id}/export`: all that is on record of one subscriber, as a file.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use tidings_service::auth::Role;
use tidings_service::http::{Terms, hand_out};
use tidings_service::problem::ProblemBody;
use tidings_service::{Clock, Problem};
use uuid::Uuid;

use super::make::make;
use crate::answer;
use crate::reader::Reader;
use crate::subscriber_timeline::Eyes;
use tidings_service::access::{Access, Route};
use tidings_service::look::{Looker, Seen};

/// The file is let go of after this, however slowly it is read.
const HANDED_OUT_WITHIN: Duration = Duration::from_secs(60 * 60);

/// Who may.
pub const ROUTE: Route = (
    "POST",
    "/api/v1/subscribers/{id}/export",
    Access::Roles(&[Role::Compliance]),
);

/// All that is on record of a subscriber, as a file
///
/// A ZIP with a page to read and print, the profile, every event as it lies in the log and opened beside it (what was said of
/// their addresses on the suppression list among them, for as long as they held them), tables of consent, deliveries and what the receiving side said, the proof that the events are in the log, and a signed manifest.
/// `tidings audit check` checks it offline. That it was handed out goes on record first, with the file's digest. When the
/// subscriber's erasure is asked for while it is made, it is given up: nothing is handed out before they are erased.
///
/// # Errors
/// 404 when the log knows nothing of them, 409 when their erasure was asked for.
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
        (status = 409, description = "Their erasure was asked for, and is not done: nothing is handed out before.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The views or the witness are behind, or it could not be put on record.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub async fn export_subscriber(
    reader: web::Data<Reader>,
    clock: web::Data<Clock>,
    id: web::Path<Uuid>,
    by: Looker,
) -> Result<HttpResponse, Problem> {
    let ready = make(&reader, *id, clock.now(), Eyes::Subscriber).await?;
    let look = reader.look(by, *id, Seen::Export(ready.handed)).await?;
    let terms = Terms {
        name: &format!("subscriber-{}.zip", *id),
        held: (),
        within: HANDED_OUT_WITHIN,
    };
    let mut response = hand_out(ready, terms)?;
    answer::looked(&mut response, look);
    Ok(response)
}
