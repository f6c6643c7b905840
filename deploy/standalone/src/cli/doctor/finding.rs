//! One thing that was looked at.

use std::fmt;

use serde::Serialize;
use tidings_service::problem::chain;

/// What was found, and what to do if it is not well; of several things a line each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) name: String,
    pub(super) well: bool,
    pub(super) found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) remedy: Option<String>,
}

impl Finding {
    pub(super) fn well(name: &str, found: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            well: true,
            found: found.into(),
            remedy: None,
        }
    }

    pub(super) fn ill(name: &str, found: impl Into<String>, remedy: &str) -> Self {
        Self {
            name: name.to_owned(),
            well: false,
            found: found.into(),
            remedy: Some(remedy.to_owned()),
        }
    }

    /// It could not even be looked at.
    pub(super) fn failed(name: &str, error: &dyn std::error::Error, remedy: &str) -> Self {
        Self::ill(name, chain(error), remedy)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.well { "ok  " } else { "FAIL" };
        write!(f, "{mark}  {:16} ", self.name)?;
        for (place, found) in self.found.lines().enumerate() {
            match place {
                0 => write!(f, "{found}")?,
                _ => write!(f, "\n{:23}{found}", "")?,
            }
        }
        for remedy in self.remedy.iter().flat_map(|it| it.lines()) {
            write!(f, "\n{:24}→ {remedy}", "")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_comes_with_a_remedy() {
        let ill = Finding::ill("disk", "1 MiB free", "make room");
        insta::assert_snapshot!(ill, @r"
        FAIL  disk             1 MiB free
                                → make room
        ");
        let several = Finding::ill("channels", "one\nanother", "mend it\nor wait");
        insta::assert_snapshot!(several, @r"
        FAIL  channels         one
                               another
                                → mend it
                                → or wait
        ");
        insta::assert_snapshot!(Finding::well("disk", "9 GiB free"), @"ok    disk             9 GiB free");
    }
}
