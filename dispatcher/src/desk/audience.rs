//! `GET /api/v1/publications/{id}/audience`: how many it reaches, before it goes out.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use tidings_domain::log::Log;
use tidings_domain::publication::{Aim, Audience, Draft, Publication, Stage};
use tidings_domain::segment::Condition;
use tidings_domain::stream_id;
use tidings_event_store::LoadError;
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
        Stage::Draft(draft) | Stage::Scheduled { draft, .. } => {
            desk.reached(&publication, draft).await?
        }
        Stage::Published(draft) => {
            if draft.aim.is_by_segments() && desk.is_held().await? {
                return Err(Problem::conflict(to_nobody(&Obstacle::Held)));
            }
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

/// Whom a draft is for, and how many of its channels write to each of them, and how many make one delivery in all.
struct Aimed {
    whom: Whom,
    addressed: u64,
    broadcast: u64,
}

/// Why that is not known.
enum Unaimed {
    Problem(Problem),
    Obstacle(Obstacle),
}

impl From<LoadError> for Unaimed {
    fn from(error: LoadError) -> Self {
        Self::Problem(load(&error))
    }
}

impl From<WhomError> for Unaimed {
    fn from(error: WhomError) -> Self {
        match error {
            WhomError::Load(error) => error.into(),
            WhomError::Obstacle(obstacle) => Self::Obstacle(obstacle),
        }
    }
}

impl From<AudienceError> for Unaimed {
    fn from(error: AudienceError) -> Self {
        match error {
            AudienceError::Read(error) => Self::Problem(away(&error)),
            AudienceError::Obstacle(obstacle) => Self::Obstacle(obstacle),
        }
    }
}

impl From<Unaimed> for Problem {
    fn from(unaimed: Unaimed) -> Self {
        match unaimed {
            Unaimed::Problem(problem) => problem,
            Unaimed::Obstacle(obstacle) => Self::conflict(to_nobody(&obstacle)),
        }
    }
}

fn to_nobody(obstacle: &Obstacle) -> String {
    format!("It goes to nobody for now: {obstacle}.")
}

impl Desk {
    /// Why a draft would go to nobody if it was published now, since its segments pick nobody, or too much is asked, or they can
    /// not be read; none: it would go to somebody, or names no segments.
    ///
    /// # Errors
    /// 404 for what is no publication; 503 when the log can not be read, or the view does not come as far as the log was.
    pub async fn why_nobody_now(&self, id: Uuid) -> Result<Option<String>, Problem> {
        let Some(whom) = self.picked(id).await? else {
            return Ok(None);
        };
        let whom = match whom {
            Ok(whom) => whom,
            Err(obstacle) => return Ok(Some(to_nobody(&obstacle))),
        };
        let is_nobody = self.is_nobody(&whom).await?;
        Ok(is_nobody.then(|| {
            "Its segments pick nobody who would get it: name others, or none, or revise what they ask.".to_owned()
        }))
    }

    /// Why a draft would go to nobody whenever it was published, unless somebody mends it: too much is asked, or a segment can
    /// not be read. Whom they will pick by then, nobody can tell. None: it may go to somebody, or names no segments.
    ///
    /// # Errors
    /// 404 for what is no publication; 503 when the log can not be read.
    pub async fn why_nobody_ever(&self, id: Uuid) -> Result<Option<String>, Problem> {
        let whom = self.picked(id).await?;
        let obstacle = whom.and_then(Result::err);
        Ok(obstacle.map(|obstacle| to_nobody(&obstacle)))
    }

    /// Whom a draft goes to; none: it names no segments, or is no draft any more.
    async fn picked(&self, id: Uuid) -> Result<Option<Result<Whom, Obstacle>>, Problem> {
        let loaded = self.store.load::<Publication>(id).await;
        let publication = loaded.map_err(|error| load(&error))?.state;
        let (Stage::Draft(draft) | Stage::Scheduled { draft, .. }) = publication.stage() else {
            return Ok(None);
        };
        if !draft.aim.is_by_segments() {
            return Ok(None);
        }
        let whom = match self.aimed(&publication, draft).await {
            Ok(aimed) => aimed.whom,
            Err(Unaimed::Obstacle(obstacle)) => return Ok(Some(Err(obstacle))),
            Err(Unaimed::Problem(problem)) => return Err(problem),
        };
        let compared = whom.condition.as_ref().map_or(0, Condition::values);
        let most = Aim::VALUES_MAX;
        Ok(Some(match compared > most {
            true => Err(Obstacle::TooMuchAsked { compared, most }),
            false => Ok(whom),
        }))
    }

    async fn is_nobody(&self, whom: &Whom) -> Result<bool, Unaimed> {
        let pool = self.store.log().pool();
        if audience::is_anybody(pool, whom).await? {
            return Ok(false);
        }
        // Nobody: that is only said once whoever has just come in is asked too.
        let head = self.store.log().head().await;
        let head = head
            .map_err(|error| Unaimed::Problem(away(&error)))?
            .position;
        let caught_up = self.position(&[audience::SUBSCRIBERS], Some(head)).await;
        caught_up.map_err(Unaimed::Problem)?;
        Ok(!audience::is_anybody(pool, whom).await?)
    }

    /// Whether nothing may be sent.
    async fn is_held(&self) -> Result<bool, Problem> {
        let log = self.store.load::<Log>(stream_id::log()).await;
        Ok(log.map_err(|error| load(&error))?.state.held_by().is_some())
    }

    async fn aimed(&self, publication: &Publication, draft: &Draft) -> Result<Aimed, Unaimed> {
        let (addressed, broadcast) = self.roster.reaches(draft.channel_ids.as_slice()).await?;
        let (topics, _) = topics(&self.store, publication).await?;
        let whom = Whom::now(&self.store, topics, &draft.aim, broadcast).await?;
        Ok(Aimed {
            whom,
            addressed,
            broadcast,
        })
    }

    /// As it would be now, and the position that is counted at.
    async fn reached(
        &self,
        publication: &Publication,
        draft: &Draft,
    ) -> Result<(i64, PublicationAudience), Unaimed> {
        let Aimed {
            whom,
            addressed,
            broadcast,
        } = self.aimed(publication, draft).await?;
        let pool = self.store.log().pool();
        let counted = audience::count(pool, addressed > 0, &whom).await?;
        let unborn = || Unaimed::Problem(Problem::view_unborn());
        let counted = counted.ok_or_else(unborn)?;
        let subscribers = counted.subscribers as u64;
        let reached = PublicationAudience {
            subscribers,
            deliveries: subscribers * addressed + broadcast,
            frozen: false,
        };
        Ok((counted.view_position, reached))
    }
}
