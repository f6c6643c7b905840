//! `GET /api/v1/publications/{id}/engagement`: what its readers did with it.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use tidings_event_store::view::View as _;
use tidings_service::Problem;
use tidings_service::auth::Role;
use tidings_service::problem::ProblemBody;
use utoipa::ToSchema;
use uuid::Uuid;

use super::query::{self, ChannelEngagement, EngagementCounts};
use crate::answer;
use crate::channel_list::ChannelList;
use crate::delivery_engagement::DeliveryEngagement;
use crate::delivery_log::DeliveryLog;
use crate::publication_status::{self, PublicationStatus};
use crate::reader::Reader;
use tidings_service::access::{Access, Route};
use tidings_service::http::{AtLeast, Query};

/// Who may.
pub const ROUTE: Route = (
    "GET",
    "/api/v1/publications/{id}/engagement",
    Access::Roles(&[
        Role::Editor,
        Role::Operator,
        Role::Compliance,
        Role::Service,
    ]),
);

const VIEWS: [&str; 4] = [
    DeliveryEngagement::DEFINITION.name,
    DeliveryLog::DEFINITION.name,
    PublicationStatus::DEFINITION.name,
    ChannelList::DEFINITION.name,
];

/// What readers did with a publication.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Engagement {
    /// The publication.
    pub publication_id: Uuid,
    /// Of all channels together.
    #[serde(flatten)]
    pub counts: EngagementCounts,
    /// The same by channel.
    pub channels: Vec<ChannelEngagement>,
}

/// What its readers did with it
///
/// As mails told it, by channels whose `tracking` asks them to. What it is worth: an **open** is that the picture in a mail was
/// fetched. Gmail and Yahoo fetch it by a proxy when the mail is opened, which counts as a person's. Apple's Mail Privacy Protection
/// fetches it whether or not anybody opens the mail, and link scanners follow links before the mail is delivered: what names itself
/// so counts as a machine's. Many mail programs fetch no pictures, and a machine may call itself a browser. So opens are a trend to
/// compare with one's own, and clicks are the better word; whoever clicked counts as having opened.
///
/// # Errors
/// 404 for an unknown id.
#[utoipa::path(
    get,
    path = "/api/v1/publications/{id}/engagement",
    operation_id = "get_publication_engagement",
    tag = "publications",
    security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The publication."), AtLeast),
    responses(
        (status = 200, description = "What was done with its messages.", body = Engagement, headers(
            ("View-Position" = i64, description = "Every event up to here is in the answer."),
        )),
        (status = 404, description = "There is none of that id.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The views did not reach `at_least` in time.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub async fn get_engagement(
    reader: web::Data<Reader>,
    id: web::Path<Uuid>,
    at: Query<AtLeast>,
) -> Result<HttpResponse, Problem> {
    let position = reader.position(&VIEWS, at.at_least).await?;
    if publication_status::get_row(&reader, *id).await?.is_none() {
        return Err(answer::not_found(position, "publication", *id));
    }
    let channels = query::channels(&reader, *id).await?;
    let counts = channels
        .iter()
        .fold(EngagementCounts::default(), |sum, one| sum.plus(one.counts));
    let engagement = Engagement {
        publication_id: *id,
        counts,
        channels,
    };
    Ok(answer::ok(position, &engagement))
}
