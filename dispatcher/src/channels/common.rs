//! What every kind of channel can be told, beside its own settings.

use std::sync::Arc;

use serde_json::Value;
use tidings_domain::delivery::DoubtPolicy;

use crate::channel::{Channel, ConfigError, ConfigProblem, Environment, Kind};

/// The setting that says what to do about an attempt nobody knows the outcome of.
const IN_DOUBT: &str = "in_doubt";

/// A channel as it is set up.
#[derive(Debug)]
pub(crate) struct Built {
    /// To send with.
    pub(crate) channel: Arc<dyn Channel>,
    /// What to do about an attempt nobody knows the outcome of.
    pub(crate) doubt: DoubtPolicy,
}

/// Checks a channel's settings, the common ones included, and its credentials (a JSON object's text) before they are
/// recorded.
///
/// # Errors
/// Everything that is wrong with them.
pub fn check(
    kind: &Kind,
    settings: &Value,
    credentials: Option<&str>,
    environment: &Environment,
) -> Result<(), ConfigError> {
    build(kind, settings, credentials, environment).map(drop)
}

/// Builds a channel out of its settings, the common ones included.
///
/// # Errors
/// Everything that is wrong with them.
pub(crate) fn build(
    kind: &Kind,
    settings: &Value,
    credentials: Option<&str>,
    environment: &Environment,
) -> Result<Built, ConfigError> {
    let mut settings = settings.clone();
    let wanted = settings
        .as_object_mut()
        .and_then(|all| all.remove(IN_DOUBT));
    let doubt = match wanted.as_ref().map(|wanted| (wanted, wanted.as_str())) {
        None | Some((Value::Null, _)) => Ok(kind.doubt),
        Some((_, Some("hold"))) => Ok(DoubtPolicy::Hold),
        Some((_, Some("resend"))) => Ok(DoubtPolicy::ResendOnce),
        Some(_) => Err(ConfigProblem {
            pointer: format!("/{IN_DOUBT}"),
            detail:
                "must be `hold` (rather nothing than twice) or `resend` (rather twice than nothing)"
                    .to_owned(),
        }),
    };
    match ((kind.build)(&settings, credentials, environment), doubt) {
        (Ok(channel), Ok(doubt)) => Ok(Built { channel, doubt }),
        (built, doubt) => {
            let mut problems = built.err().map_or_else(Vec::new, |error| error.problems);
            problems.extend(doubt.err());
            Err(ConfigError { problems })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channels::{KINDS, find, support};
    use serde_json::json;

    fn doubt_of(setting: &Value) -> Result<DoubtPolicy, ConfigError> {
        let environment = support::environment("/nowhere".as_ref());
        let settings = json!({ "folder": "editions", "in_doubt": setting });
        let built = build(find("file").unwrap(), &settings, None, &environment);
        built.map(|built| built.doubt)
    }

    #[test]
    fn what_to_do_in_doubt_is_the_kinds_own_unless_it_is_said() {
        assert_eq!(doubt_of(&Value::Null), Ok(DoubtPolicy::Hold));
        assert_eq!(doubt_of(&json!("hold")), Ok(DoubtPolicy::Hold));
        assert_eq!(doubt_of(&json!("resend")), Ok(DoubtPolicy::ResendOnce));
        for wrong in [json!("twice"), json!(true)] {
            let error = doubt_of(&wrong).unwrap_err();
            assert_eq!(error.problems[0].pointer, "/in_doubt");
        }
        let resends = |kind: &&Kind| kind.doubt == DoubtPolicy::ResendOnce;
        let resend: Vec<&str> = KINDS.iter().filter(resends).map(|kind| kind.name).collect();
        // Only who can tell a copy from the original is sent one without being asked.
        assert_eq!(resend, ["webhook"]);
    }
}
