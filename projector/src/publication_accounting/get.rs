//! `GET /api/v1/publications/{id}/accounting`: where its deliveries are.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use tidings_event_store::view::View as _;
use tidings_service::auth::Role;
use tidings_service::problem::ProblemBody;
use tidings_service::{Clock, Problem};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::failing;
use super::query::{self, ChannelCounts, Counts, FeedbackCounts};
use crate::answer;
use crate::delivery_log::{Around, DeliveryLog, VIEWS};
use crate::publication_status::{self, Publication};
use crate::reader::Reader;
use tidings_service::access::{Access, Route};
use tidings_service::http::{AtLeast, Query};

/// Who may.
pub const ROUTE: Route = (
    "GET",
    "/api/v1/publications/{id}/accounting",
    Access::Roles(&[
        Role::Editor,
        Role::Operator,
        Role::Compliance,
        Role::Service,
    ]),
);

/// Where the deliveries of a publication are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Accounting {
    /// The publication.
    pub publication_id: Uuid,
    /// How far it is, as in the publication itself.
    #[schema(example = "completed")]
    pub state: String,
    /// Planned so far, and by class.
    #[serde(flatten)]
    pub counts: Counts,
    /// What the receiving sides said afterwards; no part of the sum.
    pub feedback: FeedbackCounts,
    /// Whether `planned` is the sum of the classes, and agrees with what the publication's plan says, as far as the deliveries
    /// are known by then.
    pub balanced: bool,
    /// Deliveries the frozen audience comes to; null before it is frozen.
    pub deliveries: Option<i64>,
    /// Of these, left unplanned by a cancellation; null before planning ended.
    pub not_planned: Option<i64>,
    /// The same by channel.
    pub channels: Vec<ChannelCounts>,
}

impl Accounting {
    /// `seen`: the position up to which deliveries are counted at least.
    pub(super) fn of(publication: &Publication, channels: Vec<ChannelCounts>, seen: i64) -> Self {
        let counts = channels
            .iter()
            .fold(Counts::default(), |sum, one| sum.plus(one.counts));
        let each = channels.iter().all(|channel| channel.counts.balanced());
        Self {
            publication_id: publication.id,
            state: publication.state.clone(),
            balanced: each && counts.balanced() && agrees(publication, counts.planned, seen),
            deliveries: publication.deliveries,
            not_planned: publication.not_planned,
            feedback: channels
                .iter()
                .fold(FeedbackCounts::default(), |sum, one| sum.plus(one.feedback)),
            counts,
            channels,
        }
    }
}

/// Once planning has ended, what was planned is what it says, and with what was left out it is what was
/// frozen; some of it may not be counted yet. Before, there can not be more than was frozen.
fn agrees(publication: &Publication, planned: i64, seen: i64) -> bool {
    let all_counted = seen >= publication.position;
    match (publication.deliveries, publication.planned) {
        (Some(deliveries), Some(plan)) => {
            let counted = plan == planned || plan > planned && !all_counted;
            counted && plan + publication.not_planned.unwrap_or(0) == deliveries
        }
        (Some(deliveries), None) => planned <= deliveries,
        (None, _) => true,
    }
}

/// Where its deliveries are
///
/// Every planned delivery is in exactly one class; `balanced` says that the counts add up.
///
/// # Errors
/// 404 for an unknown id.
#[utoipa::path(
    get,
    path = "/api/v1/publications/{id}/accounting",
    operation_id = "get_publication_accounting",
    tag = "publications",
    security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The publication."), AtLeast),
    responses(
        (status = 200, description = "The accounting.", body = Accounting, headers(
            ("View-Position" = i64, description = "Every event up to here is in the answer."),
        )),
        (status = 404, description = "There is none of that id.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The views did not reach `at_least` in time.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub async fn get_accounting(
    reader: web::Data<Reader>,
    id: web::Path<Uuid>,
    at: Query<AtLeast>,
    clock: web::Data<Clock>,
) -> Result<HttpResponse, Problem> {
    let position = reader.position(&VIEWS, at.at_least).await?;
    let found = publication_status::get_row(&reader, *id).await?;
    let publication = found.ok_or_else(|| answer::not_found(position, "publication", *id))?;
    // The view that counts them may be behind the one that knows the plan.
    let seen = reader
        .position(&[DeliveryLog::DEFINITION.name], None)
        .await?;
    let mut channels = query::channels(&reader, *id).await?;
    waits_for(&reader, *id, &mut channels, clock.now()).await?;
    Ok(answer::ok(
        position,
        &Accounting::of(&publication, channels, seen),
    ))
}

/// Says of each channel with pending deliveries what they wait for.
async fn waits_for(
    reader: &Reader,
    id: Uuid,
    channels: &mut [ChannelCounts],
    now: OffsetDateTime,
) -> Result<(), Problem> {
    let pending = || channels.iter().filter(|it| it.counts.pending > 0);
    let ids: Vec<_> = pending().map(|it| it.channel_id).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let around = Around::read(reader, &[id], &ids).await?;
    let failing = failing::of(reader, id, &ids).await?;
    for channel in channels.iter_mut().filter(|it| it.counts.pending > 0) {
        let keeps = around.keeps(Some(id), Some(channel.channel_id), now);
        let slowed = around.slowed(Some(channel.channel_id), now);
        let fails = || {
            let failing = failing.get(&channel.channel_id)?;
            // The day's quota is both, and nothing is tried before it rests no longer.
            let is_rest = slowed.is_some_and(|it| it.reason == failing.reason);
            (!is_rest).then(|| failing.clause(channel.counts.pending, now))
        };
        let slows = || around.slows(Some(channel.channel_id), now);
        channel.waits_for = Some(keeps.or_else(fails).or_else(slows).unwrap_or_else(|| {
            "their turn, or the time when each is tried again or its reader wants it".to_owned()
        }));
    }
    Ok(())
}
