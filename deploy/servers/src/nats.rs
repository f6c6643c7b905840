//! The private nats-server: JetStream on disk, one loopback port, one random password.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use crate::error::ServersError;
use crate::files::{random_hex, write_secret};
use crate::locate::NatsServer;
use crate::options::Options;
use crate::place::Place;
use crate::process::{Log, Mark, POLL, Process};

const SERVER: &str = "nats-server";
const USER: &str = "tidings";
/// Left to itself the server keeps three quarters of the free disk for streams, and refuses one whose limit
/// does not fit in there although it would never come near it.
const FILE_STORE_MAX: &str = "1TB";
/// Ports are chosen below the range that the kernel gives to outgoing connections: there, a client
/// that reconnects while the server is down could be given the very port, and connect to itself.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
/// How many ports are tried.
const PORT_ATTEMPTS: usize = 20;
/// How often the server is started when each time another program takes the port just before it.
const STARTS_MAX: usize = 5;
/// What the server's log says then.
const PORT_TAKEN: &str = "address already in use";

/// What a client needs; kept, so that the URL survives a restart. No `Debug`: it is a secret.
#[derive(Clone, Serialize, Deserialize)]
struct Credentials {
    port: u16,
    password: String,
}

/// The private nats-server of one place.
pub(crate) struct Nats {
    server: NatsServer,
    place: Place,
    log: Log,
    port: Option<u16>,
    payload_bytes_max: u32,
    start_timeout: Duration,
    stop_timeout: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    process: Option<Process>,
    credentials: Option<Credentials>,
}

impl Nats {
    pub(crate) fn new(server: NatsServer, place: &Place, options: &Options) -> Self {
        Nats {
            server,
            log: place.log("nats"),
            place: place.clone(),
            port: options.nats_port,
            payload_bytes_max: options.nats_payload_bytes_max,
            start_timeout: options.start_timeout,
            stop_timeout: options.stop_timeout,
            state: Mutex::new(State::default()),
        }
    }

    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    /// The URL of the server that [`Nats::start`] started, with user and password.
    pub(crate) async fn url(&self) -> Option<String> {
        let state = self.state.lock().await;
        let Credentials { port, password } = state.credentials.as_ref()?;
        Some(format!("nats://{USER}:{password}@127.0.0.1:{port}"))
    }

    /// Starts the server, or adopts the one that runs: true when it was adopted. Ready afterwards.
    ///
    /// The port of an earlier start is kept; when another program has taken it meanwhile, or takes
    /// it before the server does, a new one is chosen, unless it was asked for, or this process has
    /// handed the URL out.
    pub(crate) async fn start(&self) -> Result<bool, ServersError> {
        let mut state = self.state.lock().await;
        let stored = self.stored();
        if let (Some(pid), Some(credentials)) = (self.mark().find(), &stored)
            && let Some(mut running) = Process::adopt(pid, &self.mark())
            && self
                .ready(&mut running, credentials, self.log.len())
                .await?
        {
            state.process = Some(running);
            state.credentials = stored;
            return Ok(true);
        }
        let kept = self.port.is_some() || state.credentials.is_some();
        let mut starts = 0;
        loop {
            starts += 1;
            let credentials = self.choose(stored.clone(), state.credentials.is_some())?;
            self.configure(&credentials)?;
            let offset = self.log.len();
            let mut command = self.place.account.command(self.server.program.as_os_str());
            command.arg("-c").arg(self.conf());
            let mut process = Process::spawn(command, self.mark(), &self.log)?;
            let ready = self.ready(&mut process, &credentials, offset).await;
            state.process = Some(process);
            if ready? {
                state.credentials = Some(credentials);
                return Ok(false);
            }
            let lost_the_port = self.log.tail(offset).contains(PORT_TAKEN);
            if kept || !lost_the_port || starts == STARTS_MAX {
                return Err(self.not_started("ended at its start".to_owned(), offset));
            }
        }
    }

    /// Ends the server: `SIGTERM` in order, `SIGKILL` as a crash.
    pub(crate) async fn end(&self, signal: Signal) -> Result<(), ServersError> {
        let mut state = self.state.lock().await;
        if let Some(process) = state.process.as_mut() {
            process.signal(signal);
            if !process.ended_within(self.stop_timeout).await {
                return Err(ServersError::NotStopped {
                    server: SERVER,
                    pid: process.pid(),
                    limit_s: self.stop_timeout.as_secs(),
                    log: self.log.path.clone(),
                });
            }
        }
        state.process = None;
        Ok(())
    }

    fn conf(&self) -> PathBuf {
        self.place.conf.join("nats.conf")
    }

    fn mark(&self) -> Mark {
        Mark {
            flag: "-c",
            path: self.conf(),
        }
    }

    fn credentials_file(&self) -> PathBuf {
        self.place.conf.join("nats.json")
    }

    /// The credentials of an earlier start; a file that cannot be read as such counts as none.
    fn stored(&self) -> Option<Credentials> {
        let bytes = fs::read(self.credentials_file()).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    fn choose(
        &self,
        stored: Option<Credentials>,
        in_use: bool,
    ) -> Result<Credentials, ServersError> {
        let wanted = self.port.or(stored.as_ref().map(|it| it.port));
        let port = match wanted {
            Some(port) if is_free(port) => port,
            Some(port) if self.port.is_some() || in_use => {
                return Err(ServersError::PortTaken { port });
            }
            _ => free_port()?,
        };
        let password = match stored {
            Some(credentials) => credentials.password,
            None => random_hex::<24>()?,
        };
        Ok(Credentials { port, password })
    }

    fn configure(&self, credentials: &Credentials) -> Result<(), ServersError> {
        // A JSON string is also a quoted string of this format.
        let quoted = |path: PathBuf| serde_json::Value::from(path.to_string_lossy()).to_string();
        let text = format!(
            "# Written anew at each start.\n\
             listen: \"127.0.0.1:{}\"\n\
             max_payload: {}\n\
             pid_file: {}\n\
             jetstream {{ store_dir: {}, max_file_store: {FILE_STORE_MAX} }}\n\
             authorization {{ user: {USER}, password: \"{}\" }}\n",
            credentials.port,
            self.payload_bytes_max,
            quoted(self.place.nats.join("nats.pid")),
            quoted(self.place.nats.clone()),
            credentials.password,
        );
        let account = &self.place.account;
        write_secret(&self.conf(), text.as_bytes(), account)?;
        let json = serde_json::json!(credentials).to_string();
        write_secret(&self.credentials_file(), json.as_bytes(), account)
    }

    /// Waits until the server knows our password: false when it ended.
    async fn ready(
        &self,
        process: &mut Process,
        credentials: &Credentials,
        offset: u64,
    ) -> Result<bool, ServersError> {
        let wait = async {
            loop {
                if answers(credentials).await.is_some() {
                    return true;
                }
                if !process.is_alive() {
                    return false;
                }
                tokio::time::sleep(POLL).await;
            }
        };
        tokio::time::timeout(self.start_timeout, wait)
            .await
            .map_err(|_| {
                let limit_s = self.start_timeout.as_secs();
                self.not_started(format!("was not ready after {limit_s} s"), offset)
            })
    }

    fn not_started(&self, problem: String, offset: u64) -> ServersError {
        ServersError::NotStarted {
            server: SERVER,
            problem,
            log: self.log.path.clone(),
            tail: self.log.tail(offset),
        }
    }
}

/// Greets the server at the port with the password; some when it is ours, with JetStream, and
/// answers a ping.
async fn answers(credentials: &Credentials) -> Option<()> {
    let greet = async {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, credentials.port))
            .await
            .ok()?;
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let info: serde_json::Value = serde_json::from_str(line.strip_prefix("INFO ")?).ok()?;
        (info["jetstream"] == true).then_some(())?;
        let connect = serde_json::json!({
            "verbose": false,
            "pedantic": false,
            "user": USER,
            "pass": credentials.password,
        });
        let hello = format!("CONNECT {connect}\r\nPING\r\n");
        stream.write_all(hello.as_bytes()).await.ok()?;
        line.clear();
        stream.read_line(&mut line).await.ok()?;
        (line.trim_end() == "PONG").then_some(())
    };
    tokio::time::timeout(Duration::from_secs(5), greet)
        .await
        .ok()?
}

fn is_free(port: u16) -> bool {
    // The standard library sets SO_REUSEADDR, so connections in TIME_WAIT do not count as taken.
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn free_port() -> Result<u16, ServersError> {
    let mut port = PORTS.start;
    for _ in 0..PORT_ATTEMPTS {
        let random = u32::from_str_radix(&random_hex::<4>()?, 16).unwrap_or_default();
        let offset = random % u32::from(PORTS.end - PORTS.start);
        port = PORTS.start + u16::try_from(offset).unwrap_or_default();
        if is_free(port) {
            return Ok(port);
        }
    }
    Err(ServersError::PortTaken { port })
}
