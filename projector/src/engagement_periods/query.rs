//! Reads months of engagement.

use serde::Serialize;
use tidings_event_store::view::{Month, engagement_period};
use tidings_service::Problem;
use time::OffsetDateTime;
use tokio_postgres::Row;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::reader::{Reader, no_keys};

/// A month in which mails told what their readers did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Period {
    /// The month, UTC.
    #[schema(example = "2026-09")]
    pub period: String,
    /// `open`: its evidence is kept. `closed`: no more is, and its key is about to be destroyed. `shredded`: it is, and nobody
    /// can open the evidence any more.
    #[schema(example = "open")]
    pub state: String,
    /// Times that a mail's picture was fetched, by people and programs. These counts stay for ever.
    pub opens: i64,
    /// Times that a link of a mail was followed, by people and programs.
    pub clicks: i64,
    /// Until when its evidence is kept, as `engagement.keep_months` has it now; null once it is not.
    #[serde(with = "time::serde::rfc3339::option")]
    pub kept_until: Option<OffsetDateTime>,
    /// From then on no evidence of it was kept.
    #[serde(with = "time::serde::rfc3339::option")]
    pub closed_at: Option<OffsetDateTime>,
    /// When its key was destroyed.
    #[serde(with = "time::serde::rfc3339::option")]
    pub shredded_at: Option<OffsetDateTime>,
}

const SHREDDED: &str = "shredded";
const SELECT: &str = "select period, opens, clicks, closed_at, shredded_at from publishing_engagement_periods \
     where $1::text is null or period collate \"C\" < $1 order by period collate \"C\" desc limit $2";

/// Up to `limit` months before one, newest first. What has become of each one's key the vault tells, whatever the log does: a
/// restore destroys those again that were, and what it has lost of that is recorded later.
pub(super) async fn list(
    reader: &Reader,
    before: Option<Month>,
    limit: i64,
) -> Result<Vec<Period>, Problem> {
    let before = before.map(|month| month.to_string());
    let rows = reader.rows(SELECT, &[&before, &limit]).await?;
    let keep_months = reader.engagement_months();
    let mut periods: Vec<Period> = rows.iter().map(|row| period(row, keep_months)).collect();
    let kept = periods.iter().filter(|it| it.shredded_at.is_none());
    let keys: Vec<Uuid> = kept.filter_map(|it| key(&it.period)).collect();
    let destroyed = match keys[..] {
        [] => Vec::new(),
        _ => {
            let asked = reader.store().vault().shredded(&keys).await;
            asked.map_err(|error| no_keys(&error))?
        }
    };
    for (key_id, at) in destroyed {
        for period in periods
            .iter_mut()
            .filter(|it| key(&it.period) == Some(key_id))
        {
            period.state = SHREDDED.to_owned();
            period.shredded_at.get_or_insert(at);
            period.kept_until = None;
        }
    }
    Ok(periods)
}

/// The id of a month's key.
fn key(period: &str) -> Option<Uuid> {
    Month::parse(period).map(engagement_period)
}

fn period(row: &Row, keep_months: Option<u32>) -> Period {
    let period: String = row.get("period");
    let (closed_at, shredded_at): (Option<OffsetDateTime>, Option<OffsetDateTime>) =
        (row.get("closed_at"), row.get("shredded_at"));
    let state = match (closed_at, shredded_at) {
        (_, Some(_)) => SHREDDED,
        (Some(_), None) => "closed",
        (None, None) => "open",
    };
    let kept_until = Month::parse(&period).zip(keep_months);
    let kept_until = kept_until.map(|(month, months)| month.kept_until(months));
    Period {
        kept_until: kept_until.filter(|_| state == "open"),
        period,
        state: state.to_owned(),
        opens: row.get("opens"),
        clicks: row.get("clicks"),
        closed_at,
        shredded_at,
    }
}
