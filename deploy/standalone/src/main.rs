//! The program `tidings`.

use std::process::ExitCode;

use tidings_standalone::cli;

#[tokio::main]
async fn main() -> ExitCode {
    cli::run().await
}
