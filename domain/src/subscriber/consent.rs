//! What somebody agreed to, and what the request looked like: on the wire of every event that says so.

use tidings_proto::common::Sealed;

use crate::aggregate::CodecError;
use crate::personal::{Open, Personal, Seal};
use crate::value::{ConsentVersion, ConsentWording, Evidence};

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
