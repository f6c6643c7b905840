//! What mails tell of their readers: whether what is kept of each month ends when it should.

use tidings_domain::value::Month;
use tidings_event_store::tokio_postgres::{Client, Error};
use time::{Duration, OffsetDateTime};

use super::Finding;

const NAME: &str = "engagement";
/// A month ends within a minute of its time, where a platform runs and the log has recorded something since.
const PATIENCE: Duration = Duration::hours(1);
const KEPT: &str = "select period from publishing_engagement_periods \
     where shredded_at is null and period collate \"C\" <= $1 order by period collate \"C\"";

/// Whether anything is kept beyond so many whole months after that of a hit. It is `now`, or `recorded_at`, when the log recorded
/// something last, if that is earlier.
pub(super) async fn engagement(
    client: &Client,
    now: OffsetDateTime,
    recorded_at: Option<OffsetDateTime>,
    keep_months: u32,
) -> Finding {
    // Before a platform has run there are no views.
    let there = "select to_regclass('publishing_engagement_periods') is not null";
    let looked = async {
        if !client.query_one(there, &[]).await?.get::<_, bool>(0) {
            return Ok(Vec::new());
        }
        let recorded_at = recorded_at.map_or(now, |it| it.min(now));
        let last = Month::last_not_kept(recorded_at - PATIENCE, keep_months);
        let rows = client.query(KEPT, &[&last.to_string()]).await?;
        Ok::<Vec<String>, Error>(rows.iter().map(|row| row.get(0)).collect())
    };
    match looked.await {
        Ok(kept) => judge(&kept, keep_months),
        Err(error) => Finding::failed(NAME, &error, "check the rights of the database user"),
    }
}

fn judge(kept: &[String], keep_months: u32) -> Finding {
    if kept.is_empty() {
        return Finding::well(NAME, "nothing is kept of a month whose time is over");
    }
    let found = format!(
        "engagement.keep_months is {keep_months}, and the evidence of {} is there still",
        kept.join(", ")
    );
    let remedy = "see whether a platform runs (`tidings up`), and whether sending is held after a restore (`tidings dispatch \
                  show`): until its release nothing ends; if neither, the log of the platform says what keeps it";
    Finding::ill(NAME, found, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_that_should_have_ended_are_named() {
        assert!(judge(&[], 13).well);
        let finding = judge(&["2025-01".to_owned(), "2025-02".to_owned()], 13);
        assert!(!finding.well);
        assert_eq!(
            finding.found,
            "engagement.keep_months is 13, and the evidence of 2025-01, 2025-02 is there still"
        );
    }
}
