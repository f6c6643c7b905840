//! Hooks for tests, which only a debug build has: the point at which it shall die, and ranges so short that a rebuild
//! of a small log has many. No settings of the platform: they stand in no list of them, and a release build refuses
//! them.

use std::num::NonZeroU32;

use super::error::{ConfigError, Origin};

const CRASH_AT: &str = "TIDINGS_TEST_CRASH_AT";
const REBUILD_RANGE: &str = "TIDINGS_TEST_REBUILD_RANGE";
#[cfg(debug_assertions)]
const CRASH_AT_FORM: &str =
    "must be a point and which time it is reached, such as relay.published:3";
#[cfg(debug_assertions)]
const REBUILD_RANGE_FORM: &str = "must be a number of positions";
#[cfg(not(debug_assertions))]
const REFUSED: &str = "is a hook for tests that this build does not have: unset it";

/// What tests have told this process; nothing in a release build.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hooks {
    /// Where it shall die.
    pub crash_at: Option<CrashAt>,
    /// Positions of a range that a rebuild reads at once, and stages.
    pub rebuild_range: Option<NonZeroU32>,
}

/// Where a process shall die.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrashAt {
    /// The point's name.
    pub point: String,
    /// 1: the first time it is reached.
    pub time: NonZeroU32,
}

impl Hooks {
    /// The hooks among these variables.
    pub(super) fn of(variables: &[(String, String)]) -> Result<Self, ConfigError> {
        let text = |variable: &str| {
            let mut set = variables.iter().filter(|(name, _)| name == variable);
            set.next().map(|(_, text)| text.as_str())
        };
        Self::parse(text(CRASH_AT), text(REBUILD_RANGE))
    }

    #[cfg(debug_assertions)]
    fn parse(crash_at: Option<&str>, rebuild_range: Option<&str>) -> Result<Self, ConfigError> {
        let crash_at = crash_at.map(|text| {
            CrashAt::parse(text).ok_or_else(|| invalid("crash_at", CRASH_AT, CRASH_AT_FORM))
        });
        let wrong = |_| invalid("rebuild_range", REBUILD_RANGE, REBUILD_RANGE_FORM);
        Ok(Self {
            crash_at: crash_at.transpose()?,
            rebuild_range: rebuild_range.map(str::parse).transpose().map_err(wrong)?,
        })
    }

    #[cfg(not(debug_assertions))]
    fn parse(crash_at: Option<&str>, rebuild_range: Option<&str>) -> Result<Self, ConfigError> {
        match (crash_at, rebuild_range) {
            (None, None) => Ok(Self::default()),
            (Some(_), _) => Err(invalid("crash_at", CRASH_AT, REFUSED)),
            (_, Some(_)) => Err(invalid("rebuild_range", REBUILD_RANGE, REFUSED)),
        }
    }
}

#[cfg(debug_assertions)]
impl CrashAt {
    fn parse(text: &str) -> Option<Self> {
        let (point, time) = text.split_once(':')?;
        Some(Self {
            point: point.to_owned(),
            time: time.parse().ok()?,
        })
    }
}

fn invalid(key: &str, variable: &str, problem: &str) -> ConfigError {
    ConfigError::Invalid {
        key: key.to_owned(),
        origin: Origin::Variable(variable.to_owned()),
        problem: problem.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variable: &str, text: &str) -> Result<Hooks, String> {
        let variables = [
            ("TIDINGS_LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
            (variable.to_owned(), text.to_owned()),
        ];
        Hooks::of(&variables).map_err(|error| error.to_string())
    }

    #[test]
    fn a_process_that_is_told_nothing_does_as_always() {
        assert_eq!(Hooks::of(&[]).unwrap(), Hooks::default());
    }

    #[cfg(debug_assertions)]
    #[test]
    fn a_debug_build_is_told_where_and_when_to_die() {
        let hooks = read(CRASH_AT, "relay.published:3").unwrap();
        let at = hooks.crash_at.unwrap();
        assert_eq!((at.point.as_str(), at.time.get()), ("relay.published", 3));
        for wrong in ["", "relay.published", "relay.published:0", "a:b"] {
            let message = read(CRASH_AT, wrong).unwrap_err();
            assert!(message.contains("such as relay.published:3"), "{message}");
        }
    }

    #[cfg(debug_assertions)]
    #[test]
    fn a_debug_build_is_told_how_long_a_range_is() {
        let hooks = read(REBUILD_RANGE, "20").unwrap();
        assert_eq!(hooks.rebuild_range, NonZeroU32::new(20));
        for wrong in ["", "0", "many"] {
            let message = read(REBUILD_RANGE, wrong).unwrap_err();
            assert!(message.contains("a number of positions"), "{message}");
        }
    }

    #[cfg(not(debug_assertions))]
    #[test]
    fn a_release_build_refuses_to_be_told() {
        for (variable, text) in [(CRASH_AT, "relay.published:3"), (REBUILD_RANGE, "20")] {
            assert!(read(variable, text).unwrap_err().contains("unset it"));
        }
    }
}
