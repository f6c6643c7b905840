//! An SMTP server (RFC 5321) for loopback: it speaks the real dialogue, keeps what it accepts
//! on record, and misbehaves as it is told to.
//!
//! It offers PIPELINING, 8BITMIME, SIZE, ENHANCEDSTATUSCODES and, with credentials, AUTH PLAIN LOGIN
//! (then required before MAIL). Connections are in the clear, unless it is given [`Tls`].

mod body;
mod command;
mod connection;
mod folder;
mod handle;
mod journal;
mod journal_file;
mod reply;
mod script;
mod session;
mod tls;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::handle::{Handle, Stats};
pub use self::journal::{Keep, Message};
pub use self::journal_file::{JournalFileError, Line, read_journal};
pub use self::script::{Action, Phase, Rule};
pub use self::tls::{Tls, TlsError};

use self::connection::Connection;
use self::folder::Folder;
use self::handle::Running;
use self::journal::Journal;
use self::journal_file::JournalFile;
use self::session::Limits;
use crate::Clock;
use crate::script::Script;

/// How a sink shall behave. The default: a free port of 127.0.0.1, 10 MiB a message, no
/// authentication, no protection, everything kept in memory, no files, no misbehaviour.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0 = a free one.
    pub listen: SocketAddr,
    /// What it calls itself.
    pub hostname: String,
    /// Largest message it takes, dots unstuffed; more gets 552.
    pub size_bytes_max: usize,
    /// Most recipients per message; more get 452.
    pub recipients_max: usize,
    /// Who may send; `None` = anybody.
    pub auth: Option<Credentials>,
    /// Protects connections; `None` = all is said in the clear.
    pub tls: Option<Tls>,
    /// How much of each message stays in memory.
    pub keep: Keep,
    /// Where each message is also written as a file `NNNNNN-recipient.eml`.
    pub folder: Option<PathBuf>,
    /// Where each accepted message gets a JSON line ([`Line`]) before the sender gets its 250.
    /// An existing file is continued.
    pub journal_file: Option<PathBuf>,
    /// The misbehaviour it starts with.
    pub rules: Vec<Rule>,
    /// What stamps the journal.
    pub clock: Clock,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            hostname: "sink.localhost".into(),
            size_bytes_max: 10 * 1024 * 1024,
            recipients_max: 100,
            auth: None,
            tls: None,
            keep: Keep::default(),
            folder: None,
            journal_file: None,
            rules: Vec::new(),
            clock: Clock::wall(),
        }
    }
}

/// A user and a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The user's name.
    pub user: String,
    /// In the clear: it protects nothing.
    pub password: String,
}

/// Why a sink did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is taken or not ours.
    #[error("cannot listen on {addr}")]
    Listen {
        /// Which address.
        addr: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The folder for messages cannot be made.
    #[error("cannot use the mail folder {path}")]
    Folder {
        /// Which folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The journal file cannot be continued.
    #[error("cannot continue the journal")]
    Journal(#[source] JournalFileError),
}

#[derive(Debug, Default)]
struct Counters {
    connections: AtomicU64,
    open: AtomicU64,
    mails: AtomicU64,
}

/// How long to leave the system alone when it cannot give us a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// What every connection of a sink uses.
struct Shared {
    hostname: String,
    limits: Limits,
    auth: Option<Credentials>,
    tls: Mutex<Option<Tls>>,
    /// The answer to EHLO, where the connection is protected or never will be.
    ehlo: Vec<u8>,
    /// The same before STARTTLS.
    ehlo_in_the_clear: Vec<u8>,
    journal: Journal,
    folder: Option<Folder>,
    script: Script<Rule>,
    counters: Counters,
}

/// Starts a sink on the current tokio runtime. It is ready when this returns.
///
/// # Errors
/// The address cannot be listened on, or the folder or the journal file cannot be used.
pub async fn start(options: Options) -> Result<Handle, Error> {
    let addr = options.listen;
    let listener = TcpListener::bind(addr)
        .await
        .map_err(|source| Error::Listen { addr, source })?;
    let addr = listener
        .local_addr()
        .map_err(|source| Error::Listen { addr, source })?;
    let shared = Arc::new(shared(options)?);
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    let accepting = accept(listener, Arc::clone(&shared), stop.clone(), tasks.clone());
    tasks.spawn(stop.clone().run_until_cancelled_owned(accepting));
    Ok(Handle::new(Running {
        shared,
        addr,
        stop,
        tasks,
    }))
}

fn shared(options: Options) -> Result<Shared, Error> {
    let limits = Limits {
        size_bytes_max: options.size_bytes_max,
        recipients_max: options.recipients_max,
        auth: options.auth.is_some(),
        starttls: options
            .tls
            .as_ref()
            .is_some_and(|tls| !tls.is_from_first_byte()),
    };
    let file = options.journal_file.as_deref().map(JournalFile::open);
    let file = file.transpose().map_err(Error::Journal)?;
    let folder = options
        .folder
        .map(|path| Folder::open(path.clone()).map_err(|source| Error::Folder { path, source }));
    Ok(Shared {
        ehlo: ehlo(&options.hostname, limits, false),
        ehlo_in_the_clear: ehlo(&options.hostname, limits, limits.starttls),
        hostname: options.hostname,
        limits,
        auth: options.auth,
        tls: Mutex::new(options.tls),
        journal: Journal::new(options.keep, options.clock, file),
        folder: folder.transpose()?,
        script: Script::new(options.rules),
        counters: Counters::default(),
    })
}

/// The answer to EHLO: one extension a line.
fn ehlo(hostname: &str, limits: Limits, starttls: bool) -> Vec<u8> {
    let mut lines = vec![
        hostname.to_owned(),
        "PIPELINING".into(),
        "8BITMIME".into(),
        "ENHANCEDSTATUSCODES".into(),
    ];
    if starttls {
        lines.push("STARTTLS".into());
    }
    if limits.auth {
        lines.push("AUTH PLAIN LOGIN".into());
    }
    let mut answer: String = lines.iter().map(|line| format!("250-{line}\r\n")).collect();
    answer.push_str(&format!("250 SIZE {}\r\n", limits.size_bytes_max));
    answer.into_bytes()
}

async fn accept(
    listener: TcpListener,
    shared: Arc<Shared>,
    stop: CancellationToken,
    tasks: TaskTracker,
) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, or the peer was gone at once; the next may do better.
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "the peer left before it was served");
            continue;
        }
        let number = shared.counters.connections.fetch_add(1, Ordering::Relaxed) + 1;
        shared.counters.open.fetch_add(1, Ordering::Relaxed);
        let shared = Arc::clone(&shared);
        let stop = stop.clone();
        tasks.spawn(async move {
            let connection = Connection::new(Arc::clone(&shared), stream, number);
            stop.run_until_cancelled(connection.serve()).await;
            shared.counters.open.fetch_sub(1, Ordering::Relaxed);
        });
    }
}
