//! Scopes: what an API key may do, by resource.

use super::Invalid;

/// A resource of the API and what may be done with it: `publications:write`, `subscribers:read`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope(String);

impl Scope {
    /// The most characters one may have.
    pub const CHARS_MAX: usize = 64;

    /// Takes a scope. Whether there is such a resource is for the caller to say.
    ///
    /// # Errors
    /// [`Invalid`] when it is not of that shape.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let may = [":read", ":write", ":export", ":erase"];
        let resource = may.iter().find_map(|may| text.strip_suffix(may));
        let letter = |b: u8| b.is_ascii_lowercase();
        let word = |word: &str| !word.is_empty() && word.bytes().all(letter);
        if text.len() <= Self::CHARS_MAX && resource.is_some_and(|it| it.split('-').all(word)) {
            return Ok(Self(text.to_owned()));
        }
        Err(Invalid::new(
            "a scope is a resource of the API, a colon, and read, write, export or erase, such as \"publications:write\"",
        ))
    }

    pub(crate) fn recorded(text: String) -> Self {
        Self(text)
    }

    /// The scope as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_resource_and_what_is_done_with_it() {
        for good in [
            "publications:write",
            "api-keys:read",
            "a:read",
            "subscribers:export",
            "subscribers:erase",
        ] {
            assert!(Scope::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            ":read",
            "publications",
            "publications:",
            "publications:delete",
            "Publications:read",
            "a b:read",
            "a--b:read",
            "*:read",
            "a:b:read",
            &format!("{}:read", "a".repeat(60)),
        ] {
            assert!(Scope::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_parses_to_itself(text in "[a-z-]{0,6}:(read|write|export|erase|run)") {
            if let Ok(scope) = Scope::parse(&text) {
                prop_assert_eq!(scope.to_string(), text);
            }
        }
    }
}
