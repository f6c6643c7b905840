//! The public settings of a channel.

use serde_json::{Map, Value};

use super::{Invalid, json};

/// A JSON object in the schema of the channel's kind, at most [`Self::SIZE_BYTES_MAX`] bytes. What
/// must stand in it is known where the kind is built; here it is only a shape.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings(Map<String, Value>);

impl Eq for Settings {}

impl Settings {
    /// The most bytes of the object as compact JSON.
    pub const SIZE_BYTES_MAX: usize = 16 * 1024;

    /// Takes a JSON object.
    ///
    /// # Errors
    /// [`Invalid`] when it is no object, or too large.
    pub fn parse(value: Value) -> Result<Self, Invalid> {
        json::object("the settings", value, Self::SIZE_BYTES_MAX).map(Self)
    }

    pub(crate) fn recorded(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().map(Self)
    }

    /// The object.
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }

    /// The object as a JSON value, for a kind to read its settings from.
    pub fn to_value(&self) -> Value {
        Value::Object(self.0.clone())
    }

    /// Canonical compact JSON.
    pub fn to_json(&self) -> String {
        json::write(&self.0)
    }
}

impl std::fmt::Display for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_json())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_same_settings_are_written_the_same() {
        let a: Value = serde_json::from_str(r#"{"port": 25, "host": "mx"}"#).unwrap();
        let b: Value = serde_json::from_str(r#"{"host":"mx","port":25}"#).unwrap();
        let a = Settings::parse(a).unwrap();
        assert_eq!(a.to_string(), r#"{"host":"mx","port":25}"#);
        assert_eq!(Ok(&a), Settings::parse(b).as_ref());
        assert_eq!(Settings::recorded(&a.to_json()), Some(a));
    }

    #[test]
    fn only_objects() {
        assert!(Settings::parse(json!("host")).is_err());
        assert!(Settings::parse(json!({"a": "x".repeat(Settings::SIZE_BYTES_MAX)})).is_err());
    }
}
