//! The secrets of a channel.

use serde_json::Value;

use super::{Invalid, json};

/// A JSON object of secrets in the schema of the channel's kind, at most
/// [`Self::SIZE_BYTES_MAX`] bytes. Never shown: `Debug` hides it and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials(String);

impl Credentials {
    /// The most bytes of the object as compact JSON.
    pub const SIZE_BYTES_MAX: usize = 16 * 1024;

    /// Takes a JSON object.
    ///
    /// # Errors
    /// [`Invalid`] when it is no object, or too large. The message quotes nothing of it.
    pub fn parse(value: Value) -> Result<Self, Invalid> {
        let object = json::object("the credentials", value, Self::SIZE_BYTES_MAX)?;
        Ok(Self(json::write(&object)))
    }

    pub(crate) fn recorded(text: String) -> Self {
        Self(text)
    }

    /// The object as compact JSON, for the kind to read and the vault to seal.
    pub fn expose_json(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_are_not_shown() {
        let credentials = Credentials::parse(json!({"password": "hunter2"})).unwrap();
        assert_eq!(format!("{credentials:?}"), "Credentials(***)");
        assert_eq!(credentials.expose_json(), r#"{"password":"hunter2"}"#);
        assert_eq!(
            Credentials::parse(json!("hunter2")).map_err(|e| e.detail),
            Err("the credentials must be a JSON object".into())
        );
    }
}
