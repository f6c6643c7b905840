//! `POST /api/v1/subscribers`: somebody is signed up, by whoever answers for their consent.

use std::collections::BTreeSet;

use actix_web::web;
use serde::Deserialize;
use serde_json::{Map, Value};
use tidings_domain::aggregate::Aggregate as _;
use tidings_domain::record;
use tidings_domain::stream_id;
use tidings_domain::subscriber::{Consent, Source, Standing, Subscriber};
use tidings_domain::value::{ConsentVersion, ConsentWording, DisplayName, EmailAddress};
use tidings_service::Problem;
use tidings_service::auth::Role;
use tidings_service::http::Json;
use tidings_service::problem::ProblemBody;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Brought, COLLECTION, Noted, Outcome, Registration, RegistrationError, change};
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
#[schema(example = json!({ "email": "ada@example.org", "name": "Ada", "attributes": { "city": "London" }, "tags": ["early_bird"] }))]
pub(crate) struct NewSubscriber {
    /// Where mail goes. One address belongs to one subscriber.
    email: String,
    /// How to address them.
    name: Option<String>,
    /// What else to know of them, by key: a text (at most 1,000 characters), a number, true, false, `{"date": "2026-03-01"}`,
    /// or `{"number": "0.1"}` where a JSON number would lose digits. At most 64, keys of lower-case letters, digits and
    /// underscores.
    #[serde(default)]
    attributes: Option<Map<String, Value>>,
    /// What you call them among others, such as `early_bird`; at most 50.
    #[schema(value_type = Option<Vec<String>>)]
    tags: Option<Value>,
    /// `not_required` (you answer for their consent; this is what counts when nothing is said), or `required`: they are
    /// sent a link to confirm by, and nothing else before they have.
    #[schema(example = "not_required")]
    confirmation: Option<String>,
    /// What they agreed to, if you want it on record.
    consent: Option<NewConsent>,
}

/// What somebody agreed to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "wording": "I want to get the news by mail.", "version": "2026-03" }))]
pub(crate) struct NewConsent {
    /// The words they were shown, verbatim.
    wording: String,
    /// What you call this version of them.
    version: String,
}

/// Sign somebody up
///
/// They get mail from the next publication on; or, if they are to confirm, from the next one after they have. Somebody who
/// has asked for mail by the form and has yet to confirm is confirmed by your word, and keeps their id.
#[utoipa::path(
    post, path = "/api/v1/subscribers", tag = "subscribers", security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes the request safe to repeat")),
    request_body = NewSubscriber,
    responses(
        (status = 201, description = "Signed up, or confirmed; `Location` names them", body = Changed),
        (status = 409, description = "The address belongs to a subscriber already; one who has left comes back by \
            `POST /api/v1/subscribers/{id}/resubscribe`. Or there is no channel to ask them by", body = ProblemBody,
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
    let new = parse(body.value)?;
    let confirm_by = match new.confirm {
        true => Some(channel(&commands).await?),
        false => None,
    };
    let request = call.begin(&commands, &body.raw).await?;
    let registration = Registration {
        id: request.new_stream(&commands, Subscriber::NOUN),
        address_id: stream_id::address(&commands.id_key, &new.email),
        email: new.email,
        name: new.name,
        attributes: None,
        noted: new.noted,
        source: Source::Api,
        import_id: None,
        confirm_by,
        consent: new.consent,
        evidence: None,
        brought: Brought::default(),
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
        Outcome::TooMuch(refusal) => Err(refusal::refused(&refusal)),
        Outcome::Taken => Err(Problem::conflict(TAKEN).error("#/email", "This address is taken.")),
        // Signing up here is their own word.
        Outcome::GivenUp(_) => Err(Problem::conflict(ERASED)),
    }
}

const ERASED: &str = "Whom this request signed up was erased meanwhile. Whoever wants mail signs up anew, with an \
    Idempotency-Key of its own.";

const TAKEN: &str = "The address belongs to a subscriber already. One who has left comes back by \
    POST /api/v1/subscribers/{id}/resubscribe.";

/// The channel they are asked by.
async fn channel(commands: &Commands) -> Result<Uuid, Problem> {
    let found = (commands.notice_channel)(Vec::new()).await;
    let found = found.map_err(|error| refusal::log_away(&error))?;
    found.ok_or_else(|| Problem::conflict(NO_CHANNEL))
}

const NO_CHANNEL: &str = "There is no channel to ask them by: configure and enable one of a kind that writes to single \
    receivers, or name it in `notices.channel`.";

/// Whether they have to confirm.
const REQUIRED: &str = "required";
const NOT_REQUIRED: &str = "not_required";

struct Parsed {
    email: EmailAddress,
    name: Option<DisplayName>,
    noted: Noted,
    confirm: bool,
    consent: Option<Consent>,
}

fn parse(body: NewSubscriber) -> Result<Parsed, Problem> {
    let mut values = Values::default();
    let email = values.take("#/email", EmailAddress::parse(&body.email));
    let name = body
        .name
        .map(|name| values.take("#/name", DisplayName::parse(&name)));
    let name = name.map_or(Some(None), |name| name.map(Some));
    let noted = noted(&mut values, body.attributes, body.tags.as_ref());
    let confirm = match body.confirmation.as_deref() {
        None | Some(NOT_REQUIRED) => Some(false),
        Some(REQUIRED) => Some(true),
        Some(_) => {
            values.wrong(
                "#/confirmation",
                "this must be `required` or `not_required`",
            );
            None
        }
    };
    let consent = body.consent.map(|given| {
        let wording = ConsentWording::parse(&given.wording);
        let wording = values.take("#/consent/wording", wording);
        let version = ConsentVersion::parse(&given.version);
        let version = values.take("#/consent/version", version);
        wording
            .zip(version)
            .map(|(wording, version)| Consent::to(wording, version))
    });
    let consent = consent.map_or(Some(None), |consent| consent.map(Some));
    let parsed = email.zip(name).zip(noted).zip(confirm).zip(consent);
    let parsed = parsed.map(|((((email, name), noted), confirm), consent)| Parsed {
        email,
        name,
        noted,
        confirm,
        consent,
    });
    values.all(parsed)
}

fn noted(
    values: &mut Values,
    attributes: Option<Map<String, Value>>,
    tags: Option<&Value>,
) -> Option<Noted> {
    let given = change::attributes(values, &attributes.unwrap_or_default());
    if given.len() > record::ATTRIBUTES_MAX {
        let most = record::ATTRIBUTES_MAX;
        values.wrong("#/attributes", &format!("at most {most} are allowed"));
    }
    let tags = match tags {
        None => BTreeSet::new(),
        Some(tags) => change::tags(values, "#/tags", tags)?,
    };
    if tags.len() > record::TAGS_MAX {
        let most = record::TAGS_MAX;
        values.wrong("#/tags", &format!("at most {most} are allowed"));
    }
    // Null is none.
    let given = given.into_iter();
    let attributes = given.filter_map(|(key, value)| Some((key, value?)));
    Some(Noted {
        attributes: attributes.collect(),
        tags,
    })
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
            attributes: Some(Map::from_iter([("City".to_owned(), json!("Kyiv"))])),
            tags: Some(json!(["vip", 7])),
            confirmation: Some("perhaps".to_owned()),
            consent: Some(NewConsent {
                wording: String::new(),
                version: String::new(),
            }),
        };
        let problem = parse(body).err().unwrap();
        let named: Vec<_> = problem
            .errors()
            .iter()
            .map(|error| error.pointer.as_str())
            .collect();
        assert_eq!(
            named,
            [
                "#/email",
                "#/name",
                "#/attributes/City",
                "#/tags/1",
                "#/confirmation",
                "#/consent/wording",
                "#/consent/version"
            ]
        );
    }
}
