//! Slack's incoming-webhook endpoint for loopback: its answers, its limits, its rate limit,
//! a record of what it accepted, and misbehaviour as it is told to.
//!
//! A webhook is `http://ADDR/services/T…/B…/NAME` ([`Handle::url`]). Any name is an open channel
//! except four that say what is wrong with them: `archived` (410 `channel_is_archived`), `unknown`
//! (404 `channel_not_found`), `prohibited` (403 `action_prohibited`), `removed` (404 `no_service`).
//!
//! The server runs on a thread of its own with its own actix system, so it can be started from
//! any tokio runtime, of one thread or of many.

mod blocks;
mod endpoint;
mod handle;
mod rate;
mod script;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer, web};
use serde_json::Value;
use time::OffsetDateTime;
use tokio::sync::oneshot;

pub use self::handle::Handle;
pub use self::rate::RateLimit;
pub use self::script::{Action, Rule};

use self::handle::Running;
use self::rate::Buckets;
use crate::Clock;
use crate::record::Record;
use crate::script::Script;

/// How a sink shall behave. The default: a free port of 127.0.0.1, Slack's rate limit, no misbehaviour.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0 = a free one.
    pub listen: SocketAddr,
    /// How much each webhook may send; `None` = as much as comes.
    pub rate_limit: Option<RateLimit>,
    /// The misbehaviour it starts with.
    pub rules: Vec<Rule>,
    /// What stamps the record and fills the rate limit's buckets.
    pub clock: Clock,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            rate_limit: Some(RateLimit::SLACK),
            rules: Vec::new(),
            clock: Clock::wall(),
        }
    }
}

/// One accepted message.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// 1, 2, 3, … in the order of acceptance.
    pub seq: u64,
    /// When it was accepted.
    pub at: OffsetDateTime,
    /// The name of the webhook it came by: the last part of the URL.
    pub webhook: String,
    /// The JSON that was sent.
    pub payload: Value,
}

impl Message {
    /// The fallback text; empty if none was sent.
    #[must_use]
    pub fn text(&self) -> &str {
        self.payload["text"].as_str().unwrap_or_default()
    }
}

/// Why a sink did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is taken or not ours, or the server's thread cannot be made.
    #[error("cannot listen on {addr}")]
    Listen {
        /// Which address.
        addr: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// What every request uses.
struct Shared {
    clock: Clock,
    limiter: Option<Buckets>,
    record: Record<Message>,
    script: Script<Rule>,
}

impl Shared {
    fn accept(&self, webhook: &str, payload: Value) {
        let message = self.record.push_with(|rows| {
            Ok::<_, std::convert::Infallible>(Message {
                seq: rows as u64 + 1,
                at: self.clock.now(),
                webhook: webhook.to_owned(),
                payload,
            })
        });
        drop(message);
    }
}

/// Starts a sink. It is ready when this returns.
///
/// # Errors
/// The address cannot be listened on.
pub async fn start(options: Options) -> Result<Handle, Error> {
    let addr = options.listen;
    let failed = |source| Error::Listen { addr, source };
    let listener = TcpListener::bind(addr).map_err(failed)?;
    let addr = listener.local_addr().map_err(failed)?;
    let shared = Arc::new(Shared {
        clock: options.clock,
        limiter: options.rate_limit.map(Buckets::new),
        record: Record::new(),
        script: Script::new(options.rules),
    });
    let (started, server) = oneshot::channel();
    let served = Arc::clone(&shared);
    thread::Builder::new()
        .name("slack-sink".into())
        .spawn(move || {
            let serving = serve(listener, served, started);
            if let Err(error) = actix_web::rt::System::new().block_on(serving) {
                tracing::warn!(%error, "the Slack sink ended");
            }
        })
        .map_err(failed)?;
    // The sender is dropped unsent only if the server could not be made.
    let server = server
        .await
        .map_err(|_| failed(io::ErrorKind::Other.into()))?;
    let server = server.map_err(failed)?;
    Ok(Handle::new(Running {
        shared,
        addr,
        server,
    }))
}

async fn serve(
    listener: TcpListener,
    shared: Arc<Shared>,
    started: oneshot::Sender<io::Result<ServerHandle>>,
) -> io::Result<()> {
    let shared = web::Data::new(shared);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(shared.clone())
            .configure(endpoint::routes)
    })
    .on_connect(endpoint::connected)
    .workers(1)
    .disable_signals()
    .listen(listener);
    match server {
        Ok(server) => {
            let server = server.run();
            // If nobody waits for the handle any more, dropping it here does not stop the server.
            if let Err(Ok(handle)) = started.send(Ok(server.handle())) {
                drop(handle.stop(false));
            }
            server.await
        }
        Err(error) => {
            drop(started.send(Err(error)));
            Ok(())
        }
    }
}
