//! The program `tidings`.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use tidings_standalone::cli;
use tikv_jemallocator::Jemalloc;
use tokio::runtime::Runtime;

/// Gives memory back that the system's would keep in pieces, and takes less time: a tenth of all of ours when mails go out.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// Work on other threads that hangs, as on a folder that does not answer, holds up the end no longer.
const THREADS_END_WITHIN: Duration = Duration::from_secs(5);

fn main() -> io::Result<ExitCode> {
    let runtime = Runtime::new()?;
    let code = runtime.block_on(cli::run());
    runtime.shutdown_timeout(THREADS_END_WITHIN);
    Ok(code)
}
