//! Discord's limits on a message, from its reference. Discord counts characters, not bytes.

use serde_json::{Map, Value, json};

type Object = Map<String, Value>;

/// What is wrong, in words.
type Checked<T = ()> = Result<T, String>;

/// Most characters in all embeds together.
const EMBEDS_CHARS_MAX: usize = 6_000;

/// Checks a whole message.
pub(super) fn check(payload: &Value) -> Checked {
    let payload = object(payload, "the message")?;
    let content = text(payload, "content", 2_000)?;
    let embeds = array(payload, "embeds", 10)?;
    if content.trim().is_empty() && embeds.is_empty() {
        return Err("cannot send an empty message".into());
    }
    text(payload, "username", 80)?;
    let mut chars = 0;
    for value in embeds {
        chars += embed(object(value, "an embed")?)?;
    }
    if chars > EMBEDS_CHARS_MAX {
        return Err(format!("embeds have {chars} characters"));
    }
    match payload.get("allowed_mentions") {
        Some(allowed) if *allowed == json!({"parse": []}) => Ok(()),
        _ => Err("allowed_mentions leaves open who is mentioned".into()),
    }
}

/// Checks an embed; gives the characters that count.
fn embed(embed: &Object) -> Checked<usize> {
    let mut chars = 0;
    let mut count = |text: &str| chars += text.chars().count();
    count(text(embed, "title", 256)?);
    count(text(embed, "description", 4_096)?);
    web_address(embed, "url")?;
    for value in array(embed, "fields", 25)? {
        let field = object(value, "a field")?;
        count(filled(field, "name", 256)?);
        count(filled(field, "value", 1_024)?);
    }
    if let Some(footer) = embed.get("footer") {
        count(filled(object(footer, "the footer")?, "text", 2_048)?);
    }
    if let Some(author) = embed.get("author") {
        count(filled(object(author, "the author")?, "name", 256)?);
    }
    for name in ["image", "thumbnail"] {
        if let Some(picture) = embed.get(name) {
            web_address(object(picture, name)?, "url")?;
        }
    }
    let shows_something = ["image", "thumbnail"]
        .iter()
        .any(|name| embed.contains_key(*name));
    if chars == 0 && !shows_something {
        return Err("an embed is empty".into());
    }
    Ok(chars)
}

fn web_address(parent: &Object, name: &str) -> Checked {
    let url = text(parent, name, 2_048)?;
    let host = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    match host {
        Some(host) if host.split('/').next().unwrap_or_default().contains('.') => Ok(()),
        None if url.is_empty() => Ok(()),
        _ => Err(format!("{name}: not a well formed URL")),
    }
}

fn object<'p>(value: &'p Value, what: &str) -> Checked<&'p Object> {
    value
        .as_object()
        .ok_or_else(|| format!("{what} is not an object"))
}

/// A text that may be absent: empty then.
fn text<'p>(parent: &'p Object, name: &str, chars_max: usize) -> Checked<&'p str> {
    let text = match parent.get(name) {
        None | Some(Value::Null) => return Ok(""),
        Some(value) => value
            .as_str()
            .ok_or_else(|| format!("{name} is not a string"))?,
    };
    if text.chars().count() > chars_max {
        return Err(format!("{name} is longer than {chars_max} characters"));
    }
    Ok(text)
}

fn filled<'p>(parent: &'p Object, name: &str, chars_max: usize) -> Checked<&'p str> {
    let text = text(parent, name, chars_max)?;
    if text.trim().is_empty() {
        return Err(format!("{name} is required"));
    }
    Ok(text)
}

/// An array that may be absent: empty then.
fn array<'p>(parent: &'p Object, name: &str, items_max: usize) -> Checked<&'p [Value]> {
    let items = match parent.get(name) {
        None | Some(Value::Null) => return Ok(&[]),
        Some(value) => value
            .as_array()
            .ok_or_else(|| format!("{name} is not an array"))?,
    };
    if items.len() > items_max {
        return Err(format!("more than {items_max} {name}"));
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(fields: &Value) -> Value {
        let mut message = json!({"allowed_mentions": {"parse": []}});
        let fields = fields.as_object().unwrap().clone();
        message.as_object_mut().unwrap().extend(fields);
        message
    }

    fn taken(fields: &Value) -> bool {
        check(&message(fields)).is_ok()
    }

    /// What has a limit, the limit, and a message that has `n` of it.
    type Limited = (&'static str, usize, fn(usize) -> Value);

    const LIMITS: [Limited; 10] = [
        ("content", 2_000, |n| json!({"content": "x".repeat(n)})),
        (
            "embeds",
            10,
            |n| json!({"embeds": vec![json!({"title": "t"}); n]}),
        ),
        (
            "title",
            256,
            |n| json!({"embeds": [{"title": "é".repeat(n)}]}),
        ),
        (
            "description",
            4_096,
            |n| json!({"embeds": [{"description": "x".repeat(n)}]}),
        ),
        (
            "fields",
            25,
            |n| json!({"embeds": [{"fields": vec![json!({"name": "n", "value": "v"}); n]}]}),
        ),
        (
            "field name",
            256,
            |n| json!({"embeds": [{"fields": [{"name": "n".repeat(n), "value": "v"}]}]}),
        ),
        (
            "field value",
            1_024,
            |n| json!({"embeds": [{"fields": [{"name": "n", "value": "v".repeat(n)}]}]}),
        ),
        (
            "footer",
            2_048,
            |n| json!({"embeds": [{"footer": {"text": "x".repeat(n)}}]}),
        ),
        (
            "author",
            256,
            |n| json!({"embeds": [{"author": {"name": "x".repeat(n)}}]}),
        ),
        (
            "all embeds",
            6_000,
            |n| json!({"embeds": [{"description": "x".repeat(3_000)}, {"description": "x".repeat(n - 3_000)}]}),
        ),
    ];

    #[test]
    fn the_largest_passes_and_one_more_does_not() {
        for (name, max, fields) in LIMITS {
            assert!(taken(&fields(max)), "{name}");
            assert!(!taken(&fields(max + 1)), "{name}");
        }
    }

    #[test]
    fn what_is_empty_malformed_or_mentions_somebody_is_refused() {
        for fields in [
            json!({}),
            json!({"content": " "}),
            json!({"content": 1}),
            json!({"embeds": {}}),
            json!({"embeds": [{}]}),
            json!({"embeds": [{"title": "t", "image": {"url": "http://localhost/a.png"}}]}),
            json!({"embeds": [{"title": "t", "url": "javascript:alert(1)"}]}),
            json!({"embeds": [{"fields": [{"name": "n", "value": ""}]}]}),
        ] {
            assert!(!taken(&fields), "{fields}");
        }
        for open in [
            json!({"content": "hello"}),
            json!({"content": "hello", "allowed_mentions": {"parse": ["everyone"]}}),
        ] {
            assert!(check(&open).is_err(), "{open}");
        }
        assert!(taken(
            &json!({"embeds": [{"image": {"url": "https://x.example/a.png"}}]})
        ));
    }
}
