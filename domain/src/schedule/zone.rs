//! Time zones.

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan as _};
use time::OffsetDateTime;

use super::{ClockTime, ParseError, Weekday};

/// Names in the tables that stand for no place: their clocks show what those of Greenwich do.
const NOWHERE: [&str; 2] = ["Etc/Unknown", "Factory"];

/// An IANA time zone by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    name: String,
    /// None for a name on record that this build's tables do not know.
    rules: Option<TimeZone>,
}

impl Zone {
    /// Reads a name such as `Europe/Berlin`, in any case.
    ///
    /// # Errors
    /// When this build's tables have none of that name, or it stands for not knowing one.
    pub fn parse(name: &str) -> Result<Self, ParseError> {
        let known = Self::known(name).filter(|zone| !NOWHERE.contains(&zone.name()));
        known.ok_or(ParseError::Zone)
    }

    /// Takes what is on record.
    pub(crate) fn recorded(name: String) -> Self {
        Self::known(&name).unwrap_or(Self { name, rules: None })
    }

    fn known(name: &str) -> Option<Self> {
        let rules = TimeZone::get(name).ok()?;
        Some(Self {
            // As the tables spell it.
            name: rules.iana_name()?.to_owned(),
            rules: Some(rules),
        })
    }

    /// `Europe/Berlin`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the clock shows there at an instant; `None` if this build does not know.
    pub fn clock_at(&self, at: OffsetDateTime) -> Option<ClockTime> {
        let local = self.local(at)?;
        Some(ClockTime::of(local.time()))
    }

    /// The first instant at which the clock there shows this, on a day of the week or on any, and that is not before
    /// another. Where clocks are put forward it may be shown by none: then it is the first instant after the gap. Where
    /// they are put back it is shown twice, and both count. `None` if this build does not know.
    pub fn next(
        &self,
        day: Option<Weekday>,
        clock: ClockTime,
        not_before: OffsetDateTime,
    ) -> Option<OffsetDateTime> {
        let today = self.local(not_before)?.date();
        // A gap may swallow a whole day, so today a week on is not enough.
        for ahead in 0..=15 {
            let date = today.checked_add(i64::from(ahead).days()).ok()?;
            if day.is_some_and(|day| !day.is(date.weekday())) {
                continue;
            }
            let local = date.to_datetime(clock.to_time());
            let shown = [self.first(local), self.last(local)];
            let found = shown.into_iter().flatten().find(|at| *at >= not_before);
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// The instant a civil time stands for: the first of two, or the first after a gap.
    pub(super) fn first(&self, local: DateTime) -> Option<OffsetDateTime> {
        let rules = self.rules.as_ref()?;
        let ambiguous = rules.to_ambiguous_timestamp(local);
        let timestamp = match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => {
                ambiguous.earlier().ok()?
            }
            AmbiguousOffset::Gap { after, .. } => {
                // Read with the offset behind the gap it lies before the gap: the clocks change next.
                let before = after.to_timestamp(local).ok()?;
                rules.following(before).next()?.timestamp()
            }
        };
        instant(timestamp)
    }

    /// The second of two instants at which the clock shows this; `None` where there is no second.
    fn last(&self, local: DateTime) -> Option<OffsetDateTime> {
        let ambiguous = self.rules.as_ref()?.to_ambiguous_timestamp(local);
        match ambiguous.offset() {
            AmbiguousOffset::Fold { .. } => instant(ambiguous.later().ok()?),
            _ => None,
        }
    }

    fn local(&self, at: OffsetDateTime) -> Option<DateTime> {
        let rules = self.rules.as_ref()?;
        let at = Timestamp::from_nanosecond(at.unix_timestamp_nanos()).ok()?;
        Some(rules.to_datetime(at))
    }
}

fn instant(at: Timestamp) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(at.as_nanosecond()).ok()
}
