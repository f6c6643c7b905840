//! `tidings` as a child process over a data folder of its own, and the ways of those who use it.

mod api;
pub mod newsroom;
mod verb;

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tidings_servers::template::Watched;

use crate::checker::Told;
use crate::overdue::Overdue;

pub use api::{Api, Away};
pub use verb::{Verb, is_stopped};

/// How often an answer of the program is asked for again: another process tells nobody when it is ready.
pub const ASK_AGAIN: Duration = Duration::from_millis(50);
const START_WITHIN: Duration = Duration::from_secs(120);
const WITNESSED_WITHIN: Duration = Duration::from_secs(120);
/// More than it gives its own parts to end in.
const END_WITHIN: Duration = Duration::from_secs(120);
/// The file in its folder with what it says.
const LOG: &str = "log";
const LAST_LINES: usize = 60;

/// `tidings up` over a folder that goes, with its servers, when this process ends.
pub struct Program {
    binary: PathBuf,
    folder: Watched,
    /// The data folder below it.
    data: &'static str,
    settings: Vec<(&'static str, String)>,
    /// See [`Self::set`].
    more: Vec<(&'static str, String)>,
    child: Option<Child>,
    url: String,
    token: String,
    told: Arc<Mutex<Vec<Told>>>,
    _overdue: Overdue,
}

impl Program {
    /// `binary` over a new folder in `place`, with these settings on top. It does not run yet.
    pub fn new(binary: PathBuf, place: &Path, settings: Vec<(&'static str, String)>) -> Self {
        let folder = Watched::new(place).unwrap();
        let log = folder.dir().join(LOG);
        Self {
            binary,
            folder,
            data: "data",
            settings,
            more: Vec::new(),
            child: None,
            url: String::new(),
            token: String::new(),
            told: Arc::default(),
            _overdue: Overdue::watch(move || last_lines(&log)),
        }
    }

    /// From its next start on it has these settings too, instead of what was said here before.
    pub fn set(&mut self, settings: Vec<(&'static str, String)>) {
        self.more = settings;
    }

    /// Makes the token of its API anew, as the first start does: another data folder has another secret.
    pub fn let_in(&mut self) {
        let token = self.run(&["token", "--role", "admin"], None);
        self.token = String::from_utf8(token.stdout).unwrap().trim().to_owned();
    }

    /// The folder of this test.
    pub fn dir(&self) -> &Path {
        self.folder.dir()
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.dir().join(self.data)
    }

    /// Stops it; what follows is about another data folder. Gives the old one.
    pub async fn stop_and_move_on(mut self, data: &'static str) -> (Self, PathBuf) {
        self.end().await;
        let old = self.data();
        self.data = data;
        (self, old)
    }

    /// Runs a verb, which must succeed; gives what it prints as JSON, null if it is none.
    pub fn says(&self, arguments: &[&str]) -> Value {
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
    pub fn refuses(&self, arguments: &[&str]) -> String {
        let mut command = self.command(None);
        command.args(arguments).stdout(Stdio::piped());
        let output = command.stderr(Stdio::piped()).output().unwrap();
        assert!(!output.status.success(), "{arguments:?} succeeded");
        let [out, err] = [output.stdout, output.stderr];
        String::from_utf8_lossy(&out).into_owned() + &String::from_utf8_lossy(&err)
    }

    /// Runs a verb and kills it as soon as it prints a line that begins so.
    pub fn kill_when_it_says(&self, arguments: &[&str], beginning: &str) {
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

    /// Starts it, and waits until it is ready; false: it died before. `crash_at`: a crash point, which time it is
    /// reached, and perhaps that it stops there instead of dying.
    pub async fn up(&mut self, crash_at: Option<&str>) -> bool {
        self.start(crash_at);
        self.is_ready().await
    }

    /// Starts it, and waits for nothing.
    pub fn start(&mut self, crash_at: Option<&str>) {
        // Left by a process that was killed: it would lead to a listener that is gone.
        let _none = fs::remove_file(self.run_file());
        let mut command = self.command(crash_at);
        command.args(["up", "--listen", "127.0.0.1:0"]);
        self.child = Some(command.stdout(Stdio::null()).spawn().unwrap());
    }

    /// Starts it, and waits only until it says where it is: it may never be ready.
    pub async fn announces_itself(&mut self) {
        self.start(None);
        let started = Instant::now();
        while self.announced().is_none() {
            assert!(self.runs(), "it died at its start:\n{}", self.said());
            assert!(started.elapsed() < START_WITHIN, "{}", self.said());
            tokio::time::sleep(ASK_AGAIN).await;
        }
        self.url = self.announced().expect("it was there a moment ago");
        self.has_a_token();
    }

    /// Runs a verb to its end. One that does not end is aborted, and has failed.
    pub fn run(&self, arguments: &[&str], crash_at: Option<&str>) -> Output {
        self.run_with(arguments, crash_at, &[])
    }

    /// The same with more of its environment.
    pub fn run_with(
        &self,
        arguments: &[&str],
        crash_at: Option<&str>,
        variables: &[(&str, &str)],
    ) -> Output {
        self.begin(arguments, crash_at, variables).end()
    }

    /// Begins to run a verb.
    pub fn begin(
        &self,
        arguments: &[&str],
        crash_at: Option<&str>,
        variables: &[(&str, &str)],
    ) -> Verb {
        let mut command = self.command(crash_at);
        command.args(arguments).stdout(Stdio::piped());
        command.envs(variables.iter().copied());
        Verb(command.spawn().unwrap())
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.as_mut()?.try_wait().unwrap()
    }

    /// Whether it runs, as far as anybody knows.
    pub fn runs(&mut self) -> bool {
        self.child.is_some() && self.ended().is_none()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("it was started");
        kill(Pid::from_raw(child.id() as i32), signal).unwrap();
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it was started").id()
    }

    /// Where its `file` channels write.
    pub fn files(&self) -> PathBuf {
        self.data().join("files")
    }

    /// What it has said, the end of it, for the message of a failed test.
    pub fn said(&self) -> String {
        last_lines(&self.log())
    }

    /// Its HTTP API, for an admin.
    pub fn api(&self) -> Api {
        Api::new(&self.url, &self.token, Arc::clone(&self.told))
    }

    /// What it has told those whose commands had to be accepted: see [`Api::post`].
    pub fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }

    /// What it has told until now of later positions is lost: its log went back to there.
    pub fn is_back_at(&self, position: i64) {
        let mut told = self.told.lock().unwrap();
        told.retain(|told| told.position <= position);
    }

    /// kill -9, of the servers too if wanted.
    pub fn kill(&mut self, servers_too: bool) {
        let mut child = self.child.take().expect("it was started");
        child.kill().unwrap();
        child.wait().unwrap();
        if servers_too {
            let folder = self.folder.dir().to_str().unwrap().to_owned();
            let servers = processes_naming(&folder, &["postgres", "nats-server"]);
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
    pub fn verify_views(&self) {
        let verified = self.says(&["rebuild", "all", "--verify", "--json"]);
        let views = verified["views"].as_array().unwrap();
        let equal = |view: &Value| view["differences"] == 0;
        assert!(!views.is_empty() && views.iter().all(equal), "{verified}");
    }

    /// The log is what was recorded, and what the witness outside of it saw (invariant 8). It has seen
    /// something: [`Self::is_witnessed`] waits for that.
    pub fn verify_log(&self) {
        self.verified_log();
    }

    /// The same up to the log's end, which the witness signs about a second after the last commit.
    pub async fn verify_whole_log(&self) {
        let whole = async {
            loop {
                let verified = self.verified_log();
                let witnessed = &verified["witness"]["report"]["position"];
                if witnessed.is_i64() && *witnessed == verified["head"]["position"] {
                    return;
                }
                tokio::time::sleep(ASK_AGAIN).await;
            }
        };
        let whole = tokio::time::timeout(WITNESSED_WITHIN, whole).await;
        assert!(whole.is_ok(), "not up to its end:\n{}", self.said());
    }

    fn verified_log(&self) -> Value {
        let verified = self.says(&["audit", "verify", "--witness", "--json"]);
        let heads = verified["witness"]["heads_compared"].as_i64();
        assert!(heads > Some(0), "{verified}");
        assert_eq!(verified["sound"], Value::from(true), "{verified}");
        verified
    }

    /// Waits until the witness has signed a head: within a second of the first commit.
    pub async fn is_witnessed(&self) {
        let signed = async {
            while !self.has_signed() {
                tokio::time::sleep(ASK_AGAIN).await;
            }
        };
        let signed = tokio::time::timeout(WITNESSED_WITHIN, signed).await;
        assert!(signed.is_ok(), "no head:\n{}", self.said());
    }

    fn has_signed(&self) -> bool {
        let files = fs::read_dir(self.data().join("witness"));
        let mut paths = files.into_iter().flatten().map(|it| it.unwrap().path());
        paths.any(|path| {
            let text = fs::read_to_string(path).unwrap_or_default();
            text.contains(r#""kind":"head""#)
        })
    }

    /// The log is what was recorded, whatever any witness has to say.
    pub fn verify_log_alone(&self) {
        self.says(&["audit", "verify", "--json"]);
    }

    /// SIGTERM, and it ends by itself; its folder goes.
    pub async fn stop(mut self) {
        self.end().await;
    }

    /// SIGTERM, and it ends by itself.
    pub async fn end(&mut self) {
        self.signal(Signal::SIGTERM);
        let mut child = self.child.take().expect("it was started");
        let pid = Pid::from_raw(child.id() as i32);
        let ended = tokio::task::spawn_blocking(move || child.wait().unwrap());
        let Ok(ended) = tokio::time::timeout(END_WITHIN, ended).await else {
            // Or whoever waits for it waits for ever.
            let _gone = kill(pid, Signal::SIGKILL);
            panic!("it does not end:\n{}", self.said());
        };
        assert!(ended.unwrap().success(), "{}", self.said());
    }

    /// Waits until it is ready; false: it died meanwhile.
    pub async fn is_ready(&mut self) -> bool {
        let waiting = tokio::time::timeout(START_WITHIN, async {
            loop {
                if !self.runs() {
                    return false;
                }
                if let Some(url) = self.announced() {
                    let answer = api::client().get(format!("{url}/readyz")).send().await;
                    if answer.is_ok_and(|answer| answer.status().is_success()) {
                        self.url = url;
                        self.has_a_token();
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

    fn has_a_token(&mut self) {
        if self.token.is_empty() {
            self.let_in();
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
        self.folder.dir().join(LOG)
    }

    fn command(&self, crash_at: Option<&str>) -> Command {
        let log = File::options().create(true).append(true).open(self.log());
        let mut command = Command::new(&self.binary);
        command
            .env("TIDINGS_DATA", self.data())
            .env("TIDINGS_STATE_DIR", self.folder.dir().join("state"))
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .envs(self.more.iter().map(|(name, value)| (name, value)))
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

fn last_lines(log: &Path) -> String {
    let said = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = said.lines().collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}

/// Processes of these programs whose command line names a folder.
pub fn processes_naming(folder: &str, programs: &[&str]) -> Vec<Pid> {
    let own = std::process::id().to_string();
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
        .filter(|pid| *pid != own)
        .filter_map(|pid| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            let program = line.split(|byte| *byte == 0).next()?;
            let is_one = programs.iter().any(|it| program.ends_with(it.as_bytes()));
            let names = String::from_utf8_lossy(&line).contains(folder);
            (is_one && names).then(|| Pid::from_raw(pid.parse().unwrap()))
        })
        .collect()
}
