//! Lists of ids that an editor writes down.

use uuid::Uuid;

use super::Invalid;

/// The ids as they were listed: at most so many, each once. `noun`: what they are ids of.
pub(super) fn few(ids: Vec<Uuid>, noun: &str, most: usize) -> Result<Vec<Uuid>, Invalid> {
    if ids.len() > most {
        return Err(Invalid::new(format!(
            "{} {noun}s are named; at most {most} are allowed",
            ids.len(),
        )));
    }
    if ids
        .iter()
        .enumerate()
        .any(|(at, id)| ids[..at].contains(id))
    {
        return Err(Invalid::new(format!(
            "a {noun} is named twice; name each {noun} once"
        )));
    }
    Ok(ids)
}
