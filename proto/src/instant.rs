//! Instants on the wire: microseconds since the Unix epoch, UTC.

use time::OffsetDateTime;

/// Microseconds since the Unix epoch; below a microsecond is cut off.
pub fn to_us(instant: OffsetDateTime) -> i64 {
    (instant.unix_timestamp_nanos().div_euclid(1_000)) as i64
}

/// The instant `us` microseconds after the Unix epoch; `None` outside of what `time` can hold.
pub fn from_us(us: i64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(us) * 1_000).ok()
}
