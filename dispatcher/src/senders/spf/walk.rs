//! A walk through a record and whatever it includes, as a receiver does it (RFC 7208, section 4).

use std::net::IpAddr;

use futures_util::future::BoxFuture;

use super::record::{Prefixes, Term, What, agree, is_spf};
use crate::senders::{Dns, NoAnswer};

/// Most lookups a record may lead to (RFC 7208, 4.6.4).
const LOOKUPS_MAX: u32 = 10;
/// Most mail servers of one domain that are looked at.
const SERVERS_MAX: usize = 10;

/// What comes out.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// The address may send.
    Pass,
    /// It may not, or nothing is said of it.
    NotPass,
    /// It depends on the single mail.
    Unsure,
    /// Receivers pass over the whole record, for this reason.
    Invalid(String),
}

/// Counts on after something has matched: a record is good for every sender or for none.
pub(super) struct Walk<'a> {
    dns: &'a Dns,
    address: Option<IpAddr>,
    lookups: u32,
    unsure: bool,
}

/// Why a walk ends before its end.
enum Stop {
    Invalid(String),
    NoAnswer,
}

impl From<NoAnswer> for Stop {
    fn from(_: NoAnswer) -> Self {
        Self::NoAnswer
    }
}

impl<'a> Walk<'a> {
    /// Judges an address; none: only the record.
    pub(super) async fn over(
        dns: &'a Dns,
        domain: &str,
        address: Option<IpAddr>,
    ) -> Result<Verdict, NoAnswer> {
        let mut walk = Self {
            dns,
            address,
            lookups: 0,
            unsure: false,
        };
        match walk.record(domain).await {
            Ok(Some(true)) => Ok(Verdict::Pass),
            Ok(_) if walk.unsure => Ok(Verdict::Unsure),
            Ok(_) => Ok(Verdict::NotPass),
            Err(Stop::Invalid(why)) => Ok(Verdict::Invalid(why)),
            Err(Stop::NoAnswer) => Err(NoAnswer),
        }
    }

    /// Whether the address passes by the record of a domain; none: nothing matches it.
    fn record<'b>(&'b mut self, domain: &'b str) -> BoxFuture<'b, Result<Option<bool>, Stop>> {
        Box::pin(async move {
            let mut records = self.dns.texts(domain).await?;
            records.retain(|text| is_spf(text));
            let record = match records.as_slice() {
                [record] => record,
                [] => return Err(invalid(format!("{domain} has no SPF record"))),
                _ => return Err(invalid(format!("{domain} has several SPF records"))),
            };
            let mut decided = None;
            let mut redirect = None;
            let mut closed = false;
            for term in record.split_whitespace().skip(1) {
                match Term::parse(term).map_err(Stop::Invalid)? {
                    Term::Mechanism { pass, what } => {
                        closed |= what == What::All;
                        let matches = self.matches(domain, what).await?;
                        decided = decided.or(matches.then_some(pass));
                    }
                    Term::Redirect(target) => redirect = Some(target),
                    Term::Other => {}
                }
            }
            match redirect {
                Some(target) if !closed => {
                    self.look_up()?;
                    let there = self.record(&target).await?;
                    Ok(decided.or(there))
                }
                _ => Ok(decided),
            }
        })
    }

    async fn matches(&mut self, domain: &str, what: What) -> Result<bool, Stop> {
        match what {
            What::All => Ok(self.address.is_some()),
            What::Network(network, bits) => {
                Ok(self.address.is_some_and(|it| agree(&it, &network, bits)))
            }
            What::Unforeseeable => {
                self.look_up()?;
                self.unsure = true;
                Ok(false)
            }
            What::Include(target) => {
                self.look_up()?;
                Ok(self.record(&target).await? == Some(true))
            }
            What::Host(host, prefixes) => {
                self.look_up()?;
                self.is_host(host.as_deref().unwrap_or(domain), prefixes)
                    .await
            }
            What::Mail(target, prefixes) => {
                self.look_up()?;
                let servers = self
                    .dns
                    .mail_servers(target.as_deref().unwrap_or(domain))
                    .await?;
                for server in servers.iter().take(SERVERS_MAX) {
                    if self.is_host(server, prefixes).await? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }

    async fn is_host(&self, host: &str, prefixes: Prefixes) -> Result<bool, Stop> {
        let Some(address) = self.address else {
            return Ok(false);
        };
        let addresses = self.dns.addresses(host).await?;
        let bits = prefixes.of(&address);
        Ok(addresses.iter().any(|it| agree(it, &address, bits)))
    }

    fn look_up(&mut self) -> Result<(), Stop> {
        self.lookups += 1;
        if self.lookups > LOOKUPS_MAX {
            return Err(invalid(format!(
                "it leads to more than {LOOKUPS_MAX} lookups (include, a, mx, ptr, exists, redirect)"
            )));
        }
        Ok(())
    }
}

fn invalid(why: String) -> Stop {
    Stop::Invalid(why)
}
