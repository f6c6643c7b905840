//! How long keys and secrets live, as a request says it.

use tidings_service::parse_instant;
use time::{Duration, OffsetDateTime};

use crate::refusal::Values;

/// What a key lives unless its maker says otherwise.
pub(super) const LIFE: Duration = Duration::days(365);
/// The longest it may: about ten years, as a token.
const LIFE_MAX: Duration = Duration::days(3_660);
/// How long the tokens of before go on beside a new one, in seconds.
pub(super) const OVERLAP_S: u64 = 24 * 3_600;
/// The longest they may.
const OVERLAP_S_MAX: u64 = 30 * 24 * 3_600;

/// When a key ends. The outer `None`: it is wrong.
pub(super) fn expires_at(
    values: &mut Values,
    text: Option<&str>,
    now: OffsetDateTime,
) -> Option<Option<OffsetDateTime>> {
    let Some(text) = text else {
        return Some(None);
    };
    let pointer = "#/expires_at";
    let Some(at) = parse_instant(text) else {
        values.wrong(pointer, "it must be a time such as 2027-03-01T00:00:00Z");
        return None;
    };
    if at <= now || at > now + LIFE_MAX {
        let detail = format!(
            "it must lie in the future, and at most {} days from now",
            LIFE_MAX.whole_days()
        );
        values.wrong(pointer, &detail);
        return None;
    }
    // What the log keeps.
    Some(at.replace_nanosecond(at.nanosecond() / 1_000 * 1_000).ok())
}

/// How long the secrets of before go on.
pub(super) fn overlap(values: &mut Values, seconds: u64) -> Option<Duration> {
    if seconds > OVERLAP_S_MAX {
        let detail = format!("it must be 0 to {OVERLAP_S_MAX} seconds");
        values.wrong("#/overlap_s", &detail);
        return None;
    }
    i64::try_from(seconds).ok().map(Duration::seconds)
}
