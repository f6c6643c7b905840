//! Reads months of engagement.

use serde::Serialize;
use tidings_event_store::view::Month;
use tidings_service::Problem;
use time::OffsetDateTime;
use tokio_postgres::Row;
use utoipa::ToSchema;

use crate::reader::Reader;

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

const SELECT: &str = "select period, opens, clicks, closed_at, shredded_at from publishing_engagement_periods \
     where $1::text is null or period collate \"C\" < $1 order by period collate \"C\" desc limit $2";

/// Up to `limit` months before one, newest first.
pub(super) async fn list(
    reader: &Reader,
    before: Option<Month>,
    limit: i64,
) -> Result<Vec<Period>, Problem> {
    let before = before.map(|month| month.to_string());
    let rows = reader.rows(SELECT, &[&before, &limit]).await?;
    let keep_months = reader.engagement_months();
    Ok(rows.iter().map(|row| period(row, keep_months)).collect())
}

fn period(row: &Row, keep_months: Option<u32>) -> Period {
    let period: String = row.get("period");
    let (closed_at, shredded_at): (Option<OffsetDateTime>, Option<OffsetDateTime>) =
        (row.get("closed_at"), row.get("shredded_at"));
    let state = match (closed_at, shredded_at) {
        (_, Some(_)) => "shredded",
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
