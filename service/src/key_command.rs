//! Runs the program that prints the master key: no shell, a bounded output, a time limit, and one sentence about
//! whatever goes wrong, which never quotes what was printed.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use zeroize::Zeroizing;

use crate::config::{MasterKey, MasterKeyCommand, MasterKeyTextError};

/// More than two keys in base64 take.
const PRINTED_BYTES_MAX: usize = 1_024;
/// What is read of the program's complaints, and what is told of them.
const COMPLAINT_BYTES_MAX: u64 = 4_096;
const COMPLAINT_LETTERS_MAX: usize = 300;
/// A word of at least so many letters of base64 could hold a key.
const KEY_LETTERS: usize = 43;

/// Why the program gave no master key.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what is wrong")]
pub enum KeyCommandError {
    #[error(
        "master_key_command: {program} can not be started: check its path and that it may be executed"
    )]
    NotStarted {
        program: String,
        #[source]
        source: std::io::Error,
    },
    #[error("master_key_command_stdin: {} can not be read: check the path and its permissions", path.display())]
    Input {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("master_key_command: {program} ended with {status} and said: {said}")]
    Failed {
        program: String,
        status: ExitStatus,
        said: String,
    },
    #[error("master_key_command: {program} did not end within {within:?} and was killed")]
    Hung { program: String, within: Duration },
    #[error(
        "master_key_command: {program} printed more than {PRINTED_BYTES_MAX} bytes: it must print the key in base64 \
         and nothing else"
    )]
    TooMuch { program: String },
    #[error("master_key_command: {program} can not be listened to")]
    Lost {
        program: String,
        #[source]
        source: std::io::Error,
    },
    #[error(
        "master_key_command: what {program} printed {problem}: it must print the 32 bytes of the key in base64 and \
         nothing else"
    )]
    NotAKey {
        program: String,
        problem: MasterKeyTextError,
    },
}

/// Runs the program and reads the keys it prints: one, or two while one takes the other's place.
///
/// # Errors
/// When it cannot be started, fails, takes too long, or prints anything else.
pub async fn run(command: &MasterKeyCommand) -> Result<Vec<MasterKey>, KeyCommandError> {
    let program = command.words.first().cloned().unwrap_or_default();
    let input = match &command.stdin {
        None => None,
        Some(path) => Some(Zeroizing::new(tokio::fs::read(path).await.map_err(
            |source| KeyCommandError::Input {
                path: path.clone(),
                source,
            },
        )?)),
    };
    let child = start(command, input.is_some());
    let mut child = child.map_err(|source| KeyCommandError::NotStarted {
        program: program.clone(),
        source,
    })?;
    let mut group = Group(child.id());
    let talk = tokio::time::timeout(command.timeout, talk(&mut child, input, &program));
    let talked = talk.await.unwrap_or_else(|_| {
        Err(KeyCommandError::Hung {
            program: program.clone(),
            within: command.timeout,
        })
    });
    // Once it has ended by itself there is nothing to kill, and its id may be another's.
    group.0 = child.id();
    drop(group);
    let text = Zeroizing::new(String::from_utf8_lossy(&talked?).into_owned());
    MasterKey::read_all(&text).map_err(|problem| KeyCommandError::NotAKey { program, problem })
}

fn start(command: &MasterKeyCommand, with_input: bool) -> std::io::Result<Child> {
    let (program, arguments) = command
        .words
        .split_first()
        .ok_or(std::io::ErrorKind::NotFound)?;
    Command::new(program)
        .args(arguments)
        .stdin(if with_input {
            Stdio::piped()
        } else {
            Stdio::null()
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A group of its own: what it starts ends with it.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

/// Kills the program and what it has started.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0.and_then(|id| i32::try_from(id).ok()) {
            // It may just have ended.
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
    }
}

/// Everything the program prints, once it has ended well.
async fn talk(
    child: &mut Child,
    input: Option<Zeroizing<Vec<u8>>>,
    program: &str,
) -> Result<Zeroizing<Vec<u8>>, KeyCommandError> {
    let lost = |source| KeyCommandError::Lost {
        program: program.to_owned(),
        source,
    };
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feed = async {
        if let (Some(mut stdin), Some(input)) = (stdin, input) {
            // A program that does not care closes it early.
            drop(stdin.write_all(&input).await);
        }
        Ok(())
    };
    let listen = async {
        let most = PRINTED_BYTES_MAX + 1;
        // With room to spare, so that no copy stays behind where it stood before.
        let mut printed = Zeroizing::new(Vec::with_capacity(most * 2));
        if let Some(stdout) = stdout {
            let mut stdout = stdout.take(most as u64);
            stdout.read_to_end(&mut printed).await.map_err(lost)?;
        }
        if printed.len() == most {
            let program = program.to_owned();
            return Err(KeyCommandError::TooMuch { program });
        }
        Ok(printed)
    };
    let complaints = async { complaints(stderr).await.map_err(lost) };
    let ((), printed, said) = tokio::try_join!(feed, listen, complaints)?;
    let status = child.wait().await.map_err(lost)?;
    if status.success() {
        return Ok(printed);
    }
    Err(KeyCommandError::Failed {
        program: program.to_owned(),
        status,
        said,
    })
}

/// What a program says on stderr as one line, without what could be a key.
async fn complaints(stderr: Option<impl AsyncRead + Unpin>) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    if let Some(mut stderr) = stderr {
        let mut start = (&mut stderr).take(COMPLAINT_BYTES_MAX);
        start.read_to_end(&mut bytes).await?;
        tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await?;
    }
    Ok(told(&String::from_utf8_lossy(&bytes)))
}

fn told(text: &str) -> String {
    let could_be_key = |word: &str| {
        let letter = |it: char| it.is_ascii_alphanumeric() || matches!(it, '+' | '/' | '-' | '_');
        word.split(|it| !letter(it))
            .any(|run| run.len() >= KEY_LETTERS)
    };
    let printable = text.replace(char::is_control, " ");
    let words = printable.split_whitespace();
    let words: Vec<&str> = words
        .map(|word| if could_be_key(word) { "***" } else { word })
        .collect();
    let line: String = words
        .join(" ")
        .chars()
        .take(COMPLAINT_LETTERS_MAX)
        .collect();
    if line.is_empty() {
        "nothing".to_owned()
    } else {
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

    fn shell(script: &str) -> MasterKeyCommand {
        MasterKeyCommand {
            words: ["sh", "-c", script].map(str::to_owned).to_vec(),
            stdin: None,
            timeout: Duration::from_secs(30),
        }
    }

    async fn refused(command: &MasterKeyCommand) -> String {
        run(command).await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn a_program_prints_the_key() {
        let keys = run(&shell(&format!("echo {KEY}"))).await.unwrap();
        assert_eq!(keys, [MasterKey::new([7; 32])]);
    }

    #[tokio::test]
    async fn a_program_gets_the_wrapped_key_and_need_not_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wrapped");
        std::fs::write(&path, KEY).unwrap();
        let mut command = shell("cat");
        command.stdin = Some(path.clone());
        assert_eq!(run(&command).await.unwrap(), [MasterKey::new([7; 32])]);
        std::fs::write(&path, "x".repeat(1 << 20)).unwrap();
        command.words = shell(&format!("echo {KEY}")).words;
        assert_eq!(run(&command).await.unwrap(), [MasterKey::new([7; 32])]);
        command.stdin = Some("/nowhere/wrapped".into());
        insta::assert_snapshot!(refused(&command).await, @"master_key_command_stdin: /nowhere/wrapped can not be read: check the path and its permissions");
    }

    #[tokio::test]
    async fn each_failure_is_one_sentence() {
        let failing = shell(&format!(
            "echo access denied >&2; echo {KEY} >&2; echo key={KEY} >&2; exit 3"
        ));
        insta::assert_snapshot!(refused(&failing).await, @"master_key_command: sh ended with exit status: 3 and said: access denied *** ***");
        insta::assert_snapshot!(refused(&shell("kill -9 $$")).await, @"master_key_command: sh ended with signal: 9 (SIGKILL) and said: nothing");
        insta::assert_snapshot!(refused(&shell("echo hello")).await, @"master_key_command: what sh printed is not base64: it must print the 32 bytes of the key in base64 and nothing else");
        insta::assert_snapshot!(refused(&shell("true")).await, @"master_key_command: what sh printed holds no key: it must print the 32 bytes of the key in base64 and nothing else");
        insta::assert_snapshot!(refused(&shell("echo c2hvcnQ=")).await, @"master_key_command: what sh printed holds 5 bytes in base64 where 32 are needed: it must print the 32 bytes of the key in base64 and nothing else");
        insta::assert_snapshot!(refused(&shell("yes")).await, @"master_key_command: sh printed more than 1024 bytes: it must print the key in base64 and nothing else");
        let mut nobody = shell("");
        nobody.words = vec!["/nowhere/kms".to_owned()];
        insta::assert_snapshot!(refused(&nobody).await, @"master_key_command: /nowhere/kms can not be started: check its path and that it may be executed");
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_killed_with_what_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("child");
        let mut command = shell(&format!("sleep 600 & echo $! > {}; wait", path.display()));
        command.timeout = Duration::from_secs(2);
        insta::assert_snapshot!(refused(&command).await, @"master_key_command: sh did not end within 2s and was killed");
        let child = std::fs::read_to_string(&path).unwrap();
        let stat = format!("/proc/{}/stat", child.trim());
        // Gone, or dead and waiting for somebody to notice.
        let sleeps = || std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z "));
        let ended = async {
            while sleeps() {
                tokio::task::yield_now().await;
            }
        };
        let ended = tokio::time::timeout(Duration::from_secs(30), ended).await;
        assert!(ended.is_ok(), "it sleeps on");
    }

    #[test]
    fn complaints_are_short_and_plain() {
        assert_eq!(told("a\n\n\tb\u{1b}[31m c"), "a b [31m c");
        assert_eq!(
            told(&"é ".repeat(5_000)).chars().count(),
            COMPLAINT_LETTERS_MAX
        );
    }
}
