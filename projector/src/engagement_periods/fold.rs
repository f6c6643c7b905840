//! Folds each month's hits, and what became of its key, into one row.

use tidings_event_store::feed::Item;
use tidings_event_store::vault::KeyRing;
use tidings_event_store::view::{Definition, Merge, Month, View};
use tidings_event_store::{UnderstandError, view_row};
use tidings_proto::Event;
use time::OffsetDateTime;

use crate::fields::{Fields, of_nouns};
use crate::hit::{Did, hit};

/// The view `engagement_periods`.
pub struct EngagementPeriods;

view_row! {
    /// A month.
    pub struct PeriodRow {
        key {
            /// Such as 2026-09, UTC.
            period: String,
        }
        /// Times that a picture was fetched, by whoever.
        opens: i64,
        /// Times that a link was followed, by whoever.
        clicks: i64,
        /// From then on nothing is sealed under its key.
        closed_at: Option<OffsetDateTime>,
        /// Since then its key is destroyed.
        shredded_at: Option<OffsetDateTime>,
    }
}

impl View for EngagementPeriods {
    type Row = PeriodRow;
    const DEFINITION: Definition = Definition {
        name: "engagement_periods",
        sql: tidings_schema::views::ENGAGEMENT_PERIODS,
    };
    const NOUNS: &'static [&'static str] = &["engagement", "engagement_period"];

    fn fold(
        item: &Item,
        _ring: &KeyRing,
        rows: &mut Vec<Self::Row>,
    ) -> Result<(), UnderstandError> {
        let Some(event) = of_nouns(item, Self::NOUNS)? else {
            return Ok(());
        };
        let fields = Fields::of(event);
        let at = Some(item.recorded.occurred_at);
        let row = match (event, hit(event)) {
            (_, Some(hit)) => PeriodRow {
                opens: i64::from(hit.did == Did::Open),
                clicks: i64::from(hit.did == Did::Click),
                ..PeriodRow::nothing(fields, hit.period)?
            },
            (Event::EngagementPeriodClosed(it), _) => PeriodRow {
                closed_at: at,
                ..PeriodRow::nothing(fields, &it.period)?
            },
            (Event::EngagementPeriodShredded(it), _) => PeriodRow {
                shredded_at: at,
                ..PeriodRow::nothing(fields, &it.period)?
            },
            _ => return Ok(()),
        };
        rows.push(row);
        Ok(())
    }
}

impl PeriodRow {
    fn nothing(fields: Fields, period: &str) -> Result<Self, UnderstandError> {
        let month = Month::parse(period).ok_or_else(|| fields.impossible("period"))?;
        Ok(Self {
            period: month.to_string(),
            opens: 0,
            clicks: 0,
            closed_at: None,
            shredded_at: None,
        })
    }
}

impl Merge for PeriodRow {
    fn merge(self, later: Self) -> Self {
        Self {
            period: self.period,
            opens: self.opens + later.opens,
            clicks: self.clicks + later.clicks,
            // For ever, as the stream's own fold has it.
            closed_at: self.closed_at.or(later.closed_at),
            shredded_at: self.shredded_at.or(later.shredded_at),
        }
    }
}
