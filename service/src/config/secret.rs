//! Values that must not show up in logs or messages.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Text that prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides `text`.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself; the call sites are the places to review.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The 32-byte key that wraps all other keys; prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey([u8; 32]);

impl MasterKey {
    /// Hides `bytes`.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads standard base64 of exactly 32 bytes; surrounding white space is ignored.
    #[must_use]
    pub fn from_base64(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text.trim()).ok()?;
        bytes.try_into().ok().map(Self)
    }

    /// As [`MasterKey::from_base64`] reads it.
    #[must_use]
    pub fn to_base64(&self) -> Secret {
        Secret::new(STANDARD.encode(self.0))
    }

    /// The key itself; the call sites are the places to review.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_never_print() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?}"), "*** ***");
        assert_eq!(format!("{:?}", MasterKey::new([7; 32])), "***");
    }

    #[test]
    fn a_master_key_is_32_bytes_of_base64() {
        let key = MasterKey::new([7; 32]);
        let text = format!("{}\n", key.to_base64().expose());
        assert_eq!(MasterKey::from_base64(&text), Some(key));
        assert_eq!(MasterKey::from_base64(&STANDARD.encode([7; 31])), None);
        assert_eq!(MasterKey::from_base64("not base64"), None);
    }
}
