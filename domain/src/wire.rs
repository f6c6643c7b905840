//! Reading and writing the plain fields of wire events: ids, instants, counts.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::aggregate::CodecError;

/// The fields of one wire event; knows its type, to name it when a field is impossible.
#[derive(Clone, Copy)]
pub(crate) struct Fields(pub(crate) &'static str);

impl Fields {
    pub(crate) fn impossible(self, field: &'static str) -> CodecError {
        CodecError::Field {
            event_type: self.0,
            field,
        }
    }

    pub(crate) fn id(self, field: &'static str, bytes: &[u8]) -> Result<Uuid, CodecError> {
        Uuid::from_slice(bytes).map_err(|_| self.impossible(field))
    }

    /// Empty is absent.
    pub(crate) fn optional_id(
        self,
        field: &'static str,
        bytes: &[u8],
    ) -> Result<Option<Uuid>, CodecError> {
        if bytes.is_empty() {
            return Ok(None);
        }
        self.id(field, bytes).map(Some)
    }

    pub(crate) fn ids(
        self,
        field: &'static str,
        all: &[impl AsRef<[u8]>],
    ) -> Result<Vec<Uuid>, CodecError> {
        all.iter()
            .map(|bytes| self.id(field, bytes.as_ref()))
            .collect()
    }

    pub(crate) fn digest(self, field: &'static str, bytes: &[u8]) -> Result<[u8; 32], CodecError> {
        bytes.try_into().map_err(|_| self.impossible(field))
    }

    pub(crate) fn instant(
        self,
        field: &'static str,
        us: i64,
    ) -> Result<OffsetDateTime, CodecError> {
        tidings_proto::from_us(us).ok_or_else(|| self.impossible(field))
    }

    /// 0 is absent.
    pub(crate) fn optional_instant(
        self,
        field: &'static str,
        us: i64,
    ) -> Result<Option<OffsetDateTime>, CodecError> {
        if us == 0 {
            return Ok(None);
        }
        self.instant(field, us).map(Some)
    }

    pub(crate) fn count(self, field: &'static str, value: i64) -> Result<u64, CodecError> {
        value.try_into().map_err(|_| self.impossible(field))
    }

    pub(crate) fn small(self, field: &'static str, value: i32) -> Result<u32, CodecError> {
        value.try_into().map_err(|_| self.impossible(field))
    }
}

/// A count as the wire holds it. More than `i64::MAX` of anything is not counted in practice.
pub(crate) fn count(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A small count as the wire holds it.
pub(crate) fn small(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

/// An id as the wire holds it. The byte type is the generated one's.
pub(crate) fn id<B: From<Vec<u8>>>(id: Uuid) -> B {
    id.as_bytes().to_vec().into()
}

/// An absent id is empty.
pub(crate) fn optional_id<B: From<Vec<u8>>>(id: Option<Uuid>) -> B {
    id.map(|id| id.as_bytes().to_vec())
        .unwrap_or_default()
        .into()
}
