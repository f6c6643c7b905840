//! The accounting of a publication, as a reader sees it.

use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::Error;
use crate::platform::Platform;

const ACCOUNTING: &str = "select coalesce(sum(planned), 0)::bigint, coalesce(sum(pending), 0)::bigint, \
     coalesce(sum(sent), 0)::bigint from publishing_publication_accounting where publication_id = $1";
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Far more than it takes.
const PATIENCE: Duration = Duration::from_secs(180);

/// Waits until so many deliveries are planned and sent, and none is pending.
///
/// # Errors
/// When that does not come about.
pub(super) async fn balanced(
    platform: &Platform,
    publication_id: Uuid,
    receivers: i64,
) -> Result<(), Error> {
    let client = &platform.database.client;
    let statement = client.prepare(ACCOUNTING).await?;
    let started = Instant::now();
    loop {
        let row = client.query_one(&statement, &[&publication_id]).await?;
        let (planned, pending, sent): (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
        if (planned, pending, sent) == (receivers, 0, receivers) {
            return Ok(());
        }
        if started.elapsed() > PATIENCE {
            let state = format!("{planned} planned, {pending} pending, {sent} sent");
            return Err(format!("the mails do not all go out: {state} of {receivers}").into());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
