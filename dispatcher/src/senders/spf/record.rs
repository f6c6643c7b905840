//! An SPF record and its terms.

use std::net::IpAddr;

/// Whether a text is an SPF record.
pub(super) fn is_spf(text: &str) -> bool {
    let version = text.split(' ').next().unwrap_or_default();
    version.eq_ignore_ascii_case("v=spf1")
}

/// The record with the relay let through, before whatever decides about all others.
pub(super) fn with_relay(record: &str, relay: &str) -> String {
    let term = match relay.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => format!("ip4:{relay}"),
        Ok(IpAddr::V6(_)) => format!("ip6:{relay}"),
        Err(_) => format!("a:{relay}"),
    };
    let mut terms: Vec<&str> = record.split_whitespace().collect();
    let last = |term: &&str| {
        matches!(
            Term::parse(term),
            Ok(Term::Redirect(_)
                | Term::Mechanism {
                    what: What::All,
                    ..
                })
        )
    };
    let at = terms.iter().position(last).unwrap_or(terms.len());
    terms.insert(at, &term);
    terms.join(" ")
}

/// One term of a record.
#[derive(Debug, PartialEq)]
pub(super) enum Term {
    /// Says something about the addresses it matches.
    Mechanism {
        /// Whether they pass.
        pass: bool,
        /// Which.
        what: What,
    },
    /// Another domain decides, if nothing here does.
    Redirect(String),
    /// Of no use to us.
    Other,
}

/// What a mechanism matches.
#[derive(Debug, PartialEq)]
pub(super) enum What {
    /// Everything.
    All,
    /// What passes at another domain.
    Include(String),
    /// The addresses of a host (none: the domain itself), and their neighbours.
    Host(Option<String>, Prefixes),
    /// Those of a domain's mail servers.
    Mail(Option<String>, Prefixes),
    /// A network.
    Network(IpAddr, u8),
    /// Whatever depends on the single mail; it costs a lookup.
    Unforeseeable,
}

/// How many bits of an address count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Prefixes {
    v4: u8,
    v6: u8,
}

impl Prefixes {
    pub(super) fn of(self, address: &IpAddr) -> u8 {
        match address {
            IpAddr::V4(_) => self.v4,
            IpAddr::V6(_) => self.v6,
        }
    }
}

impl Term {
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is nothing SPF knows");
        let (pass, rest) = match text.as_bytes().first() {
            Some(b'+') => (true, &text[1..]),
            Some(b'-' | b'~' | b'?') => (false, &text[1..]),
            _ => (true, text),
        };
        let end = rest.find([':', '/', '=']).unwrap_or(rest.len());
        let name = rest[..end].to_ascii_lowercase();
        let value = &rest[end..];
        if let Some(value) = value.strip_prefix('=') {
            return Ok(match name.as_str() {
                "redirect" => Self::Redirect(value.to_owned()),
                _ => Self::Other,
            });
        }
        let (target, prefixes) = match value.find('/') {
            Some(at) => (&value[..at], Some(&value[at..])),
            None => (value, None),
        };
        let target = target.strip_prefix(':');
        let what = match (name.as_str(), target) {
            ("all", None) => What::All,
            ("exists", Some(_)) | ("ptr", _) => What::Unforeseeable,
            ("include" | "a" | "mx", Some(target)) if target.contains('%') => What::Unforeseeable,
            ("include", Some(target)) if !target.is_empty() => What::Include(target.to_owned()),
            ("a", host) => What::Host(host.map(str::to_owned), bits(prefixes).ok_or_else(wrong)?),
            ("mx", domain) => {
                What::Mail(domain.map(str::to_owned), bits(prefixes).ok_or_else(wrong)?)
            }
            ("ip4" | "ip6", _) => {
                let (address, bits) = network(value).ok_or_else(wrong)?;
                if address.is_ipv4() != (name == "ip4") {
                    return Err(wrong());
                }
                What::Network(address, bits)
            }
            _ => return Err(wrong()),
        };
        Ok(Self::Mechanism { pass, what })
    }
}

/// `/24`, `//64` or `/24//64`.
fn bits(text: Option<&str>) -> Option<Prefixes> {
    let text = text.unwrap_or_default();
    let (v4, v6) = match text.split_once("//") {
        Some((v4, v6)) => (v4, Some(v6)),
        None => (text, None),
    };
    let number = |text: &str, max: u8| text.parse::<u8>().ok().filter(|bits| *bits <= max);
    Some(Prefixes {
        v4: match v4.strip_prefix('/') {
            Some(v4) => number(v4, 32)?,
            None => 32,
        },
        v6: match v6 {
            Some(v6) => number(v6, 128)?,
            None => 128,
        },
    })
}

fn network(value: &str) -> Option<(IpAddr, u8)> {
    let text = value.strip_prefix(':')?;
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let bits_max = if address.is_ipv4() { 32 } else { 128 };
    let bits = match bits {
        Some(bits) => bits.parse().ok().filter(|bits| *bits <= bits_max)?,
        None => bits_max,
    };
    Some((address, bits))
}

/// Whether two addresses agree in their first bits.
pub(super) fn agree(one: &IpAddr, other: &IpAddr, bits: u8) -> bool {
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            let differ = one.to_bits() ^ other.to_bits();
            differ.leading_zeros() >= u32::from(bits)
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => {
            let differ = one.to_bits() ^ other.to_bits();
            differ.leading_zeros() >= u32::from(bits)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_relay_comes_before_what_decides_about_all_others() {
        for (record, relay, expected) in [
            (
                "v=spf1 ~all",
                "mx.example.org",
                "v=spf1 a:mx.example.org ~all",
            ),
            (
                "v=spf1 mx redirect=x.org",
                "192.0.2.1",
                "v=spf1 mx ip4:192.0.2.1 redirect=x.org",
            ),
            ("v=spf1 mx", "2001:db8::1", "v=spf1 mx ip6:2001:db8::1"),
        ] {
            assert_eq!(with_relay(record, relay), expected);
        }
    }

    #[test]
    fn terms_that_are_none_are_named() {
        for wrong in [
            "al",
            "ip4:1.2.3",
            "ip4:1.2.3.4/33",
            "ip6:1.2.3.4",
            "include:",
            "a/x",
            "mx//129",
            "all:x",
        ] {
            assert!(Term::parse(wrong).is_err(), "{wrong}");
        }
        for right in [
            "-ALL",
            "?a",
            "a:x.org/24//64",
            "mx//64",
            "+ip6:2001:db8::/32",
            "exp=x.%{d}",
            "ptr",
            "exists:%{i}.x.org",
        ] {
            assert!(Term::parse(right).is_ok(), "{right}");
        }
    }

    #[test]
    fn addresses_agree_in_so_many_bits() {
        let agree = |one: &str, other: &str, bits| {
            agree(&one.parse().unwrap(), &other.parse().unwrap(), bits)
        };
        assert!(agree("192.0.2.1", "192.0.2.255", 24) && !agree("192.0.2.1", "192.0.2.255", 25));
        assert!(agree("192.0.2.1", "10.0.0.1", 0) && !agree("192.0.2.1", "192.0.2.2", 32));
        assert!(
            agree("2001:db8::1", "2001:db8::2", 64) && !agree("2001:db8::1", "2001:db8::2", 128)
        );
        assert!(!agree("192.0.2.1", "::ffff:192.0.2.1", 0));
    }
}
