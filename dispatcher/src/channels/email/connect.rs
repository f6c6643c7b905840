//! From nothing to a connection that is ready for MAIL: TCP, greeting, EHLO, TLS, login.

use std::io;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tidings_proto::Reason;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tokio_rustls::TlsConnector;

use super::{
    config::{Encryption, Login, Server},
    outcome::{Step, broken_off, deferred, refused},
    reply::Reply,
    wire::{Fault, Wire, until},
};
use crate::channel::{Blame, Outcome};

/// What the server says it can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Features {
    pub(super) starttls: bool,
    pub(super) pipelining: bool,
    pub(super) smtputf8: bool,
    pub(super) eight_bit: bool,
    pub(super) auth_plain: bool,
    pub(super) auth_login: bool,
    /// Whether SIZE was offered, and the limit if it named one.
    pub(super) size: bool,
    pub(super) size_bytes_max: Option<usize>,
}

/// Opens a connection and logs in. The error is the outcome of the attempt that wanted it.
pub(super) async fn open(
    server: &Server,
    connector: &TlsConnector,
    hello_name: &str,
    deadline: Instant,
) -> Result<(Wire, Features), Outcome> {
    let mut wire = dial(server, deadline).await?;
    if let Encryption::Tls(name) = &server.encryption {
        wire = secure(wire, connector, name, server, deadline).await?;
    }
    expect(&mut wire, 220, Step::Hello, server, deadline).await?;
    let mut features = hello(&mut wire, hello_name, server, deadline).await?;
    if let Encryption::StartTls(name) = &server.encryption {
        if !features.starttls {
            let words = "the server does not offer STARTTLS";
            return Err(deferred(Reason::StarttlsNotOffered, words, Blame::Channel));
        }
        command(&mut wire, "STARTTLS", server, deadline).await?;
        expect(&mut wire, 220, Step::Hello, server, deadline).await?;
        wire = secure(wire, connector, name, server, deadline).await?;
        features = hello(&mut wire, hello_name, server, deadline).await?;
    }
    if let Some(login) = &server.login {
        log_in(&mut wire, login, features, server, deadline).await?;
    }
    Ok((wire, features))
}

async fn dial(server: &Server, deadline: Instant) -> Result<Wire, Outcome> {
    let connecting = TcpStream::connect((server.host.as_str(), server.port));
    let stream = timeout_at(until(server.timers.connect, deadline), connecting)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        .and_then(|stream| stream.set_nodelay(true).map(|()| stream))
        .map_err(|error| deferred(Reason::ConnectFailed, &error.to_string(), Blame::Network))?;
    Ok(Wire::plain(stream))
}

async fn secure(
    wire: Wire,
    connector: &TlsConnector,
    name: &tokio_rustls::rustls::pki_types::ServerName<'static>,
    server: &Server,
    deadline: Instant,
) -> Result<Wire, Outcome> {
    let until = until(server.timers.hello, deadline);
    wire.secured(connector, name.clone(), until)
        .await
        .map_err(|fault| broken_off(&fault))
}

async fn hello(
    wire: &mut Wire,
    hello_name: &str,
    server: &Server,
    deadline: Instant,
) -> Result<Features, Outcome> {
    command(wire, &format!("EHLO {hello_name}"), server, deadline).await?;
    let reply = expect(wire, 250, Step::Hello, server, deadline).await?;
    Ok(Features::parse(&reply))
}

async fn log_in(
    wire: &mut Wire,
    login: &Login,
    features: Features,
    server: &Server,
    deadline: Instant,
) -> Result<(), Outcome> {
    let (username, password) = (login.username.expose(), login.password.expose());
    if features.auth_plain {
        let secret = STANDARD.encode(format!("\0{username}\0{password}"));
        command(wire, &format!("AUTH PLAIN {secret}"), server, deadline).await?;
    } else if features.auth_login {
        command(wire, "AUTH LOGIN", server, deadline).await?;
        for secret in [username, password] {
            expect(wire, 334, Step::Login, server, deadline).await?;
            command(wire, &STANDARD.encode(secret), server, deadline).await?;
        }
    } else {
        let words = "the server offers neither AUTH PLAIN nor AUTH LOGIN";
        return Err(deferred(
            Reason::AuthenticationNotOffered,
            words,
            Blame::Channel,
        ));
    }
    expect(wire, 235, Step::Login, server, deadline).await?;
    Ok(())
}

async fn command(
    wire: &mut Wire,
    line: &str,
    server: &Server,
    deadline: Instant,
) -> Result<(), Outcome> {
    let until = until(server.timers.hello, deadline);
    wire.write(format!("{line}\r\n").as_bytes(), until)
        .await
        .map_err(|fault: Fault| broken_off(&fault))
}

async fn expect(
    wire: &mut Wire,
    code: u16,
    step: Step,
    server: &Server,
    deadline: Instant,
) -> Result<Reply, Outcome> {
    let reply = wire.reply(until(server.timers.hello, deadline)).await;
    let reply = reply.map_err(|fault| broken_off(&fault))?;
    if reply.code == code {
        Ok(reply)
    } else {
        Err(refused(step, &reply))
    }
}

impl Features {
    /// Reads the answer to EHLO; its first line is only the server's name.
    pub(super) fn parse(reply: &Reply) -> Self {
        let mut features = Self::default();
        for line in reply.lines.iter().skip(1) {
            let line = line.to_ascii_uppercase();
            let mut words = line.split([' ', '=']).filter(|word| !word.is_empty());
            match words.next() {
                Some("STARTTLS") => features.starttls = true,
                Some("PIPELINING") => features.pipelining = true,
                Some("SMTPUTF8") => features.smtputf8 = true,
                Some("8BITMIME") => features.eight_bit = true,
                Some("SIZE") => {
                    features.size = true;
                    let limit = words.next().and_then(|word| word.parse().ok());
                    features.size_bytes_max = limit.filter(|limit| *limit > 0);
                }
                Some("AUTH") => {
                    for mechanism in words {
                        features.auth_plain |= mechanism == "PLAIN";
                        features.auth_login |= mechanism == "LOGIN";
                    }
                }
                _ => {}
            }
        }
        features
    }
}
