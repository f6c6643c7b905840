//! `sslmode` as libpq means it: tokio-postgres knows only disable, prefer and require, and leaves checking to us.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::PostgresError;

/// How far the server is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TlsMode {
    Disable,
    /// Encrypted if the server can; its certificate is not checked.
    Prefer,
    /// Encrypted or not at all; its certificate is not checked.
    Require,
    /// Encrypted, and the certificate names the host: by these roots, else the system's.
    Verify(Option<PathBuf>),
}

/// Takes `sslmode` and `sslrootcert` out of a database URL or of `key=value` text. As in libpq, a root certificate
/// turns `require` into a check.
pub(super) fn split(text: &str) -> Result<(String, TlsMode), PostgresError> {
    let (base, joint, pairs): (&str, &str, Vec<&str>) = match text.split_once('?') {
        Some((base, query)) if text.contains("://") => (base, "&", query.split('&').collect()),
        None if text.contains("://") => (text, "&", Vec::new()),
        _ => ("", " ", text.split(' ').collect()),
    };
    let (mut mode, mut root, mut rest) = ("prefer", None, Vec::new());
    for pair in pairs {
        match pair.split_once('=') {
            Some(("sslmode", value)) => mode = value,
            Some(("sslrootcert", value)) => root = Some(PathBuf::from(value)),
            _ => rest.push(pair),
        }
    }
    let mode = match (mode, root) {
        ("disable", _) => TlsMode::Disable,
        ("prefer", _) => TlsMode::Prefer,
        ("require", None) => TlsMode::Require,
        // verify-ca would skip the host name; checking it too is stricter and what is nearly always meant.
        ("require" | "verify-ca" | "verify-full", root) => TlsMode::Verify(root),
        _ => return Err(PostgresError::SslMode),
    };
    let rest = rest.join(joint);
    let text = match (base, rest.as_str()) {
        ("", rest) => rest.to_owned(),
        (base, "") => base.to_owned(),
        (base, rest) => format!("{base}?{rest}"),
    };
    Ok((text, mode))
}

/// A connector for a mode other than `Disable`.
pub(super) fn connector(mode: &TlsMode) -> Result<MakeRustlsConnect, PostgresError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(PostgresError::Tls)?;
    let config = match mode {
        TlsMode::Verify(root) => builder
            .with_root_certificates(roots(root.as_deref())?)
            .with_no_client_auth(),
        _ => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Unchecked(provider)))
            .with_no_client_auth(),
    };
    Ok(MakeRustlsConnect::new(config))
}

fn roots(file: Option<&Path>) -> Result<RootCertStore, PostgresError> {
    let mut roots = RootCertStore::empty();
    match file {
        Some(file) => {
            let unusable = |error| PostgresError::RootCertificate(error);
            let certificates =
                CertificateDer::pem_file_iter(file).map_err(|e| unusable(e.into()))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|e| unusable(e.into()))?;
                roots.add(certificate).map_err(|e| unusable(e.into()))?;
            }
            if roots.is_empty() {
                return Err(unusable("it holds no certificate".into()));
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            for error in found.errors {
                tracing::warn!(%error, "a system root certificate cannot be read");
            }
            roots.add_parsable_certificates(found.certs);
        }
    }
    Ok(roots)
}

/// Takes any certificate, as `prefer` and `require` do, but only from a server that holds its key.
#[derive(Debug)]
struct Unchecked(Arc<CryptoProvider>);

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
