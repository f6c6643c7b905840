//! Versions over the whole log: 1, 2, 3, … in each stream, in the order of positions.
//!
//! Counting them in memory while the log goes by would take an entry a stream, and a log has about a stream for
//! every three events. So they are read once more by the index (stream_id, version), in pages: in that order one
//! stream's last version is all there is to remember, however long the log, and each page is a short snapshot. Ids
//! are time-ordered, so the rows behind the index lie nearly in its order. A check by count and max alone would
//! read the index only, but it would take two versions that changed places for right.

use deadpool_postgres::Pool;
use uuid::Uuid;

use super::finding::{Defect, Finding, note};
use crate::copy::{Fields, Rows};
use crate::log::ReadError;

/// Rows read at once.
const PAGE: usize = 200_000;

/// The first version up to position `head` that does not follow the one before in its stream.
pub(super) async fn check(pool: Pool, head: i64) -> Result<Option<Finding>, ReadError> {
    let mut walk = Walk::default();
    let mut after = String::new();
    loop {
        let client = pool.get().await?;
        let query = format!(
            "select stream_id, version, position from publishing_events where position <= {head} {after} \
             order by stream_id, version limit {PAGE}"
        );
        let mut rows = Rows::of(&client, &query).await?;
        let mut count = 0;
        while let Some(row) = rows.next().await? {
            let mut fields = Fields::of(&row);
            let key = (fields.uuid(), fields.int4(), fields.int8());
            if let (Some(stream_id), Some(version), Some(position)) = key {
                walk.take(stream_id, version, position);
            }
            count += 1;
        }
        if count < PAGE {
            return Ok(walk.finding);
        }
        let Walk {
            stream_id, version, ..
        } = walk;
        after = format!("and (stream_id, version) > ('{stream_id}', {version})");
    }
}

/// A walk through all streams, each from its lowest version up.
#[derive(Default)]
struct Walk {
    stream_id: Uuid,
    /// The last one that was read.
    version: i32,
    /// The highest that followed those before it, and its position.
    followed: (i32, i64),
    finding: Option<Finding>,
}

impl Walk {
    fn take(&mut self, stream_id: Uuid, version: i32, position: i64) {
        if stream_id != self.stream_id {
            self.stream_id = stream_id;
            self.followed = (0, 0);
        }
        self.version = version;
        let (before, before_position) = self.followed;
        if version != before.saturating_add(1) || position <= before_position {
            note(
                &mut self.finding,
                Finding::at(position, Defect::VersionNotContiguous),
            );
        }
        // A version that stands twice, or below 1, must not make its right neighbours look wrong.
        if version > before {
            self.followed = (version, position);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first position found in a stream of these (version, position), read by version.
    fn found(mut rows: Vec<(i32, i64)>) -> Option<i64> {
        rows.sort_unstable();
        let mut walk = Walk::default();
        for (version, position) in rows {
            walk.take(Uuid::from_u128(7), version, position);
        }
        walk.finding.map(|finding| finding.position)
    }

    #[test]
    fn the_first_event_out_of_line_is_named() {
        for (rows, first) in [
            (vec![(1, 4), (2, 9), (3, 20)], None),
            (vec![(2, 4), (3, 9)], Some(4)),
            (vec![(1, 4), (3, 9), (2, 20)], Some(9)),
            (vec![(1, 4), (1_002, 9), (3, 20)], Some(9)),
            (vec![(1, 4), (0, 9), (3, 20)], Some(9)),
            (vec![(1, 4), (-7, 9), (3, 20)], Some(9)),
            (vec![(1, 4), (1, 9), (3, 20)], Some(9)),
            (vec![(1, 4), (2, 9), (9, 20)], Some(20)),
        ] {
            assert_eq!(found(rows.clone()), first, "{rows:?}");
        }
    }

    #[test]
    fn every_stream_begins_anew() {
        let mut walk = Walk::default();
        walk.take(Uuid::from_u128(1), 1, 5);
        walk.take(Uuid::from_u128(2), 1, 2);
        walk.take(Uuid::from_u128(2), 2, 3);
        assert_eq!(walk.finding, None);
    }
}
