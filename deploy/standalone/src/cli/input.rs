//! Files that a command is given.

use std::path::Path;

use super::CliError;

/// All of a file that somebody named.
///
/// # Errors
/// [`CliError::File`]
pub(super) fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    std::fs::read(path).map_err(|source| CliError::File {
        path: path.to_owned(),
        source,
    })
}
