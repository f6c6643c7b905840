//! The witness: what the log was, written down outside the database. Whoever owns the database can rewrite the log
//! together with all its hashes; they can not rewrite the signed heads in these files. Beside the heads stand the
//! facts about consent, without personal data, so that a log that was restored from a backup learns again who left
//! meanwhile.
//!
//! `line` is the format, `folder` the files, `keeper` writes them, `check` reads them back and
//! compares, `lost` finds what a log that was put back has lost.

mod check;
mod facts;
mod folder;
mod heads;
mod incarnations;
mod keeper;
mod key;
mod line;
mod lost;
mod state;

pub use check::{Compared, GivenUp, WitnessReport, check, compare, head_after};
pub use facts::FACT_TYPES;
pub use folder::Folder;
pub use heads::{SignedHead, signed_heads};
pub use keeper::{Keeper, Standing, Standings};
pub use key::{PublicKey, SigningKey};
pub use line::{Entry, FORMAT, Fact, Line, LineError, hash as line_hash};
pub use lost::{Growth, Incarnation, Lost, LostError, lost};

pub(crate) use facts::{CONTACT, of_event};
pub(crate) use line::{check as check_signed, check_signature, sign as sign_object};
pub(crate) use lost::known;

use std::io;
use std::path::PathBuf;

use crate::log::ReadError;

/// Why the witness can not be kept, or not be believed.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// The system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The log could not be read.
    #[error("the log cannot be read")]
    Read(#[from] ReadError),
    /// There is no witness in the folder.
    #[error("there is no witness in {}: name its folder", .0.display())]
    Absent(PathBuf),
    /// A witness that has begun is not in its folder any more.
    #[error("the witness has begun, but {} holds no line of it", .0.display())]
    Gone(PathBuf),
    /// A line is not what was written.
    #[error("{}, line {line}: {what}; the witness was tampered with or damaged", file.display())]
    Tampered {
        /// The file.
        file: PathBuf,
        /// The line in the file, from 1.
        line: usize,
        /// What is wrong with it.
        #[source]
        what: LineError,
    },
    /// The witness was signed by somebody else.
    #[error(
        "the witness in {} is signed by the key {found}, not by {expected}: keep it as evidence, find out who replaced \
         the key, and choose another folder with witness.folder",
        folder.display()
    )]
    OtherKey {
        /// The folder.
        folder: PathBuf,
        /// Whose signatures stand there.
        found: PublicKey,
        /// Whose were expected.
        expected: PublicKey,
    },
    /// The log is not the one that was witnessed.
    #[error(
        "the log is no longer the one the witness saw up to position {position}: it was rewritten, or the database has \
         gone back in time; `tidings audit verify --witness` says where"
    )]
    Diverged {
        /// The last witnessed position.
        position: i64,
    },
}

impl WitnessError {
    /// Whether it makes no sense to try again.
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::Io { .. } | Self::Read(_))
    }

    pub(crate) fn io(
        action: &'static str,
        path: &std::path::Path,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}
