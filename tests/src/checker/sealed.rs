//! Invariant 7: what a shredded key has sealed opens for nobody.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tidings_domain::personal::Open as _;
use tidings_event_store::Recorded;
use tidings_event_store::vault::{EventOpener, Vault};
use tidings_proto::common::Sealed;
use uuid::Uuid;

/// How many values of the log open under this key, wherever they stand, with another's help or without.
pub async fn opened(vault: &Vault, events: &[Recorded], key_id: Uuid) -> usize {
    let mut opened = 0;
    for event in events {
        // Tests have events of their own, in which nothing is sealed.
        let Ok(json) = tidings_proto::to_json(&event.event_type, &event.payload) else {
            continue;
        };
        let mut values = Vec::new();
        sealed(&json, String::new(), &mut values);
        for (path, value) in values {
            let keys = [&value.key_id, &value.period_key_id];
            let keys: Vec<Uuid> = keys.iter().flat_map(|id| Uuid::from_slice(id)).collect();
            if !keys.contains(&key_id) {
                continue;
            }
            let ring = vault.keys(&keys).await.unwrap();
            let opener =
                EventOpener::new(&ring, event.stream_id, event.event_id, &event.event_type);
            let value = opener.open(&path, &value);
            opened += usize::from(value.expect("it is what was sealed there").is_some());
        }
    }
    opened
}

/// Every sealed value in an event, with its path: its field is named as the contract names it.
fn sealed(json: &Value, path: String, values: &mut Vec<(String, Sealed)>) {
    match json {
        Value::Object(fields) if fields.contains_key("ciphertext") => {
            values.push((path, value(json)));
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                let dot = if path.is_empty() { "" } else { "." };
                sealed(field, format!("{path}{dot}{name}"), values);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                sealed(item, format!("{path}[{index}]"), values);
            }
        }
        _ => {}
    }
}

fn value(json: &Value) -> Sealed {
    // An empty field is not shown.
    let bytes = |name: &str| {
        STANDARD
            .decode(json[name].as_str().unwrap_or_default())
            .unwrap()
    };
    Sealed {
        scheme: json["scheme"].as_u64().unwrap() as u32,
        key_id: bytes("key_id").into(),
        nonce: bytes("nonce").into(),
        ciphertext: bytes("ciphertext").into(),
        period_key_id: bytes("period_key_id").into(),
    }
}
