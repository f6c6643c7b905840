//! The address a request is from: the peer's, or what the proxies before us say.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use actix_web::http::header::HeaderMap;

const FORWARDED_FOR: &str = "x-forwarded-for";
/// What one household or machine is given of IPv6 has this many bits in common.
const V6_BLOCK_BITS: u32 = 64;

/// The address behind so many proxies of ours, each of which appends whom it was called by. What stands before those
/// anybody can have written; when it does not fit, the peer's counts.
pub(super) fn of(headers: &HeaderMap, peer: Option<IpAddr>, proxies: usize) -> Option<IpAddr> {
    let Some(place) = proxies.checked_sub(1) else {
        return peer;
    };
    let values = headers.get_all(FORWARDED_FOR);
    let hops: Vec<&str> = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    let said = hops.iter().rev().nth(place);
    said.and_then(|text| read(text)).or(peer)
}

/// Whether a proxy of ours seems to stand before us that nobody has told of: it is on this machine or in our own network,
/// and says whom it was called by.
pub(super) fn is_a_proxys(headers: &HeaderMap, peer: Option<IpAddr>) -> bool {
    let near = peer.is_some_and(|peer| match peer.to_canonical() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local(),
    });
    near && headers.contains_key(FORWARDED_FOR)
}

fn read(text: &str) -> Option<IpAddr> {
    let bare = text.parse().or_else(|_| {
        let with_port = text.parse::<SocketAddr>();
        with_port.map(|it| it.ip())
    });
    let bracketed = text.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    bare.ok().or_else(|| bracketed?.parse().ok())
}

/// What counts as one address: whoever has one of IPv6 has 2^64.
pub(super) fn block(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => {
            let mask = u128::MAX << (128 - V6_BLOCK_BITS);
            Ipv6Addr::from_bits(v6.to_bits() & mask).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::{HeaderName, HeaderValue};

    #[test]
    fn a_near_peer_that_says_whom_it_was_called_by_is_a_proxy() {
        let mut said = HeaderMap::new();
        let name = HeaderName::from_static(FORWARDED_FOR);
        said.append(name, HeaderValue::from_static("192.0.2.7"));
        let is = |headers: &HeaderMap, peer: &str| is_a_proxys(headers, peer.parse().ok());
        for near in [
            "127.0.0.1",
            "10.1.2.3",
            "::ffff:192.168.1.1",
            "fd00::1",
            "::1",
        ] {
            assert!(is(&said, near), "{near}");
            assert!(!is(&HeaderMap::new(), near), "{near}");
        }
        // Anybody can say so.
        assert!(!is(&said, "198.51.100.7") && !is(&said, "2001:db8::1"));
    }

    fn found(lines: &[&str], proxies: usize) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            let name = HeaderName::from_static(FORWARDED_FOR);
            headers.append(name, HeaderValue::from_str(line).unwrap());
        }
        let peer = "192.0.2.1".parse().ok();
        of(&headers, peer, proxies).map(block).unwrap().to_string()
    }

    #[test]
    fn only_what_our_own_proxies_append_is_believed() {
        let forged = ["198.51.100.7, 203.0.113.9"];
        assert_eq!(found(&forged, 0), "192.0.2.1");
        assert_eq!(found(&forged, 1), "203.0.113.9");
        assert_eq!(found(&forged, 2), "198.51.100.7");
        assert_eq!(found(&["198.51.100.7", "203.0.113.9"], 1), "203.0.113.9");
        // Fewer than there are proxies: somebody has come past them.
        for past in [&[][..], &["203.0.113.9"], &["unknown, 203.0.113.9"]] {
            assert_eq!(found(past, 2), "192.0.2.1", "{past:?}");
        }
    }

    #[test]
    fn addresses_are_read_as_proxies_write_them() {
        for (text, expected) in [
            ("203.0.113.9:4711", "203.0.113.9"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("[2001:db8:1:2:3:4:5:6]:4711", "2001:db8:1:2::"),
            ("[2001:db8:1:2::1]", "2001:db8:1:2::"),
            ("_hidden", "192.0.2.1"),
        ] {
            assert_eq!(found(&[text], 1), expected, "{text}");
        }
    }
}
