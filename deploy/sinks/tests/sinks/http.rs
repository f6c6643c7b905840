//! Raw HTTP: a request as a test words it, and what comes back.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::patient;

/// The header of a JSON body.
pub(crate) const JSON: &str = "Content-Type: application/json";

/// Sends a request; returns all that comes back until the connection ends.
pub(crate) async fn request(
    addr: SocketAddr,
    method: &str,
    url: &str,
    headers: &[&str],
    body: &str,
) -> String {
    let mut stream = sent(addr, method, url, headers, body).await;
    let mut answer = Vec::new();
    // An error is a connection cut: then there is what there is.
    let _ = patient(stream.read_to_end(&mut answer)).await;
    String::from_utf8(answer).unwrap()
}

/// Sends a request; returns the connection.
pub(crate) async fn sent(
    addr: SocketAddr,
    method: &str,
    url: &str,
    headers: &[&str],
    body: &str,
) -> TcpStream {
    let path = url.strip_prefix(&format!("http://{addr}")).unwrap();
    let headers = headers.join("\r\n");
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n{headers}\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// The status of an answer; 0 if there is none.
pub(crate) fn status(answer: &str) -> u16 {
    answer.get(9..12).map_or(0, |code| code.parse().unwrap())
}

/// What follows the headers.
pub(crate) fn body_of(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

/// A header of an answer, by its name in lower case.
pub(crate) fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    answer
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}
