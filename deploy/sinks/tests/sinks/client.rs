//! A raw SMTP client that says exactly what a test tells it to.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// Awaits `future`, but not for ever: a sink that says nothing fails the test instead of hanging it.
pub(crate) async fn patient<T>(future: impl Future<Output = T>) -> T {
    let answer = tokio::time::timeout(Duration::from_secs(20), future);
    answer.await.expect("no answer in 20 s")
}

pub(crate) struct Client(BufReader<TcpStream>);

impl Client {
    /// Connects and says nothing.
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    /// Connects, and greets.
    pub(crate) async fn ready(addr: SocketAddr) -> Self {
        let mut client = Self::connect(addr).await;
        assert_eq!(&client.reply().await[..3], "220");
        assert_eq!(client.code("EHLO me").await, "250");
        client
    }

    /// The connection; there is nothing on it that was not read.
    pub(crate) fn into_inner(self) -> TcpStream {
        assert!(self.0.buffer().is_empty());
        self.0.into_inner()
    }

    pub(crate) async fn write(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// One reply, all its lines.
    pub(crate) async fn reply(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let start = reply.len();
            patient(self.0.read_line(&mut reply)).await.unwrap();
            if reply.as_bytes().get(start + 3) != Some(&b'-') {
                return reply;
            }
        }
    }

    /// Sends one line; returns the whole reply.
    pub(crate) async fn ask(&mut self, line: &str) -> String {
        self.write(&format!("{line}\r\n")).await;
        self.reply().await
    }

    /// Sends one line; returns the reply's code.
    pub(crate) async fn code(&mut self, line: &str) -> String {
        self.ask(line).await[..3].to_owned()
    }

    /// Sends a whole message, already dot-stuffed; returns the code of the reply to the dot.
    pub(crate) async fn send(&mut self, to: &str, content: &str) -> String {
        assert_eq!(self.code("MAIL FROM:<a@x.example>").await, "250");
        assert_eq!(self.code(&format!("RCPT TO:<{to}>")).await, "250");
        assert_eq!(self.code("DATA").await, "354");
        self.code(&format!("{content}.")).await
    }

    /// Whether nothing has been said that was not read.
    pub(crate) fn is_silent(&self) -> bool {
        let read = self.0.get_ref().try_read(&mut [0]);
        self.0.buffer().is_empty()
            && read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Waits for the end of the connection; whether it came without another byte.
    pub(crate) async fn is_closed(&mut self) -> bool {
        patient(self.0.read_u8()).await.is_err()
    }

    /// Waits for the end of the connection; whether it was a TCP reset.
    pub(crate) async fn is_reset(&mut self) -> bool {
        let read = patient(self.0.read_u8()).await;
        read.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset)
    }
}
