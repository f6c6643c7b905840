//! Benchmarks. Each row measures one thing against a ceiling or a peer in the same run, on servers it
//! starts itself with fsync on, and states what an fsync cost at the time: trust ratios, not absolutes.
//!
//! `cargo run --release -p tidings-bench [-- NAME…]` runs every row whose name starts with a NAME, prints a
//! table, and writes `target/bench/results.json`. Without a NAME it runs all of them but for `scale`, whose log of 30
//! million events takes 20 GB and a quarter of an hour.

mod audit;
mod commit;
mod cpu;
mod load;
mod mail;
#[cfg(feature = "peers")]
mod peers;
mod platform;
mod rebuild;
mod recovery;
mod relay;
mod report;
mod sample;
mod scale;
mod site;
mod stats;
mod subscribers;
mod waiting;
mod webhook;

use std::process::ExitCode;

use report::Report;
use site::Site;
use tikv_jemallocator::Jemalloc;

/// The program's own.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// Whatever went wrong: a benchmark that fails ends the run.
type Error = Box<dyn std::error::Error + Send + Sync>;

/// Which rows to run.
struct Wanted(Vec<String>);

impl Wanted {
    /// Whether this row was asked for.
    fn row(&self, name: &str) -> bool {
        self.0.is_empty() || self.by_name(name)
    }

    /// Whether this row, or its family, was named.
    fn by_name(&self, name: &str) -> bool {
        self.0.iter().any(|asked| name.starts_with(asked.as_str()))
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let wanted = Wanted(std::env::args().skip(1).collect());
    match run(&wanted).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::complain(&*error);
            ExitCode::FAILURE
        }
    }
}

async fn run(wanted: &Wanted) -> Result<(), Error> {
    let site = Site::start().await?;
    let mut report = Report::new(&site).await?;
    let measured = tokio::select! {
        measured = measure(&site, wanted, &mut report) => measured,
        // The servers would outlive this process.
        _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
    };
    site.stop().await?;
    // Whatever was measured before something went wrong is worth keeping.
    report.finish()?;
    measured
}

async fn measure(site: &Site, wanted: &Wanted, report: &mut Report) -> Result<(), Error> {
    commit::rows(site, wanted, report).await?;
    relay::rows(site, wanted, report).await?;
    audit::rows(site, wanted, report).await?;
    rebuild::rows(site, wanted, report).await?;
    mail::rows(site, wanted, report).await?;
    webhook::rows(site, wanted, report).await?;
    waiting::rows(site, wanted, report).await?;
    recovery::rows(site, wanted, report).await?;
    subscribers::rows(site, wanted, report).await?;
    #[cfg(feature = "peers")]
    peers::rows(site, wanted, report).await?;
    scale::rows(site, wanted, report).await
}
