//! Questions to the DNS: bounded in time, and with nothing of this machine's own in the answers.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hickory_resolver::config::{NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::{Resolver, TokioResolver};

/// How long one server may take to answer one question.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Answers kept while one sender is checked.
const ANSWERS_MAX: u64 = 256;

/// The DNS said nothing: it is out of reach, or in trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the DNS gives no answer")]
pub struct NoAnswer;

/// The DNS as one server, or those of this machine, know it. Made anew for each check, so that what was mended shows.
pub struct Dns {
    resolver: TokioResolver,
    answered: AtomicBool,
}

impl Dns {
    /// Asks `server`, or the servers that this machine asks.
    ///
    /// # Errors
    /// [`NoAnswer`] when this machine knows none.
    pub fn new(server: Option<SocketAddr>) -> Result<Self, NoAnswer> {
        let mut builder = match server {
            Some(address) => {
                let mut server = NameServerConfig::udp_and_tcp(address.ip());
                for connection in &mut server.connections {
                    connection.port = address.port();
                }
                let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
                Resolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
            None => TokioResolver::builder_tokio().map_err(|_| NoAnswer)?,
        };
        let options = builder.options_mut();
        options.timeout = TIMEOUT;
        options.attempts = 1;
        options.use_hosts_file = ResolveHosts::Never;
        options.cache_size = ANSWERS_MAX;
        Ok(Self {
            resolver: builder.build().map_err(|_| NoAnswer)?,
            answered: AtomicBool::new(false),
        })
    }

    /// Whether any question was answered, be it that there is nothing.
    pub(super) fn has_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    /// The texts of a name, each put together.
    pub(super) async fn texts(&self, name: &str) -> Result<Vec<String>, NoAnswer> {
        let found = self.ask(name, RecordType::TXT).await?;
        let texts = found.into_iter().filter_map(|data| match data {
            RData::TXT(text) => {
                let bytes = text.txt_data.concat();
                Some(String::from_utf8_lossy(&bytes).into_owned())
            }
            _ => None,
        });
        Ok(texts.collect())
    }

    /// The addresses of a host.
    pub(super) async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, NoAnswer> {
        let mut addresses = Vec::new();
        for kind in [RecordType::A, RecordType::AAAA] {
            for data in self.ask(name, kind).await? {
                match data {
                    RData::A(address) => addresses.push(IpAddr::V4(address.0)),
                    RData::AAAA(address) => addresses.push(IpAddr::V6(address.0)),
                    _ => {}
                }
            }
        }
        Ok(addresses)
    }

    /// The mail servers of a domain, the preferred first; a lone dot says that it takes no mail.
    pub(super) async fn mail_servers(&self, name: &str) -> Result<Vec<String>, NoAnswer> {
        let found = self.ask(name, RecordType::MX).await?;
        let mut servers: Vec<(u16, String)> = found
            .into_iter()
            .filter_map(|data| match data {
                RData::MX(mx) => Some((mx.preference, mx.exchange.to_ascii())),
                _ => None,
            })
            .collect();
        servers.sort();
        let plain = |(_, name): (u16, String)| match name.strip_suffix('.') {
            Some("") | None => name,
            Some(name) => name.to_owned(),
        };
        Ok(servers.into_iter().map(plain).collect())
    }

    /// What stands at a name; nothing where there is no such name, or none that could be.
    async fn ask(&self, name: &str, kind: RecordType) -> Result<Vec<RData>, NoAnswer> {
        // With its dot at the end nothing of this machine's own is tried behind it.
        let Ok(name) = Name::from_ascii(format!("{}.", name.trim_end_matches('.'))) else {
            return Ok(Vec::new());
        };
        let answer = match self.resolver.lookup(name, kind).await {
            Ok(lookup) => {
                let records = lookup.answers().iter();
                Ok(records.map(|record| record.data.clone()).collect())
            }
            Err(error) if is_nothing(&error) => Ok(Vec::new()),
            Err(_) => Err(NoAnswer),
        };
        if answer.is_ok() {
            self.answered.store(true, Ordering::Relaxed);
        }
        answer
    }
}

fn is_nothing(error: &NetError) -> bool {
    error.is_no_records_found() || error.is_nx_domain()
}
