//! A resolver that hands reqwest only vetted addresses, so that what was vetted is what is connected to.

use std::net::{IpAddr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::{Policy, address};

/// The name stands for an address that may not be reached.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{address} is not allowed: {reason}")]
pub(super) struct Refused {
    pub(super) address: IpAddr,
    pub(super) reason: &'static str,
}

/// What the system says a name stands for.
pub(super) struct System;

impl Resolve for System {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(Box::new(found.collect::<Vec<_>>().into_iter()) as Addrs)
        })
    }
}

/// Vets what `names` answers. One question a connection: whoever answers otherwise the next time has nobody ask.
pub(super) struct Vetting<R> {
    pub(super) names: R,
    pub(super) policy: Policy,
}

impl<R: Resolve> Resolve for Vetting<R> {
    fn resolve(&self, name: Name) -> Resolving {
        let (found, policy) = (self.names.resolve(name), self.policy);
        Box::pin(async move {
            let vetted = vet(found.await?, &policy)?;
            Ok(Box::new(vetted.into_iter()) as Addrs)
        })
    }
}

/// All of them, or a refusal: a name with one forbidden address is up to something.
pub(super) fn vet(
    found: impl Iterator<Item = SocketAddr>,
    policy: &Policy,
) -> Result<Vec<SocketAddr>, Refused> {
    found
        .map(|socket| match address::refusal(socket.ip(), policy) {
            Some(reason) => Err(Refused {
                address: socket.ip(),
                reason,
            }),
            None => Ok(socket),
        })
        .collect()
}
