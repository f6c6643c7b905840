//! JSON objects in one canonical writing: keys sorted, no white space.

use serde_json::{Map, Value};

use super::Invalid;

/// The object with its keys sorted at every depth. Whether `serde_json` keeps the order of keys is
/// a feature any crate of the build may switch on, so it is not left to it.
pub(super) fn canonical(value: Value) -> Value {
    match value {
        Value::Object(object) => {
            let mut entries: Vec<_> = object.into_iter().collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(
                entries
                    .into_iter()
                    .map(|(k, v)| (k, canonical(v)))
                    .collect(),
            )
        }
        Value::Array(items) => Value::Array(items.into_iter().map(canonical).collect()),
        scalar => scalar,
    }
}

/// The canonical object behind `value`, if it is one of at most `size_bytes_max` bytes.
pub(super) fn object(
    what: &str,
    value: Value,
    size_bytes_max: usize,
) -> Result<Map<String, Value>, Invalid> {
    let Value::Object(object) = canonical(value) else {
        return Err(Invalid::new(format!("{what} must be a JSON object")));
    };
    let size_bytes = write(&object).len();
    if size_bytes > size_bytes_max {
        return Err(Invalid::new(format!(
            "{what} take {size_bytes} bytes as JSON; at most {size_bytes_max} are allowed"
        )));
    }
    Ok(object)
}

/// The object as compact JSON.
pub(super) fn write(object: &Map<String, Value>) -> String {
    serde_json::to_string(object).expect("a JSON object can be written as text")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_are_sorted_at_every_depth() {
        let value: Value =
            serde_json::from_str(r#"{"b":[{"z":1,"y":2}],"a":{"d":1,"c":null}}"#).unwrap();
        assert_eq!(
            write(&object("it", value, 1000).unwrap()),
            r#"{"a":{"c":null,"d":1},"b":[{"y":2,"z":1}]}"#
        );
    }

    #[test]
    fn only_small_objects_pass() {
        assert!(object("it", json!([]), 1000).is_err());
        assert!(object("it", json!({"a": 1}), 7).is_ok());
        assert!(object("it", json!({"a": 1}), 6).is_err());
    }
}
