//! A certificate that SNS signs with. Which of them count is decided by where they lie, over a connection that itself is
//! verified; here is only what is in one.

use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
};
use memchr::memmem;
use time::OffsetDateTime;
use x509_cert::der::DecodePem as _;
use x509_cert::time::Time;

use super::envelope::{Envelope, Scheme};

const END: &[u8] = b"-----END CERTIFICATE-----";

/// Its key, and when it may be used.
pub(super) struct Certificate {
    key: Vec<u8>,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
}

impl Certificate {
    /// Reads the first certificate of a PEM file.
    pub(super) fn read(pem: &[u8]) -> Option<Self> {
        let end = memmem::find(pem, END)? + END.len();
        let certificate = x509_cert::Certificate::from_pem(&pem[..end]).ok()?;
        let content = certificate.tbs_certificate;
        let key = content.subject_public_key_info.subject_public_key;
        Some(Self {
            key: key.as_bytes()?.to_vec(),
            not_before: instant(content.validity.not_before)?,
            not_after: instant(content.validity.not_after)?,
        })
    }

    /// Whether it may be used at `now`.
    pub(super) fn is_valid_at(&self, now: OffsetDateTime) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }

    /// Whether a message is signed with its key, which must be an RSA key of 2,048 bits or more.
    pub(super) fn has_signed(&self, envelope: &Envelope) -> bool {
        let algorithm = match envelope.signed_by {
            Scheme::Sha1 => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            Scheme::Sha256 => &RSA_PKCS1_2048_8192_SHA256,
        };
        UnparsedPublicKey::new(algorithm, &self.key)
            .verify(envelope.signed.as_bytes(), &envelope.signature)
            .is_ok()
    }
}

fn instant(time: Time) -> Option<OffsetDateTime> {
    let seconds = i64::try_from(time.to_unix_duration().as_secs()).ok()?;
    OffsetDateTime::from_unix_timestamp(seconds).ok()
}
