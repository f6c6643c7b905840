//! What a clock shows, to the minute, and the days of the week.

use std::fmt;

use jiff::civil;

use crate::value::{Invalid, code_enum};

/// An hour and a minute of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClockTime {
    hour: u8,
    minute: u8,
}

impl ClockTime {
    /// Reads `07:30`: two digits each.
    ///
    /// # Errors
    /// [`Invalid`] when no clock shows that.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let number = |text: &str, below: u8| {
            let digits = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
            let number = text.parse().ok().filter(|it| digits && *it < below);
            number.ok_or_else(|| Invalid::new("must be a time of the day such as `07:30`"))
        };
        let (hour, minute) = text.split_once(':').unwrap_or((text, ""));
        Ok(Self {
            hour: number(hour, 24)?,
            minute: number(minute, 60)?,
        })
    }

    /// A full hour; of more than 23, the last of the day.
    pub(crate) fn full_hour(hour: u8) -> Self {
        Self {
            hour: hour.min(23),
            minute: 0,
        }
    }

    pub(super) fn of(time: civil::Time) -> Self {
        Self {
            hour: time.hour().unsigned_abs(),
            minute: time.minute().unsigned_abs(),
        }
    }

    pub(super) fn to_time(self) -> civil::Time {
        civil::time(self.hour as i8, self.minute as i8, 0, 0)
    }
}

impl fmt::Display for ClockTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.hour, self.minute)
    }
}

code_enum! {
    /// A day of the week.
    Weekday {
        /// The first one by ISO 8601:
        Monday = "monday",
        /// The second:
        Tuesday = "tuesday",
        /// The third:
        Wednesday = "wednesday",
        /// The fourth:
        Thursday = "thursday",
        /// The fifth:
        Friday = "friday",
        /// The sixth:
        Saturday = "saturday",
        /// The last:
        Sunday = "sunday",
    }
}

impl Weekday {
    pub(super) fn is(self, day: civil::Weekday) -> bool {
        let number = Self::ALL.iter().position(|it| *it == self);
        number == Some(day.to_monday_zero_offset().unsigned_abs().into())
    }
}
