//! What the HTTP sinks share: a server of their own, a record, a rate limit, and misbehaviour as they are told to.
//! A vendor adds its paths, its rules and its answers.

pub(crate) mod answer;
mod bomb;
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
pub(crate) use self::rate::Token;
use crate::Clock;
use crate::record::Record;
use crate::script::Script;

/// Largest body most sinks read; what a vendor takes is the vendor's rule.
pub(crate) const BODY_BYTES_MAX: usize = 1024 * 1024;

/// One accepted message.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// 1, 2, 3, … in the order of acceptance.
    pub seq: u64,
    /// When it was accepted.
    pub at: OffsetDateTime,
    /// The name of the destination it came by: the last part of a webhook's URL, a channel, or a mail's address.
    pub webhook: String,
    /// Its id in the vendor's terms; where the sender gives it, repeats have the same.
    pub id: String,
    /// The JSON that was sent.
    pub payload: Value,
}

impl Message {
    /// Slack's fallback text; empty if none was sent.
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

/// How any HTTP sink shall behave. The default: a free port of 127.0.0.1, the vendor's rate limit, no misbehaviour.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0 = a free one.
    pub listen: SocketAddr,
    /// How much each destination may be sent.
    pub rate_limit: Limit,
    /// The misbehaviour it starts with.
    pub rules: Vec<Rule>,
    /// What stamps the record and fills the rate limit's buckets.
    pub clock: Clock,
}

/// How much each destination of a sink may be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Limit {
    /// As much as the vendor lets through.
    #[default]
    Vendors,
    /// As much as comes.
    None,
    /// So much.
    Of(RateLimit),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            rate_limit: Limit::default(),
            rules: Vec::new(),
            clock: Clock::wall(),
        }
    }
}

/// What a vendor adds.
pub(crate) struct Vendor {
    /// For the log.
    pub(crate) name: &'static str,
    /// What stands before a destination's name in its URL.
    pub(crate) path: &'static str,
    /// Largest body that is read; what is taken is the vendor's rule.
    pub(crate) body_bytes_max: usize,
    /// What the vendor lets through, if it limits at all.
    pub(crate) rate_limit: Option<RateLimit>,
    /// Its handlers; they find a `Data<Arc<Shared>>`.
    pub(crate) routes: Box<dyn Fn(&mut web::ServiceConfig) + Send + Sync>,
}

/// What every request uses.
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    limiter: Option<Buckets>,
    record: Record<Message>,
    script: Script<Rule>,
}

impl Shared {
    /// Takes a token of a destination's bucket. Where nothing is limited there is always one.
    pub(crate) fn take(&self, name: &str) -> Result<Token, Token> {
        match &self.limiter {
            Some(limiter) => limiter.take(name, self.clock.now()),
            None => Ok(Token::UNLIMITED),
        }
    }

    /// Puts a message on record under the id that `id` makes of its number.
    fn accept(
        &self,
        webhook: &str,
        id: impl FnOnce(u64) -> String,
        payload: Value,
    ) -> Arc<Message> {
        let message = self.record.push_with(|rows| {
            let seq = rows as u64 + 1;
            Ok::<_, std::convert::Infallible>(Message {
                seq,
                at: self.clock.now(),
                webhook: webhook.to_owned(),
                id: id(seq),
                payload,
            })
        });
        match message {
            Ok(message) => message,
            Err(never) => match never {},
        }
    }
}

/// Starts a sink. It is ready when this returns.
pub(crate) async fn start(options: Options, vendor: Vendor) -> Result<Handle, Error> {
    let addr = options.listen;
    let failed = |source| Error::Listen { addr, source };
    let listener = TcpListener::bind(addr).map_err(failed)?;
    let addr = listener.local_addr().map_err(failed)?;
    let rate_limit = match options.rate_limit {
        Limit::Vendors => vendor.rate_limit,
        Limit::None => None,
        Limit::Of(limit) => Some(limit),
    };
    let shared = Arc::new(Shared {
        clock: options.clock,
        limiter: rate_limit.map(Buckets::new),
        record: Record::new(),
        script: Script::new(options.rules),
    });
    let (started, server) = oneshot::channel();
    let served = Arc::clone(&shared);
    let (name, path) = (vendor.name, vendor.path);
    thread::Builder::new()
        .name(format!("{name}-sink"))
        .spawn(move || {
            let serving = serve(listener, served, vendor, started);
            if let Err(error) = actix_web::rt::System::new().block_on(serving) {
                tracing::warn!(%error, "the {name} sink ended");
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
        path,
        server,
    }))
}

async fn serve(
    listener: TcpListener,
    shared: Arc<Shared>,
    vendor: Vendor,
    started: oneshot::Sender<io::Result<ServerHandle>>,
) -> io::Result<()> {
    let shared = web::Data::new(shared);
    let vendor = Arc::new(vendor);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(shared.clone())
            .app_data(web::PayloadConfig::new(vendor.body_bytes_max))
            .configure(|app| (vendor.routes)(app))
    })
    .on_connect(answer::connected)
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
