//! Folders, helper processes and probes that the tests of this crate share.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tidings_servers::template::Watched;
use tidings_servers::{Options, Profile};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_postgres::{Client, NoTls};

/// A folder that is removed, with its servers, when the test ends.
pub(crate) fn folder() -> Watched {
    Watched::new(Path::new("/tmp")).unwrap()
}

/// Options for a platform `name` that lies below `dir`, whoever runs the test.
pub(crate) fn options(dir: &Path, name: &str) -> Options {
    Options {
        state_dir: dir.join("state"),
        profile: Profile::Test,
        ..Options::from_env(dir.join(name))
    }
}

/// Writes a shell script. A shell writes it: were it this process, a test that forks at that moment
/// would hand the open file on, and the script would be too busy to run.
pub(crate) fn program(path: &Path, body: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let write = "printf '#!/bin/sh\n%s\n' \"$2\" >\"$1\" && chmod 755 \"$1\"";
    let status = Command::new("sh")
        .args(["-c", write, "write"])
        .arg(path)
        .arg(body)
        .status()
        .unwrap();
    assert!(status.success());
}

/// A connection to a database.
pub(crate) async fn connect(url: &str) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// What a nats-server answers to a ping with the user and password of `url`, or with others.
pub(crate) async fn ping(url: &str, password: Option<&str>) -> std::io::Result<String> {
    let (login, address) = url
        .strip_prefix("nats://")
        .unwrap()
        .split_once('@')
        .unwrap();
    let (user, own) = login.split_once(':').unwrap();
    let mut stream = tokio::io::BufReader::new(TcpStream::connect(address).await?);
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let connect =
        serde_json::json!({"verbose": false, "user": user, "pass": password.unwrap_or(own)});
    let hello = format!("CONNECT {connect}\r\nPING\r\n");
    stream.write_all(hello.as_bytes()).await?;
    line.clear();
    stream.read_line(&mut line).await?;
    Ok(line.trim_end().to_owned())
}

/// Starts this test program again, for that ignored test only, and waits until that says
/// that its servers run. Returns it with the location it printed.
pub(crate) fn start_holder(test: &str, dir: &Path) -> (Child, PathBuf) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env("TIDINGS_TEST_HOLD", dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let location = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .find_map(|line| Some(PathBuf::from(line.split_once("holding ")?.1)))
        .expect("the holder says where its servers are");
    (child, location)
}

/// The folder given to [`start_holder`], in the process that it started.
pub(crate) fn held_folder() -> Option<PathBuf> {
    std::env::var_os("TIDINGS_TEST_HOLD").map(PathBuf::from)
}

/// Tells [`start_holder`] where the servers are, then waits to be killed.
pub(crate) fn hold(location: &Path) {
    println!("holding {}", location.display());
    // Ends when the test that started us ends, however it ends.
    std::io::stdin().read_line(&mut String::new()).unwrap();
}
