//! `tidings up`: the whole platform, until it is told to stop.

use std::net::{SocketAddr, TcpListener};
use std::process;
use std::time::Duration;

use clap::Args;
use serde_json::json;
use tidings_service::Shutdown;
use tidings_service::auth::Role;

use super::global::{Global, Hints, Logs};
use super::token::make as make_token;
use super::{CliError, Out, Session};
use crate::demo;
use crate::home::{Claim, Running};
use crate::platform::{Backing, Platform, Roles, StartError};

/// Start the platform
///
/// Everything in one process: the API, the read models, delivery and the relay. Without TIDINGS_DATABASE_URL and
/// TIDINGS_NATS_URL it brings a private PostgreSQL and nats-server of its own, found on this machine or fetched, with
/// their data under the data folder. Servers that a killed platform left behind are taken over.
///
/// It runs until Ctrl-C or SIGTERM; deliveries under way get 30 s to finish. Kill it at any moment: nobody is skipped,
/// and nobody is mailed twice without that being on record.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidings up --demo --data ./data/demo       see it at work
  TIDINGS_PUBLIC_URL=https://news.example.org tidings up --data /srv/tidings
                                             behind a proxy with TLS on this machine
  TIDINGS_PUBLIC_URL=https://news.example.org tidings up --listen 0.0.0.0:8080
                                             behind one elsewhere

While it runs, DIR/run.json says where it listens.")]
pub(super) struct Up {
    /// Where to listen [default: 127.0.0.1:8080, or the setting listen]
    #[arg(long, value_name = "ADDR", value_parser = address)]
    listen: Option<SocketAddr>,
    /// Print a token that may do everything, valid for 30 days, to begin with
    #[arg(long)]
    token: bool,
    /// Bring sample readers and articles, and publish them to receivers on this machine
    #[arg(long)]
    demo: bool,
    /// End once the demo has settled
    #[arg(long, hide = true, requires = "demo")]
    exit_when_settled: bool,
}

/// Life of the token that is printed at the start.
const TOKEN_TTL: Duration = Duration::from_secs(30 * 24 * 3_600);

/// What a start has gathered.
struct Start<'a> {
    session: &'a Session,
    global: &'a Global,
    backing: &'a Backing,
    claim: &'a Claim,
    shutdown: &'a Shutdown,
    out: Out,
}

impl Up {
    pub(super) async fn run(self, global: &Global, out: &Out) -> Result<(), CliError> {
        let mut session = global.session()?;
        if let Some(listen) = self.listen {
            session.config.listen = listen;
        }
        // Before anything is started: links that lead nowhere would be found out by readers.
        let links = session.config.public_url_or(session.config.listen);
        links.map_err(CliError::Config)?;
        // The demo's receivers lie on this machine.
        session.config.outbound.allow_loopback |= self.demo;
        let logs = if self.demo {
            Logs::Quiet
        } else {
            Logs::AsConfigured
        };
        let telemetry = session.telemetry(logs)?;
        let shutdown = Shutdown::new();
        shutdown.on_signals().map_err(CliError::Signals)?;
        let claim = session.ground.home.claim().await?;
        session.ground.home.is_whole()?;
        let listen = session.config.listen;
        let listener = TcpListener::bind(listen).map_err(|e| StartError::listen(listen, e))?;
        if session.config.database_url.is_none() || session.config.nats_url.is_none() {
            out.say("Starting the private servers; the first start may fetch them …");
        }
        let backing = Backing::start(&session.config, &session.ground.home).await?;
        let start = Start {
            session: &session,
            global,
            backing: &backing,
            claim: &claim,
            shutdown: &shutdown,
            out: *out,
        };
        let served = self.serve(&start, listener).await;
        let stopped = backing.stop().await;
        drop(claim);
        telemetry.shutdown().await;
        served?;
        Ok(stopped?)
    }

    async fn serve(&self, start: &Start<'_>, listener: TcpListener) -> Result<(), CliError> {
        let Session { config, ground } = start.session;
        let platform = Platform::start(
            config.clone(),
            ground.clone(),
            start.backing,
            listener,
            Roles::All,
        )
        .await?;
        let running = Running {
            pid: process::id(),
            url: url_of(platform.address()),
            started_at: ground.clock.now(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        start.claim.announce(&running)?;
        let token = self.token.then(|| first_token(start)).transpose()?;
        announce(start, &running, token.as_deref());
        let shown = if self.demo {
            let stage = demo::Stage {
                session: start.session,
                hints: start.global.hints(),
                platform: &platform,
                out: start.out,
            };
            let shown = start.shutdown.unless_requested(demo::run(&stage)).await;
            shown.unwrap_or(Ok(()))
        } else {
            first_steps(start, &running, token.as_deref());
            Ok(())
        };
        if shown.is_ok() && !self.exit_when_settled {
            start.out.say("Stop with Ctrl-C.");
            start.shutdown.requested().await;
        } else if shown.is_ok() {
            let Hints { program, data } = start.global.hints();
            start.out.say(format!(
                "Everything has settled, so it ends. To look around: {program} up --demo{data}"
            ));
        }
        start.out.say("Stopping …");
        platform.stop().await;
        Ok(shown?)
    }
}

/// An address to listen on.
fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        let port = text.trim_start_matches(':').parse().unwrap_or(8080_u16);
        format!("it must be an IP address and a port, such as 127.0.0.1:{port} or [::1]:{port}")
    })
}

/// How a program on this machine reaches a listener.
fn url_of(address: SocketAddr) -> String {
    let mut reachable = address;
    if address.ip().is_unspecified() {
        reachable.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    format!("http://{reachable}")
}

/// For whoever begins.
fn first_token(start: &Start<'_>) -> Result<String, CliError> {
    let Session { config, ground } = start.session;
    let roles = [Role::Admin];
    make_token(&config.auth, "cli", &roles, TOKEN_TTL, ground.clock.now())
}

fn announce(start: &Start<'_>, running: &Running, token: Option<&str>) {
    let (home, out, url) = (&start.session.ground.home, start.out, &running.url);
    let location = start.backing.location().unwrap_or(home.dir());
    let version = &running.version;
    out.say(format!(
        "Tidings {version} is up: {url} (its API is described at {url}/docs)"
    ));
    out.say(format!("  data folder   {}", home.dir().display()));
    if location != home.dir() {
        out.say(format!("  data lie in   {}", location.display()));
    }
    let mut result = json!({
        "url": url,
        "pid": running.pid,
        "data": home.dir(),
        "location": location,
        "version": version,
    });
    if let Some(token) = token {
        result["token"] = token.into();
    }
    out.result(&result);
}

fn first_steps(start: &Start<'_>, running: &Running, token: Option<&str>) {
    let (url, Hints { program, data }) = (&running.url, start.global.hints());
    let token = token.map_or_else(
        || format!("$({program} token --role admin{data})"),
        str::to_owned,
    );
    start.out.say(format!(
        "\nFirst steps, in another terminal:\n\
         \x20 export TOKEN={token}\n\
         \x20 {program} import subscribers readers.csv{data}\n\
         \x20 curl -H \"Authorization: Bearer $TOKEN\" {url}/api/v1/channels\n\
         \x20 curl {url}/readyz"
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_every_address_is_reached_on_this_machine() {
        assert_eq!(url_of(([0, 0, 0, 0], 80).into()), "http://127.0.0.1:80");
        assert_eq!(url_of(([10, 0, 0, 7], 80).into()), "http://10.0.0.7:80");
        assert_eq!(url_of("[::]:80".parse().unwrap()), "http://[::1]:80");
    }
}
