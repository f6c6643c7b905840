//! The handle a test, the demo or a benchmark holds on a running HTTP sink.

use std::net::SocketAddr;
use std::sync::Arc;

use actix_web::dev::ServerHandle;

use super::script::Rule;
use super::{Message, Shared};
use crate::RuleId;

/// A running HTTP sink. Clones are cheap and name the same sink; it stops when the last is dropped.
#[derive(Clone)]
pub struct Handle(Arc<Running>);

pub(super) struct Running {
    pub(super) shared: Arc<Shared>,
    pub(super) addr: SocketAddr,
    pub(super) path: &'static str,
    pub(super) server: ServerHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Asking is enough; the future only tells when it is done.
        drop(self.server.stop(false));
    }
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

    /// What all its URLs begin with, without a slash at the end: the endpoint of Amazon SES, when this is that.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.0.addr)
    }

    /// The URL of the webhook `name`; see the vendor's module for names with a meaning.
    #[must_use]
    pub fn url(&self, name: &str) -> String {
        format!("{}{}{name}", self.base_url(), self.0.path)
    }

    /// Where Slack's Web API is, when this is Slack.
    #[must_use]
    pub fn api_url(&self) -> String {
        format!("{}/api", self.base_url())
    }

    /// How many messages are on record.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.shared.record.count()
    }

    /// All messages on record, in order of acceptance.
    #[must_use]
    pub fn messages(&self) -> Vec<Arc<Message>> {
        self.0.shared.record.since(0)
    }

    /// The messages that came by the webhook, or to the channel, `name`.
    #[must_use]
    pub fn by_webhook(&self, name: &str) -> Vec<Arc<Message>> {
        let mut messages = self.messages();
        messages.retain(|message| message.webhook == name);
        messages
    }

    /// Waits, without polling, until at least `n` messages are on record; returns all there are then.
    /// Waits for ever if they never come: put a timeout around it.
    pub async fn wait_for(&self, n: usize) -> Vec<Arc<Message>> {
        self.0.shared.record.wait_for(n).await
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

    /// Stops listening and drops every connection; the record can still be asked afterwards.
    pub async fn stop(&self) {
        self.0.server.stop(false).await;
    }
}
