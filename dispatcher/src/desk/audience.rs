//! `GET /api/v1/publications/{id}/audience`: how many it reaches, before it goes out.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use tidings_domain::publication::{Audience, Draft, Publication, Stage};
use tidings_service::Problem;
use tidings_service::access::{Access, Route};
use tidings_service::auth::Role;
use tidings_service::http::{AtLeast, Query, VIEW_POSITION};
use tidings_service::problem::ProblemBody;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Desk, away, load};
use crate::audience::{self, AudienceError, Obstacle, Whom, WhomError};
use crate::causes::topics;

/// Who may.
pub const ROUTE: Route = (
    "GET",
    "/api/v1/publications/{id}/audience",
    Access::Roles(&[
        Role::Editor,
        Role::Operator,
        Role::Compliance,
        Role::Service,
    ]),
);

/// How many a publication reaches.
#[derive(Debug, Serialize, ToSchema)]
pub struct PublicationAudience {
    /// Subscribers it goes to. Who leaves, or whose address is suppressed, before it is sent gets nothing all the same.
    #[schema(example = 1_200)]
    pub subscribers: u64,
    /// Deliveries these come to, by all its channels.
    #[schema(example = 2_401)]
    pub deliveries: u64,
    /// Whether that is settled; until then it is how it would be now.
    pub frozen: bool,
}

/// See how many a publication reaches
///
/// Counted as it will be when the audience is frozen, by topics and segments as they are now; once it is frozen, what was.
///
/// # Errors
/// 404 for an unknown publication, 409 when it goes to nobody for now: it says why.
#[utoipa::path(
    get, path = "/api/v1/publications/{id}/audience", operation_id = "get_publication_audience", tag = "publications",
    security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The publication"), AtLeast),
    responses(
        (status = 200, description = "How many", body = PublicationAudience, headers(
            ("View-Position" = i64, description = "Every subscriber up to here is counted"),
        )),
        (status = 404, description = "No such publication", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 409, description = "It goes to nobody for now, such as when one of its segments can not be read; or it was \
            cancelled before", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The view did not reach `at_least` in time", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
pub async fn get_audience(
    desk: web::Data<Desk>,
    id: web::Path<Uuid>,
    at: Query<AtLeast>,
) -> Result<HttpResponse, Problem> {
    let position = desk.position(&[audience::SUBSCRIBERS], at.at_least).await?;
    let loaded = desk.store.load::<Publication>(*id).await;
    let publication = loaded.map_err(|error| load(&error))?.state;
    let (position, reached) = match publication.stage() {
        Stage::Unknown => {
            return Err(Problem::not_found("There is no publication of that id."));
        }
        Stage::Draft(draft) | Stage::Scheduled { draft, .. } | Stage::Published(draft) => {
            desk.reached(&publication, draft).await?
        }
        Stage::Frozen { audience, .. }
        | Stage::Planned { audience, .. }
        | Stage::Completed { audience, .. }
        | Stage::Cancelled {
            audience: Some(audience),
            ..
        } => (position, settled(audience)),
        Stage::Cancelled { audience: None, .. } => {
            let detail = "It was cancelled before anybody was to get it.";
            return Err(Problem::conflict(detail));
        }
    };
    Ok(HttpResponse::Ok()
        .insert_header((VIEW_POSITION, position.to_string()))
        .json(reached))
}

fn settled(audience: &Audience) -> PublicationAudience {
    PublicationAudience {
        subscribers: audience.subscribers,
        deliveries: audience.deliveries,
        frozen: true,
    }
}

impl Desk {
    /// As it would be now, and the position that is counted at.
    async fn reached(
        &self,
        publication: &Publication,
        draft: &Draft,
    ) -> Result<(i64, PublicationAudience), Problem> {
        let reaches = self.roster.reaches(draft.channel_ids.as_slice()).await;
        let (addressed, broadcast) = reaches.map_err(|error| load(&error))?;
        let topics = topics(&self.store, publication).await;
        let (topics, _) = topics.map_err(|error| load(&error))?;
        let whom = Whom::now(&self.store, topics, &draft.aim, broadcast).await;
        let whom = whom.map_err(|error| match error {
            WhomError::Load(error) => load(&error),
            WhomError::Obstacle(obstacle) => conflict(&obstacle),
        })?;
        let counted = audience::count(self.store.log().pool(), addressed > 0, &whom).await;
        let counted = counted.map_err(|error| match error {
            AudienceError::Read(error) => away(&error),
            AudienceError::Obstacle(obstacle) => conflict(&obstacle),
        })?;
        let counted = counted.ok_or_else(Problem::view_unborn)?;
        let subscribers = counted.subscribers as u64;
        let reached = PublicationAudience {
            subscribers,
            deliveries: subscribers * addressed + broadcast,
            frozen: false,
        };
        Ok((counted.view_position, reached))
    }
}

fn conflict(obstacle: &Obstacle) -> Problem {
    Problem::conflict(format!("It goes to nobody for now: {obstacle}."))
}
