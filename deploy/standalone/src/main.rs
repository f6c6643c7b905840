//! The program `tidings`.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use tidings_standalone::cli;
use tokio::runtime::Runtime;

/// Work on other threads that hangs, as on a folder that does not answer, holds up the end no longer.
const THREADS_END_WITHIN: Duration = Duration::from_secs(5);

fn main() -> io::Result<ExitCode> {
    let runtime = Runtime::new()?;
    let code = runtime.block_on(cli::run());
    runtime.shutdown_timeout(THREADS_END_WITHIN);
    Ok(code)
}
