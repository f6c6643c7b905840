//! Errors as log lines: the whole chain, and of the database's answer only code and message. Its DETAIL
//! may quote rows, and rows hold addresses.

use std::error::Error;

/// The chain of an error in one line.
pub(crate) fn why(error: &(dyn Error + 'static)) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let database = error.downcast_ref::<tokio_postgres::Error>();
        if let Some(answer) = database.and_then(tokio_postgres::Error::as_db_error) {
            parts.push(format!("{} ({})", answer.message(), answer.code().code()));
            break;
        }
        let part = error.to_string();
        // A transparent error says what its source says.
        if parts.last() != Some(&part) {
            parts.push(part);
        }
        next = error.source();
    }
    parts.join(": ")
}
