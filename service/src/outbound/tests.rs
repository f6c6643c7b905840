//! Against listeners that tell whether anyone came.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::*;

mod names;

const LOOPBACK: Policy = Policy {
    allow_loopback: true,
    ..Policy::strict()
};

/// Answers each connection with `reply` after reading a request, and reports each connection.
async fn canary(reply: &'static [u8]) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (address, listen(listener, reply))
}

fn listen(listener: TcpListener, reply: &'static [u8]) -> mpsc::UnboundedReceiver<String> {
    let (came, visits) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = vec![0; 4_096];
            let read = socket.read(&mut request).await.unwrap();
            let _ = came.send(String::from_utf8_lossy(&request[..read]).into_owned());
            let _ = socket.write_all(reply).await;
        }
    });
    visits
}

/// 1,024 zeros, as gzip has them.
const PACKED: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\x63\x60\x18\x05\xa3\x60\x14\x8c\x54\x00\x00\x2e\xaf\xb5\xef\x00\x04\x00\x00";

async fn post(policy: Policy, url: &str) -> Result<Response, OutboundError> {
    let outbound = Outbound::new(policy).unwrap();
    outbound.post_json(url, "{}", HeaderMap::new()).await
}

#[tokio::test]
async fn no_spelling_of_this_machine_gets_through() {
    let (address, mut visits) = canary(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let port = address.port();
    for host in [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "127.0.0.1.",
        "①②⑦.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "0.0.0.0",
        "0",
        "[::]",
        "localhost",
        "LOCALHOST",
        "%6cocalhost",
        "169.254.169.254",
        "2852039166",
        "0xa9fea9fe",
        "[::ffff:169.254.169.254]",
        "[fe80::1]",
        "10.0.0.1",
        "100.64.0.1",
    ] {
        let url = format!("http://{host}:{port}/hook");
        let error = post(Policy::strict(), &url).await.unwrap_err();
        assert!(
            matches!(error, OutboundError::Refused { .. }),
            "{host}: {error:?}"
        );
        assert!(!error.may_have_been_sent());
    }
    assert!(visits.try_recv().is_err(), "someone connected");
    // The canary does sing: with leave, the same listener is reached.
    let reached = post(LOOPBACK, &format!("http://2130706433:{port}/hook")).await;
    assert_eq!(reached.unwrap().status, 200);
    assert!(
        visits
            .recv()
            .await
            .unwrap()
            .starts_with("POST /hook HTTP/1.1")
    );
}

#[tokio::test]
async fn a_name_is_vetted_and_connected_to() {
    let (address, _visits) = canary(b"HTTP/1.1 204 No Content\r\n\r\n").await;
    let url = format!("http://localhost:{}/", address.port());
    assert_eq!(post(LOOPBACK, &url).await.unwrap().status, 204);
}

#[test]
fn one_forbidden_address_spoils_the_name() {
    let found = ["8.8.8.8:0", "10.0.0.1:0"].map(|text| text.parse().unwrap());
    let refused = resolve::vet(found.into_iter(), &Policy::strict()).unwrap_err();
    assert_eq!(refused.address.to_string(), "10.0.0.1");
}

#[tokio::test]
async fn odd_urls_are_refused() {
    for url in [
        "ftp://example.org/",
        "file:///etc/passwd",
        "https://user:pw@example.org/",
        "//example.org",
        "https://user@example.org/",
        "",
    ] {
        let error = post(LOOPBACK, url).await.unwrap_err();
        assert!(matches!(error, OutboundError::Url(_)), "{url}");
    }
}

#[tokio::test]
async fn a_refused_connection_was_not_sent_a_cut_one_may_have_been() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    let error = post(LOOPBACK, &format!("http://{address}/"))
        .await
        .unwrap_err();
    assert!(matches!(error, OutboundError::Connect(_)), "{error:?}");
    assert!(!error.may_have_been_sent());

    let (address, _visits) = canary(b"").await;
    let error = post(LOOPBACK, &format!("http://{address}/"))
        .await
        .unwrap_err();
    assert!(matches!(error, OutboundError::NoAnswer(_)), "{error:?}");
    assert!(error.may_have_been_sent());
}

#[tokio::test]
async fn no_request_is_lost_on_a_connection_that_was_kept_too_long() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    // Says that it keeps the connection, and hangs up as soon as anything more comes over it.
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = vec![0; 4_096];
                let heard = socket.read(&mut request).await.unwrap();
                assert!(heard > 0);
                let reply = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                socket.write_all(reply).await.unwrap();
                let _ = socket.read(&mut request).await;
            });
        }
    });
    let outbound = Outbound::new(LOOPBACK).unwrap();
    for _ in 0..3 {
        let answer = outbound.post_json(&url, "{}", HeaderMap::new()).await;
        assert_eq!(answer.unwrap().status, 200);
    }
}

#[tokio::test]
async fn a_silent_receiver_is_in_doubt_after_the_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let policy = Policy {
        timeout: Duration::from_millis(200),
        ..LOOPBACK
    };
    let error = post(policy, &format!("http://{address}/secret-token"))
        .await
        .unwrap_err();
    assert!(error.may_have_been_sent(), "{error:?}");
    assert!(!crate::problem::chain(&error).contains("secret-token"));
}

#[tokio::test]
async fn an_endless_answer_is_cut() {
    let body = "x".repeat(BODY_BYTES_MAX + 1);
    let reply = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{body}");
    let (address, _visits) = canary(reply.leak().as_bytes()).await;
    let response = post(LOOPBACK, &format!("http://{address}/")).await.unwrap();
    assert_eq!(
        (response.body.len(), response.truncated),
        (BODY_BYTES_MAX, true)
    );
}

#[tokio::test]
async fn a_packed_answer_is_neither_asked_for_nor_unpacked() {
    let packed = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 29\r\n\r\n";
    let packed = [packed.as_bytes(), PACKED].concat();
    let (address, mut visits) = canary(packed.leak()).await;
    let response = post(LOOPBACK, &format!("http://{address}/")).await.unwrap();
    assert_eq!((&response.body[..], response.truncated), (PACKED, false));
    let visit = visits.recv().await.unwrap().to_lowercase();
    assert!(!visit.contains("accept-encoding"), "{visit}");
}

#[test]
fn retry_after_is_read_as_seconds_and_as_date() {
    let now = time::macros::datetime!(1994-11-06 08:49:07 UTC);
    let with = |text: &'static str| {
        let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(text))]);
        Response {
            status: 429,
            headers,
            body: Vec::new(),
            truncated: false,
        }
        .retry_after(now)
    };
    assert_eq!(with("7"), Some(Duration::from_secs(7)));
    assert_eq!(
        with("Sun, 06 Nov 1994 08:49:37 GMT"),
        Some(Duration::from_secs(30))
    );
    assert_eq!(with("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
    assert_eq!(
        with("99999999999999999999"),
        Some(Duration::from_secs(u64::MAX))
    );
    for neither in ["soon", "", "-5", "+5", "1e9", "7.5"] {
        assert_eq!(with(neither), None, "{neither}");
    }
}

#[tokio::test]
async fn a_page_is_read_where_requests_may_go_and_no_redirect_is_followed() {
    let moved = b"HTTP/1.1 302 Found\r\nlocation: /other\r\ncontent-length: 4\r\n\r\nmove";
    let (address, mut visits) = canary(moved).await;
    let url = format!("http://{address}/page");
    let refused = Outbound::new(Policy::strict()).unwrap().get(&url).await;
    assert!(matches!(refused, Err(OutboundError::Refused { .. })));
    assert!(visits.try_recv().is_err(), "someone connected");
    let page = Outbound::new(LOOPBACK).unwrap().get(&url).await.unwrap();
    assert_eq!((page.status, page.body.as_slice()), (302, &b"move"[..]));
    let visit = visits.recv().await.unwrap();
    assert!(visit.starts_with("GET /page HTTP/1.1"), "{visit}");
    assert!(visits.try_recv().is_err(), "the redirect was followed");
}
