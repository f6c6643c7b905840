//! Signs a message for its domain (DKIM, RFC 6376; Ed25519: RFC 8463), relaxed over headers and body.
//!
//! Written here over the one crypto library there is: what signs mail elsewhere brings its own RSA.

use std::fmt;

use aws_lc_rs::{
    digest,
    encoding::{AsDer as _, PublicKeyX509Der},
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, pem::PemObject as _};

use crate::channels::settings::Fields;
use crate::senders::Signer;

/// The headers signed where a message has them.
const SIGNED: [&str; 11] = [
    "from",
    "to",
    "subject",
    "date",
    "message-id",
    "reply-to",
    "list-id",
    "list-unsubscribe",
    "list-unsubscribe-post",
    "mime-version",
    "content-type",
];
/// How many of them are named once more than they occur: nobody can then add another, which a mail program might
/// show in place of ours.
const SEALED: usize = 6;
/// Base64 on one line of the header.
const LINE_CHARS: usize = 72;

/// Who signs, and with what.
pub(super) struct Dkim {
    domain: String,
    selector: String,
    key: Key,
}

enum Key {
    Rsa(RsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

// The key must not be printed.
impl fmt::Debug for Dkim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dkim")
            .field("domain", &self.domain)
            .field("selector", &self.selector)
            .finish_non_exhaustive()
    }
}

impl Dkim {
    /// Reads `dkim_selector` and `dkim_domain` of the settings and `dkim_private_key` of the credentials: all of
    /// them or none.
    pub(super) fn read(settings: &mut Fields, credentials: &mut Fields) -> Option<Self> {
        let selector = dns_name(settings, "dkim_selector", 1);
        let domain = dns_name(settings, "dkim_domain", 2);
        let pem = credentials.lines("dkim_private_key");
        if ![&selector, &domain, &pem].into_iter().any(Option::is_some) {
            return None;
        }
        for (name, value) in [("dkim_selector", &selector), ("dkim_domain", &domain)] {
            if value.is_none() && settings.is_clean() {
                settings.problem(name, "is required to sign by DKIM");
            }
        }
        if pem.is_none() && credentials.is_clean() {
            credentials.problem("dkim_private_key", "is required to sign by DKIM");
        }
        let key = Key::parse(&pem?);
        if key.is_none() {
            let detail = "must be a private key in PEM: RSA of 2048 to 8192 bits, or Ed25519";
            credentials.problem("dkim_private_key", detail);
        }
        Some(Self {
            domain: domain?,
            selector: selector?,
            key: key?,
        })
    }

    /// What receivers need to know to verify; none if the library fails.
    pub(super) fn signer(&self) -> Option<Signer> {
        let (algorithm, public_key) = match &self.key {
            Key::Rsa(key) => {
                let public_key: PublicKeyX509Der<'_> = key.public_key().as_der().ok()?;
                ("rsa", STANDARD.encode(public_key.as_ref()))
            }
            // RFC 8463: the bare key.
            Key::Ed25519(key) => ("ed25519", STANDARD.encode(key.public_key())),
        };
        Some(Signer {
            domain: self.domain.clone(),
            selector: self.selector.clone(),
            algorithm,
            public_key,
        })
    }

    /// The message with its signature in front; none if it has no header or the library fails.
    pub(super) fn signed(&self, message: &[u8]) -> Option<Vec<u8>> {
        let (header, body) = split(message)?;
        let fields = fields(header);
        let body_digest = digest::digest(&digest::SHA256, &relaxed_body(body));
        let (names, mut canonical) = chosen(&fields);
        let unsigned = format!(
            "DKIM-Signature: v=1; a={}; c=relaxed/relaxed; d={};\r\n s={};\r\n h={names};\r\n bh={};\r\n b=",
            self.key.algorithm(),
            self.domain,
            self.selector,
            STANDARD.encode(body_digest),
        );
        // Signed as it will stand there, but for what follows `b=`, and without its line end.
        canonical.extend(relaxed_field(unsigned.as_bytes()));
        let signature = STANDARD.encode(self.key.sign(&canonical)?);
        let mut signed = Vec::with_capacity(message.len() + unsigned.len() + signature.len() + 64);
        signed.extend(unsigned.into_bytes());
        for line in signature.as_bytes().chunks(LINE_CHARS) {
            signed.extend_from_slice(b"\r\n ");
            signed.extend_from_slice(line);
        }
        signed.extend_from_slice(b"\r\n");
        signed.extend_from_slice(message);
        Some(signed)
    }
}

impl Key {
    fn parse(pem: &str) -> Option<Self> {
        let rsa = match PrivateKeyDer::from_pem_slice(pem.as_bytes()).ok()? {
            PrivateKeyDer::Pkcs8(key) => {
                let key = key.secret_pkcs8_der();
                // As other programs write it, without the public key.
                if let Ok(key) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(key) {
                    return Some(Self::Ed25519(key));
                }
                RsaKeyPair::from_pkcs8(key)
            }
            PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()),
            _ => return None,
        };
        // The library itself refuses fewer than 2048 bits.
        rsa.ok().map(Self::Rsa)
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "rsa-sha256",
            Self::Ed25519(_) => "ed25519-sha256",
        }
    }

    fn sign(&self, canonical: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(
                    &RSA_PKCS1_SHA256,
                    // Asked for, and not used: this padding has nothing random in it.
                    &SystemRandom::new(),
                    canonical,
                    &mut signature,
                )
                .ok()?;
                Some(signature)
            }
            // RFC 8463: the digest is signed, not the text.
            Self::Ed25519(key) => {
                let digest = digest::digest(&digest::SHA256, canonical);
                Some(key.try_sign(digest.as_ref()).ok()?.as_ref().to_vec())
            }
        }
    }
}

/// Labels of letters, digits and hyphens with dots between, at least so many.
fn dns_name(settings: &mut Fields, name: &'static str, labels_min: usize) -> Option<String> {
    let text = settings.text(name)?;
    let plain = |label: &str| {
        let bytes = label.as_bytes();
        (1..=63).contains(&bytes.len())
            && bytes
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || *b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let fits = text.len() <= 253 && text.split('.').all(plain);
    if fits && text.split('.').count() >= labels_min {
        return Some(text.to_ascii_lowercase());
    }
    settings.problem(name, "must be a name as it stands in the DNS, in ASCII");
    None
}

/// Header and body, without the empty line between.
fn split(message: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = message.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some((&message[..end + 2], &message[end + 4..]))
}

/// The header's fields, each with its continuation lines.
fn fields(header: &[u8]) -> Vec<&[u8]> {
    let mut fields = Vec::new();
    let mut start = 0;
    for (at, byte) in header.iter().enumerate() {
        let next = header.get(at + 1);
        if *byte == b'\n' && !matches!(next, Some(b' ' | b'\t')) {
            fields.push(&header[start..=at]);
            start = at + 1;
        }
    }
    fields
}

/// The names for `h=`, folded, and the fields they name as they are signed.
fn chosen(fields: &[&[u8]]) -> (String, Vec<u8>) {
    let mut names: Vec<&str> = Vec::new();
    let mut canonical = Vec::new();
    for (index, name) in SIGNED.iter().enumerate() {
        // From the last one upwards, as the receiver counts them.
        for field in fields.iter().rev().filter(|field| is_named(field, name)) {
            names.push(name);
            canonical.extend(relaxed_field(field));
            canonical.extend_from_slice(b"\r\n");
        }
        if index < SEALED {
            names.push(name);
        }
    }
    let lines: Vec<String> = names.chunks(5).map(|some| some.join(":")).collect();
    (lines.join(":\r\n "), canonical)
}

fn is_named(field: &[u8], name: &str) -> bool {
    let end = field.iter().position(|byte| *byte == b':');
    end.is_some_and(|end| {
        field[..end]
            .trim_ascii_end()
            .eq_ignore_ascii_case(name.as_bytes())
    })
}

/// RFC 6376, 3.4.2: name in lower case, unfolded, white space made one space, none at the ends; without line end.
fn relaxed_field(field: &[u8]) -> Vec<u8> {
    let colon = field.iter().position(|byte| *byte == b':');
    let (name, value) = field.split_at(colon.unwrap_or(field.len()));
    let mut relaxed = name.trim_ascii_end().to_ascii_lowercase();
    relaxed.push(b':');
    let words = value.get(1..).unwrap_or_default();
    let words = words
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    for (index, word) in words.enumerate() {
        if index > 0 {
            relaxed.push(b' ');
        }
        relaxed.extend_from_slice(word);
    }
    relaxed
}

/// RFC 6376, 3.4.4: no white space at a line's end, elsewhere one space for any; no empty lines at the end.
fn relaxed_body(body: &[u8]) -> Vec<u8> {
    let mut relaxed = Vec::with_capacity(body.len());
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let mut gap = false;
        for byte in line {
            if matches!(byte, b' ' | b'\t') {
                gap = true;
                continue;
            }
            if std::mem::take(&mut gap) {
                relaxed.push(b' ');
            }
            relaxed.push(*byte);
        }
        relaxed.extend_from_slice(b"\r\n");
    }
    while relaxed.ends_with(b"\r\n\r\n") {
        relaxed.truncate(relaxed.len() - 2);
    }
    if relaxed == b"\r\n" {
        relaxed.clear();
    }
    relaxed
}
