//! Slack's limits on a message, from the Block Kit reference. Slack counts characters, not bytes.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::pictures::downloaded;

/// How long all blocks of a message may be together. Slack documents no such limit; this is what it has been seen to refuse.
const BLOCKS_LENGTH_MAX: usize = 13_000;
/// What a block counts for that, beside its words and addresses.
const BLOCK_LENGTH: usize = 100;

type Object = Map<String, Value>;

/// Why Slack would refuse a payload: its error word, and for a person what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) word: &'static str,
    pub(super) detail: String,
}

/// What is wrong, in words.
type Checked<T = ()> = Result<T, String>;

/// Checks a whole webhook payload.
pub(super) fn check(payload: &Value) -> Result<(), Refusal> {
    let invalid = |detail| Refusal {
        word: "invalid_payload",
        detail,
    };
    let payload = payload
        .as_object()
        .ok_or_else(|| invalid("the payload is not an object".into()))?;
    let text = payload.get("text").map_or(Ok(""), |text| {
        let text = text.as_str();
        text.ok_or_else(|| invalid("text is not a string".into()))
    })?;
    let blocks = array(payload, "blocks", 50).map_err(invalid)?;
    let attachments = array(payload, "attachments", 100).map_err(|detail| Refusal {
        word: "too_many_attachments",
        detail,
    })?;
    if text.trim().is_empty() && blocks.is_empty() && attachments.is_empty() {
        return Err(Refusal {
            word: "no_text",
            detail: "neither text nor blocks".into(),
        });
    }
    let mut ids = HashSet::new();
    for (index, value) in blocks.iter().enumerate() {
        object(value)
            .and_then(|value| block(value, &mut ids))
            .map_err(|why| invalid(format!("blocks[{index}]: {why}")))?;
        downloaded(value).map_err(|why| Refusal {
            word: "invalid_blocks",
            detail: format!("{why} [json-pointer:/blocks/{index}/image_url]"),
        })?;
    }
    let length: usize = blocks.iter().map(|it| BLOCK_LENGTH + words(it)).sum();
    if length > BLOCKS_LENGTH_MAX {
        return Err(Refusal {
            word: "msg_blocks_too_long",
            detail: format!("the blocks come to {length} characters"),
        });
    }
    Ok(())
}

/// How long everything is that a block shows, and what it leads to.
fn words(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(words).sum(),
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "type" | "block_id" | "action_id"))
            .map(|(_, value)| words(value))
            .sum(),
        Value::String(text) => text.chars().count(),
        _ => 0,
    }
}

fn block<'p>(block: &'p Object, ids: &mut HashSet<&'p str>) -> Checked {
    if let Some(id) = optional_string(block, "block_id", 255)?
        && !ids.insert(id)
    {
        return Err(format!("block_id {id} twice"));
    }
    match string(block, "type", 255)? {
        "section" => section(block),
        "header" => plain_text(block, "text", 150),
        "divider" => Ok(()),
        "context" => {
            for element in filled_array(block, "elements", 10)? {
                let element = object(element)?;
                match string(element, "type", 255)? {
                    "image" => image(element)?,
                    _ => text_object(element, 3_000)?,
                }
            }
            Ok(())
        }
        "actions" => filled_array(block, "elements", 25)?
            .iter()
            .try_for_each(|value| element(object(value)?)),
        "image" => {
            if block.contains_key("title") {
                plain_text(block, "title", 2_000)?;
            }
            image(block)
        }
        "markdown" => string(block, "text", 12_000).map(drop),
        "rich_text" => filled_array(block, "elements", usize::MAX).map(drop),
        "video" | "file" | "table" => Ok(()),
        other => Err(format!("no block type {other} in a message")),
    }
}

fn section(section: &Object) -> Checked {
    let fields = array(section, "fields", 10)?;
    match section.get("text") {
        Some(text) => text_object(object(text)?, 3_000)?,
        None if fields.is_empty() => return Err("a section has text or fields".into()),
        None => {}
    }
    for field in fields {
        text_object(object(field)?, 2_000)?;
    }
    match section.get("accessory") {
        Some(accessory) => element(object(accessory)?),
        None => Ok(()),
    }
}

/// An interactive element or an image.
fn element(element: &Object) -> Checked {
    optional_string(element, "action_id", 255)?;
    match string(element, "type", 255)? {
        "image" => image(element),
        "button" => {
            plain_text(element, "text", 75)?;
            optional_string(element, "value", 2_000)?;
            if let Some(url) = optional_string(element, "url", 3_000)? {
                web_address(url)?;
            }
            match optional_string(element, "style", 255)? {
                None | Some("primary" | "danger") => Ok(()),
                Some(other) => Err(format!("no button style {other}")),
            }
        }
        _ => Ok(()),
    }
}

fn image(image: &Object) -> Checked {
    string(image, "alt_text", 2_000)?;
    if image.contains_key("slack_file") {
        return Ok(());
    }
    web_address(string(image, "image_url", 3_000)?)
}

fn web_address(url: &str) -> Checked {
    let has_scheme = url.split_once(':').is_some_and(|(scheme, rest)| {
        !rest.is_empty() && matches!(scheme, "http" | "https" | "mailto")
    });
    if has_scheme {
        Ok(())
    } else {
        Err(format!("{url} is not a web address"))
    }
}

fn plain_text(parent: &Object, name: &str, chars_max: usize) -> Checked {
    let text = parent
        .get(name)
        .ok_or_else(|| format!("{name} is missing"))?;
    let text = object(text)?;
    if text.get("type") != Some(&Value::from("plain_text")) {
        return Err(format!("{name} is not plain_text"));
    }
    text_object(text, chars_max)
}

fn text_object(text: &Object, chars_max: usize) -> Checked {
    match string(text, "type", 255)? {
        "plain_text" | "mrkdwn" => string(text, "text", chars_max).map(drop),
        other => Err(format!("no text type {other}")),
    }
}

fn object(value: &Value) -> Checked<&Object> {
    value.as_object().ok_or_else(|| "not an object".to_owned())
}

/// A string that must be there and not empty.
fn string<'p>(parent: &'p Object, name: &str, chars_max: usize) -> Checked<&'p str> {
    match optional_string(parent, name, chars_max)? {
        None | Some("") => Err(format!("{name} is missing or empty")),
        Some(string) => Ok(string),
    }
}

fn optional_string<'p>(
    parent: &'p Object,
    name: &str,
    chars_max: usize,
) -> Checked<Option<&'p str>> {
    let Some(value) = parent.get(name) else {
        return Ok(None);
    };
    let string = value
        .as_str()
        .ok_or_else(|| format!("{name} is not a string"))?;
    // No string has more characters than bytes, so most need no counting.
    if string.len() > chars_max && string.chars().count() > chars_max {
        return Err(format!("{name} is longer than {chars_max} characters"));
    }
    Ok(Some(string))
}

/// An array that may be absent.
fn array<'p>(parent: &'p Object, name: &str, items_max: usize) -> Checked<&'p [Value]> {
    let Some(value) = parent.get(name) else {
        return Ok(&[]);
    };
    let items = value
        .as_array()
        .ok_or_else(|| format!("{name} is not an array"))?;
    if items.len() > items_max {
        return Err(format!("more than {items_max} {name}"));
    }
    Ok(items)
}

fn filled_array<'p>(parent: &'p Object, name: &str, items_max: usize) -> Checked<&'p [Value]> {
    let items = array(parent, name, items_max)?;
    if items.is_empty() {
        return Err(format!("{name} is missing or empty"));
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn word(payload: &Value) -> &'static str {
        check(payload).map_or_else(|refusal| refusal.word, |()| "ok")
    }

    fn mrkdwn(chars: usize) -> Value {
        json!({"type": "mrkdwn", "text": "é".repeat(chars)})
    }

    fn plain(chars: usize) -> Value {
        json!({"type": "plain_text", "text": "é".repeat(chars)})
    }

    /// A block with a size, and the largest size Slack takes.
    type Limit = (&'static str, usize, fn(usize) -> Value);

    const LIMITS: [Limit; 15] = [
        (
            "section text",
            3_000,
            |n| json!({"type": "section", "text": mrkdwn(n)}),
        ),
        (
            "section fields",
            10,
            |n| json!({"type": "section", "fields": vec![mrkdwn(1); n]}),
        ),
        (
            "field text",
            2_000,
            |n| json!({"type": "section", "fields": [mrkdwn(n)]}),
        ),
        (
            "header",
            150,
            |n| json!({"type": "header", "text": plain(n)}),
        ),
        (
            "block_id",
            255,
            |n| json!({"type": "divider", "block_id": "x".repeat(n)}),
        ),
        (
            "context elements",
            10,
            |n| json!({"type": "context", "elements": vec![mrkdwn(1); n]}),
        ),
        (
            "actions elements",
            25,
            |n| json!({"type": "actions", "elements": vec![json!({"type": "button", "text": plain(1)}); n]}),
        ),
        ("button text", 75, |n| button(json!({"text": plain(n)}))),
        ("button url", 3_000, |n| {
            button(json!({"text": plain(1), "url": format!("https://{}", "x".repeat(n - 8))}))
        }),
        ("button value", 2_000, |n| {
            button(json!({"text": plain(1), "value": "x".repeat(n)}))
        }),
        ("action_id", 255, |n| {
            button(json!({"text": plain(1), "action_id": "x".repeat(n)}))
        }),
        (
            "image url",
            3_000,
            |n| json!({"type": "image", "alt_text": "a", "image_url": format!("https://x.example/{}", "x".repeat(n - 18))}),
        ),
        (
            "image alt",
            2_000,
            |n| json!({"type": "image", "alt_text": "a".repeat(n), "image_url": "https://x.example/a.png"}),
        ),
        (
            "image title",
            2_000,
            |n| json!({"type": "image", "alt_text": "a", "image_url": "https://x.example/a.png", "title": plain(n)}),
        ),
        (
            "markdown",
            12_000,
            |n| json!({"type": "markdown", "text": "x".repeat(n)}),
        ),
    ];

    fn button(mut fields: Value) -> Value {
        fields["type"] = "button".into();
        json!({"type": "section", "text": mrkdwn(1), "accessory": fields})
    }

    #[test]
    fn the_largest_passes_and_one_more_does_not() {
        for (name, max, block) in LIMITS {
            assert_eq!(
                word(&json!({"text": "t", "blocks": [block(max)]})),
                "ok",
                "{name}"
            );
            let over = json!({"text": "t", "blocks": [block(max + 1)]});
            assert_eq!(word(&over), "invalid_payload", "{name}");
        }
        let blocks = |n| json!({"blocks": vec![json!({"type": "divider"}); n]});
        assert_eq!(
            (word(&blocks(50)), word(&blocks(51))),
            ("ok", "invalid_payload")
        );
    }

    #[test]
    fn blocks_that_are_too_long_together_are_refused() {
        let blocks =
            |n| json!({"blocks": vec![json!({"type": "section", "text": mrkdwn(3_000)}); n]});
        assert_eq!(word(&blocks(4)), "ok");
        assert_eq!(word(&blocks(5)), "msg_blocks_too_long");
        let short = |n| json!({"blocks": vec![json!({"type": "section", "text": mrkdwn(n)}); 50]});
        assert_eq!(word(&short(160)), "ok");
        assert_eq!(word(&short(161)), "msg_blocks_too_long");
    }

    #[test]
    fn malformed_payloads_are_refused() {
        for (payload, expected) in [
            (json!({"text": "hello"}), "ok"),
            (json!({"text": "hello", "unfurl_links": false}), "ok"),
            (json!([]), "invalid_payload"),
            (json!({"text": 1}), "invalid_payload"),
            (json!({}), "no_text"),
            (json!({"text": " "}), "no_text"),
            (json!({"text": "", "blocks": []}), "no_text"),
            (
                json!({"attachments": vec![json!({}); 101]}),
                "too_many_attachments",
            ),
        ] {
            assert_eq!(word(&payload), expected, "{payload}");
        }
    }

    #[test]
    fn malformed_blocks_are_refused() {
        for block in [
            json!("section"),
            json!({}),
            json!({"type": "carousel"}),
            json!({"type": "section"}),
            json!({"type": "section", "text": "bare"}),
            json!({"type": "section", "text": mrkdwn(0)}),
            json!({"type": "section", "text": {"type": "html", "text": "x"}}),
            json!({"type": "header", "text": mrkdwn(1)}),
            json!({"type": "context", "elements": []}),
            json!({"type": "image", "image_url": "https://x.example/a.png"}),
            json!({"type": "image", "alt_text": "a", "image_url": "/a.png"}),
            button(json!({"text": mrkdwn(1)})),
            button(json!({"text": plain(1), "style": "loud"})),
            button(json!({"text": plain(1), "url": "javascript"})),
        ] {
            assert_eq!(
                word(&json!({"text": "t", "blocks": [block]})),
                "invalid_payload",
                "{block}"
            );
        }
        let twice = json!({"type": "divider", "block_id": "a"});
        assert_eq!(word(&json!({"blocks": [twice, twice]})), "invalid_payload");
    }
}
