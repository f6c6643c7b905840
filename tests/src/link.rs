//! A wire between two processes that can go silent or be cut: a TCP listener in front of a server.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio_postgres::config::Host;

const SOCKET: &str = ".s.PGSQL.5432";

/// What the wire does with what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It brings it.
    Open,
    /// It keeps it, and brings it when it opens again: a switch that hangs. Nobody is told.
    Silent,
    /// It brings this many bytes of what the client of each connection says, and keeps the rest; all that is answered
    /// comes through.
    Short(usize),
    /// It ends every connection, and new ones at once.
    Cut,
}

/// The server behind the wire.
#[derive(Clone, Debug)]
enum Server {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// A wire. It goes when this is dropped.
pub struct Link {
    address: SocketAddr,
    way: watch::Sender<Way>,
    kept: watch::Sender<usize>,
}

impl Link {
    /// In front of a server on this machine.
    pub async fn before(server: SocketAddr) -> Self {
        Self::start(Server::Tcp(server)).await
    }

    /// In front of the private database of this URL; gives the URL that leads through the wire.
    pub async fn before_database(url: &str) -> (Self, String) {
        let config: tokio_postgres::Config = url.parse().unwrap();
        let Some(Host::Unix(sockets)) = config.get_hosts().first() else {
            panic!("the private database listens on a socket");
        };
        let link = Self::start(Server::Unix(sockets.join(SOCKET))).await;
        let (user, database) = (config.get_user().unwrap(), config.get_dbname().unwrap());
        let url = format!(
            "postgres://{user}@{}/{database}?sslmode=disable",
            link.address
        );
        (link, url)
    }

    /// In front of the nats-server of this URL, `nats://USER:PASSWORD@ADDRESS`; gives the URL that leads
    /// through the wire.
    pub async fn before_nats(url: &str) -> (Self, String) {
        let (who, server) = url.rsplit_once('@').unwrap();
        let link = Self::before(server.parse().unwrap()).await;
        let url = format!("{who}@{}", link.address);
        (link, url)
    }

    async fn start(server: Server) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (way, kept) = (watch::Sender::new(Way::Open), watch::Sender::new(0));
        tokio::spawn(accept(listener, server, way.subscribe(), kept.clone()));
        Self { address, way, kept }
    }

    /// Where to connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on it does this.
    pub fn set(&self, way: Way) {
        self.way.send_replace(way);
    }

    /// Waits until it keeps something of what a client has said: see [`Way::Short`].
    pub async fn keeps_something(&self) {
        // The sender lives in self, so this can not fail while we are borrowed.
        let _ = self.kept.subscribe().wait_for(|kept| *kept > 0).await;
    }

    /// Ends the connections of which it keeps something, which then never arrives, and opens.
    pub async fn lose_what_it_keeps(&self) {
        self.set(Way::Cut);
        let _ = self.kept.subscribe().wait_for(|kept| *kept == 0).await;
        self.set(Way::Open);
    }
}

async fn accept(
    listener: TcpListener,
    server: Server,
    mut way: watch::Receiver<Way>,
    kept: watch::Sender<usize>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            // The wire is gone.
            _ = gone(&mut way) => return,
        };
        let Ok((client, _)) = accepted else { continue };
        if *way.borrow() != Way::Cut {
            tokio::spawn(join(client, server.clone(), way.clone(), kept.clone()));
        }
    }
}

async fn gone(way: &mut watch::Receiver<Way>) {
    while way.changed().await.is_ok() {}
}

async fn cut(way: &mut watch::Receiver<Way>) {
    // A wire that is gone is cut as well.
    drop(way.wait_for(|way| *way == Way::Cut).await);
}

async fn join(
    client: TcpStream,
    server: Server,
    way: watch::Receiver<Way>,
    kept: watch::Sender<usize>,
) {
    match server {
        Server::Tcp(address) => {
            let Ok(server) = TcpStream::connect(address).await else {
                return;
            };
            both_ways(client.into_split(), server.into_split(), way, kept).await;
        }
        Server::Unix(path) => {
            let Ok(server) = UnixStream::connect(path).await else {
                return;
            };
            both_ways(client.into_split(), server.into_split(), way, kept).await;
        }
    }
}

/// Ends, and with it both connections, when either side ends or the wire is cut.
async fn both_ways(
    client: (impl AsyncRead + Unpin, impl AsyncWrite + Unpin),
    server: (impl AsyncRead + Unpin, impl AsyncWrite + Unpin),
    way: watch::Receiver<Way>,
    kept: watch::Sender<usize>,
) {
    tokio::select! {
        _ = carry(client.0, server.1, way.clone(), Some(kept)) => {}
        _ = carry(server.0, client.1, way, None) => {}
    }
}

/// Counts a connection of which something is kept, until it is dropped.
struct Keeping(watch::Sender<usize>);

impl Keeping {
    fn new(kept: &watch::Sender<usize>) -> Self {
        kept.send_modify(|count| *count += 1);
        Self(kept.clone())
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut way: watch::Receiver<Way>,
    kept: Option<watch::Sender<usize>>,
) -> Option<()> {
    let mut buffer = vec![0; 16 << 10];
    let mut cuts = way.clone();
    let mut brought = 0;
    loop {
        let read = tokio::select! {
            read = from.read(&mut buffer) => read,
            () = cut(&mut cuts) => return None,
        };
        let mut bytes = &buffer[..read.ok().filter(|count| *count > 0)?];
        let mut now = *way.wait_for(|way| *way != Way::Silent).await.ok()?;
        if let (Way::Short(most), Some(kept)) = (now, &kept)
            && brought + bytes.len() > most
        {
            let (first, rest) = bytes.split_at(most.saturating_sub(brought));
            to.write_all(first).await.ok()?;
            let _keeping = Keeping::new(kept);
            let goes_on = |way: &Way| !matches!(way, Way::Silent | Way::Short(_));
            now = *way.wait_for(goes_on).await.ok()?;
            (bytes, brought) = (rest, brought + first.len());
        }
        if now == Way::Cut {
            return None;
        }
        to.write_all(bytes).await.ok()?;
        brought += bytes.len();
    }
}
