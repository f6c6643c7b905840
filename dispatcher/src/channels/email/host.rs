//! A mail host and who we are to it: what all channels of this process share that go there under one login. Their
//! connections count together, and so does what their server complains of.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::{config::Server, dialogue::Connection, speed::Speed};
use crate::channels::account::Account;

/// Servers hang up after minutes of silence; we do so first.
const IDLE_TIME_MAX: Duration = Duration::from_secs(30);

/// Shared by the pools of all channels that speak to it.
pub(in crate::channels) struct Host {
    pub(in crate::channels) account: Arc<Account>,
    pub(super) speed: Speed,
    /// Attempts of all channels, from before they wait for a connection until they end.
    attempts: AtomicUsize,
    idle: Mutex<Vec<Idle>>,
}

/// A connection kept for the next message.
struct Idle {
    connection: Connection,
    /// How it was opened.
    server: Arc<Server>,
    since: Instant,
}

/// An attempt that counts until this is dropped.
pub(super) struct Counted<'a>([&'a AtomicUsize; 2]);

impl Host {
    /// Nothing is known of its server, and no connection stands.
    pub(in crate::channels) fn new(account: Arc<Account>) -> Self {
        Self {
            account,
            speed: Speed::default(),
            attempts: AtomicUsize::new(0),
            idle: Mutex::default(),
        }
    }

    /// Counts an attempt here and among those of its channel.
    pub(super) fn count<'a>(&'a self, own: &'a AtomicUsize) -> Counted<'a> {
        let both = [&self.attempts, own];
        for attempts in both {
            attempts.fetch_add(1, Ordering::Relaxed);
        }
        Counted(both)
    }

    /// Connections that are left to a channel by the attempts of the others; it has `own` itself.
    pub(super) fn left_by_others(&self, own: usize) -> usize {
        let others = self.attempts.load(Ordering::Relaxed).saturating_sub(own);
        self.account.permits.most().saturating_sub(others)
    }

    /// The one that was used last of those opened in the same way: the others may then grow old and go.
    pub(super) fn take_idle(&self, server: &Server) -> Option<Connection> {
        let mut idle = self.lock();
        idle.retain(is_young);
        let index = idle.iter().rposition(|it| *it.server == *server)?;
        Some(idle.remove(index).connection)
    }

    /// Keeps a connection whose dialogue has ended cleanly, unless there are enough: it is in use still.
    pub(super) fn keep(&self, connection: Connection, server: Arc<Server>) {
        let mut idle = self.lock();
        if self.account.permits.beyond(idle.len()) == 0 {
            idle.push(Idle {
                connection,
                server,
                since: Instant::now(),
            });
        }
    }

    /// Takes out those, the oldest first, that are too many beside those in use.
    pub(super) fn surplus(&self) -> Vec<Connection> {
        let mut idle = self.lock();
        let surplus = self.account.permits.beyond(idle.len()).min(idle.len());
        idle.drain(..surplus).map(|it| it.connection).collect()
    }

    /// Takes out those that were opened by this very setting of a server.
    pub(super) fn of(&self, server: &Arc<Server>) -> Vec<Connection> {
        let mut idle = self.lock();
        let its = idle.extract_if(.., |it| Arc::ptr_eq(&it.server, server));
        its.map(|it| it.connection).collect()
    }

    /// Hangs up where nothing was said for long, or more connections stand than may.
    pub(in crate::channels) fn tidy(&self) {
        self.lock().retain(is_young);
        drop(self.surplus());
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Idle>> {
        // A list of connections cannot be left half-changed by a panic.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        for attempts in self.0 {
            attempts.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

fn is_young(idle: &Idle) -> bool {
    idle.since.elapsed() < IDLE_TIME_MAX
}
