//! Which mailbox an address leads to, as far as anybody may guess: many providers deliver to one whatever stands behind a `+`,
//! and some pass over dots. For counting alone: two people whose addresses look so are two subscribers.

use tidings_domain::value::EmailAddress;

/// Two names of one provider.
const GOOGLE: [&str; 2] = ["googlemail.com", "gmail.com"];

/// The same for every way of writing it.
pub(super) fn of(email: &EmailAddress) -> String {
    let local = email.local().to_ascii_lowercase();
    let before = local.split_once('+').map_or(&*local, |(before, _)| before);
    let name = before.replace('.', "");
    // Nothing is left of `+news`, nor of a name that is quoted to hold nothing else.
    let name = if name.is_empty() { local } else { name };
    let domain = match email.domain() {
        domain if domain == GOOGLE[0] => GOOGLE[1],
        domain => domain,
    };
    format!("{name}@{domain}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_dots_and_what_stands_behind_a_plus_are_no_other_mailbox() {
        let of = |text: &str| of(&EmailAddress::parse(text).unwrap());
        for variant in [
            "ada@gmail.com",
            "ADA@Gmail.com",
            "a.d.a@gmail.com",
            "ada+1@gmail.com",
            "A.da+news+2@GMAIL.COM",
            "ada@googlemail.com",
        ] {
            assert_eq!(of(variant), "ada@gmail.com", "{variant}");
        }
        for other in ["eve@gmail.com", "ada@example.org", "+ada@gmail.com"] {
            assert_ne!(of(other), "ada@gmail.com", "{other}");
        }
        assert_ne!(of("+a@gmail.com"), of("+b@gmail.com"));
    }
}
