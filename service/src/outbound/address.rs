//! Which addresses an outgoing request may reach.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Policy;

/// A cloud provider's service that hands out credentials to whoever asks from inside: never a destination, also where
/// private networks may be reached.
const METADATA: &str = "it is a metadata service";

/// Why `ip` may not be reached under `policy`; `None` if it may.
pub(super) fn refusal(ip: IpAddr, policy: &Policy) -> Option<&'static str> {
    match ip {
        IpAddr::V4(ip) => refusal_v4(ip, policy),
        IpAddr::V6(ip) => refusal_v6(ip, policy),
    }
}

/// The special-purpose registry of IANA (RFC 6890 and its updates).
fn refusal_v4(ip: Ipv4Addr, policy: &Policy) -> Option<&'static str> {
    match ip.octets() {
        // Those of Alibaba and Azure lie where others have shared and public addresses.
        [100, 100, 100, 200] | [168, 63, 129, 16] => Some(METADATA),
        [127, ..] => (!policy.allow_loopback).then_some("it is this machine"),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => {
            (!policy.allow_private).then_some("it lies in a private network")
        }
        // Most cloud providers have their metadata service here, on 169.254.169.254.
        [169, 254, ..] => Some("it is a link-local address"),
        [0, ..] => Some("it is no destination"),
        [192, 0, 0 | 2, _]
        | [192, 88, 99, _]
        | [198, 18 | 19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _]
        | [224..=255, ..] => Some("it is reserved or multicast"),
        _ => None,
    }
}

fn refusal_v6(ip: Ipv6Addr, policy: &Policy) -> Option<&'static str> {
    if let Some(inner) = embedded_v4(ip) {
        return refusal_v4(inner, policy);
    }
    match ip.segments() {
        // Those of Amazon and Google.
        [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254] | [0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254] => {
            Some(METADATA)
        }
        [0, 0, 0, 0, 0, 0, 0, 1] => (!policy.allow_loopback).then_some("it is this machine"),
        [0xfc00..=0xfdff, ..] => (!policy.allow_private).then_some("it lies in a private network"),
        [0xfe80..=0xfebf, ..] => Some("it is a link-local address"),
        // Teredo and other protocol assignments, ORCHID, documentation.
        [0x2001, 0..=0x01ff | 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => Some("it is reserved"),
        [0x2000..=0x3fff, ..] => None,
        _ => Some("it is reserved or multicast"),
    }
}

/// The IPv4 address that an IPv6 address leads to: mapped, NAT64 or 6to4.
fn embedded_v4(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let (high, low) = match ip.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => (high, low),
        [0x2002, high, low, ..] => (high, low),
        _ => return None,
    };
    Some(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STRICT: Policy = Policy::strict();

    fn refused(ip: &str) -> bool {
        refusal(ip.parse().unwrap(), &STRICT).is_some()
    }

    #[test]
    fn only_public_addresses_pass_the_strict_policy() {
        for inside in [
            "127.0.0.1",
            "127.255.255.255",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "169.254.169.254",
            "168.63.129.16",
            "192.0.0.8",
            "192.0.2.1",
            "198.18.0.1",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "64:ff9b::a00:1",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::",
            "2002:a00:1::",
            "2002:a9fe:a9fe::1",
            "2001::1",
            "2001:db8::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "100::1",
        ] {
            assert!(refused(inside), "{inside}");
        }
        for outside in [
            "1.1.1.1",
            "8.8.8.8",
            "172.15.0.1",
            "172.32.0.1",
            "100.63.0.1",
            "100.128.0.1",
            "2606:4700::1111",
            "2a00:1450::1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
        ] {
            assert!(!refused(outside), "{outside}");
        }
    }

    #[test]
    fn each_permission_opens_only_its_own_range() {
        let loopback = Policy {
            allow_loopback: true,
            ..STRICT
        };
        let private = Policy {
            allow_private: true,
            ..STRICT
        };
        let open = |ip: &str, policy| refusal(ip.parse().unwrap(), policy).is_none();
        assert!(open("127.0.0.1", &loopback) && open("::1", &loopback));
        assert!(!open("10.0.0.1", &loopback) && !open("fd00::1", &loopback));
        assert!(open("10.0.0.1", &private) && open("fd00::1", &private));
        assert!(!open("127.0.0.1", &private) && open("100.64.0.1", &private));
    }

    #[test]
    fn no_permission_opens_a_metadata_service() {
        let everything = Policy {
            allow_loopback: true,
            allow_private: true,
            ..STRICT
        };
        for address in [
            "169.254.169.254",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "fd00:ec2::254",
            "fd20:ce::254",
            "fe80::a9fe:a9fe",
            "::ffff:100.100.100.200",
            "64:ff9b::a83f:8110",
        ] {
            assert!(
                refusal(address.parse().unwrap(), &everything).is_some(),
                "{address}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_mapped_address_is_judged_as_the_address_it_is(bits: u32) {
            let plain = Ipv4Addr::from(bits);
            let mapped = IpAddr::V6(plain.to_ipv6_mapped());
            prop_assert_eq!(refusal(mapped, &STRICT), refusal(IpAddr::V4(plain), &STRICT));
        }
    }
}
