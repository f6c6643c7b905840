//! A server process: started here or found, recognised by its command line, signalled, awaited.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::account::Account;
use crate::error::ServersError;
use crate::files::io_error;

/// How often a wait looks again.
pub(crate) const POLL: Duration = Duration::from_millis(10);
/// A log is put aside at a start when it is larger than this.
const LOG_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// How much of a log an error quotes.
const TAIL_LINES: usize = 5;

/// Two arguments in a row that only our server has, such as `-D DATA`. A process id alone proves
/// nothing: after a crash it may belong to any other program.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    pub(crate) flag: &'static str,
    pub(crate) path: PathBuf,
}

impl Mark {
    /// Whether the process carries the mark. A zombie does not: its command line is empty.
    fn is_on(&self, pid: i32) -> bool {
        let Ok(cmdline) = fs::read(format!("/proc/{pid}/cmdline")) else {
            return false;
        };
        let arguments: Vec<&[u8]> = cmdline.split(|byte| *byte == 0).collect();
        arguments.windows(2).any(|pair| {
            pair[0] == self.flag.as_bytes() && pair[1] == self.path.as_os_str().as_bytes()
        })
    }

    /// The running process that carries the mark. Of Postgres use the pid file instead: a child
    /// that was forked a moment ago still has the command line of its parent.
    pub(crate) fn find(&self) -> Option<i32> {
        process_ids().find(|pid| self.is_on(*pid))
    }
}

/// A server that was seen running.
#[derive(Debug)]
pub(crate) struct Process {
    pid: i32,
    mark: Mark,
    /// Absent when another process started the server.
    child: Option<Child>,
}

impl Process {
    /// Starts the server with its output appended to `log`.
    pub(crate) fn spawn(mut command: Command, mark: Mark, log: &Log) -> Result<Self, ServersError> {
        let output = log.open()?;
        let again = output.try_clone().map_err(io_error("open", &log.path))?;
        let program = PathBuf::from(command.get_program());
        let child = command
            .stdout(output)
            .stderr(again)
            .spawn()
            .map_err(io_error("run", &program))?;
        Ok(Process {
            pid: i32::try_from(child.id()).expect("Linux process ids fit an i32"),
            mark,
            child: Some(child),
        })
    }

    /// The server with this id, if it is alive and ours.
    pub(crate) fn adopt(pid: i32, mark: &Mark) -> Option<Self> {
        mark.is_on(pid).then(|| Process {
            pid,
            mark: mark.clone(),
            child: None,
        })
    }

    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    /// Whether it still runs; reaps it when it was our child and does not.
    pub(crate) fn is_alive(&mut self) -> bool {
        match &mut self.child {
            Some(child) => matches!(child.try_wait(), Ok(None)),
            None => self.mark.is_on(self.pid),
        }
    }

    /// Sends a signal, unless the process has ended.
    pub(crate) fn signal(&mut self, signal: Signal) {
        if self.is_alive() {
            // It may have ended since the look: what the signal wants is then so already.
            let _ = kill(Pid::from_raw(self.pid), signal);
        }
    }

    /// Waits for the end; false when it still runs after `limit`.
    pub(crate) async fn ended_within(&mut self, limit: Duration) -> bool {
        tokio::time::timeout(limit, async {
            while self.is_alive() {
                tokio::time::sleep(POLL).await;
            }
        })
        .await
        .is_ok()
    }
}

/// Waits until no process works in `dir` any more, at most `limit`. Children of a killed postmaster
/// outlive it by a moment, and a new one must not share the data with them.
pub(crate) async fn left(dir: &Path, limit: Duration) -> bool {
    let busy = || {
        process_ids()
            .any(|pid| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == dir))
    };
    tokio::time::timeout(limit, async {
        while busy() {
            tokio::time::sleep(POLL).await;
        }
    })
    .await
    .is_ok()
}

fn process_ids() -> impl Iterator<Item = i32> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The log file of a server.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    pub(crate) path: PathBuf,
}

impl Log {
    fn open(&self) -> Result<File, ServersError> {
        if self.len() > LOG_BYTES_MAX {
            let aside = self.path.with_extension("log.1");
            fs::rename(&self.path, &aside).map_err(io_error("rename", &self.path))?;
        }
        OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&self.path)
            .map_err(io_error("open", &self.path))
    }

    /// Its size in bytes now: the offset from which a start writes.
    pub(crate) fn len(&self) -> u64 {
        self.path.metadata().map_or(0, |metadata| metadata.len())
    }

    /// The last lines written since `offset`.
    pub(crate) fn tail(&self, offset: u64) -> String {
        let read = || -> io::Result<String> {
            let mut file = File::open(&self.path)?;
            let length = file.metadata()?.len();
            let from = offset.min(length).max(length.saturating_sub(16 * 1024));
            file.seek(SeekFrom::Start(from))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let text = read().unwrap_or_default();
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        if lines.is_empty() {
            return "(nothing)".to_owned();
        }
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }
}

/// Runs a command to its end, its output in `log`.
pub(crate) async fn run(
    account: &Account,
    program: &Path,
    arguments: &[&OsStr],
    log: &Log,
    server: &'static str,
) -> Result<(), ServersError> {
    let offset = log.len();
    let output = log.open()?;
    let again = output.try_clone().map_err(io_error("open", &log.path))?;
    let mut command = account.command(program.as_os_str());
    command.args(arguments).stdout(output).stderr(again);
    let path = program.to_path_buf();
    let status = crate::files::blocking(move || command.status())
        .await
        .map_err(io_error("run", &path))?;
    if status.success() {
        return Ok(());
    }
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    Err(ServersError::NotStarted {
        server,
        problem: format!("could not be set up ({name}: {status})"),
        log: log.path.clone(),
        tail: log.tail(offset),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_id_of_another_program_is_not_adopted() {
        let mark = Mark {
            flag: "-D",
            path: PathBuf::from("/nowhere/postgres"),
        };
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(Process::adopt(own, &mark).is_none());
        assert_eq!(mark.find(), None);
    }

    #[test]
    fn an_ended_child_is_not_alive_and_is_not_found() {
        let dir = tempfile::tempdir().unwrap();
        let log = Log {
            path: dir.path().join("x.log"),
        };
        let mark = Mark {
            flag: "-c",
            path: dir.path().join("x.conf"),
        };
        let mut command = Command::new("sh");
        command.args(["-c", "read line", "-c"]).arg(&mark.path);
        command.stdin(std::process::Stdio::piped());
        let mut process = Process::spawn(command, mark.clone(), &log).unwrap();
        assert!(process.is_alive());
        process.signal(Signal::SIGKILL);
        // Not reaped yet, perhaps a zombie, perhaps dying: as soon as it is dead the mark is gone.
        process.child.as_mut().unwrap().wait().unwrap();
        assert!(!process.is_alive());
        assert_eq!(mark.find(), None);
    }

    #[test]
    fn the_tail_holds_the_last_lines_since_the_start() {
        let dir = tempfile::tempdir().unwrap();
        let log = Log {
            path: dir.path().join("x.log"),
        };
        assert_eq!(log.tail(0), "(nothing)");
        fs::write(&log.path, "old\n").unwrap();
        let offset = log.len();
        assert_eq!(log.tail(offset), "(nothing)");
        fs::write(&log.path, "old\n1\n\n2\n3\n4\n5\n6\n").unwrap();
        assert_eq!(log.tail(offset), "2\n3\n4\n5\n6");
        assert_eq!(log.tail(7), "2\n3\n4\n5\n6");
    }
}
