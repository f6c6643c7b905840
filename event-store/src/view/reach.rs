//! How far views have come, for whoever reads their tables and wants to see what they have written.

use std::time::Duration;

use crate::log::{Log, ReadError};

const PRESENT: &str =
    "select count(*), coalesce(min(position), 0) from publishing_views where view = any($1)";
const POLL_MIN: Duration = Duration::from_millis(5);
const POLL_MAX: Duration = Duration::from_millis(100);

/// How far the last of several views is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// At this position, and as far as was asked for.
    At(i64),
    /// Only here, although it was waited for.
    Behind(i64),
    /// One of them is being built for the first time.
    Unborn,
}

/// Waits up to `patience` until all of these views have come to the position `at_least`, if there is one. Ask before
/// the rows are read: then they are at least as new.
///
/// # Errors
/// When the database cannot be read.
pub async fn reached(
    log: &Log,
    views: &[&'static str],
    at_least: Option<i64>,
    patience: Duration,
) -> Result<Reached, ReadError> {
    let wanted = at_least.unwrap_or(0);
    let (mut waited, mut pause) = (Duration::ZERO, POLL_MIN);
    loop {
        // They may be folded by another process, so their table is asked.
        match present(log, views).await? {
            None => return Ok(Reached::Unborn),
            Some(position) if position >= wanted => return Ok(Reached::At(position)),
            Some(position) if waited >= patience => return Ok(Reached::Behind(position)),
            Some(_) => {}
        }
        tokio::time::sleep(pause).await;
        waited += pause;
        pause = (pause * 2).min(POLL_MAX);
    }
}

async fn present(log: &Log, views: &[&'static str]) -> Result<Option<i64>, ReadError> {
    let rows = log.query(PRESENT, &[&views]).await?;
    let row = rows.first().map(|row| (row.get::<_, i64>(0), row.get(1)));
    Ok(row
        .filter(|(count, _)| usize::try_from(*count) == Ok(views.len()))
        .map(|(_, position)| position))
}
