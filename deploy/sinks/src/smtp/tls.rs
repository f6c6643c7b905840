//! Protection by TLS, under a certificate made for the occasion, and a connection that may have it.

use std::fmt;
use std::io;
use std::sync::Arc;

use bytes::BytesMut;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};
use tokio_rustls::server::TlsStream;

/// Protects connections under a certificate that signs itself: nobody trusts it who was not given it.
#[derive(Clone)]
pub struct Tls {
    name: String,
    from_first_byte: bool,
    acceptor: TlsAcceptor,
    certificate: CertificateDer<'static>,
}

/// Whether a certificate is, by the calendar.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Valid {
    Always,
    NoMore,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The name is none, or the key cannot be made.
    #[error("cannot make a certificate")]
    Certificate(#[from] rcgen::Error),
    /// The cryptography library cannot use it.
    #[error("cannot use the certificate")]
    Use(#[from] rustls::Error),
}

impl Tls {
    /// Offers STARTTLS under a certificate for `name`, a host's name or an IP address. Who goes on in the clear is served
    /// too, so that it is found out.
    ///
    /// # Errors
    /// There can be no certificate for such a name.
    pub fn on_request(name: &str) -> Result<Self, TlsError> {
        Self::new(name, false, Valid::Always)
    }

    /// Expects a handshake before anything is said.
    ///
    /// # Errors
    /// There can be no certificate for such a name.
    pub fn from_first_byte(name: &str) -> Result<Self, TlsError> {
        Self::new(name, true, Valid::Always)
    }

    /// The same, under a certificate that has expired.
    ///
    /// # Errors
    /// The key cannot be made.
    pub fn expired(&self) -> Result<Self, TlsError> {
        Self::new(&self.name, self.from_first_byte, Valid::NoMore)
    }

    /// The same, under another certificate, which is valid.
    ///
    /// # Errors
    /// The key cannot be made.
    pub fn renewed(&self) -> Result<Self, TlsError> {
        Self::new(&self.name, self.from_first_byte, Valid::Always)
    }

    fn new(name: &str, from_first_byte: bool, valid: Valid) -> Result<Self, TlsError> {
        let key = KeyPair::generate()?;
        let mut certificate = CertificateParams::new([name.to_owned()])?;
        if valid == Valid::NoMore {
            certificate.not_after = date_time_ymd(2_020, 12, 31);
        }
        let certificate = certificate.self_signed(&key)?.der().clone();
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)?;
        Ok(Self {
            name: name.to_owned(),
            from_first_byte,
            acceptor: TlsAcceptor::from(Arc::new(config)),
            certificate,
        })
    }

    /// The certificate, in DER: for those who are to trust it.
    #[must_use]
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// Whether nothing is said in the clear.
    pub(super) fn is_from_first_byte(&self) -> bool {
        self.from_first_byte
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("from_first_byte", &self.from_first_byte)
            .finish_non_exhaustive()
    }
}

/// A connection, in the clear or protected.
pub(super) enum Stream {
    Plain(TcpStream),
    Protected(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// The same, protected; an error is a handshake that came to nothing.
    pub(super) async fn protected(self, tls: &Tls) -> io::Result<Self> {
        match self {
            Self::Plain(stream) => {
                let stream = tls.acceptor.accept(stream).await?;
                Ok(Self::Protected(Box::new(stream)))
            }
            Self::Protected(_) => Ok(self),
        }
    }

    /// Reads some more; 0 is the end.
    pub(super) async fn read_buf(&mut self, input: &mut BytesMut) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read_buf(input).await,
            Self::Protected(stream) => stream.read_buf(input).await,
        }
    }

    /// Writes everything through to the network.
    pub(super) async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.write_all(bytes).await,
            Self::Protected(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
        }
    }

    /// Makes closing it a TCP reset.
    pub(super) fn set_zero_linger(&self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.set_zero_linger(),
            Self::Protected(stream) => stream.get_ref().0.set_zero_linger(),
        }
    }
}
