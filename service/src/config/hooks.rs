//! Hooks for tests, which only a debug build has: the point at which it shall die or stand still, ranges so short that a rebuild of
//! a small log has many, and a clock that is wrong. No settings of the platform: they stand in no list of them, and a release build refuses
//! them.

use std::num::NonZeroU32;
use std::time::Duration;

use super::error::{ConfigError, Origin};

const CRASH_AT: &str = "TIDINGS_TEST_CRASH_AT";
const REBUILD_RANGE: &str = "TIDINGS_TEST_REBUILD_RANGE";
const CLOCK_AHEAD: &str = "TIDINGS_TEST_CLOCK_AHEAD_S";
#[cfg(debug_assertions)]
const CRASH_AT_FORM: &str = "must be a point and which time it is reached, such as relay.published:3, or relay.published:3:stop";
#[cfg(debug_assertions)]
const STOP: &str = ":stop";
#[cfg(debug_assertions)]
const REBUILD_RANGE_FORM: &str = "must be a number of positions";
#[cfg(debug_assertions)]
const CLOCK_AHEAD_FORM: &str = "must be a number of seconds";
#[cfg(not(debug_assertions))]
const REFUSED: &str = "is a hook for tests that this build does not have: unset it";

/// What tests have told this process; nothing in a release build.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hooks {
    /// Where it shall die, or stand still.
    pub crash_at: Option<CrashAt>,
    /// Positions of a range that a rebuild reads at once, and stages.
    pub rebuild_range: Option<NonZeroU32>,
    /// By how much its clock is ahead of the machine's.
    pub clock_ahead: Option<Duration>,
}

/// Where a process shall die, or stand still.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrashAt {
    /// The point's name.
    pub point: String,
    /// 1: the first time it is reached.
    pub time: NonZeroU32,
    /// Whether it stands still until it is sent SIGCONT, instead of dying.
    pub stands_still: bool,
}

impl Hooks {
    /// The hooks among these variables.
    pub(super) fn of(variables: &[(String, String)]) -> Result<Self, ConfigError> {
        let text = |variable: &str| {
            let mut set = variables.iter().filter(|(name, _)| name == variable);
            set.next().map(|(_, text)| text.as_str())
        };
        Self::parse(text(CRASH_AT), text(REBUILD_RANGE), text(CLOCK_AHEAD))
    }

    #[cfg(debug_assertions)]
    fn parse(
        crash_at: Option<&str>,
        rebuild_range: Option<&str>,
        clock_ahead: Option<&str>,
    ) -> Result<Self, ConfigError> {
        let crash_at = crash_at.map(|text| {
            CrashAt::parse(text).ok_or_else(|| invalid("crash_at", CRASH_AT, CRASH_AT_FORM))
        });
        let wrong = |_| invalid("rebuild_range", REBUILD_RANGE, REBUILD_RANGE_FORM);
        let wrong_clock = |_| invalid("clock_ahead", CLOCK_AHEAD, CLOCK_AHEAD_FORM);
        let clock_ahead = clock_ahead.map(str::parse).transpose();
        Ok(Self {
            crash_at: crash_at.transpose()?,
            rebuild_range: rebuild_range.map(str::parse).transpose().map_err(wrong)?,
            clock_ahead: clock_ahead.map_err(wrong_clock)?.map(Duration::from_secs),
        })
    }

    #[cfg(not(debug_assertions))]
    fn parse(
        crash_at: Option<&str>,
        rebuild_range: Option<&str>,
        clock_ahead: Option<&str>,
    ) -> Result<Self, ConfigError> {
        match (crash_at, rebuild_range, clock_ahead) {
            (None, None, None) => Ok(Self::default()),
            (Some(_), ..) => Err(invalid("crash_at", CRASH_AT, REFUSED)),
            (_, Some(_), _) => Err(invalid("rebuild_range", REBUILD_RANGE, REFUSED)),
            (.., Some(_)) => Err(invalid("clock_ahead", CLOCK_AHEAD, REFUSED)),
        }
    }
}

#[cfg(debug_assertions)]
impl CrashAt {
    fn parse(text: &str) -> Option<Self> {
        let stopped = text.strip_suffix(STOP);
        let (point, time) = stopped.unwrap_or(text).split_once(':')?;
        Some(Self {
            point: point.to_owned(),
            time: time.parse().ok()?,
            stands_still: stopped.is_some(),
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
        assert!(!at.stands_still);
        let stands = read(CRASH_AT, "relay.published:3:stop").unwrap();
        let stands = stands.crash_at.unwrap();
        let expected = CrashAt {
            stands_still: true,
            ..at
        };
        assert_eq!(stands, expected);
        for wrong in [
            "",
            "relay.published",
            "relay.published:0",
            "a:b",
            "a:1:b",
            "a:stop",
        ] {
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

    #[cfg(debug_assertions)]
    #[test]
    fn a_debug_build_is_told_that_its_clock_is_wrong() {
        let hooks = read(CLOCK_AHEAD, "20").unwrap();
        assert_eq!(hooks.clock_ahead, Some(Duration::from_secs(20)));
        let message = read(CLOCK_AHEAD, "a while").unwrap_err();
        assert!(message.contains("a number of seconds"), "{message}");
    }

    #[cfg(not(debug_assertions))]
    #[test]
    fn a_release_build_refuses_to_be_told() {
        let told = [
            (CRASH_AT, "relay.published:3"),
            (REBUILD_RANGE, "20"),
            (CLOCK_AHEAD, "20"),
        ];
        for (variable, text) in told {
            assert!(read(variable, text).unwrap_err().contains("unset it"));
        }
    }
}
