//! What was tried and did not get through, although nothing keeps its channel from trying.

use std::collections::HashMap;

use tidings_proto::reason::words;
use tidings_service::Problem;
use tidings_service::clock::shown;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::reader::Reader;

/// Deliveries of a publication that its channel did not get through at the last attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failing {
    pub(super) deliveries: i64,
    /// What the latest of these attempts met: a code.
    pub(super) reason: String,
    /// When the first of them is tried again.
    pub(super) again_at: Option<OffsetDateTime>,
}

// The dispatcher's view is there once a dispatcher has run.
const IS_THERE: &str = "select to_regclass('publishing_dispatch_queue') is not null";
// By the index of what was put off for a channel: that is little, however much waits.
const FAILING: &str = "select q.channel_id, count(*) as deliveries, \
         (array_agg(q.put_off_reason order by q.put_off_at desc))[1] as reason, min(q.due_at) as again_at \
     from publishing_channel_list c join publishing_dispatch_queue q on q.channel_id = c.channel_id \
     where c.channel_id = any($2) and q.cause_id = $1 and q.put_off_for = 'channel' \
         and q.position >= coalesce(c.mended_position, 0) \
     group by q.channel_id";

/// Of a publication, by channel.
pub(super) async fn of(
    reader: &Reader,
    publication_id: Uuid,
    channels: &[Uuid],
) -> Result<HashMap<Uuid, Failing>, Problem> {
    let is_there = reader.rows(IS_THERE, &[]).await?;
    if !is_there.iter().any(|row| row.get(0)) {
        return Ok(HashMap::new());
    }
    let rows = reader.rows(FAILING, &[&publication_id, &channels]).await?;
    let of = |row: &tokio_postgres::Row| {
        let failing = Failing {
            deliveries: row.get("deliveries"),
            reason: row.get::<_, Option<String>>("reason").unwrap_or_default(),
            again_at: row.get("again_at"),
        };
        (row.get("channel_id"), failing)
    };
    Ok(rows.iter().map(of).collect())
}

impl Failing {
    /// What these wait for, of so many that are pending: a clause.
    pub(super) fn clause(&self, pending: i64, now: OffsetDateTime) -> String {
        let why = words(&self.reason);
        let many = self.deliveries > 1;
        let them = if many { "they" } else { "it" };
        let begins = if many { "they are" } else { "it is" };
        let then = match self.again_at.filter(|at| *at > now).map(shown) {
            Some(at) if many => format!("{begins} tried again from {at} on"),
            Some(at) => format!("{begins} tried again at {at}"),
            None => format!("{begins} being tried again"),
        };
        if self.deliveries >= pending {
            return format!("{them} did not get through ({why}); {then}");
        }
        let count = self.deliveries;
        format!(
            "their turn, or the time when each is tried again or its reader wants it; {count} of them did not get through \
             so far ({why}), and {then}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-03-01 10:00 UTC);

    #[test]
    fn an_editor_is_told_that_it_was_not_taken_why_and_when_it_is_tried_again() {
        let failing = |deliveries, minutes| Failing {
            deliveries,
            reason: "server_error".to_owned(),
            again_at: Some(NOW + time::Duration::minutes(minutes)),
        };
        assert_eq!(
            failing(1, 5).clause(1, NOW),
            "it did not get through (the receiving side has trouble of its own); it is tried again at 2026-03-01 \
             10:05:00 UTC"
        );
        assert_eq!(
            failing(1, 0).clause(1, NOW),
            "it did not get through (the receiving side has trouble of its own); it is being tried again"
        );
        assert_eq!(
            failing(2, 5).clause(2, NOW),
            "they did not get through (the receiving side has trouble of its own); they are tried again from \
             2026-03-01 10:05:00 UTC on"
        );
        let of_many = failing(2, 5).clause(9, NOW);
        assert!(of_many.starts_with("their turn, "), "{of_many}");
        assert!(
            of_many.contains("; 2 of them did not get through so far (the receiving side has trouble of its own), and they are"),
            "{of_many}"
        );
    }
}
