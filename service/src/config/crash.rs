//! A hook for tests: the point at which a debug build shall die. No setting of the platform: it stands in
//! no list of them, and a release build refuses it.

use std::num::NonZeroU32;

use super::error::{ConfigError, Origin};

const VARIABLE: &str = "TIDINGS_TEST_CRASH_AT";
#[cfg(debug_assertions)]
const FORM: &str = "must be a point and which time it is reached, such as relay.published:3";
#[cfg(not(debug_assertions))]
const REFUSED: &str = "is a hook for tests that this build does not have: unset it";

/// Where a process shall die.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrashAt {
    /// The point's name.
    pub point: String,
    /// 1: the first time it is reached.
    pub time: NonZeroU32,
}

impl CrashAt {
    /// The hook among these variables, if it is set.
    pub(super) fn of(variables: &[(String, String)]) -> Result<Option<Self>, ConfigError> {
        let set = variables.iter().find(|(name, _)| name == VARIABLE);
        set.map(|(_, text)| Self::parse(text)).transpose()
    }

    #[cfg(debug_assertions)]
    fn parse(text: &str) -> Result<Self, ConfigError> {
        let parsed = text.split_once(':').and_then(|(point, time)| {
            Some(Self {
                point: point.to_owned(),
                time: time.parse().ok()?,
            })
        });
        parsed.ok_or_else(|| invalid(FORM))
    }

    #[cfg(not(debug_assertions))]
    fn parse(_: &str) -> Result<Self, ConfigError> {
        Err(invalid(REFUSED))
    }
}

fn invalid(problem: &str) -> ConfigError {
    ConfigError::Invalid {
        key: "crash_at".to_owned(),
        origin: Origin::Variable(VARIABLE.to_owned()),
        problem: problem.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<CrashAt>, String> {
        let variables = [
            ("TIDINGS_LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
            (VARIABLE.to_owned(), text.to_owned()),
        ];
        CrashAt::of(&variables).map_err(|error| error.to_string())
    }

    #[test]
    fn a_process_that_is_not_told_to_die_lives() {
        assert_eq!(CrashAt::of(&[]).unwrap(), None);
    }

    #[cfg(debug_assertions)]
    #[test]
    fn a_debug_build_is_told_where_and_when() {
        let at = read("relay.published:3").unwrap().unwrap();
        assert_eq!((at.point.as_str(), at.time.get()), ("relay.published", 3));
        for wrong in ["", "relay.published", "relay.published:0", "a:b"] {
            let message = read(wrong).unwrap_err();
            assert!(message.contains("such as relay.published:3"), "{message}");
        }
    }

    #[cfg(not(debug_assertions))]
    #[test]
    fn a_release_build_refuses_to_be_told() {
        assert!(read("relay.published:3").unwrap_err().contains("unset it"));
    }
}
