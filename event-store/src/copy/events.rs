//! A range of the log as events: what a rebuild reads with. Several times as fast as a query, because rows
//! come as one stream and nothing is looked up for each.

use bytes::Bytes;
use time::OffsetDateTime;
use tokio_postgres::Client;
use uuid::Uuid;

use super::{Fields, Rows};
use crate::event::Recorded;
use crate::log::{COLUMNS, ReadError};

const SECOND_US: i64 = 1_000_000;
/// Bytes of rows at which a page ends, so that a page of the largest events is no burden on memory: each
/// reader of a rebuild holds one.
const PAGE_BYTES_MAX: usize = 16 << 20;

/// Events on their way out of the database, in order.
pub(crate) struct Copied {
    rows: Rows,
}

/// Starts to read the events after a position, up to and with another. `nouns`: of those streams only;
/// none: of all. The snapshot lives as long as the stream: a range should be a matter of seconds.
pub(crate) async fn copy_range(
    client: &Client,
    after: i64,
    through: i64,
    nouns: &[&str],
) -> Result<Copied, ReadError> {
    let wanted: Vec<String> = nouns
        .iter()
        .map(|noun| format!("starts_with(type, '{noun}.')"))
        .collect();
    let wanted = if wanted.is_empty() {
        String::new()
    } else {
        format!(" and ({})", wanted.join(" or "))
    };
    let query = format!(
        "select {COLUMNS} from publishing_events where position > {after} and position <= {through}{wanted} \
         order by position"
    );
    Ok(Copied {
        rows: Rows::of(client, &query).await?,
    })
}

impl Copied {
    /// The next events, `limit` at most and no more after 16 MiB; none: there are no more.
    pub(crate) async fn page(&mut self, limit: usize) -> Result<Vec<Recorded>, ReadError> {
        let mut page = Vec::with_capacity(limit);
        let mut bytes = 0;
        while page.len() < limit && bytes < PAGE_BYTES_MAX {
            let Some(row) = self.rows.next().await? else {
                break;
            };
            bytes += row.len();
            page.push(recorded(&row).ok_or(ReadError::Garbled)?);
        }
        Ok(page)
    }
}

/// One row with [`COLUMNS`]. Metadata and payload share the row's memory.
fn recorded(row: &Bytes) -> Option<Recorded> {
    let mut fields = Fields::of(row);
    Some(Recorded {
        position: fields.int8()?,
        stream_id: fields.uuid()?,
        version: fields.int4()?,
        event_id: fields.uuid()?,
        event_type: fields.text()?.to_owned(),
        subject: match fields.nullable()? {
            Some(subject) => Some(Uuid::from_slice(subject).ok()?),
            None => None,
        },
        occurred_at: instant(fields.instant_us()?)?,
        recorded_at: instant(fields.instant_us()?)?,
        actor: fields.text()?.to_owned(),
        correlation_id: fields.uuid()?,
        causation: match fields.nullable()? {
            Some(causation) => Some(i64::from_be_bytes(causation.try_into().ok()?)),
            None => None,
        },
        metadata: row.slice_ref(fields.bytes()?),
        payload: row.slice_ref(fields.bytes()?),
        digest: fields.bytes()?.try_into().ok()?,
    })
}

/// As [`tidings_proto::from_us`], but without arithmetic on 128 bits: there are two in every row.
fn instant(us: i64) -> Option<OffsetDateTime> {
    let seconds = OffsetDateTime::from_unix_timestamp(us.div_euclid(SECOND_US)).ok()?;
    seconds
        .replace_microsecond(us.rem_euclid(SECOND_US) as u32)
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_proto::from_us;

    #[test]
    fn whatever_comes_is_a_row_or_refused() {
        for wrong in [
            &[][..],
            &[0],
            &[0, 14],
            &[0, 14, 0, 0, 0, 8, 1],
            &[0, 14, 0, 0, 0, 200],
        ] {
            let row = Bytes::copy_from_slice(wrong);
            assert!(recorded(&row).is_none(), "{wrong:?}");
        }
        for us in [0, -1, 1, 1_600_000_000_123_456, -7_000_000_000_000_001] {
            assert_eq!(instant(us), from_us(us), "{us}");
        }
        assert_eq!(instant(i64::MAX), None);
    }
}
