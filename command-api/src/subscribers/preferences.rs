//! `PUT /api/v1/subscribers/{id}/preferences`: how and when somebody wants to get what they get.

use std::collections::BTreeMap;

use actix_web::web;
use serde::Deserialize;
use tidings_domain::aggregate::Aggregate as _;
use tidings_domain::preferences::{Given, Preferences};
use tidings_domain::subscriber::{Command, PreferencesMethod};
use tidings_domain::topic::Topic;
use tidings_service::Problem;
use tidings_service::auth::Role;
use tidings_service::http::Json;
use tidings_service::problem::ProblemBody;
use utoipa::ToSchema;
use uuid::Uuid;

use super::word;
use crate::answer::{Answer, Changed};
use crate::commands::Commands;
use crate::refusal::{self, Values};
use crate::request::Call;
use tidings_service::access::{Access, Route};

pub(crate) const ROUTE: Route = (
    "PUT",
    "/api/v1/subscribers/{id}/preferences",
    Access::Roles(&[Role::Editor, Role::Compliance, Role::Service]),
);

/// How and when somebody wants to get what they get.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "frequency": { "kind": "weekly", "day": "friday", "hour": 17 },
    "quiet_hours": { "from": "22:00", "to": "07:00" },
    "zone": "Europe/Kyiv",
    "language": "uk",
}))]
pub(crate) struct SubscriberPreferences {
    /// How much topics matter, by their ids: 0 to 10, and 5 unless you say: of what waits for room below the cap, what matters
    /// more goes first.
    #[serde(default)]
    topics: BTreeMap<String, i64>,
    /// How often; left out: when it is published.
    frequency: Option<HowOften>,
    /// When nothing is to come.
    quiet_hours: Option<NotBetween>,
    /// IANA name of the time zone that all of this is in; needed with a frequency or quiet hours.
    #[schema(example = "Europe/Kyiv")]
    zone: Option<String>,
    /// BCP 47. On record, and not in force yet.
    #[schema(example = "uk")]
    language: Option<String>,
    /// The most messages.
    frequency_cap: Option<AtMost>,
    /// Whether they are told by mail that what they get was changed; they are, unless you say otherwise.
    #[schema(default = true)]
    notify: Option<bool>,
}

/// How often.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HowOften {
    /// `at_once`; or `daily` or `weekly`: at one hour of the day, or of one day of the week, what was published since comes, each
    /// message by itself.
    kind: String,
    /// The full hour, 0 to 23; 8 unless said otherwise.
    hour: Option<i64>,
    /// Of what is weekly: `monday` unless said otherwise.
    day: Option<String>,
}

/// From one time of the clock up to another, over midnight or not.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NotBetween {
    /// `22:00`; both are needed.
    from: Option<String>,
    /// `07:00`
    to: Option<String>,
}

/// The most messages that are wanted. One more waits for room, and is not sent once it has waited in vain for as long as the
/// cap counts over; urgent publications are sent all the same.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AtMost {
    /// 1 to 1,000; needed.
    messages: Option<i64>,
    /// `day`, unless said otherwise, or `week`.
    per: Option<String>,
}

/// Set somebody's preferences
///
/// All of them: what is left out has its default. They never say whether somebody gets something; leaving and coming back
/// have commands of their own. In force from what is planned next on: what waits for an hour already may wait longer by it, and comes
/// no sooner. They are told of a change by mail, three times a day at most,
/// unless `notify` is false; who gets nothing is not.
#[utoipa::path(
    put, path = "/api/v1/subscribers/{id}/preferences", tag = "subscribers", security(("bearer" = [])),
    params(
        ("id" = Uuid, Path, description = "The subscriber"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the request safe to repeat"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` you have seen"),
    ),
    request_body = SubscriberPreferences,
    responses(
        (status = 200, description = "On record", body = Changed),
        (status = 404, description = "No such subscriber", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 409, description = "They were erased", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 412, description = "It has changed since", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 422, description = "Some values are not acceptable", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn set_preferences(
    commands: web::Data<Commands>,
    id: web::Path<Uuid>,
    call: Call,
    body: Json<SubscriberPreferences>,
) -> Result<Answer, Problem> {
    let is_told = body.value.notify.unwrap_or(true);
    let missing = missing(&body.value);
    let preferences = judge(&commands, &given(body.value), &missing).await?;
    let command = || Command::ChangePreferences {
        preferences: preferences.clone(),
        method: PreferencesMethod::Api,
        evidence: None,
    };
    word::carry_out(&commands, *id, (call, &body.raw), is_told, command).await
}

/// Members without which an object says nothing: it is not taken for `none`, which is said by leaving it out.
fn missing(body: &SubscriberPreferences) -> Vec<&'static str> {
    let mut missing = Vec::new();
    let quiet = body.quiet_hours.as_ref();
    if quiet.is_some_and(|it| it.from.is_none() && it.to.is_none()) {
        missing.extend(["quiet_hours/from", "quiet_hours/to"]);
    }
    let cap = body.frequency_cap.as_ref();
    if cap.is_some_and(|it| it.messages.is_none() && it.per.is_none()) {
        missing.push("frequency_cap/messages");
    }
    missing
}

fn given(body: SubscriberPreferences) -> Given {
    let frequency = body.frequency.unwrap_or_else(|| HowOften {
        kind: "at_once".to_owned(),
        ..HowOften::default()
    });
    let quiet = body.quiet_hours.unwrap_or_default();
    let cap = body.frequency_cap.unwrap_or_default();
    Given {
        weights: body.topics.into_iter().collect(),
        frequency: Some(frequency.kind),
        hour: frequency.hour,
        day: frequency.day,
        quiet_from: quiet.from,
        quiet_to: quiet.to,
        zone: body.zone,
        language: body.language,
        cap_messages: cap.messages,
        cap_per: cap.per,
    }
}

async fn judge(
    commands: &Commands,
    given: &Given,
    missing: &[&str],
) -> Result<Preferences, Problem> {
    let mut values = Values::default();
    for field in missing {
        let (object, _) = field.split_once('/').unwrap_or((field, ""));
        let detail = format!("is needed; leave out `{object}` for none");
        values.wrong(&format!("#/{field}"), &detail);
    }
    let preferences = Preferences::parse(given)
        .map_err(|wrong| {
            for it in wrong {
                values.wrong(&format!("#/{}", it.field), &it.detail);
            }
        })
        .ok();
    if let Some(preferences) = &preferences {
        let ids: Vec<Uuid> = preferences.weights().keys().copied().collect();
        let known = commands.store.log().existing_of(Topic::NOUN, &ids).await;
        let known = known.map_err(|error| refusal::log_away(&error))?;
        for id in ids.iter().filter(|id| !known.contains(id)) {
            let field = format!("#/topics/{id}");
            values.wrong(&field, "there is no topic with this id");
        }
    }
    values.all(preferences)
}
