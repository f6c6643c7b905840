//! The parts that are more than a number.

use time::{Duration, OffsetDateTime};

use crate::schedule::ClockTime;
use crate::value::{Invalid, code_enum};

/// When nothing is to come: from one time of the clock up to another, over midnight or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuietHours {
    from: ClockTime,
    to: ClockTime,
}

impl QuietHours {
    /// `None`: they would last all day, or no time at all.
    pub fn new(from: ClockTime, to: ClockTime) -> Option<Self> {
        (from != to).then_some(Self { from, to })
    }

    /// Their first minute.
    pub fn from(&self) -> ClockTime {
        self.from
    }

    /// The minute after their last one.
    pub fn to(&self) -> ClockTime {
        self.to
    }

    /// Whether they hold when the clock shows this.
    pub fn hold_at(&self, clock: ClockTime) -> bool {
        match self.from < self.to {
            true => self.from <= clock && clock < self.to,
            false => self.from <= clock || clock < self.to,
        }
    }
}

/// A language as BCP 47 writes it: `de`, `pt-BR`, `zh-Hant-TW`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Language(String);

impl Language {
    /// Takes a language with, at most, a script and a region, in any case.
    ///
    /// # Errors
    /// [`Invalid`] when it is not of that shape.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let wrong =
            || Invalid::new("must be a language such as `de`, `pt-BR` or `zh-Hant-TW` (BCP 47)");
        let letters = |part: &str, count: std::ops::RangeInclusive<usize>| {
            count.contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphabetic())
        };
        let mut parts = text.trim().split('-').peekable();
        let language = parts.next().filter(|part| letters(part, 2..=3));
        let mut tag = language.ok_or_else(wrong)?.to_ascii_lowercase();
        if let Some(script) = parts.next_if(|part| letters(part, 4..=4)) {
            let (first, rest) = script.split_at(1);
            tag = format!(
                "{tag}-{}{}",
                first.to_ascii_uppercase(),
                rest.to_ascii_lowercase()
            );
        }
        let digits = |part: &str| part.len() == 3 && part.bytes().all(|b| b.is_ascii_digit());
        if let Some(region) = parts.next_if(|part| letters(part, 2..=2) || digits(part)) {
            tag = format!("{tag}-{}", region.to_ascii_uppercase());
        }
        match parts.next() {
            None => Ok(Self(tag)),
            Some(_) => Err(wrong()),
        }
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

code_enum! {
    /// What a cap counts over.
    CapPeriod {
        /// A day:
        Day = "day",
        /// A week:
        Week = "week",
    }
}

/// The most messages somebody wants to get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cap {
    /// How many; at least one.
    pub messages: u16,
    /// In what time.
    pub per: CapPeriod,
}

impl Cap {
    /// How long it counts over.
    pub fn period(&self) -> Duration {
        match self.per {
            CapPeriod::Day => Duration::DAY,
            CapPeriod::Week => Duration::WEEK,
        }
    }

    /// When there is room for one more, by when they got those of late, in any order; `now`: there is.
    pub fn room_at(&self, got: &[OffsetDateTime], now: OffsetDateTime) -> OffsetDateTime {
        let mut ends: Vec<OffsetDateTime> = got.iter().map(|at| *at + self.period()).collect();
        ends.sort_unstable_by(|a, b| b.cmp(a));
        let most = usize::from(self.messages.max(1));
        ends.get(most - 1).map_or(now, |end| now.max(*end))
    }

    /// More is no cap.
    pub const MESSAGES_MAX: u16 = 1_000;
}
