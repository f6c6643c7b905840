//! The sealed values of any event, by the path they are bound to.

use prost::Message as _;
use prost_reflect::{DynamicMessage, ReflectMessage as _, Value};

use crate::common::Sealed;
use crate::{DecodeError, descriptor_pool};

const SEALED: &str = "tidings.common.Sealed";

/// The sealed values of an event, each with its field path (`email`, `rejected[3].record`), in the order of the fields.
///
/// # Errors
/// When this build does not know the type, or the payload is none.
pub fn sealed(event_type: &str, payload: &[u8]) -> Result<Vec<(String, Sealed)>, DecodeError> {
    let message = descriptor_pool()
        .get_message_by_name(&format!("tidings.{event_type}"))
        .ok_or_else(|| DecodeError::UnknownType(event_type.to_owned()))?;
    let malformed = |source| DecodeError::Malformed {
        event_type: event_type.to_owned(),
        source,
    };
    let decoded = DynamicMessage::decode(message, payload).map_err(malformed)?;
    let mut found = Vec::new();
    walk(&decoded, "", &mut found).map_err(malformed)?;
    Ok(found)
}

fn walk(
    message: &DynamicMessage,
    path: &str,
    found: &mut Vec<(String, Sealed)>,
) -> Result<(), prost::DecodeError> {
    for (field, value) in message.fields() {
        let path = format!("{path}{}", field.name());
        match value {
            Value::Message(inner) => one(inner, path, found)?,
            Value::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    if let Value::Message(inner) = item {
                        one(inner, format!("{path}[{index}]"), found)?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn one(
    message: &DynamicMessage,
    path: String,
    found: &mut Vec<(String, Sealed)>,
) -> Result<(), prost::DecodeError> {
    if message.descriptor().full_name() == SEALED {
        found.push((path, Sealed::decode(message.encode_to_vec().as_slice())?));
        return Ok(());
    }
    walk(message, &format!("{path}."), found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subscriber_import::Advanced;
    use crate::subscriber_import::advanced::Rejected;

    fn value(n: u8) -> Sealed {
        Sealed {
            scheme: 1,
            key_id: vec![n; 16].into(),
            ..Sealed::default()
        }
    }

    #[test]
    fn each_value_is_found_under_the_path_it_is_bound_to() {
        let record = |n| Rejected {
            record: n,
            ..Rejected::default()
        };
        let event = Advanced {
            rejected: vec![record(None), record(Some(value(7)))],
            ..Advanced::default()
        };
        let found = sealed("subscriber_import.Advanced", &event.encode_to_vec()).unwrap();
        assert_eq!(found, [("rejected[1].record".to_owned(), value(7))]);
        let event = crate::subscriber::SignedUp {
            email: Some(value(1)),
            attributes: Some(value(2)),
            ..Default::default()
        };
        let found = sealed("subscriber.SignedUp", &event.encode_to_vec()).unwrap();
        let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["email", "attributes"]);
        assert!(sealed("subscriber.Unheard", &[]).is_err());
    }
}
