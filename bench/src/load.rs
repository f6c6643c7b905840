//! The load driver: so many callers, each with one thing under way at a time.

use std::future::Future;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::Error;
use crate::stats::percentile_ms;

/// What callers got done.
pub(crate) struct Load {
    /// Calls that were answered.
    pub(crate) calls: usize,
    /// From the first call to the last answer.
    pub(crate) took: Duration,
    /// Time each call took.
    latencies: Vec<Duration>,
}

impl Load {
    /// Calls answered in a second.
    pub(crate) fn per_s(&self) -> f64 {
        self.calls as f64 / self.took.as_secs_f64()
    }

    /// The latency that half the calls and 99 % of them did not exceed.
    pub(crate) fn p50_p99_ms(&mut self) -> (f64, f64) {
        let p50 = percentile_ms(&mut self.latencies, 50);
        (p50, percentile_ms(&mut self.latencies, 99))
    }
}

/// Lets `callers` call again and again until `period` is over; waits for every answer.
///
/// # Errors
/// The first call that failed.
pub(crate) async fn drive<F>(
    callers: usize,
    period: Duration,
    call: impl Fn() -> F + Clone + Send + 'static,
) -> Result<Load, Error>
where
    F: Future<Output = Result<(), Error>> + Send,
{
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let call = call.clone();
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            while started.elapsed() < period {
                let called = Instant::now();
                call().await?;
                latencies.push(called.elapsed());
            }
            Ok::<_, Error>(latencies)
        });
    }
    let mut latencies = Vec::new();
    while let Some(caller) = tasks.join_next().await {
        latencies.extend(caller??);
    }
    Ok(Load {
        calls: latencies.len(),
        took: started.elapsed(),
        latencies,
    })
}
