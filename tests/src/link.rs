//! A wire between two processes that can go silent, in one way or in both, or be cut: a TCP listener in front of a
//! server.

mod carrier;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio_postgres::config::Host;

use carrier::{Counts, both_ways};

const SOCKET: &str = ".s.PGSQL.5432";
/// What the wire does with what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It brings it.
    Open,
    /// It keeps it, and brings it when it opens again: a switch that hangs. Nobody is told.
    Silent,
    /// It brings what clients say, and keeps what is answered: the answers reach nobody.
    Deaf,
    /// It brings what is answered, and keeps what clients say: the server hears nothing.
    Mute,
    /// It keeps what a session that commits is answered once it has asked for somebody to leave.
    Late,
    /// It ends a session that commits when that says something, which then never arrives.
    Unasked,
    /// It ends a session that commits when that is answered: it is committed, and nobody hears of it.
    Unheard,
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
    server: watch::Sender<Server>,
    counts: Counts,
}

impl Link {
    /// In front of a server on this machine.
    pub async fn before(server: SocketAddr) -> Self {
        Self::start(Server::Tcp(server)).await
    }

    /// In front of the private database of this URL; gives the URL that leads through the wire.
    pub async fn before_database(url: &str) -> (Self, String) {
        let config: tokio_postgres::Config = url.parse().unwrap();
        let link = Self::start(socket(&config)).await;
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
        let (way, server) = (watch::Sender::new(Way::Open), watch::Sender::new(server));
        let counts = Counts {
            kept: watch::Sender::new(0),
            ended: watch::Sender::new(0),
        };
        tokio::spawn(accept(
            listener,
            server.subscribe(),
            way.subscribe(),
            counts.clone(),
        ));
        Self {
            address,
            way,
            server,
            counts,
        }
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
        let _ = self
            .counts
            .kept
            .subscribe()
            .wait_for(|kept| *kept > 0)
            .await;
    }

    /// Ends the next session that commits in the middle of it, and opens: see [`Way::Unasked`] and [`Way::Unheard`].
    pub async fn end_a_commit(&self, way: Way) {
        let mut ended = self.counts.ended.subscribe();
        let before = *ended.borrow_and_update();
        self.set(way);
        // The sender lives in self, so this can not fail while we are borrowed.
        let _ = ended.wait_for(|ended| *ended > before).await;
        self.set(Way::Open);
    }

    /// From now on it leads to the private database of another URL; connections to the one of before live on.
    pub fn switch_to_database(&self, url: &str) {
        self.server.send_replace(socket(&url.parse().unwrap()));
    }

    /// Ends the connections of which it keeps something, which then never arrives, and opens.
    pub async fn lose_what_it_keeps(&self) {
        self.set(Way::Cut);
        let _ = self
            .counts
            .kept
            .subscribe()
            .wait_for(|kept| *kept == 0)
            .await;
        self.set(Way::Open);
    }
}

fn socket(config: &tokio_postgres::Config) -> Server {
    let Some(Host::Unix(sockets)) = config.get_hosts().first() else {
        panic!("the private database listens on a socket");
    };
    Server::Unix(sockets.join(SOCKET))
}

async fn accept(
    listener: TcpListener,
    server: watch::Receiver<Server>,
    mut way: watch::Receiver<Way>,
    counts: Counts,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            // The wire is gone.
            _ = gone(&mut way) => return,
        };
        let Ok((client, _)) = accepted else { continue };
        if *way.borrow() != Way::Cut {
            let server = server.borrow().clone();
            tokio::spawn(join(client, server, way.clone(), counts.clone()));
        }
    }
}

async fn gone(way: &mut watch::Receiver<Way>) {
    while way.changed().await.is_ok() {}
}

async fn join(client: TcpStream, server: Server, way: watch::Receiver<Way>, counts: Counts) {
    match server {
        Server::Tcp(address) => {
            let Ok(server) = TcpStream::connect(address).await else {
                return;
            };
            both_ways(client.into_split(), server.into_split(), way, counts).await;
        }
        Server::Unix(path) => {
            let Ok(server) = UnixStream::connect(path).await else {
                return;
            };
            both_ways(client.into_split(), server.into_split(), way, counts).await;
        }
    }
}
