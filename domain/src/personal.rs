//! Personal data in domain events: known, or erased because its key is gone.

use tidings_proto::common::Sealed;

/// A value that may have been erased. Folds must cope with both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Personal<T> {
    /// The value, in the clear.
    Known(T),
    /// The key that could open it was shredded.
    Erased,
}

impl<T> Personal<T> {
    /// The value, if it is still known.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Erased => None,
        }
    }

    /// The value turned into another one; erased stays erased.
    pub fn map<U>(self, turn: impl FnOnce(T) -> U) -> Personal<U> {
        match self {
            Self::Known(value) => Personal::Known(turn(value)),
            Self::Erased => Personal::Erased,
        }
    }
}

/// Seals the personal fields of one event. The implementation knows the event's id, its type and
/// the key; `field` is the proto field's name, which is bound to the ciphertext.
pub trait Seal {
    /// Seals one value.
    fn seal(&self, field: &str, plaintext: &[u8]) -> Sealed;

    /// Seals one value under the key of the period alone that the event's evidence is kept for, so that it is there until that ends,
    /// whoever was erased before.
    fn seal_by_period(&self, field: &str, plaintext: &[u8]) -> Sealed;

    /// Seals an optional text; absent stays absent.
    fn seal_text(&self, field: &str, text: Option<&str>) -> Option<Sealed> {
        text.map(|text| self.seal(field, text.as_bytes()))
    }

    /// Seals a value that may be erased already: then there is nothing to carry.
    fn seal_personal(&self, field: &str, text: &Personal<String>) -> Option<Sealed> {
        self.seal_text(field, text.known().map(String::as_str))
    }
}

/// Opens the personal fields of one event.
pub trait Open {
    /// The plaintext; `None` when the key is gone.
    ///
    /// # Errors
    /// When the value was not sealed for this event and field, or its bytes changed.
    fn open(&self, field: &str, sealed: &Sealed) -> Result<Option<Vec<u8>>, OpenError>;

    /// A required text field.
    fn open_text(
        &self,
        field: &str,
        sealed: Option<&Sealed>,
    ) -> Result<Personal<String>, OpenError> {
        let Some(sealed) = sealed else {
            return Ok(Personal::Erased);
        };
        match self.open(field, sealed)? {
            None => Ok(Personal::Erased),
            Some(bytes) => String::from_utf8(bytes)
                .map(Personal::Known)
                .map_err(|_| OpenError {
                    field: field.to_owned(),
                }),
        }
    }

    /// An optional text field: absent, erased or known.
    fn open_optional_text(
        &self,
        field: &str,
        sealed: Option<&Sealed>,
    ) -> Result<Option<Personal<String>>, OpenError> {
        sealed
            .map(|sealed| self.open_text(field, Some(sealed)))
            .transpose()
    }
}

/// A sealed value that does not belong where it was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sealed field {field:?} does not belong to this event, or its bytes changed")]
pub struct OpenError {
    /// The field's name.
    pub field: String,
}
