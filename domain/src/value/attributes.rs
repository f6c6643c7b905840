//! Custom attributes of a subscriber.

use serde_json::{Map, Value};

use super::{AttributeKey, AttributeValue, Invalid, json};

/// A JSON object of plain values, for personalisation: at most [`Self::COUNT_MAX`] keys and
/// [`Self::SIZE_BYTES_MAX`] bytes, each value a string, a number or a boolean.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attributes(Map<String, Value>);

impl Eq for Attributes {}

impl Attributes {
    /// The most attributes a subscriber has.
    pub const COUNT_MAX: usize = 50;
    /// The most characters of a key.
    pub const KEY_CHARS_MAX: usize = 64;
    /// The most bytes all take as compact JSON.
    pub const SIZE_BYTES_MAX: usize = 8 * 1024;

    /// Takes a JSON object.
    ///
    /// # Errors
    /// [`Invalid`] when it is no object, too large, or holds a nested or null value.
    pub fn parse(value: Value) -> Result<Self, Invalid> {
        let object = json::object("the attributes", value, Self::SIZE_BYTES_MAX)?;
        if object.len() > Self::COUNT_MAX {
            return Err(Invalid::new(format!(
                "there are {} attributes; at most {} are allowed",
                object.len(),
                Self::COUNT_MAX
            )));
        }
        for (key, value) in &object {
            if key.is_empty() || key.chars().count() > Self::KEY_CHARS_MAX {
                return Err(Invalid::new(format!(
                    "an attribute's name has 1 to {} characters",
                    Self::KEY_CHARS_MAX
                )));
            }
            if !matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_)) {
                return Err(Invalid::new(format!(
                    "the attribute {key:?} must be a string, a number or a boolean"
                )));
            }
            // A database has no place for it.
            let is_nul = |text: &str| text.contains('\0');
            if is_nul(key) || value.as_str().is_some_and(is_nul) {
                return Err(Invalid::new(format!(
                    "the attribute {key:?} holds a NUL character"
                )));
            }
        }
        Ok(Self(object))
    }

    /// Takes a JSON text.
    ///
    /// # Errors
    /// [`Invalid`] as [`Self::parse`], or when the text is not JSON.
    pub fn parse_text(text: &str) -> Result<Self, Invalid> {
        let value = serde_json::from_str(text)
            .map_err(|_| Invalid::new("the attributes are not valid JSON"))?;
        Self::parse(value)
    }

    /// Takes what a sign-up in the log holds; `None`: it is no JSON object.
    pub fn recorded(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().map(Self)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The attributes by name.
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }

    /// The same with the kind of each: plain JSON knows texts, numbers, yes and no.
    pub fn typed(&self) -> impl Iterator<Item = (AttributeKey, AttributeValue)> {
        self.0.iter().filter_map(|(key, value)| {
            let key = AttributeKey::recorded(key.replace('\0', "\u{fffd}"));
            Some((key, AttributeValue::of_sign_up(value)?))
        })
    }

    /// Canonical compact JSON.
    pub fn to_json(&self) -> String {
        json::write(&self.0)
    }
}

impl std::fmt::Display for Attributes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_json())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn plain_values_only() {
        assert!(Attributes::parse(json!({"city": "Kyiv", "age": 3, "vip": true})).is_ok());
        assert!(Attributes::parse(json!({})).is_ok());
        for bad in [
            json!([]),
            json!({"a": null}),
            json!({"a": {}}),
            json!({"a": [1]}),
            json!({"": 1}),
            json!({"a": "\0"}),
        ] {
            assert!(Attributes::parse(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn bounds() {
        let many = |n: usize| Value::Object((0..n).map(|i| (format!("k{i}"), json!(i))).collect());
        assert!(Attributes::parse(many(50)).is_ok());
        assert!(Attributes::parse(many(51)).is_err());
        assert!(Attributes::parse(json!({"a": "x".repeat(8 * 1024)})).is_err());
        assert!(Attributes::parse(json!({"k".repeat(65): 1})).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in any::<String>()) {
            let _ = Attributes::parse_text(&text);
        }

        #[test]
        fn what_is_shown_parses_to_itself(entries in proptest::collection::hash_map(".{1,8}", any::<i64>(), 0..10)) {
            let value = json!(entries);
            if let Ok(parsed) = Attributes::parse(value) {
                prop_assert_eq!(Attributes::parse_text(&parsed.to_string()), Ok(parsed));
            }
        }
    }
}
