//! The event contract: prost types for every event, one enum over them all, and the embedded
//! descriptor set. The `.proto` files under `tidings/` are the source; a field number is never reused.

mod instant;
pub mod reason;
mod sealed;

pub use generated::tidings::*;
pub use instant::{from_us, to_us};
pub use prost::Message;
pub use reason::Reason;
pub use sealed::sealed;

// The `.proto` files document the fields; prost carries their comments over.
#[allow(missing_docs, unreachable_pub, clippy::all)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/tidings.rs"));
}

// Generated: one variant an event, none of them boxed.
#[allow(clippy::all)]
#[allow(clippy::explicit_iter_loop, clippy::too_many_lines)]
mod events {
    include!(concat!(env!("OUT_DIR"), "/events.rs"));
}
pub use events::{EVENT_TYPES, Event};

/// Serialized `google.protobuf.FileDescriptorSet` of all files under `tidings/`.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// A prost message that is an event of the log.
pub trait EventMessage: Message + Default {
    /// `<noun>.<PastTense>`
    const TYPE: &'static str;
}

/// Why the bytes of an event could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// This build does not know the type: a newer one wrote the event.
    #[error("event type {0:?} is not known to this version")]
    UnknownType(String),
    /// The bytes are not a message of that type.
    #[error("the payload is not a {event_type}")]
    Malformed {
        /// The type the row claims.
        event_type: String,
        /// What prost found.
        #[source]
        source: prost::DecodeError,
    },
}

fn decode_as<M: EventMessage>(event_type: &str, payload: bytes::Bytes) -> Result<M, DecodeError> {
    M::decode(payload).map_err(|source| DecodeError::Malformed {
        event_type: event_type.to_owned(),
        source,
    })
}

/// An event as protobuf JSON, for people: field names as in the `.proto` files, bytes as base64.
pub fn to_json(event_type: &str, payload: &[u8]) -> Result<serde_json::Value, DecodeError> {
    let pool = descriptor_pool();
    let message = pool
        .get_message_by_name(&format!("tidings.{event_type}"))
        .ok_or_else(|| DecodeError::UnknownType(event_type.to_owned()))?;
    let decoded = prost_reflect::DynamicMessage::decode(message, payload).map_err(|source| {
        DecodeError::Malformed {
            event_type: event_type.to_owned(),
            source,
        }
    })?;
    let options = prost_reflect::SerializeOptions::new().use_proto_field_name(true);
    let json = decoded.serialize_with_options(serde_json::value::Serializer, &options);
    Ok(json.expect("a decoded message has a JSON form"))
}

fn descriptor_pool() -> &'static prost_reflect::DescriptorPool {
    static POOL: std::sync::LazyLock<prost_reflect::DescriptorPool> =
        std::sync::LazyLock::new(|| {
            prost_reflect::DescriptorPool::decode(DESCRIPTORS)
                .expect("the build script wrote these descriptors")
        });
    &POOL
}
