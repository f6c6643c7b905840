//! The bytes of a connection: lines in, commands out, each under a timer.

use std::{io, time::Duration};

use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tokio_rustls::{TlsConnector, client::TlsStream, rustls::pki_types::ServerName};

use super::reply::{Reply, ReplyLine};

/// RFC 5321 says 512; some servers write more.
const LINE_BYTES_MAX: usize = 4_096;
const REPLY_LINES_MAX: usize = 128;

/// Why a dialogue broke off.
#[derive(Debug)]
pub(super) enum Fault {
    /// The phase's timer ran out.
    Timeout,
    /// The other side closed the connection, or the network did.
    Lost(io::Error),
    /// What came is not SMTP.
    Garbled,
}

/// One connection, in the clear or protected.
pub(super) struct Wire {
    stream: Stream,
    input: BytesMut,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// When a phase that starts now must be over.
pub(super) fn until(phase: Duration, deadline: Instant) -> Instant {
    deadline.min(Instant::now() + phase)
}

impl Wire {
    pub(super) fn plain(stream: TcpStream) -> Self {
        Self {
            stream: Stream::Plain(stream),
            input: BytesMut::with_capacity(1_024),
        }
    }

    /// Protects the connection. Anything already received in the clear is a forgery (or a
    /// confused server), so there must be nothing.
    pub(super) async fn secured(
        self,
        connector: &TlsConnector,
        name: ServerName<'static>,
        until: Instant,
    ) -> Result<Self, Fault> {
        if self.has_input() {
            return Err(Fault::Garbled);
        }
        let Stream::Plain(stream) = self.stream else {
            return Err(Fault::Garbled);
        };
        let stream = timeout_at(until, connector.connect(name, stream))
            .await
            .map_err(|_| Fault::Timeout)?
            .map_err(Fault::Lost)?;
        Ok(Self {
            stream: Stream::Tls(Box::new(stream)),
            input: self.input,
        })
    }

    /// Whether something was received that nobody has read.
    pub(super) fn has_input(&self) -> bool {
        !self.input.is_empty()
    }

    /// Writes everything through to the network.
    pub(super) async fn write(&mut self, bytes: &[u8], until: Instant) -> Result<(), Fault> {
        let writing = async {
            match &mut self.stream {
                Stream::Plain(stream) => stream.write_all(bytes).await,
                Stream::Tls(stream) => {
                    stream.write_all(bytes).await?;
                    stream.flush().await
                }
            }
        };
        timeout_at(until, writing)
            .await
            .map_err(|_| Fault::Timeout)?
            .map_err(Fault::Lost)
    }

    /// Reads one whole reply.
    pub(super) async fn reply(&mut self, until: Instant) -> Result<Reply, Fault> {
        let mut reply: Option<Reply> = None;
        loop {
            let line = timeout_at(until, self.line())
                .await
                .map_err(|_| Fault::Timeout)??;
            let line = ReplyLine::parse(&line).ok_or(Fault::Garbled)?;
            let reply = reply.get_or_insert_with(|| Reply {
                code: line.code,
                lines: Vec::new(),
            });
            if reply.code != line.code || reply.lines.len() == REPLY_LINES_MAX {
                return Err(Fault::Garbled);
            }
            reply.lines.push(line.text.to_owned());
            if line.last {
                return Ok(reply.clone());
            }
        }
    }

    async fn line(&mut self) -> Result<String, Fault> {
        loop {
            if let Some(end) = self.input.iter().position(|byte| *byte == b'\n') {
                let line = self.input.split_to(end + 1);
                let line = String::from_utf8_lossy(&line);
                return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
            }
            if self.input.len() > LINE_BYTES_MAX {
                return Err(Fault::Garbled);
            }
            let read = match &mut self.stream {
                Stream::Plain(stream) => stream.read_buf(&mut self.input).await,
                Stream::Tls(stream) => stream.read_buf(&mut self.input).await,
            };
            match read {
                Ok(0) => return Err(Fault::Lost(io::ErrorKind::UnexpectedEof.into())),
                Ok(_) => {}
                Err(error) => return Err(Fault::Lost(error)),
            }
        }
    }
}
