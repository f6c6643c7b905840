//! What somebody agreed to, and what the request looked like: on the wire of every event that says so.

use sha2::{Digest as _, Sha256};
use tidings_proto::common::Sealed;

use crate::aggregate::CodecError;
use crate::personal::{Open, Personal, Seal};
use crate::value::{ConsentVersion, ConsentWording, Evidence};

/// What the digest of a mark begins with.
const MARK: &[u8] = b"tidings.consent.v1";
/// So much of the digest stands in a mark, in bytes: enough to tell words apart, which nobody gains by confusing.
const MARK_BYTES: usize = 8;

/// The words somebody agreed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    /// Verbatim, under the subscriber's key: whoever signs them up chose the words.
    pub wording: Personal<ConsentWording>,
    /// What whoever wrote them calls this version.
    pub version: ConsentVersion,
}

impl Consent {
    /// To these words.
    pub fn to(wording: ConsentWording, version: ConsentVersion) -> Self {
        Self {
            wording: Personal::Known(wording),
            version,
        }
    }

    /// What a form says that shows these words: `2026-03.9f86d081884c7d65`. Other words have another one, whatever their
    /// version is called. None: the words are erased.
    pub fn mark(&self) -> Option<String> {
        let wording = self.wording.known()?;
        let mut hash = Sha256::new();
        hash.update(MARK);
        hash.update(wording.as_str());
        let mut mark = format!("{}.", self.version);
        for byte in &hash.finalize()[..MARK_BYTES] {
            mark += &format!("{byte:02x}");
        }
        Some(mark)
    }

    pub(crate) fn seal(consent: Option<&Self>, seal: &dyn Seal) -> Option<Sealed> {
        let wording = consent.and_then(|consent| consent.wording.known());
        seal.seal_text("consent", wording.map(ConsentWording::as_str))
    }

    /// Empty without consent.
    pub(crate) fn version(consent: Option<&Self>) -> String {
        consent.map_or_else(String::new, |consent| consent.version.to_string())
    }
}

/// The version says whether there is any: its words may have been sealed for nobody.
pub(crate) fn decode_consent(
    sealed: Option<&Sealed>,
    version: &str,
    open: &dyn Open,
) -> Result<Option<Consent>, CodecError> {
    if version.is_empty() {
        return Ok(None);
    }
    let wording = open.open_text("consent", sealed)?;
    Ok(Some(Consent {
        wording: wording.map(ConsentWording::recorded),
        version: ConsentVersion::recorded(version.to_owned()),
    }))
}

pub(crate) fn seal_evidence(
    evidence: Option<&Personal<Evidence>>,
    seal: &dyn Seal,
) -> Option<Sealed> {
    let known = evidence.and_then(Personal::known);
    seal.seal_text("evidence", known.map(Evidence::as_json))
}

pub(crate) fn open_evidence(
    sealed: Option<&Sealed>,
    open: &dyn Open,
) -> Result<Option<Personal<Evidence>>, CodecError> {
    let text = open.open_optional_text("evidence", sealed)?;
    Ok(text.map(|text| text.map(Evidence::recorded)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(wording: &str, version: &str) -> String {
        let wording = ConsentWording::parse(wording).unwrap();
        let version = ConsentVersion::parse(version).unwrap();
        Consent::to(wording, version).mark().unwrap()
    }

    #[test]
    fn a_mark_is_of_the_words_and_of_what_their_version_is_called() {
        // Stands in forms on other sites: it never changes.
        assert_eq!(
            mark("I want to get the news by mail.", "1"),
            "1.242d19b3f776b188"
        );
        assert_ne!(mark("I want it.", "1"), mark("I want it!", "1"));
        assert_ne!(mark("I want it.", "1"), mark("I want it.", "2"));
        let erased = Consent {
            wording: Personal::Erased,
            version: ConsentVersion::parse("1").unwrap(),
        };
        assert_eq!(erased.mark(), None);
    }
}
