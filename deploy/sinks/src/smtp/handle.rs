//! The handle a test, the demo or a benchmark holds on a running SMTP sink.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Shared;
use super::journal::Message;
use super::script::Rule;
use super::tls::Tls;
use crate::RuleId;
use crate::record::lock;

/// A running SMTP sink. Clones are cheap and name the same sink; it stops when the last is dropped.
#[derive(Clone)]
pub struct Handle(Arc<Running>);

pub(super) struct Running {
    pub(super) shared: Arc<Shared>,
    pub(super) addr: SocketAddr,
    pub(super) stop: CancellationToken,
    pub(super) tasks: TaskTracker,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What has happened on the wire so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Connections accepted.
    pub connections: u64,
    /// Connections open now.
    pub open: u64,
    /// MAIL FROM commands accepted.
    pub mails: u64,
    /// Messages on record.
    pub accepted: u64,
}

impl Handle {
    pub(super) fn new(running: Running) -> Self {
        Self(Arc::new(running))
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.0.addr
    }

    /// How many messages are on record.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.shared.journal.record().count()
    }

    /// All messages on record, in order of acceptance.
    #[must_use]
    pub fn messages(&self) -> Vec<Arc<Message>> {
        self.0.shared.journal.record().since(0)
    }

    /// The messages with this Message-ID, angle brackets given or not.
    #[must_use]
    pub fn by_message_id(&self, id: &str) -> Vec<Arc<Message>> {
        self.0.shared.journal.by_message_id(id)
    }

    /// The messages that had this envelope recipient, any case.
    #[must_use]
    pub fn by_recipient(&self, address: &str) -> Vec<Arc<Message>> {
        self.0.shared.journal.by_recipient(address)
    }

    /// Waits, without polling, until at least `n` messages are on record; returns all there are then.
    /// Waits for ever if they never come: put a timeout around it.
    pub async fn wait_for(&self, n: usize) -> Vec<Arc<Message>> {
        self.0.shared.journal.record().wait_for(n).await
    }

    /// What has happened on the wire so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let counters = &self.0.shared.counters;
        Stats {
            connections: counters.connections.load(Ordering::Relaxed),
            open: counters.open.load(Ordering::Relaxed),
            mails: counters.mails.load(Ordering::Relaxed),
            accepted: self.count() as u64,
        }
    }

    /// Connections are protected by this from now on; of a sink that has been in the clear, none is.
    pub fn protect(&self, tls: Tls) {
        if let Some(before) = &mut *lock(&self.0.shared.tls) {
            *before = tls;
        }
    }

    /// Adds a rule after those there are.
    pub fn add_rule(&self, rule: Rule) -> RuleId {
        self.0.shared.script.add(rule)
    }

    /// Takes a rule away; what it has stalled stays stalled.
    pub fn remove_rule(&self, id: RuleId) {
        self.0.shared.script.remove(id);
    }

    /// Takes all rules away.
    pub fn clear_rules(&self) {
        self.0.shared.script.clear();
    }

    /// How often a rule has acted.
    #[must_use]
    pub fn hits(&self, id: RuleId) -> u32 {
        self.0.shared.script.hits(id)
    }

    /// Waits until a rule has acted `n` times: the way to know that a sender is stalled now.
    pub async fn wait_for_hits(&self, id: RuleId, n: u32) {
        self.0.shared.script.wait_for_hits(id, n).await;
    }

    /// Lets all that is stalled now go on.
    pub fn release(&self) {
        self.0.shared.script.release();
    }

    /// Waits until every message accepted so far is a file of `Options::folder`.
    ///
    /// # Errors
    /// A file could not be written; the first such error since the last flush.
    pub async fn flush(&self) -> io::Result<()> {
        match &self.0.shared.folder {
            Some(folder) => folder.flush().await,
            None => Ok(()),
        }
    }

    /// Stops listening, drops every connection where it stands, and waits until all that has ended.
    /// The journal can still be asked afterwards.
    pub async fn stop(&self) {
        self.0.stop.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
        if let Err(error) = self.flush().await {
            tracing::warn!(%error, "mail folder is incomplete");
        }
    }
}
