//! `POST /api/v1/publications/{id}/retry`: deliveries that failed are tried again.

use actix_web::web;
use serde::Deserialize;
use tidings_domain::delivery::{Cause, Delivery};
use tidings_domain::publication::{Command, Publication, RetriedClass, Retry};
use tidings_domain::value::Code;
use tidings_proto::Reason;
use tidings_service::Problem;
use tidings_service::auth::Role;
use tidings_service::problem::ProblemBody;
use utoipa::ToSchema;
use uuid::Uuid;

use super::COLLECTION;
use crate::answer::{Answer, Changed};
use crate::commands::Commands;
use crate::refusal::{self, Values};
use crate::request::{Call, MaybeJson};
use tidings_service::access::{Access, Route};

pub(crate) const ROUTE: Route = (
    "POST",
    "/api/v1/publications/{id}/retry",
    Access::Roles(&[Role::Editor, Role::Operator, Role::Service]),
);

/// Reasons one request may name.
const REASONS_MAX: usize = 50;

/// Which deliveries are tried again: those of which every condition that is given holds.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(example = json!({ "class": "failed", "failed_reasons": ["mailbox_full"] }))]
pub(crate) struct WhatToRetry {
    /// `failed`; or `in_doubt`: whoever has it already gets it twice.
    #[schema(default = "failed")]
    class: String,
    /// Those of one channel only.
    channel_id: Option<Uuid>,
    /// One delivery only.
    delivery_id: Option<Uuid>,
    /// Those that failed for one of these reasons only.
    failed_reasons: Vec<String>,
    /// Why: a short code in lower case with underscores.
    #[schema(default = "requested")]
    reason: String,
}

impl Default for WhatToRetry {
    fn default() -> Self {
        Self {
            class: RetriedClass::Failed.to_string(),
            channel_id: None,
            delivery_id: None,
            failed_reasons: Vec::new(),
            reason: "requested".to_owned(),
        }
    }
}

/// Try failed deliveries again
///
/// Those that have failed by now wait for another attempt, each judged anew: whoever has left meanwhile gets nothing.
/// The same message goes out, so that whoever has it after all can tell. `failed_reasons` also finds what was given up (`gave_up`)
/// and had last been put off for one of them before. With `"class": "in_doubt"` what nobody knows about is sent once more
/// instead: whoever has it already gets it twice.
#[utoipa::path(
    post, path = "/api/v1/publications/{id}/retry", tag = "publications", security(("bearer" = [])),
    params(
        ("id" = Uuid, Path, description = "The publication"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the request safe to repeat"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` you have seen"),
    ),
    request_body = inline(Option<WhatToRetry>),
    responses(
        (status = 202, description = "Those there are are being reopened; `Location` shows how it goes", body = Changed),
        (status = 404, description = "No such publication", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 409, description = "It was not sent yet, or is cancelled, or a retry is under way",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, description = "It has changed since", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 422, description = "Some values are not acceptable", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn retry(
    commands: web::Data<Commands>,
    id: web::Path<Uuid>,
    call: Call,
    body: MaybeJson<WhatToRetry>,
) -> Result<Answer, Problem> {
    let wanted = judge(&body.value)?;
    known(&commands, *id, &wanted).await?;
    Ok(commands
        .change::<Publication>(*id, call, &body.raw, || {
            Command::RequestRetry(wanted.clone())
        })
        .await?
        .accepted(COLLECTION))
}

fn judge(what: &WhatToRetry) -> Result<Retry, Problem> {
    let mut values = Values::default();
    let class = values.take("#/class", RetriedClass::parse(&what.class));
    let reason = values.take("#/reason", Code::parse(&what.reason));
    if what.failed_reasons.len() > REASONS_MAX {
        let detail = format!("at most {REASONS_MAX} reasons can be named");
        values.wrong("#/failed_reasons", &detail);
    }
    let failed_reasons: Option<Vec<Code>> = (0..)
        .zip(&what.failed_reasons)
        .map(|(n, reason)| values.take(&format!("#/failed_reasons/{n}"), Code::parse(reason)))
        .collect();
    for (n, reason) in what.failed_reasons.iter().enumerate() {
        // Else the publication would be opened again for nothing.
        if Code::parse(reason).is_ok() && Reason::parse(reason).is_none() {
            let detail = "no delivery fails for such a reason: take one that deliveries show";
            values.wrong(&format!("#/failed_reasons/{n}"), detail);
        }
    }
    let all = class.zip(reason).zip(failed_reasons);
    let ((class, reason), failed_reasons) = values.all(all)?;
    Ok(Retry {
        class,
        channel_id: what.channel_id,
        delivery_id: what.delivery_id,
        failed_reasons,
        reason,
    })
}

/// Whether what is named belongs to the publication: else that would be opened again for nothing.
async fn known(commands: &Commands, publication_id: Uuid, wanted: &Retry) -> Result<(), Problem> {
    let mut values = Values::default();
    if let Some(channel_id) = wanted.channel_id {
        let publication = commands.store.load::<Publication>(publication_id).await;
        let publication = publication.map_err(|error| refusal::load(&error))?;
        // Of one that does not exist the command says so.
        let mut draft = publication.state.draft().into_iter();
        if draft.any(|draft| !draft.channel_ids.as_slice().contains(&channel_id)) {
            let detail = "the publication does not go out by that channel: take one of its own";
            values.wrong("#/channel_id", detail);
        }
    }
    if let Some(delivery_id) = wanted.delivery_id {
        let cause = match commands.store.load::<Delivery>(delivery_id).await {
            Ok(delivery) => delivery.state.plan().map(|plan| plan.cause),
            Err(error) if error.is_wrong_stream() => None,
            Err(error) => return Err(refusal::load(&error)),
        };
        if cause != Some(Cause::Publication(publication_id)) {
            let detail =
                "it is no delivery of this publication: take the `id` of one of its deliveries";
            values.wrong("#/delivery_id", detail);
        }
    }
    values.all(Some(()))
}
