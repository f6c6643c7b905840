//! A month of the calendar, in UTC.

use std::fmt;

use time::{Date, OffsetDateTime, UtcOffset};

/// A month, such as 2026-09. Months are in the order of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month {
    year: i32,
    /// 1 to 12.
    month: u8,
}

impl Month {
    /// The month an instant falls in, UTC.
    pub fn of(at: OffsetDateTime) -> Self {
        let date = at.to_offset(UtcOffset::UTC).date();
        Self {
            year: date.year(),
            month: date.month().into(),
        }
    }

    /// Reads `2026-09`; the years 1970 to 9999.
    pub fn parse(text: &str) -> Option<Self> {
        let (year, month) = text.split_once('-')?;
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if (year.len(), month.len()) != (4, 2) || !digits(year) || !digits(month) {
            return None;
        }
        let (year, month) = (year.parse().ok()?, month.parse().ok()?);
        let fits = (1970..=9999).contains(&year) && (1..=12).contains(&month);
        fits.then_some(Self { year, month })
    }

    /// Its first instant.
    pub fn start(self) -> OffsetDateTime {
        let month = time::Month::try_from(self.month).expect("it is one of twelve");
        let first = Date::from_calendar_date(self.year, month, 1);
        first
            .expect("every month has a first day")
            .midnight()
            .assume_utc()
    }

    /// The month so many before this one; the first there is when that is too many.
    pub fn before(self, months: u32) -> Self {
        let index = i64::from(self.year) * 12 + i64::from(self.month) - 1 - i64::from(months);
        let index = index.max(1970 * 12);
        Self {
            year: i32::try_from(index / 12).unwrap_or(1970),
            month: u8::try_from(index % 12).unwrap_or(0) + 1,
        }
    }

    /// When what is kept for so many whole months after its end is kept no longer.
    pub fn kept_until(self, months: u32) -> OffsetDateTime {
        let ago = i64::from(self.year) * 12 + i64::from(self.month) + i64::from(months);
        let last = 9999 * 12 + 11;
        let index = ago.min(last);
        let end = Self {
            year: i32::try_from(index / 12).unwrap_or(9999),
            month: u8::try_from(index % 12).unwrap_or(0) + 1,
        };
        end.start()
    }

    /// The last month of which nothing is kept any more at an instant, when each is kept for so many whole months after its end.
    pub fn last_not_kept(at: OffsetDateTime, months: u32) -> Self {
        Self::of(at).before(months.saturating_add(1))
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    #[test]
    fn an_instant_falls_in_the_month_it_has_in_utc() {
        let month = Month::of(datetime!(2026-10-01 01:59 +2));
        assert_eq!(month.to_string(), "2026-09");
        assert_eq!(month.start(), datetime!(2026-09-01 00:00 UTC));
        assert_eq!(month.before(9).to_string(), "2025-12");
        assert_eq!(month.before(100_000).to_string(), "1970-01");
    }

    #[test]
    fn what_is_no_month_is_not_read() {
        for bad in [
            "",
            "2026",
            "2026-9",
            "2026-13",
            "2026-00",
            "1969-12",
            "+026-09",
            "2026-09-01",
        ] {
            assert_eq!(Month::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_month_is_kept_for_whole_months_after_its_end() {
        let september = Month::parse("2026-09").unwrap();
        let until = september.kept_until(13);
        assert_eq!(until, datetime!(2027-11-01 00:00 UTC));
        let before = until - time::Duration::SECOND;
        assert_eq!(Month::last_not_kept(before, 13).to_string(), "2026-08");
        assert_eq!(Month::last_not_kept(until, 13), september);
        let last = Month::parse("9999-12").unwrap();
        assert_eq!(last.kept_until(13), last.start());
    }

    proptest! {
        #[test]
        fn what_is_kept_and_what_is_not_meet(year in 1975i32..=9980, month in 1u8..=12, months in 1u32..=120) {
            let it = Month { year, month };
            let until = it.kept_until(months);
            prop_assert!(Month::last_not_kept(until, months) >= it);
            prop_assert!(Month::last_not_kept(until - time::Duration::SECOND, months) < it);
        }

        #[test]
        fn every_month_reads_as_it_is_shown(year in 1970i32..=9999, month in 1u8..=12, back in 0u32..5_000) {
            let it = Month { year, month };
            prop_assert_eq!(Month::parse(&it.to_string()), Some(it));
            prop_assert_eq!(Month::of(it.start()), it);
            prop_assert!(it.before(back) <= it);
            prop_assert_eq!(it.before(back).before(1), it.before(back + 1));
        }
    }
}
