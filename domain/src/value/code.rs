//! Reason codes: stable lower_snake_case words, never prose.

use super::Invalid;

/// A reason as the log holds it: 1 to 64 lower-case letters, digits and underscores, a letter first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Code(String);

impl Code {
    /// Takes a code such as `mailbox_full`.
    ///
    /// # Errors
    /// [`Invalid`] when it is not of that shape.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let letter_first = text.starts_with(|c: char| c.is_ascii_lowercase());
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        if letter_first && text.len() <= 64 && text.bytes().all(allowed) {
            return Ok(Self(text.to_owned()));
        }
        Err(Invalid::new(
            "a reason is a code of 1 to 64 lower-case letters, digits and underscores, starting with a letter, such as \"mailbox_full\"",
        ))
    }

    /// A code written in the source.
    ///
    /// # Panics
    /// When it is no code; a test of the caller finds that.
    pub fn from_static(code: &'static str) -> Self {
        Self::parse(code).expect("codes in the source have the shape of a code")
    }

    pub(crate) fn recorded(text: String) -> Self {
        Self(text)
    }

    /// The code as the log holds it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Defines a closed set of codes: an enum with `as_str`, `parse` and `Display`.
macro_rules! code_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$item:meta])* $variant:ident = $code:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$item])* #[doc = concat!("`", $code, "`")] $variant,)+
        }

        impl $name {
            /// Every code of the set.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The code as the log holds it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $code,)+
                }
            }

            /// Takes a code of this set.
            ///
            /// # Errors
            /// `Invalid`, naming the codes there are.
            pub fn parse(text: &str) -> Result<Self, $crate::value::Invalid> {
                match text {
                    $($code => Ok(Self::$variant),)+
                    _ => Err($crate::value::Invalid::new(format!(
                        "{text:?} is not known; allowed are: {}",
                        [$($code,)+].join(", ")
                    ))),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use code_enum;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::{
        BounceReason, CancelledReason, ComplaintKind, DoubtReason, SuppressedReason, WANTED_LATER,
    };
    use crate::suppression::Scope;
    use proptest::prelude::*;
    use tidings_proto::Reason;

    #[test]
    fn a_closed_set_round_trips_and_names_its_codes() {
        for scope in Scope::ALL {
            assert_eq!(Scope::parse(&scope.to_string()), Ok(*scope));
        }
        assert_eq!(
            Scope::parse("plum").map_err(|e| e.detail),
            Err("\"plum\" is not known; allowed are: address, domain".into())
        );
    }

    #[test]
    fn every_reason_of_a_delivery_is_a_code_with_words() {
        for reason in Reason::ALL {
            assert_eq!(Code::from_static(reason.as_str()).as_str(), reason.as_str());
        }
        let codes = std::iter::once(WANTED_LATER)
            .chain(SuppressedReason::ALL.iter().map(|it| it.as_str()))
            .chain(CancelledReason::ALL.iter().map(|it| it.as_str()))
            .chain(DoubtReason::ALL.iter().map(|it| it.as_str()))
            .chain(BounceReason::ALL.iter().map(|it| it.as_str()))
            .chain(ComplaintKind::ALL.iter().map(|it| it.as_str()));
        for code in codes {
            assert!(Reason::parse(code).is_some(), "{code} says nothing");
        }
    }

    #[test]
    fn prose_is_no_code() {
        assert!(Code::parse("mailbox_full").is_ok());
        for bad in ["", "Mailbox full", "4xx", "a-b", &"a".repeat(65)] {
            assert!(Code::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_parses_to_itself(text in "[a-zA-Z0-9_ ]{0,70}") {
            if let Ok(code) = Code::parse(&text) {
                prop_assert_eq!(code.to_string(), text);
            }
        }
    }
}
