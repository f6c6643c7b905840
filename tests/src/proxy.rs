//! A stand-in for the database's socket that cuts connections at chosen moments, and leads to another server when
//! told to.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use tidings_event_store::session::{Connect, connect_plain};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio_postgres::config::Host;

const SOCKET: &str = ".s.PGSQL.5432";
/// The end of every answer: ReadyForQuery, its length, and a byte that tells the transaction's state.
const READY: [u8; 5] = [b'Z', 0, 0, 0, 5];

/// Where a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The server never sees the request.
    Request,
    /// The server gets the request, and nobody is there to hear the answer.
    Unheard,
    /// The server has answered, so the statement is committed; the answer is lost.
    Reply,
}

/// Forwards connections to a database until told to cut one.
pub struct Proxy {
    dir: TempDir,
    cuts: Arc<Mutex<VecDeque<Cut>>>,
    config: tokio_postgres::Config,
    /// The socket behind; a change ends all connections.
    real: watch::Sender<PathBuf>,
}

impl Proxy {
    /// In front of the database of this URL, which names a socket folder.
    pub fn before(database_url: &str) -> Self {
        let config: tokio_postgres::Config = database_url.parse().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let cuts = Arc::new(Mutex::default());
        let listener = UnixListener::bind(dir.path().join(SOCKET)).unwrap();
        let (real, behind) = watch::channel(socket(&config));
        tokio::spawn(accept(listener, behind, Arc::clone(&cuts)));
        Self {
            dir,
            cuts,
            config,
            real,
        }
    }

    /// The same database behind this proxy, as a URL.
    pub fn database_url(&self) -> String {
        let host = self.dir.path().display();
        let user = self.config.get_user().unwrap();
        let database = self.config.get_dbname().unwrap();
        format!("postgresql://{user}@/{database}?host={host}")
    }

    /// Ends all connections and leads the next ones to the database of another URL.
    pub fn switch_to(&self, database_url: &str) {
        self.real
            .send_replace(socket(&database_url.parse().unwrap()));
    }

    /// Sessions through this proxy.
    pub fn connect(&self) -> Connect {
        let mut config = tokio_postgres::Config::new();
        config
            .host_path(self.dir.path())
            .user(self.config.get_user().unwrap())
            .dbname(self.config.get_dbname().unwrap());
        connect_plain(config)
    }

    /// Cuts the connection at the next request on any of them, then at the one after, and so on.
    pub fn cut(&self, cuts: impl IntoIterator<Item = Cut>) {
        self.cuts.lock().unwrap().extend(cuts);
    }

    /// Cuts that were asked for and have not happened.
    pub fn cuts_left(&self) -> usize {
        self.cuts.lock().unwrap().len()
    }
}

fn socket(config: &tokio_postgres::Config) -> PathBuf {
    let Some(Host::Unix(sockets)) = config.get_hosts().first() else {
        panic!("the private database listens on a socket");
    };
    sockets.join(SOCKET)
}

async fn accept(
    listener: UnixListener,
    real: watch::Receiver<PathBuf>,
    cuts: Arc<Mutex<VecDeque<Cut>>>,
) {
    while let Ok((client, _)) = listener.accept().await {
        let (mut real, cuts) = (real.clone(), Arc::clone(&cuts));
        tokio::spawn(async move {
            let behind = real.borrow_and_update().clone();
            tokio::select! {
                _ = real.changed() => {}
                _ = forward(client, behind, cuts) => {}
            }
        });
    }
}

/// Ends, and with it both connections, when either side ends or a cut is due.
async fn forward(
    mut client: UnixStream,
    real: impl AsRef<Path>,
    cuts: Arc<Mutex<VecDeque<Cut>>>,
) -> Option<()> {
    let mut server = UnixStream::connect(real).await.ok()?;
    let (mut request, mut answer) = ([0; 16 << 10], [0; 16 << 10]);
    let mut withheld: Option<Vec<u8>> = None;
    loop {
        tokio::select! {
            read = client.read(&mut request) => {
                let bytes = &request[..read.ok().filter(|count| *count > 0)?];
                let cut = cuts.lock().unwrap().pop_front();
                if cut != Some(Cut::Request) {
                    server.write_all(bytes).await.ok()?;
                }
                match cut {
                    None => {}
                    Some(Cut::Reply) => withheld = Some(Vec::new()),
                    Some(Cut::Request | Cut::Unheard) => return None,
                }
            }
            read = server.read(&mut answer) => {
                let bytes = &answer[..read.ok().filter(|count| *count > 0)?];
                match &mut withheld {
                    None => client.write_all(bytes).await.ok()?,
                    Some(withheld) => {
                        withheld.extend_from_slice(bytes);
                        if withheld.len() > READY.len() && withheld[..withheld.len() - 1].ends_with(&READY) {
                            return None;
                        }
                    }
                }
            }
        }
    }
}
