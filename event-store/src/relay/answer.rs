//! What JetStream answers to an atomic batch.

use super::{RelayError, stream_error};

#[derive(serde::Deserialize)]
struct BatchAnswer {
    #[serde(default)]
    seq: i64,
    error: Option<BatchError>,
}

#[derive(serde::Deserialize)]
struct BatchError {
    #[serde(default)]
    description: String,
}

/// Whether the batch ended at the sequence it should have.
pub(super) fn batch_answer(payload: &[u8], expected: i64) -> Result<(), RelayError> {
    let answer: BatchAnswer = serde_json::from_slice(payload).map_err(stream_error)?;
    match answer {
        BatchAnswer {
            error: Some(error), ..
        } => Err(RelayError::Stream(error.description)),
        BatchAnswer { seq, .. } if seq == expected => Ok(()),
        BatchAnswer { seq, .. } => Err(RelayError::Stream(format!(
            "a batch ended at {seq}, not {expected}"
        ))),
    }
}
