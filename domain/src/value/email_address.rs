//! E-mail addresses.

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

use super::Invalid;

const LOCAL_BYTES_MAX: usize = 64;
const ADDRESS_BYTES_MAX: usize = 254;

/// What an `@` is written as elsewhere: in other widths, in URLs, in HTML, and where programs must not find it. In lower case.
const AT_SIGNS: [&str; 8] = [
    "\u{ff20}", "\u{fe6b}", "%40", "&#64;", "&#x40;", "&commat;", "(at)", "[at]",
];

/// An address mail can be sent to: the part of RFC 5321 and 5322 that is in use. No quoted local
/// parts, no comments, no IP literals; the local part is ASCII and kept as given; the domain is
/// lower-case ASCII (IDNA) with at least two labels.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EmailAddress {
    text: String,
    at: usize,
}

impl EmailAddress {
    /// Takes an address; white space around it is cut.
    ///
    /// # Errors
    /// [`Invalid`], saying which rule it breaks.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = text.trim();
        let Some((local, domain)) = text.rsplit_once('@') else {
            return Err(Invalid::new(
                "an e-mail address has the form name@domain; the @ is missing",
            ));
        };
        check_local(local)?;
        let domain = parse_domain(domain)?;
        if local.len() + 1 + domain.len() > ADDRESS_BYTES_MAX {
            return Err(Invalid::new(format!(
                "the e-mail address is longer than {ADDRESS_BYTES_MAX} characters"
            )));
        }
        Ok(Self {
            at: local.len(),
            text: format!("{local}@{domain}"),
        })
    }

    /// The addresses that a text may quote, each once by its normalized form; rather one too many than one missed.
    /// `None`: it has more than [`Self::QUOTED_MAX`], or an `@` that belongs to none, or is written some other way, or it has no
    /// address at all; so it may speak of anybody.
    pub fn quoted_in(text: &str) -> Option<Vec<Self>> {
        let lower = text.to_ascii_lowercase();
        if AT_SIGNS.iter().any(|it| lower.contains(it)) {
            return None;
        }
        let mut found: Vec<Self> = Vec::new();
        for (at, _) in text.match_indices('@') {
            let (before, behind) = (&text[..at], &text[at + 1..]);
            let begins = before.rfind(|c| !is_local(c));
            let local = begins.map_or(before, |it| &before[it..]);
            let local = local.trim_start_matches(|c| !is_local(c));
            let ends = behind.find(|c: char| !(c.is_alphanumeric() || "-.".contains(c)));
            let domain = ends.map_or(behind, |it| &behind[..it]);
            let domain = domain.trim_end_matches(['.', '-']);
            // Such as `mail=ada`: what stands before may be part of the address, and most likely is not.
            let glued = local.match_indices(|c: char| !c.is_ascii_alphanumeric());
            let starts = std::iter::once(0).chain(glued.map(|(at, _)| at + 1));
            let locals = starts.map(|start| local[start..].trim_matches('.'));
            let before = found.len();
            let mut seen = false;
            for address in locals.filter_map(|local| Self::parse(&format!("{local}@{domain}")).ok())
            {
                seen = true;
                if !found
                    .iter()
                    .any(|it| it.normalized() == address.normalized())
                {
                    found.push(address);
                }
            }
            if !seen || found.len() > Self::QUOTED_MAX.max(before) {
                return None;
            }
        }
        (!found.is_empty()).then_some(found)
    }

    /// The most addresses that are looked for in a text.
    pub const QUOTED_MAX: usize = 32;

    pub(crate) fn recorded(text: String) -> Option<Self> {
        let at = text.rfind('@')?;
        Some(Self { text, at })
    }

    /// The whole address, local part as given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The part before the `@`, as given.
    pub fn local(&self) -> &str {
        &self.text[..self.at]
    }

    /// The domain in lower-case ASCII.
    pub fn domain(&self) -> &str {
        &self.text[self.at + 1..]
    }

    /// The address in lower case: two addresses with the same one are held to be one mailbox.
    pub fn normalized(&self) -> String {
        self.text.to_ascii_lowercase()
    }
}

impl std::fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// What the part before the `@` is made of, as we take it.
fn is_local(c: char) -> bool {
    c.is_ascii_alphanumeric() || ".!#$%&'*+-/=?^_`{|}~".contains(c)
}

fn check_local(local: &str) -> Result<(), Invalid> {
    if local.is_empty() || local.len() > LOCAL_BYTES_MAX {
        return Err(Invalid::new(format!(
            "the part before the @ needs 1 to {LOCAL_BYTES_MAX} characters"
        )));
    }
    if !local.bytes().all(is_local_byte) {
        return Err(Invalid::new(
            "the part before the @ may hold letters a-z, digits, dots and !#$%&'*+-/=?^_`{|}~ only",
        ));
    }
    if local.split('.').any(str::is_empty) {
        return Err(Invalid::new(
            "the part before the @ may not start or end with a dot, nor hold two in a row",
        ));
    }
    Ok(())
}

/// RFC 5322 `atext`, and the dot.
fn is_local_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b".!#$%&'*+-/=?^_`{|}~".contains(&b)
}

fn parse_domain(domain: &str) -> Result<String, Invalid> {
    let ascii = Uts46::new()
        .to_ascii(
            domain.as_bytes(),
            AsciiDenyList::STD3,
            Hyphens::CheckFirstLast,
            DnsLength::Verify,
        )
        .map_err(|_| {
            Invalid::new("the part after the @ is not a domain name such as example.org")
        })?;
    let Some((_, top)) = ascii.rsplit_once('.') else {
        return Err(Invalid::new(
            "the domain after the @ needs a dot, as in example.org",
        ));
    };
    // An address such as 192.0.2.1 has the shape of a domain but is none.
    if top.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Invalid::new(
            "the part after the @ must be a domain name, not an IP address",
        ));
    }
    Ok(ascii.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_are_found_in_whatever_quotes_them() {
        let quoted = |text| {
            let found = EmailAddress::quoted_in(text)?.into_iter();
            Some(found.map(|it| it.to_string()).collect::<Vec<_>>())
        };
        let only_ada = || Some(vec!["ada@example.org".to_owned()]);
        assert_eq!(quoted("\"Ada\" <ada@example.org>;London"), only_ada());
        assert_eq!(quoted("ada@example.org,ADA@example.org"), only_ada());
        assert_eq!(quoted("x\u{ff0c}ada@example.org!"), only_ada());
        for glued in [
            "mailto:ada@example.org?subject=Hi",
            "email=ada@example.org&name=Ada",
            "ada@example.org/bob@example.org",
            "*ada@example.org*",
            "{ada@example.org}",
            "(ada@example.org).",
            "'ada@example.org'",
        ] {
            let found = quoted(glued).unwrap();
            assert!(
                found.contains(&"ada@example.org".to_owned()),
                "{glued}: {found:?}"
            );
        }
        assert_eq!(
            quoted("mailto:o'brien@example.org").unwrap()[0],
            "o'brien@example.org"
        );
        for anybody in [
            "nobody",
            "here@ or @there",
            "ada @example.org",
            "ada@example",
            "bob@example.org ada%40example.org",
            "bob@example.org ada\u{ff20}example.org",
            "bob@example.org ada&#X40;example.org",
            "bob@example.org ada(at)example.org",
        ] {
            assert_eq!(quoted(anybody), None, "{anybody}");
        }
        let crowd: String = (0..40).map(|n| format!("a{n}@example.org ")).collect();
        assert_eq!(quoted(&crowd), None);
    }

    #[test]
    fn keeps_the_local_part_and_lowers_the_domain() {
        let address = EmailAddress::parse("  Ada.Lovelace+x@EXAMPLE.Org ").unwrap();
        assert_eq!(address.as_str(), "Ada.Lovelace+x@example.org");
        assert_eq!(address.local(), "Ada.Lovelace+x");
        assert_eq!(address.domain(), "example.org");
        assert_eq!(address.normalized(), "ada.lovelace+x@example.org");
    }

    #[test]
    fn international_domains_become_ascii() {
        let address = EmailAddress::parse("post@Bücher.example").unwrap();
        assert_eq!(address.domain(), "xn--bcher-kva.example");
        assert_eq!(EmailAddress::parse(address.as_str()), Ok(address));
    }

    #[test]
    fn refuses_what_no_server_takes() {
        for bad in [
            "",
            "ada",
            "@example.org",
            "ada@",
            "ada@localhost",
            "a b@example.org",
            "a@b@example.org",
            "\"a b\"@example.org",
            ".a@example.org",
            "a.@example.org",
            "a..b@example.org",
            "a@-b.org",
            "a@b-.org",
            "a@b..org",
            "a@.org",
            "a@example.org.",
            "a@[192.0.2.1]",
            "a@192.0.2.1",
            "a@exa_mple.org",
            "a\r\nBcc: x@example.org",
            "a@exam\nple.org",
            "ä@example.org",
            "a@ex ample.org",
            "a,b@example.org",
            "a<b@example.org",
            "a@example.org>",
        ] {
            assert!(EmailAddress::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn bounds() {
        let local = |n: usize| format!("{}@example.org", "a".repeat(n));
        assert!(EmailAddress::parse(&local(64)).is_ok());
        assert!(EmailAddress::parse(&local(65)).is_err());
        let label = "b".repeat(63);
        let domain = format!("{label}.{label}.{label}");
        assert!(EmailAddress::parse(&format!("{}@{domain}", "a".repeat(62))).is_ok());
        assert!(EmailAddress::parse(&format!("{}@{domain}", "a".repeat(63))).is_err());
        assert!(EmailAddress::parse(&format!("a@{}.org", "b".repeat(64))).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in any::<String>()) {
            let _ = EmailAddress::parse(&text);
        }

        #[test]
        fn what_is_shown_parses_to_itself(text in r"[a-zA-Z0-9.+_-]{1,70}@[a-zA-ZäöüßΣς0-9.-]{1,40}\.[a-z]{2,5}") {
            if let Ok(address) = EmailAddress::parse(&text) {
                prop_assert!(address.as_str().len() <= ADDRESS_BYTES_MAX);
                prop_assert!(address.as_str().is_ascii());
                prop_assert!(!address.as_str().bytes().any(|b| b.is_ascii_control()));
                prop_assert_eq!(EmailAddress::parse(&address.to_string()), Ok(address.clone()));
                let again = EmailAddress::parse(&address.normalized()).unwrap();
                prop_assert_eq!(again.normalized(), address.normalized());
            }
        }
    }
}
