//! Rows in bulk: binary COPY, one message a row, decoded in place. A row costs no allocation, which is
//! what makes reading the whole log fast.

mod events;

use std::pin::Pin;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::Fuse;
use tokio_postgres::{Client, CopyOutStream, Error};
use uuid::Uuid;

pub(crate) use events::copy_range;

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// In place of the number of fields: no more rows.
const END: i16 = -1;
/// Microseconds from 1970, where ours begin, to 2000, where Postgres's begin.
const EPOCH_US: i64 = 946_684_800_000_000;

/// The rows of a query on their way.
pub(crate) struct Rows {
    /// Fused: asked for more after its end, it would take the end of the statement for an error.
    stream: Fuse<Pin<Box<CopyOutStream>>>,
    begun: bool,
}

impl Rows {
    /// Starts the query. It takes no parameters, so whatever varies must be written into it as literals.
    pub(crate) async fn of(client: &Client, query: &str) -> Result<Self, Error> {
        let copy = format!("copy ({query}) to stdout (format binary)");
        Ok(Self {
            stream: Box::pin(client.copy_out(copy.as_str()).await?).fuse(),
            begun: false,
        })
    }

    /// The next row; `None` after the last one.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        while let Some(mut message) = self.stream.next().await.transpose()? {
            if !self.begun {
                self.begun = true;
                message = without_header(&message);
            }
            if message.first_chunk() == Some(&END.to_be_bytes()) {
                continue;
            }
            if !message.is_empty() {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }
}

/// The header stands before the first row, in the same message.
fn without_header(message: &Bytes) -> Bytes {
    let extension = message
        .strip_prefix(SIGNATURE)
        .and_then(|rest| rest.get(4..8))
        .and_then(|length| <[u8; 4]>::try_from(length).ok())
        .map_or(0, |length| u32::from_be_bytes(length) as usize);
    let length = SIGNATURE.len() + 8 + extension;
    message.slice(length.min(message.len())..)
}

/// The fields of one row, from left to right. Each getter is `None` if the field is NULL or of another
/// shape: nothing is taken for granted of a row that somebody may have tampered with.
pub(crate) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// The fields of a message of [`Rows::next`].
    pub(crate) fn of(row: &'a [u8]) -> Self {
        // The number of fields is the query's.
        Self(row.get(2..).unwrap_or_default())
    }

    /// The next field; `Some(None)`: NULL; `None`: there is none.
    pub(crate) fn nullable(&mut self) -> Option<Option<&'a [u8]>> {
        let (length, rest) = self.0.split_first_chunk()?;
        let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
            self.0 = rest;
            return Some(None);
        };
        let (field, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(Some(field))
    }

    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        self.nullable()?
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    pub(crate) fn int4(&mut self) -> Option<i32> {
        Some(i32::from_be_bytes(self.bytes()?.try_into().ok()?))
    }

    pub(crate) fn int8(&mut self) -> Option<i64> {
        Some(i64::from_be_bytes(self.bytes()?.try_into().ok()?))
    }

    pub(crate) fn uuid(&mut self) -> Option<Uuid> {
        Uuid::from_slice(self.bytes()?).ok()
    }

    /// A timestamptz in microseconds since the Unix epoch; the infinities come out as some far instant.
    pub(crate) fn instant_us(&mut self) -> Option<i64> {
        Some(self.int8()?.wrapping_add(EPOCH_US))
    }
}
