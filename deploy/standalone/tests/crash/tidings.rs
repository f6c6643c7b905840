//! The program as a child process over a data folder of its own.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tidings_servers::template::Watched;

use crate::api::{Api, client};

/// How often an answer of the program is asked for again: another process tells nobody when it is ready.
pub(crate) const ASK_AGAIN: Duration = Duration::from_millis(50);
const START_WITHIN: Duration = Duration::from_secs(120);

/// `tidings up` over a folder that goes, with its servers, when this process ends.
pub(crate) struct Program {
    folder: Watched,
    /// The data folder below it.
    data: &'static str,
    settings: Vec<(&'static str, String)>,
    child: Option<Child>,
    url: String,
    token: String,
}

impl Program {
    /// Over private servers of its own, with the settings of a new platform.
    pub(crate) async fn start() -> Self {
        let mut program = Self::with(Vec::new());
        assert!(program.up(None).await, "it ended at its start");
        program
    }

    /// Over a new folder, with these settings on top. It does not run yet.
    pub(crate) fn with(settings: Vec<(&'static str, String)>) -> Self {
        let mut program = Self {
            folder: Watched::new(Path::new("/tmp")).unwrap(),
            data: "data",
            settings,
            child: None,
            url: String::new(),
            token: String::new(),
        };
        program.let_in();
        program
    }

    /// Makes the token of its API anew: another data folder has another secret.
    pub(crate) fn let_in(&mut self) {
        let token = self.run(&["token", "--role", "admin"], None);
        self.token = String::from_utf8(token.stdout).unwrap().trim().to_owned();
    }

    /// The folder of this test.
    pub(crate) fn dir(&self) -> &Path {
        self.folder.dir()
    }

    /// The data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.dir().join(self.data)
    }

    /// Stops it; what follows is about another data folder. Gives the old one.
    pub(crate) async fn stop_and_move_on(mut self, data: &'static str) -> (Self, PathBuf) {
        self.end().await;
        let old = self.data();
        self.data = data;
        (self, old)
    }

    /// Runs a verb, which must succeed; gives what it prints as JSON, null if it is none.
    pub(crate) fn says(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments, None);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "{arguments:?}: {text}{}",
            self.said()
        );
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Runs a verb, which must fail; gives what it says.
    pub(crate) fn refuses(&self, arguments: &[&str]) -> String {
        let mut command = self.command(None);
        command.args(arguments).stdout(Stdio::piped());
        let output = command.stderr(Stdio::piped()).output().unwrap();
        assert!(!output.status.success(), "{arguments:?} succeeded");
        let [out, err] = [output.stdout, output.stderr];
        String::from_utf8_lossy(&out).into_owned() + &String::from_utf8_lossy(&err)
    }

    /// Runs a verb and kills it as soon as it prints a line that begins so.
    pub(crate) fn kill_when_it_says(&self, arguments: &[&str], beginning: &str) {
        let mut command = self.command(None);
        command.args(arguments).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let said = lines
            .map(Result::unwrap)
            .any(|line| line.starts_with(beginning));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(said, "it never said {beginning}");
    }

    /// Starts it, and waits until it is ready; false: it died before. `crash_at`: a crash point, and which
    /// time it is reached.
    pub(crate) async fn up(&mut self, crash_at: Option<&str>) -> bool {
        // Left by a process that was killed: it would lead to a listener that is gone.
        let _none = fs::remove_file(self.run_file());
        let mut command = self.command(crash_at);
        command.args(["up", "--listen", "127.0.0.1:0"]);
        self.child = Some(command.stdout(Stdio::null()).spawn().unwrap());
        self.wait().await
    }

    /// Runs a verb to its end.
    pub(crate) fn run(&self, arguments: &[&str], crash_at: Option<&str>) -> Output {
        let mut command = self.command(crash_at);
        command.args(arguments).stdout(Stdio::piped());
        command.output().unwrap()
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.as_mut()?.try_wait().unwrap()
    }

    /// Whether it runs, as far as anybody knows.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.is_some() && self.ended().is_none()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("it was started");
        kill(Pid::from_raw(child.id() as i32), signal).unwrap();
    }

    /// Where its `file` channels write.
    pub(crate) fn files(&self) -> PathBuf {
        self.data().join("files")
    }

    /// What it has said, the end of it, for the message of a failed test.
    pub(crate) fn said(&self) -> String {
        let said = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = said.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    pub(crate) fn api(&self) -> Api {
        Api::new(&self.url, &self.token)
    }

    /// kill -9, of the servers too if wanted.
    pub(crate) fn kill(&mut self, servers_too: bool) {
        let mut child = self.child.take().expect("it was started");
        child.kill().unwrap();
        child.wait().unwrap();
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
    }

    /// Every view equals one folded anew from the log (invariant 4).
    pub(crate) fn verify_views(&self) {
        self.says(&["rebuild", "all", "--verify", "--json"]);
    }

    /// The log is what was recorded, and what the witness outside of it saw (invariant 8).
    pub(crate) fn verify_log(&self) {
        let mut arguments = vec!["audit", "verify", "--json"];
        // It is made when there has been time to see something.
        if self.data().join("witness").is_dir() {
            arguments.push("--witness");
        }
        self.says(&arguments);
    }

    /// The log is what was recorded, whatever any witness has to say.
    pub(crate) fn verify_log_alone(&self) {
        self.says(&["audit", "verify", "--json"]);
    }

    /// SIGTERM, and it ends by itself.
    pub(crate) async fn stop(mut self) {
        self.end().await;
    }

    async fn end(&mut self) {
        self.signal(Signal::SIGTERM);
        let mut child = self.child.take().expect("it was started");
        let ended = tokio::task::spawn_blocking(move || child.wait().unwrap());
        assert!(ended.await.unwrap().success());
    }

    /// Waits until it is ready; false: it died meanwhile.
    async fn wait(&mut self) -> bool {
        let waiting = tokio::time::timeout(START_WITHIN, async {
            loop {
                if !self.runs() {
                    return false;
                }
                if let Some(url) = self.announced() {
                    let answer = client().get(format!("{url}/readyz")).send().await;
                    if answer.is_ok_and(|answer| answer.status().is_success()) {
                        self.url = url;
                        return true;
                    }
                }
                tokio::time::sleep(ASK_AGAIN).await;
            }
        });
        match waiting.await {
            Ok(ready) => ready,
            Err(_) => panic!("it never was ready:\n{}", self.said()),
        }
    }

    fn announced(&self) -> Option<String> {
        let running: Value = serde_json::from_slice(&fs::read(self.run_file()).ok()?).ok()?;
        Some(running["url"].as_str()?.to_owned())
    }

    fn run_file(&self) -> PathBuf {
        self.data().join("run.json")
    }

    fn log(&self) -> PathBuf {
        self.folder.dir().join("log")
    }

    fn command(&self, crash_at: Option<&str>) -> Command {
        let log = File::options().create(true).append(true).open(self.log());
        let mut command = Command::new(program());
        command
            .env("TIDINGS_DATA", self.data())
            .env("TIDINGS_STATE_DIR", self.folder.dir().join("state"))
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .envs(crash_at.map(|at| ("TIDINGS_TEST_CRASH_AT", at)))
            .stdin(Stdio::null())
            .stderr(log.unwrap());
        command
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Also one that is frozen; one that has ended already does not mind.
            let _gone = child.kill();
            let _gone = child.wait();
        }
    }
}

/// The program under test: where the runner says it is, else where it was built.
fn program() -> PathBuf {
    let said = std::env::var_os("CARGO_BIN_EXE_tidings");
    said.map_or_else(|| env!("CARGO_BIN_EXE_tidings").into(), PathBuf::from)
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
