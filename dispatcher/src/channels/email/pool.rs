//! How a channel gets a connection to its server. One whose dialogue was cut short is never used again.

use std::{
    fmt,
    pin::pin,
    sync::{Arc, atomic::AtomicUsize, atomic::Ordering},
    time::Duration,
};

use tidings_proto::Reason;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::{TlsConnector, rustls::ClientConfig};

use super::{
    config::Server,
    connect,
    dialogue::Connection,
    host::{Counted, Host},
};
use crate::channel::{Outcome, Warrant};
use crate::channels::permits::Permit;

/// How often whoever waits for a connection asks whether it is still worth it.
const ASK_AGAIN: Duration = Duration::from_millis(250);
/// How long a goodbye may take.
const QUIT_TIME_MAX: Duration = Duration::from_secs(1);

/// Whether an idle connection will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reuse {
    /// Take one if there is one.
    Idle,
    /// Open a new one.
    Never,
}

/// The connections of one channel, which count among those of its host.
pub(super) struct Pool {
    pub(super) host: Arc<Host>,
    server: Arc<Server>,
    connector: TlsConnector,
    hello_name: String,
    attempts: AtomicUsize,
}

/// A connection in use. Dropping it closes it; only [`Lease::give_back`] keeps it.
pub(super) struct Lease<'a> {
    pool: &'a Pool,
    connection: Connection,
    _permit: Permit<'a>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("server", &self.server)
            .field("connections", &self.host.account.permits.most())
            .finish_non_exhaustive()
    }
}

impl Pool {
    pub(super) fn new(
        host: Arc<Host>,
        server: Server,
        tls: Arc<ClientConfig>,
        hello_name: String,
    ) -> Self {
        Self {
            host,
            server: Arc::new(server),
            connector: TlsConnector::from(tls),
            hello_name,
            attempts: AtomicUsize::new(0),
        }
    }

    /// Counts an attempt.
    pub(super) fn begin(&self) -> Counted<'_> {
        self.host.count(&self.attempts)
    }

    /// How many attempts are worth having open. A server that is slow gets no more than connections, of all channels together.
    pub(super) fn concurrency(&self, per_connection: usize) -> usize {
        if self.host.speed.is_slow() {
            let own = self.attempts.load(Ordering::Relaxed);
            return self.host.left_by_others(own).max(1);
        }
        self.host.account.permits.most() * per_connection
    }

    /// Waits for a connection to be free, as long as the attempt is young enough to be sent, and until then at the most:
    /// others may hang for minutes.
    pub(super) async fn permit(
        &self,
        warrant: &dyn Warrant,
        patience: Instant,
    ) -> Result<Permit<'_>, Outcome> {
        let mut waiting = pin!(self.host.account.permits.acquire());
        loop {
            let until = patience.min(Instant::now() + ASK_AGAIN);
            let permit = timeout_at(until, &mut waiting).await;
            // Also whoever has one at last may be too late to dial.
            if !warrant.is_fresh() {
                return Err(Outcome::Abandoned {
                    reason: Reason::Stale,
                });
            }
            if let Ok(Some(permit)) = permit {
                return Ok(permit);
            }
            if Instant::now() >= patience {
                return Err(Outcome::Abandoned {
                    reason: Reason::NoFreeConnection,
                });
            }
        }
    }

    /// A connection that is ready for MAIL.
    pub(super) async fn lease<'a>(
        &'a self,
        permit: Permit<'a>,
        reuse: Reuse,
        deadline: Instant,
    ) -> Result<Lease<'a>, Outcome> {
        let idle = match reuse {
            Reuse::Idle => self.host.take_idle(&self.server),
            Reuse::Never => None,
        };
        let connection = match idle {
            Some(connection) => connection,
            None => {
                // Another channel's may have to go, which were opened in another way.
                quit(self.host.surplus()).await;
                let opening =
                    connect::open(&self.server, &self.connector, &self.hello_name, deadline);
                let (wire, features) = opening.await?;
                Connection::new(wire, features, self.server.timers)
            }
        };
        Ok(Lease {
            pool: self,
            connection,
            _permit: permit,
        })
    }

    /// Says goodbye on every idle connection that the channel has opened.
    pub(super) async fn close(&self) {
        quit(self.host.of(&self.server)).await;
    }
}

/// Says goodbye on these.
async fn quit(connections: Vec<Connection>) {
    let until = Instant::now() + QUIT_TIME_MAX;
    let goodbyes = connections
        .into_iter()
        .map(|connection| connection.quit(until));
    futures_util::future::join_all(goodbyes).await;
}

impl Lease<'_> {
    pub(super) fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Keeps the connection: its dialogue has ended cleanly.
    pub(super) fn give_back(self) {
        if !self.connection.is_out_of_step() {
            let pool = self.pool;
            pool.host.keep(self.connection, Arc::clone(&pool.server));
        }
    }
}
