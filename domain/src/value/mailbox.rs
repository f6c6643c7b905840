//! Who a mail says it is from: an address, and a name before it.

use super::{DisplayName, EmailAddress, Invalid};

/// An address with a name, as it stands in a header: `Town Crier <crier@example.org>` or `crier@example.org`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    name: Option<DisplayName>,
    email: EmailAddress,
}

impl Mailbox {
    /// Takes either form; a name may stand in quotes.
    ///
    /// # Errors
    /// [`Invalid`], saying what is wrong with the name or the address.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let Some((name, address)) = parts(text) else {
            let email = EmailAddress::parse(text)?;
            return Ok(Self { name: None, email });
        };
        let email = EmailAddress::parse(address)?;
        if name.is_empty() {
            return Ok(Self { name: None, email });
        }
        if name.contains(['<', '>', '"', '\\']) {
            return Err(Invalid::new(
                "the name before the address may hold none of < > \" \\",
            ));
        }
        Ok(Self {
            name: Some(DisplayName::parse(name)?),
            email,
        })
    }

    pub(crate) fn recorded(text: &str) -> Option<Self> {
        let (name, address) = parts(text).unwrap_or(("", text));
        Some(Self {
            name: (!name.is_empty()).then(|| DisplayName::recorded(name.to_owned())),
            email: EmailAddress::recorded(address.to_owned())?,
        })
    }

    /// The name, if there is one.
    pub fn name(&self) -> Option<&str> {
        self.name.as_ref().map(DisplayName::as_str)
    }

    /// The address.
    pub fn email(&self) -> &EmailAddress {
        &self.email
    }
}

/// The name without its quotes, and the address without its brackets.
fn parts(text: &str) -> Option<(&str, &str)> {
    let (name, address) = text.trim().strip_suffix('>')?.rsplit_once('<')?;
    let name = name.trim();
    let inner = name.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    Some((inner.unwrap_or(name).trim(), address))
}

impl std::fmt::Display for Mailbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} <{}>", self.email),
            None => write!(f, "{}", self.email),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_is_optional_and_may_be_quoted() {
        let shown = |text: &str| Mailbox::parse(text).map(|it| it.to_string()).ok();
        let crier = Some("Town Crier <crier@example.org>".to_owned());
        assert_eq!(shown("Town Crier <crier@Example.org>"), crier);
        assert_eq!(shown(" \"Town Crier\"  <crier@example.org> "), crier);
        assert_eq!(
            shown("crier@example.org"),
            Some("crier@example.org".to_owned())
        );
        assert_eq!(
            shown("<crier@example.org>"),
            Some("crier@example.org".to_owned())
        );
    }

    #[test]
    fn nothing_gets_into_another_header() {
        for bad in [
            "",
            "Crier",
            "Crier <crier>",
            "A\r\nBcc: x@example.org <a@example.org>",
            "A \"b\" c <a@example.org>",
            "A <b@example.org> <a@example.org>",
            "A <a@example.org>, <b@example.org>",
        ] {
            assert!(Mailbox::parse(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_parses_to_itself(name in any::<String>(), local in "[a-z.]{1,8}") {
            if let Ok(mailbox) = Mailbox::parse(&format!("{name} <{local}@example.org>")) {
                let shown = mailbox.to_string();
                prop_assert_eq!(Mailbox::parse(&shown), Ok(mailbox.clone()));
                prop_assert_eq!(Mailbox::recorded(&shown), Some(mailbox));
            }
        }
    }
}
