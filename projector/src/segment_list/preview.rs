//! `POST /api/v1/segments/preview`: whom conditions would pick now.

use actix_web::web::ReqData;
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tidings_event_store::picking;
use tidings_event_store::view::{Condition, View as _};
use tidings_service::Problem;
use tidings_service::auth::{Principal, Role};
use tidings_service::http::Json;
use tidings_service::problem::ProblemBody;
use utoipa::ToSchema;

use super::overlooked::{Overlooked, overlooked};
use super::query;
use crate::answer;
use crate::reader::Reader;
use crate::subscriber_profile::{ListedSubscriber, SUPPRESSED, SubscriberProfile, list, picked};
use crate::suppression_list::SuppressionList;
use crate::topic_list::TopicList;
use tidings_service::access::{Access, Route, may_also};
use tidings_service::http::{AtLeast, Query};

/// Who may.
pub const ROUTE: Route = (
    "POST",
    "/api/v1/segments/preview",
    Access::Roles(&[Role::Editor, Role::Compliance, Role::Service]),
);

/// Subscribers that a preview shows.
const SAMPLES: i64 = 5;

/// What a preview is read from.
pub(super) const VIEWS: [&str; 3] = [
    SubscriberProfile::DEFINITION.name,
    SuppressionList::DEFINITION.name,
    TopicList::DEFINITION.name,
];

/// Conditions to try.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "conditions": { "all": [
    { "state": "active" },
    { "attribute": "city", "is": ["London", "Porto"] },
    { "attribute": "age", "at_least": 18 },
    { "not": { "tag": "trial" } },
] } }))]
pub struct Tried {
    /// Whom to pick.
    #[schema(value_type = Object)]
    conditions: Value,
}

/// Whom conditions pick.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Preview {
    /// So many subscribers.
    #[schema(example = 1_200)]
    pub matching: i64,
    /// So many of them may get mail: they are active, and nothing stands against their address.
    #[schema(example = 1_150)]
    pub reachable: i64,
    /// Some of them, their addresses masked; null for an API key without the scope `subscribers:read`.
    pub samples: Option<Vec<ListedSubscriber>>,
    /// Attributes that are compared with a number, a date, or yes or no, and that some subscribers have as a text: no such
    /// condition picks these, whatever their text says.
    pub overlooked: Vec<Overlooked>,
}

/// Try conditions
///
/// How many subscribers they pick at the moment, how many of these may get mail, and five of them for whoever may list subscribers. A condition is one of
/// `all` and `any` (lists of conditions), `not` (a condition), `tag`, `topic` (an id: they want it), `state`, and `attribute`
/// (a key): they have it, or it `is` a value or one of a list, is `below`, `at_most`, `above` or `at_least` a number or date, or
/// `contains` a text as it is written. At most 100, 8 deep.
///
/// # Errors
/// 422 for conditions that are none.
#[utoipa::path(
    post,
    path = "/api/v1/segments/preview",
    operation_id = "preview_segment",
    tag = "segments",
    security(("bearer" = [])),
    params(AtLeast),
    request_body = Tried,
    responses(
        (status = 200, description = "Whom they pick.", body = Preview, headers(
            ("View-Position" = i64, description = "Every event up to here is in the answer."),
        )),
        (status = 422, description = "The conditions are none.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The views did not reach `at_least` in time.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub async fn preview_segment(
    reader: web::Data<Reader>,
    at: Query<AtLeast>,
    body: Json<Tried>,
    principal: ReqData<Principal>,
) -> Result<HttpResponse, Problem> {
    let position = reader.position(&VIEWS, at.at_least).await?;
    let condition = query::condition(&reader, &body.value.conditions, "#/conditions").await?;
    Ok(answer::ok(
        position,
        &preview(&reader, &condition, &principal).await?,
    ))
}

/// Whom a condition picks now.
pub(super) async fn preview(
    reader: &Reader,
    condition: &Condition,
    principal: &Principal,
) -> Result<Preview, Problem> {
    let mut values = picking::Values::new();
    let picks = picking::sql(condition, &mut values);
    let sql = format!(
        "select count(*), count(*) filter (where s.state = 'active' and not {SUPPRESSED}) \
         from publishing_subscriber_profile s where s.signed_up_at is not null and s.state <> 'erased' and {picks}"
    );
    let rows = reader.rows_once(&sql, &picking::borrowed(&values)).await?;
    // By conditions that are narrow enough, whom they show tells what is known of them.
    let samples = match may_also(principal, list::ROUTE) {
        true => Some(picked(reader, &picks, values, SAMPLES).await?),
        false => None,
    };
    let (matching, reachable) = rows.first().map_or((0, 0), |row| (row.get(0), row.get(1)));
    Ok(Preview {
        matching,
        reachable,
        samples,
        overlooked: overlooked(reader, condition).await?,
    })
}
