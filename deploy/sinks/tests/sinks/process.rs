//! The SMTP sink as a process of its own, killed.

use std::process::Stdio;

use tidings_sinks::smtp::read_journal;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::client::{Client, patient};

#[tokio::test]
async fn a_killed_sink_has_on_record_what_it_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal.jsonl");
    let mut process = Command::new(env!("CARGO_BIN_EXE_tidings-smtp-sink"))
        .args(["--listen", "127.0.0.1:0", "--journal"])
        .arg(&journal)
        .arg("--folder")
        .arg(folder.path().join("mail"))
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut output = BufReader::new(process.stdout.take().unwrap());
    patient(output.read_line(&mut line)).await.unwrap();
    let addr = line
        .strip_prefix("listening ")
        .unwrap()
        .trim()
        .parse()
        .unwrap();

    let mut client = Client::ready(addr).await;
    for n in 0..3 {
        let content = format!("Message-ID: <{n}@x.example>\r\n\r\n");
        assert_eq!(client.send("b@x.example", &content).await, "250");
    }
    process.kill().await.unwrap();
    let ids: Vec<_> = read_journal(&journal)
        .unwrap()
        .into_iter()
        .filter_map(|line| line.message_id)
        .collect();
    assert_eq!(ids, ["<0@x.example>", "<1@x.example>", "<2@x.example>"]);
}
