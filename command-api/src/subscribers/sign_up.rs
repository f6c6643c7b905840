//! `POST /api/v1/subscribers`: somebody is signed up, by whoever answers for their consent.

use actix_web::web;
use serde::Deserialize;
use serde_json::Value;
use tidings_domain::aggregate::Aggregate as _;
use tidings_domain::stream_id;
use tidings_domain::subscriber::{Source, Standing, Subscriber};
use tidings_domain::value::{Attributes, DisplayName, EmailAddress};
use tidings_service::Problem;
use tidings_service::auth::Role;
use tidings_service::http::Json;
use tidings_service::problem::ProblemBody;
use utoipa::ToSchema;

use super::{COLLECTION, Outcome, Registration, RegistrationError};
use crate::answer::{Answer, Changed, same_body};
use crate::commands::Commands;
use crate::refusal::{self, Values};
use crate::request::Call;
use tidings_service::access::{Access, Route};

pub(crate) const ROUTE: Route = (
    "POST",
    COLLECTION,
    Access::Roles(&[Role::Editor, Role::Service]),
);

/// A subscriber to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "email": "ada@example.org", "name": "Ada", "attributes": { "city": "London" } }))]
pub(crate) struct NewSubscriber {
    /// Where mail goes. One address belongs to one subscriber.
    email: String,
    /// How to address them.
    name: Option<String>,
    /// What else to know of them: texts, numbers, yes or no.
    #[schema(value_type = Option<Object>)]
    attributes: Option<Value>,
}

/// Sign somebody up
///
/// They get mail from the next publication on.
#[utoipa::path(
    post, path = "/api/v1/subscribers", tag = "subscribers", security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes the request safe to repeat")),
    request_body = NewSubscriber,
    responses(
        (status = 201, description = "Signed up; `Location` names them", body = Changed),
        (status = 409, description = "The address belongs to a subscriber already; one who has left comes back by \
            `POST /api/v1/subscribers/{id}/resubscribe`", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 422, description = "Some values are not acceptable", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn sign_up(
    commands: web::Data<Commands>,
    call: Call,
    body: Json<NewSubscriber>,
) -> Result<Answer, Problem> {
    let (email, name, attributes) = parse(body.value)?;
    let request = call.begin(&commands, &body.raw).await?;
    let registration = Registration {
        id: request.new_stream(&commands, Subscriber::NOUN),
        address_id: stream_id::address(&commands.id_key, &email),
        email,
        name,
        attributes,
        source: Source::Api,
        import_id: None,
    };
    let context = &request.context;
    match registration
        .carry_out(&commands.store, &commands.id_key, context)
        .await
        .map_err(problem)?
    {
        Outcome::SignedUp(after) => Ok(Answer::at(&after, context).created(COLLECTION)),
        Outcome::Repeated(after) if after.state.standing() == Standing::Erased => {
            Err(Problem::conflict(ERASED))
        }
        Outcome::Repeated(after) => {
            after
                .repeated(context.intent)
                .map_or(Ok(()), |past| same_body(past, context))?;
            Ok(Answer::at(&after, context).created(COLLECTION))
        }
        Outcome::Taken => Err(Problem::conflict(TAKEN).error("#/email", "This address is taken.")),
        // Signing up here is their own word.
        Outcome::Erased => Err(Problem::conflict(ERASED)),
    }
}

const ERASED: &str = "Whom this request signed up was erased meanwhile. Whoever wants mail signs up anew, with an \
    Idempotency-Key of its own.";

const TAKEN: &str = "The address belongs to a subscriber already. One who has left comes back by \
    POST /api/v1/subscribers/{id}/resubscribe.";

type Parsed = (EmailAddress, Option<DisplayName>, Option<Attributes>);

fn parse(body: NewSubscriber) -> Result<Parsed, Problem> {
    let mut values = Values::default();
    let email = values.take("#/email", EmailAddress::parse(&body.email));
    let name = body
        .name
        .map(|name| values.take("#/name", DisplayName::parse(&name)));
    let attributes = body
        .attributes
        .map(|attributes| values.take("#/attributes", Attributes::parse(attributes)));
    let name = name.map_or(Some(None), |name| name.map(Some));
    let attributes = attributes.map_or(Some(None), |attributes| attributes.map(Some));
    let parsed = email.zip(name).zip(attributes);
    values.all(parsed.map(|((email, name), attributes)| (email, name, attributes)))
}

fn problem(error: RegistrationError) -> Problem {
    match error {
        RegistrationError::Load(error) => refusal::load(&error),
        RegistrationError::Commit(error) => refusal::commit(&error),
        RegistrationError::Refused(refusal) => refusal::refused(&refusal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_wrong_value_is_named() {
        let body = NewSubscriber {
            email: "ada".to_owned(),
            name: Some("A\nB".to_owned()),
            attributes: Some(json!({ "tags": [] })),
        };
        let problem = parse(body).unwrap_err();
        let named: Vec<_> = problem
            .errors()
            .iter()
            .map(|error| error.pointer.as_str())
            .collect();
        assert_eq!(named, ["#/email", "#/name", "#/attributes"]);
    }
}
