//! The SMTP sink as a process of its own, for tests that kill it or the sender.

use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;
use tidings_sinks::smtp::{self, Keep, Options};
use tokio::signal::unix::{SignalKind, signal};

/// Takes all mail sent to it on loopback and keeps it on record.
/// Prints `listening ADDRESS` once it does, and runs until SIGTERM or Ctrl-C.
#[derive(Parser)]
struct Args {
    /// Where to listen; port 0 picks a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Appends one JSON line per message to this file before the sender is told that it was accepted.
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// Writes each message as a file of this folder.
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
#[allow(clippy::print_stdout, reason = "the address is this program's output")]
async fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let sink = smtp::start(Options {
        listen: args.listen,
        journal_file: args.journal,
        folder: args.folder,
        keep: Keep::Digest,
        ..Options::default()
    })
    .await?;
    let mut terminated = signal(SignalKind::terminate())?;
    println!("listening {}", sink.addr());
    tokio::select! {
        _ = terminated.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    sink.stop().await;
    Ok(())
}
