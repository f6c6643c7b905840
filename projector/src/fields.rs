//! Reading an event for a view: is it one of ours, may this build act on it, and its plain fields.

use tidings_event_store::feed::Item;
use tidings_event_store::vault::{EventOpener, KeyRing};
use tidings_event_store::view::{CodecError, Open as _, Personal};
use tidings_event_store::{CONTRACT_REVISION, UnderstandError};
use tidings_proto::common::Sealed;
use tidings_proto::{DecodeError, Event, from_us};
use time::OffsetDateTime;
use uuid::Uuid;

/// The event, if its stream has one of these nouns. An event of those that this build does not know, or
/// must not act on, stops the view: a row that overlooks it would be wrong without a sign.
pub(crate) fn of_nouns<'a>(
    item: &'a Item,
    nouns: &[&str],
) -> Result<Option<&'a Event>, UnderstandError> {
    if !nouns.contains(&item.recorded.noun()) {
        return Ok(None);
    }
    let min_reader = item.recorded.metadata().min_reader;
    if min_reader > CONTRACT_REVISION {
        return Err(UnderstandError::TooNew(min_reader));
    }
    match &item.event {
        Ok(event) => Ok(Some(event)),
        Err(error) => Err(again(error).into()),
    }
}

/// The same error once more: the feed keeps its own.
fn again(error: &DecodeError) -> DecodeError {
    match error {
        DecodeError::UnknownType(name) => DecodeError::UnknownType(name.clone()),
        DecodeError::Malformed { event_type, source } => DecodeError::Malformed {
            event_type: event_type.clone(),
            source: source.clone(),
        },
    }
}

/// The fields of one event; knows its type, to name it when a field is impossible.
#[derive(Clone, Copy)]
pub(crate) struct Fields(&'static str);

impl Fields {
    pub(crate) fn of(event: &Event) -> Self {
        Self(event.event_type())
    }

    pub(crate) fn impossible(self, field: &'static str) -> UnderstandError {
        CodecError::Field {
            event_type: self.0,
            field,
        }
        .into()
    }

    pub(crate) fn id(self, field: &'static str, bytes: &[u8]) -> Result<Uuid, UnderstandError> {
        Uuid::from_slice(bytes).map_err(|_| self.impossible(field))
    }

    /// Empty is absent.
    pub(crate) fn optional_id(
        self,
        field: &'static str,
        bytes: &[u8],
    ) -> Result<Option<Uuid>, UnderstandError> {
        if bytes.is_empty() {
            return Ok(None);
        }
        self.id(field, bytes).map(Some)
    }

    /// 0 is absent.
    pub(crate) fn instant(
        self,
        field: &'static str,
        us: i64,
    ) -> Result<Option<OffsetDateTime>, UnderstandError> {
        if us == 0 {
            return Ok(None);
        }
        from_us(us).map(Some).ok_or_else(|| self.impossible(field))
    }

    /// A JSON text.
    pub(crate) fn json(
        self,
        field: &'static str,
        text: &str,
    ) -> Result<serde_json::Value, UnderstandError> {
        serde_json::from_str(text).map_err(|_| self.impossible(field))
    }
}

/// Opens the sealed fields of one event; absent and erased ones are `None`.
pub(crate) struct Opened<'a>(EventOpener<'a>);

impl<'a> Opened<'a> {
    pub(crate) fn of(item: &'a Item, ring: &'a KeyRing) -> Self {
        let event = &item.recorded;
        Self(EventOpener::new(
            ring,
            event.stream_id,
            event.event_id,
            &event.event_type,
        ))
    }

    /// None: it is erased.
    pub(crate) fn bytes(
        &self,
        field: &str,
        sealed: &Sealed,
    ) -> Result<Option<Vec<u8>>, UnderstandError> {
        Ok(self.0.open(field, sealed).map_err(CodecError::from)?)
    }

    pub(crate) fn text(
        &self,
        field: &str,
        sealed: Option<&Sealed>,
    ) -> Result<Option<String>, UnderstandError> {
        let opened = self
            .0
            .open_optional_text(field, sealed)
            .map_err(CodecError::from)?;
        Ok(opened.and_then(|text| match text {
            Personal::Known(text) => Some(text),
            Personal::Erased => None,
        }))
    }
}
