//! Civil times: what a clock on a wall in some place shows. The one module that does zone arithmetic.
//!
//! A civil time is kept as it was given and turned into an instant as late as possible, since zones change
//! their rules. Where clocks are put forward it may not exist: then it is the first instant after the gap.
//! Where they are put back it exists twice: then it is the first of the two.

mod clock_time;
mod zone;

use std::fmt;

use jiff::civil::DateTime;
use time::OffsetDateTime;

pub use clock_time::{ClockTime, Weekday};
pub use zone::Zone;

/// A civil time in a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CivilTime {
    local: DateTime,
    zone: Zone,
}

/// Why a text is no civil time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Not a date and time.
    #[error("must be a date and time without an offset, such as `2026-12-24T08:00`")]
    LocalTime,
    /// Not a zone.
    #[error("must be the IANA name of a time zone, such as `Europe/Berlin` or `UTC`")]
    Zone,
}

impl CivilTime {
    /// Reads a local time (`2026-12-24T08:00`, seconds if wanted) and the IANA name of a zone.
    ///
    /// # Errors
    /// Everything that is wrong with either.
    pub fn parse(local: &str, zone: &str) -> Result<Self, Vec<ParseError>> {
        let local = local_time(local).ok_or(ParseError::LocalTime);
        let zone = Zone::parse(zone);
        match (local, zone) {
            (Ok(local), Ok(zone)) => Ok(Self { local, zone }),
            (local, zone) => Err([local.err(), zone.err()].into_iter().flatten().collect()),
        }
    }

    /// Takes what is on record; `None` if that is no date and time.
    pub fn recorded(local: &str, zone: String) -> Option<Self> {
        let local = local_time(local)?;
        Some(Self {
            local,
            zone: Zone::recorded(zone),
        })
    }

    /// The instant it stands for by today's rules; `None` if the zone is not known to this build, or the
    /// instant lies beyond what instants can say.
    pub fn instant(&self) -> Option<OffsetDateTime> {
        self.zone.first(self.local)
    }

    /// `2026-12-24T08:00:00`.
    pub fn local_time(&self) -> String {
        self.local.strftime("%Y-%m-%dT%H:%M:%S").to_string()
    }

    /// `Europe/Berlin`.
    pub fn zone(&self) -> &str {
        self.zone.name()
    }
}

impl fmt::Display for CivilTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.local_time(), self.zone())
    }
}

/// No offset, no zone, no fractions: two ways to say the same could contradict each other.
fn local_time(text: &str) -> Option<DateTime> {
    let plain = |c: char| c.is_ascii_digit() || matches!(c, '-' | ':' | 'T');
    if !text.chars().all(plain) || !text.contains('T') {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use time::macros::datetime;

    fn instant(local: &str, zone: &str) -> OffsetDateTime {
        CivilTime::parse(local, zone).unwrap().instant().unwrap()
    }

    #[test]
    fn a_time_that_exists_once_is_that_instant() {
        let winter = instant("2026-12-24T08:00", "Europe/Berlin");
        assert_eq!(winter, datetime!(2026-12-24 07:00 UTC));
        let summer = instant("2026-07-01T08:00:30", "Europe/Berlin");
        assert_eq!(summer, datetime!(2026-07-01 06:00:30 UTC));
        assert_eq!(
            instant("2026-12-24T08:00", "UTC"),
            datetime!(2026-12-24 08:00 UTC)
        );
    }

    #[test]
    fn a_time_that_does_not_exist_is_the_first_instant_after() {
        for local in [
            "2026-03-29T02:00",
            "2026-03-29T02:30",
            "2026-03-29T02:59:59",
        ] {
            let at = instant(local, "Europe/Berlin");
            assert_eq!(at, datetime!(2026-03-29 01:00 UTC), "{local}");
        }
        // Half an hour only.
        let at = instant("2026-10-04T02:15", "Australia/Lord_Howe");
        assert_eq!(at, datetime!(2026-10-03 15:30 UTC));
        // A whole day was left out.
        let at = instant("2011-12-30T12:00", "Pacific/Apia");
        assert_eq!(at, datetime!(2011-12-30 10:00 UTC));
    }

    #[test]
    fn a_time_that_exists_twice_is_the_first() {
        let at = instant("2026-10-25T02:30", "Europe/Berlin");
        assert_eq!(at, datetime!(2026-10-25 00:30 UTC));
    }

    #[test]
    fn what_is_wrong_is_said_of_both() {
        let wrong = |local, zone| CivilTime::parse(local, zone).unwrap_err();
        assert_eq!(
            wrong("tomorrow", "Berlin"),
            [ParseError::LocalTime, ParseError::Zone]
        );
        for nowhere in ["Etc/Unknown", "etc/unknown", "Factory"] {
            assert_eq!(Zone::parse(nowhere), Err(ParseError::Zone), "{nowhere}");
        }
        assert!(Zone::parse("Etc/UTC").is_ok() && Zone::parse("Etc/GMT+5").is_ok());
        for local in [
            "2026-12-24",
            "2026-12-24 08:00",
            "2026-12-24T08:00Z",
            "2026-12-24T08:00+01:00",
            "2026-02-30T08:00",
            "2026-12-24T25:00",
            "",
        ] {
            assert_eq!(wrong(local, "UTC"), [ParseError::LocalTime], "{local}");
        }
        for zone in ["", "CEST+2", "+01:00", "Europe/Nowhere"] {
            assert_eq!(
                wrong("2026-12-24T08:00", zone),
                [ParseError::Zone],
                "{zone}"
            );
        }
    }

    #[test]
    fn a_zone_of_a_later_release_is_kept() {
        let time = CivilTime::recorded("2026-12-24T08:00:00", "Mars/Base".to_owned()).unwrap();
        assert_eq!(time.instant(), None);
        assert_eq!(time.to_string(), "2026-12-24T08:00:00 Mars/Base");
    }

    proptest! {
        #[test]
        fn what_is_recorded_is_read_again(minutes in 0i64..40_000_000, zone in 0usize..5) {
            let zone = ["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "Pacific/Apia"][zone];
            let local = DateTime::constant(1990, 1, 1, 0, 0, 0, 0)
                .checked_add(jiff::SignedDuration::from_mins(minutes))
                .unwrap();
            let time = CivilTime::parse(&local.strftime("%Y-%m-%dT%H:%M").to_string(), zone).unwrap();
            let again = CivilTime::recorded(&time.local_time(), time.zone().to_owned()).unwrap();
            prop_assert_eq!(&again, &time);
            prop_assert_eq!(again.instant(), time.instant());
            prop_assert!(time.instant().is_some());
        }
    }
}
