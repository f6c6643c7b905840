//! Tells what is wrong with a JSON body: line and column for text that is no JSON, a JSON pointer for a wrong value.

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::error::Category;
use serde_path_to_error::{Path, Segment};

use super::{A_TIME, AN_ID, Problem};

/// Reads `bytes` as one JSON object of type `T`. A list is none, whatever serde would make of its elements.
///
/// # Errors
/// 400 with line and column when it is no JSON, 422 with a pointer when it is JSON of another shape.
pub fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        let list: Result<Vec<Value>, _> = serde_json::from_slice(bytes);
        list.map_err(|error| unreadable(&error, ""))?;
        return Err(Problem::validation().error("#", "it is a list, and must be an object"));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader)
        .map_err(|error| unreadable(error.inner(), &pointer(error.path())))?;
    reader.end().map_err(|error| unreadable(&error, ""))?;
    Ok(value)
}

/// Reads a value that came in another form than JSON text as `T`.
///
/// # Errors
/// 422 with a pointer when it has another shape.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, Problem> {
    serde_path_to_error::deserialize(value)
        .map_err(|error| unreadable(error.inner(), &pointer(error.path())))
}

/// The problem for `error` at `pointer` (without the leading `#`; empty for the whole body).
pub(super) fn unreadable(error: &serde_json::Error, pointer: &str) -> Problem {
    let message = plain(without_place(error));
    match error.classify() {
        Category::Data => {
            let missing = message
                .strip_prefix("missing field `")
                .and_then(|rest| rest.strip_suffix('`'))
                .map_or_else(String::new, |field| format!("/{}", escape(field)));
            Problem::validation().error(format!("#{pointer}{missing}"), message)
        }
        _ => Problem::bad_request(format!(
            "The body is not valid JSON: {message} at line {}, column {}.",
            error.line(),
            error.column()
        )),
    }
}

/// serde_json appends the place to its messages; we say it ourselves, or by pointer.
fn without_place(error: &serde_json::Error) -> String {
    let mut message = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    if message.ends_with(&place) {
        message.truncate(message.len() - place.len());
    }
    message
}

/// What libraries say of their parsers and of our types helps nobody who has mixed up two fields.
fn plain(message: String) -> String {
    if message.starts_with("UUID parsing failed") {
        return format!("it must be {AN_ID}");
    }
    if message.ends_with("component could not be parsed") {
        return format!("it must be {A_TIME}");
    }
    let Some((found, expected)) = message.rsplit_once(", expected ") else {
        return message;
    };
    let expected = match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        other if other.starts_with("struct ") => "an object",
        other => other,
    };
    format!("{found}, expected {expected}")
}

fn pointer(path: &Path) -> String {
    path.iter()
        .fold(String::new(), |pointer, segment| match segment {
            Segment::Seq { index } => format!("{pointer}/{index}"),
            Segment::Map { key } => format!("{pointer}/{}", escape(key)),
            Segment::Enum { .. } | Segment::Unknown => pointer,
        })
}

/// RFC 6901: `~` and `/` in a key are written `~0` and `~1`.
fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_expected_is_told_in_the_words_of_the_api() {
        let hourly = "invalid type: string \"hourly\", expected ";
        for (said, told) in [
            (
                "UUID parsing failed: invalid character: found `n` at 0",
                format!("it must be {AN_ID}"),
            ),
            (
                "the 'year' component could not be parsed",
                format!("it must be {A_TIME}"),
            ),
            (
                &format!("{hourly}struct HowOften"),
                format!("{hourly}an object"),
            ),
            (
                &format!("{hourly}u64"),
                format!("{hourly}a whole number, 0 or more"),
            ),
            (&format!("{hourly}a boolean"), format!("{hourly}a boolean")),
        ] {
            assert_eq!(plain(said.to_owned()), told);
        }
    }
}
