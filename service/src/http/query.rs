//! Query parameters: those that an endpoint describes by [`IntoParams`], and no others. What is wrong with one is said
//! by its name.

use std::future::{Ready, ready};
use std::ops::Deref;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa::IntoParams;
use utoipa::openapi::Required;
use utoipa::openapi::path::Parameter;

use crate::problem::{self, Problem};

/// Extractor: the query of a request.
#[derive(Clone, Debug)]
pub struct Query<T>(T);

/// No query at all.
#[derive(Debug, Deserialize, IntoParams)]
pub struct Nothing {}

/// The query of a single resource.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AtLeast {
    /// A `Log-Position`: the answer waits for the views it is read from to reach it. 503 if they do not in time.
    #[param(minimum = 0)]
    pub at_least: Option<i64>,
}

impl<T> Deref for Query<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: DeserializeOwned + IntoParams + 'static> FromRequest for Query<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(read(request.query_string()).map(Self))
    }
}

/// Refuses every query: of a route that takes none.
///
/// # Errors
/// 400 with the name of the first parameter.
pub(crate) fn none(query: &str) -> Result<(), Problem> {
    known(&pairs(query), &[])
}

fn read<T: DeserializeOwned + IntoParams>(query: &str) -> Result<T, Problem> {
    let described = T::into_params(|| None);
    let pairs = pairs(query);
    known(&pairs, &described)?;
    if let Some((name, _)) = pairs.iter().find(|(_, value)| value.contains('\0')) {
        let detail =
            format!("The query parameter `{name}` has the character U+0000, which no text has.");
        return Err(Problem::bad_request(detail));
    }
    for parameter in &described {
        let name = &parameter.name;
        match pairs.iter().filter(|(given, _)| given == name).count() {
            0 if matches!(parameter.required, Required::True) => {
                let detail = format!("The query parameter `{name}` is missing.");
                return Err(Problem::bad_request(detail));
            }
            0 | 1 => {}
            _ => {
                let detail = format!("The query parameter `{name}` is there more than once.");
                return Err(Problem::bad_request(detail));
            }
        }
    }
    let error = match parse::<T>(query) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    // Whoever is refused alone for the same reason is it.
    let single = query.split('&').filter(|piece| !piece.is_empty());
    let at_fault = single
        .zip(&pairs)
        .find(|(piece, _)| parse::<T>(piece).is_err_and(|alone| alone == error));
    let Some((_, (name, value))) = at_fault else {
        return Err(Problem::bad_request("The query is malformed."));
    };
    let parameter = described.iter().find(|parameter| parameter.name == *name);
    Err(Problem::bad_request(format!(
        "The query parameter `{name}` is {}; it must be {}.",
        problem::quoted(value),
        expected(parameter, &error),
    )))
}

fn parse<T: DeserializeOwned>(query: &str) -> Result<T, String> {
    web::Query::from_query(query)
        .map(web::Query::into_inner)
        .map_err(|error| error.to_string())
}

/// Names and values as they were sent.
fn pairs(query: &str) -> Vec<(String, String)> {
    parse(query).unwrap_or_default()
}

/// A parameter that is not known would be a filter that filters nothing.
fn known(pairs: &[(String, String)], described: &[Parameter]) -> Result<(), Problem> {
    let is_described = |name: &str| described.iter().any(|parameter| parameter.name == name);
    let Some((name, _)) = pairs.iter().find(|(name, _)| !is_described(name)) else {
        return Ok(());
    };
    let names: Vec<String> = described
        .iter()
        .map(|parameter| format!("`{}`", parameter.name))
        .collect();
    let others = match names.is_empty() {
        true => "there are none".to_owned(),
        false => format!("there are {}", names.join(", ")),
    };
    Err(Problem::bad_request(format!(
        "{} is no query parameter here; {others}.",
        problem::quoted(name)
    )))
}

/// What the description says of a value; `error` names what it may be one of.
fn expected(parameter: Option<&Parameter>, error: &str) -> String {
    let schema = parameter.and_then(|it| serde_json::to_value(&it.schema).ok());
    let schema = schema.unwrap_or_default();
    let is_number = match &schema["type"] {
        Value::Array(types) => types.iter().any(|it| it == "integer"),
        single => single == "integer",
    };
    match error.split_once(", expected ") {
        Some((_, one_of)) => one_of.to_owned(),
        None if is_number => "a whole number".to_owned(),
        None if schema["format"] == "uuid" => problem::AN_ID.to_owned(),
        None if schema["format"] == "date-time" => problem::A_TIME.to_owned(),
        None => "another".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[derive(Debug, Deserialize, utoipa::ToSchema)]
    #[serde(rename_all = "snake_case")]
    enum Class {
        Sent,
        InDoubt,
    }

    #[derive(Debug, Deserialize, IntoParams)]
    #[into_params(parameter_in = Query)]
    #[expect(dead_code, reason = "only its reading matters")]
    struct Which {
        channel_id: Uuid,
        class: Option<Class>,
        limit: Option<u32>,
        text: Option<String>,
    }

    fn refused(query: &str) -> String {
        let body = read::<Which>(query).unwrap_err().body();
        assert_eq!(body.status, 400);
        body.detail.unwrap()
    }

    const CHANNEL: &str = "channel_id=019b7cba-7a2e-8000-9c5e-0d8f6f2f3b11";

    #[test]
    fn what_is_described_is_taken_and_nothing_else() {
        read::<Which>(CHANNEL).unwrap();
        let which =
            read::<Which>(&format!("&limit=7&{CHANNEL}&class=in_doubt&text=a%26b")).unwrap();
        assert_eq!((which.limit, which.text.as_deref()), (Some(7), Some("a&b")));
        insta::assert_snapshot!(refused(&format!("{CHANNEL}&limits=7")), @"`limits` is no query parameter here; there are `channel_id`, `class`, `limit`, `text`.");
        insta::assert_snapshot!(none("dry_run=true").unwrap_err().body().detail.unwrap(), @"`dry_run` is no query parameter here; there are none.");
        none("").unwrap();
    }

    #[test]
    fn a_wrong_value_is_told_by_its_name_and_without_a_parsers_words() {
        insta::assert_snapshot!(refused(""), @"The query parameter `channel_id` is missing.");
        insta::assert_snapshot!(refused("channel_id=abc"), @"The query parameter `channel_id` is `abc`; it must be an id, such as 019b7cba-7a2e-8000-9c5e-0d8f6f2f3b11.");
        insta::assert_snapshot!(refused(&format!("{CHANNEL}&limit=many")), @"The query parameter `limit` is `many`; it must be a whole number.");
        insta::assert_snapshot!(refused(&format!("limit=99999999999&{CHANNEL}")), @"The query parameter `limit` is `99999999999`; it must be a whole number.");
        insta::assert_snapshot!(refused(&format!("{CHANNEL}&class=lost")), @"The query parameter `class` is `lost`; it must be `sent` or `in_doubt`.");
        insta::assert_snapshot!(refused(&format!("{CHANNEL}&text=a%00b")), @"The query parameter `text` has the character U+0000, which no text has.");
        insta::assert_snapshot!(refused(&format!("{CHANNEL}&limit=1&limit=2")), @"The query parameter `limit` is there more than once.");
    }
}
