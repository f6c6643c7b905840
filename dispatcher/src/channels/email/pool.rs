//! Connections kept for the next message. One whose dialogue was cut short never comes back.

use std::{
    fmt,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tidings_proto::Reason;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, timeout_at},
};
use tokio_rustls::{TlsConnector, rustls::ClientConfig};

use super::{config::Server, connect, dialogue::Connection};
use crate::channel::{Fresh, Outcome};

/// Servers hang up after minutes of silence; we do so first.
const IDLE_TIME_MAX: Duration = Duration::from_secs(30);
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

/// The connections of one channel.
pub(super) struct Pool {
    server: Server,
    connector: TlsConnector,
    hello_name: String,
    permits: Semaphore,
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

/// A connection in use. Dropping it closes it; only [`Lease::give_back`] keeps it.
pub(super) struct Lease<'a> {
    pool: &'a Pool,
    connection: Connection,
    _permit: SemaphorePermit<'a>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("server", &self.server)
            .field("free", &self.permits.available_permits())
            .finish_non_exhaustive()
    }
}

impl Pool {
    pub(super) fn new(
        server: Server,
        connections_max: usize,
        tls: Arc<ClientConfig>,
        hello_name: String,
    ) -> Self {
        Self {
            server,
            connector: TlsConnector::from(tls),
            hello_name,
            permits: Semaphore::new(connections_max),
            idle: Mutex::default(),
        }
    }

    /// Waits for a connection to be free, as long as the attempt is young enough to be sent: others may hang for minutes.
    pub(super) async fn permit(
        &self,
        fresh: Fresh<'_>,
        deadline: Instant,
    ) -> Result<SemaphorePermit<'_>, Outcome> {
        let mut waiting = pin!(self.permits.acquire());
        loop {
            let until = deadline.min(Instant::now() + ASK_AGAIN);
            let permit = timeout_at(until, &mut waiting).await;
            // Also whoever has one at last may be too late to dial.
            if !fresh() {
                return Err(Outcome::Abandoned {
                    reason: Reason::Stale,
                });
            }
            if let Ok(Ok(permit)) = permit {
                return Ok(permit);
            }
            if Instant::now() >= deadline {
                return Err(Outcome::Abandoned {
                    reason: Reason::NoFreeConnection,
                });
            }
        }
    }

    /// A connection that is ready for MAIL.
    pub(super) async fn lease<'a>(
        &'a self,
        permit: SemaphorePermit<'a>,
        reuse: Reuse,
        deadline: Instant,
    ) -> Result<Lease<'a>, Outcome> {
        let idle = match reuse {
            Reuse::Idle => self.take_idle(),
            Reuse::Never => None,
        };
        let connection = match idle {
            Some(connection) => connection,
            None => {
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

    /// Says goodbye on every idle connection.
    pub(super) async fn close(&self) {
        let idle = std::mem::take(&mut *self.lock());
        let until = Instant::now() + QUIT_TIME_MAX;
        let goodbyes = idle.into_iter().map(|idle| idle.connection.quit(until));
        futures_util::future::join_all(goodbyes).await;
    }

    /// The one used last: the others may then grow old and go.
    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.lock();
        idle.retain(|idle| idle.since.elapsed() < IDLE_TIME_MAX);
        idle.pop().map(|idle| idle.connection)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Idle>> {
        // A list of connections cannot be left half-changed by a panic.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease<'_> {
    pub(super) fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Keeps the connection: its dialogue has ended cleanly.
    pub(super) fn give_back(self) {
        if !self.connection.is_out_of_step() {
            self.pool.lock().push(Idle {
                connection: self.connection,
                since: Instant::now(),
            });
        }
    }
}
