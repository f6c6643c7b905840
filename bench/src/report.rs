//! What was measured: a table for people while it runs, `target/bench/results.json` for machines.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is the output of a command for people"
)]

use std::fs;
use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};

use crate::Error;
use crate::site::Site;

const RESULTS: &str = "target/bench/results.json";

/// One row of the results.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Row {
    /// As `family.case.against`.
    pub(crate) name: String,
    /// How many times the subject is what it is compared with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ratio: Option<f64>,
    /// What was measured, when it stands alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<f64>,
    /// Of `value`, `subject` and `against`.
    pub(crate) unit: &'static str,
    /// What was measured of ours: the median of the rounds.
    pub(crate) subject: f64,
    /// What was measured of the peer or ceiling.
    pub(crate) against: Option<f64>,
    /// The cost of making a page durable at the time, median, microseconds.
    pub(crate) fsync_us: f64,
    /// What else is worth knowing, for people.
    pub(crate) note: String,
}

/// The rows so far.
pub(crate) struct Report {
    machine: Value,
    rows: Vec<Row>,
}

impl Report {
    /// An empty report; prints the head of the table.
    pub(crate) async fn new(site: &Site) -> Result<Self, Error> {
        let machine = machine(site).await?;
        println!("{machine:#}\n");
        println!(
            "{:<28} {:>9} {:>12} {:>12}  {:<9} {:>9}  note",
            "name", "result", "subject", "against", "unit", "fsync µs"
        );
        Ok(Self {
            machine,
            rows: Vec::new(),
        })
    }

    /// Adds a row and prints it.
    pub(crate) fn add(&mut self, row: Row) {
        let result = row.ratio.map_or_else(
            || short(row.value.unwrap_or(0.0)),
            |it| format!("{it:.2} ×"),
        );
        println!(
            "{:<28} {:>9} {:>12} {:>12}  {:<9} {:>9}  {}",
            row.name,
            result,
            short(row.subject),
            row.against.map_or_else(|| "-".to_owned(), short),
            row.unit,
            row.fsync_us,
            row.note
        );
        self.rows.push(row);
    }

    /// Writes the file.
    pub(crate) fn finish(&self) -> Result<(), Error> {
        if let Some(folder) = Path::new(RESULTS).parent() {
            fs::create_dir_all(folder)?;
        }
        let all = json!({ "machine": self.machine, "results": self.rows });
        fs::write(RESULTS, format!("{all:#}\n"))?;
        println!("\nwritten to {RESULTS}");
        Ok(())
    }
}

/// Says on a terminal why the run ended early.
pub(crate) fn complain(error: &(dyn std::error::Error + 'static)) {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    eprintln!("the benchmarks ended early: {text}");
}

fn short(number: f64) -> String {
    if number >= 100.0 {
        format!("{number:.0}")
    } else {
        format!("{number:.3}")
    }
}

async fn machine(site: &Site) -> Result<Value, Error> {
    let database = site.database("machine").await?;
    let row = database
        .client
        .query_one(
            "select current_setting('server_version'), current_setting('fsync')",
            &[],
        )
        .await?;
    let nats = site.nats().await?.server_info().version;
    let of_file = |path: &str, label: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(label));
        line.and_then(|line| line.split_once(':'))
            .map(|(_, value)| value.trim().to_owned())
    };
    Ok(json!({
        "cpus": std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
        "cpu": of_file("/proc/cpuinfo", "model name"),
        "memory": of_file("/proc/meminfo", "MemTotal"),
        "postgres": row.get::<_, String>(0),
        "fsync": row.get::<_, String>(1),
        "nats_server": nats,
        "fsync_us": site.fsync_us()?,
    }))
}
