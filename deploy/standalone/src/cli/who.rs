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

/// That somebody is looked up by their address only with a reason.
///
/// # Errors
/// A sentence for whoever gave none.
pub(super) fn is_said_why(who: &str, reason: Option<&str>) -> Result<(), CliError> {
    if who.contains('@') && reason.is_none() {
        return Err(CliError::Usage(
            "say with --reason why you look somebody up by their address: it goes on record with the look".to_owned(),
        ));
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_looked_up_by_their_address_without_a_reason() {
        let why = Some("ticket 4711");
        let id = "019b7cba-7a2e-8000-9c5e-0d8f6f2f3b15";
        for (who, reason) in [("ada@example.org", why), (id, None), ("example.org", None)] {
            assert!(is_said_why(who, reason).is_ok(), "{who}");
        }
        let error = is_said_why("ada@example.org", None).unwrap_err();
        assert_eq!(error.exit_code(), 64);
        assert!(error.to_string().contains("--reason"), "{error}");
    }
}
