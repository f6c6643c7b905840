//! Whom a verb is about, and why somebody looks at their data.

use serde_json::json;
use tidings_domain::value::LookReason;
use uuid::Uuid;

use super::{Api, CliError};

/// Why, as it goes on record; for the parser of arguments.
pub(super) fn reason(text: &str) -> Result<String, String> {
    let reason = LookReason::parse(text).map_err(|invalid| invalid.detail)?;
    Ok(reason.to_string())
}

/// The subscriber of that id, or with that address. An id is taken as it is: whoever was erased has no address any more.
pub(super) async fn subscriber(
    api: &Api,
    who: &str,
    reason: Option<&str>,
) -> Result<Uuid, CliError> {
    if let Ok(id) = Uuid::parse_str(who) {
        return Ok(id);
    }
    let body = json!({ "email": who });
    let found = api.find("/api/v1/subscribers/find", &body, reason).await?;
    let id = Uuid::parse_str(found.text("id")?);
    id.map_err(|_| CliError::Usage("the platform answers with what is no id".to_owned()))
}
