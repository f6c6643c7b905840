//! The program as a child process over a data folder of its own, and its API.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::Client;
use serde_json::Value;
use tidings_servers::template::Watched;

/// How often an answer of the program is asked for again: another process tells nobody when it is ready.
const ASK_AGAIN: Duration = Duration::from_millis(50);
const START_WITHIN: Duration = Duration::from_secs(120);

/// `tidings up` over a folder that goes, with its servers, when this process ends.
pub(crate) struct Program {
    folder: Watched,
    child: Child,
    url: String,
    token: String,
}

impl Program {
    pub(crate) async fn start() -> Self {
        let folder = Watched::new(std::path::Path::new("/tmp")).unwrap();
        let child = command(&folder)
            .args(["up", "--listen", "127.0.0.1:0"])
            .spawn()
            .unwrap();
        let mut program = Self {
            folder,
            child,
            url: String::new(),
            token: String::new(),
        };
        program.wait().await;
        let token = command(&program.folder)
            .args(["token", "--role", "admin"])
            .stdout(Stdio::piped())
            .output()
            .unwrap();
        program.token = String::from_utf8(token.stdout).unwrap().trim().to_owned();
        program
    }

    pub(crate) fn api(&self) -> Api {
        Api {
            client: client(),
            url: self.url.clone(),
            token: self.token.clone(),
        }
    }

    /// kill -9, of the servers too if wanted.
    pub(crate) fn kill(&mut self, servers_too: bool) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        if servers_too {
            let folder = self.folder.dir().to_str().unwrap().to_owned();
            let servers = processes_naming(&folder);
            assert!(
                servers.len() >= 2,
                "PostgreSQL and nats-server run over {folder}"
            );
            for server in servers {
                // One that ends with its parent is gone already.
                let _gone = kill(server, Signal::SIGKILL);
            }
        }
        fs::remove_file(self.run_file()).unwrap();
    }

    pub(crate) async fn restart(&mut self) {
        self.child = command(&self.folder)
            .args(["up", "--listen", "127.0.0.1:0"])
            .spawn()
            .unwrap();
        self.wait().await;
    }

    /// Every view equals one folded anew from the log (invariant 4).
    pub(crate) async fn verify_views(&self) {
        self.succeeds(&["rebuild", "all", "--verify", "--json"]);
    }

    /// The log is what was recorded, and what the witness outside of it saw (invariant 8).
    pub(crate) async fn verify_log(&self) {
        self.succeeds(&["audit", "verify", "--witness", "--json"]);
    }

    fn succeeds(&self, arguments: &[&str]) {
        let output = command(&self.folder)
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "{text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// SIGTERM, and it ends by itself.
    pub(crate) async fn stop(mut self) {
        kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM).unwrap();
        let ended = tokio::task::spawn_blocking(move || self.child.wait().unwrap());
        assert!(ended.await.unwrap().success());
    }

    async fn wait(&mut self) {
        let ready = async {
            loop {
                if let Some(url) = self.announced() {
                    let answer = client().get(format!("{url}/readyz")).send().await;
                    if answer.is_ok_and(|answer| answer.status().is_success()) {
                        return url;
                    }
                }
                tokio::time::sleep(ASK_AGAIN).await;
            }
        };
        self.url = match tokio::time::timeout(START_WITHIN, ready).await {
            Ok(url) => url,
            Err(_) => panic!(
                "it never was ready: {:?}\n{}",
                client()
                    .get(format!("{}/readyz", self.announced().unwrap_or_default()))
                    .send()
                    .await
                    .map(|answer| answer.status()),
                fs::read_to_string(log(&self.folder)).unwrap()
            ),
        };
    }

    fn announced(&self) -> Option<String> {
        let running: Value = serde_json::from_slice(&fs::read(self.run_file()).ok()?).ok()?;
        Some(running["url"].as_str()?.to_owned())
    }

    fn run_file(&self) -> PathBuf {
        self.folder.dir().join("data/run.json")
    }
}

fn command(folder: &Watched) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
    command
        .env("TIDINGS_DATA", folder.dir().join("data"))
        .env("TIDINGS_STATE_DIR", folder.dir().join("state"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(
            File::options()
                .create(true)
                .append(true)
                .open(log(folder))
                .unwrap(),
        );
    command
}

/// What the program says, for the message of a failed test.
fn log(folder: &Watched) -> PathBuf {
    folder.dir().join("log")
}

#[allow(
    clippy::disallowed_methods,
    reason = "it speaks to the program under test only"
)]
fn client() -> Client {
    Client::new()
}

/// Processes whose command line names a folder.
fn processes_naming(folder: &str) -> Vec<Pid> {
    let own = std::process::id().to_string();
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
        .filter(|pid| *pid != own)
        .filter_map(|pid| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            let program = line.split(|byte| *byte == 0).next()?;
            let is_server = program.ends_with(b"postgres") || program.ends_with(b"nats-server");
            let names = String::from_utf8_lossy(&line).contains(folder);
            (is_server && names).then(|| Pid::from_raw(pid.parse().unwrap()))
        })
        .collect()
}

/// The program's HTTP API, for an admin.
pub(crate) struct Api {
    client: Client,
    url: String,
    token: String,
}

impl Api {
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        let request = self.client.post(format!("{}{path}", self.url)).json(body);
        self.answer(request).await
    }

    pub(crate) async fn post_csv(&self, path: &str, csv: String) -> Value {
        let request = self
            .client
            .post(format!("{}{path}", self.url))
            .header("content-type", "text/csv")
            .body(csv);
        self.answer(request).await
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.answer(self.client.get(format!("{}{path}", self.url)))
            .await
    }

    /// Every item of a list.
    pub(crate) async fn all(&self, path: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut page = self.get(path).await;
        loop {
            items.extend(page["items"].as_array().unwrap().iter().cloned());
            let Some(next) = page["next"].as_str() else {
                return items;
            };
            page = self.get(&format!("{path}&cursor={next}")).await;
        }
    }

    /// Asks until the answer is as wanted. What is written a moment ago may not be readable yet.
    pub(crate) async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let request = self
                .client
                .get(format!("{}{path}", self.url))
                .bearer_auth(&self.token);
            let answer = request.send().await.unwrap();
            if answer.status().is_success() {
                let answer = answer.json().await.unwrap();
                if wanted(&answer) {
                    return answer;
                }
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Value {
        let answer = request.bearer_auth(&self.token).send().await.unwrap();
        let status = answer.status();
        let body = answer.text().await.unwrap();
        assert!(status.is_success(), "{status}: {body}");
        serde_json::from_str(&body).unwrap()
    }
}
