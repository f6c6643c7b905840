//! `recovery.*`: the platform as a program of its own, killed with its PostgreSQL and nats-server in the middle of
//! a send, and started again: seconds until it answers a command, until its views are at the head of the log it
//! found, and until every delivery is settled.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::json;
use tidings_sinks::smtp;
use tidings_tests::program::Program;
use tidings_tests::program::newsroom::{publish, settled};

use crate::report::{Report, Row};
use crate::site::Site;
use crate::{Error, Wanted};

const FAMILY: &str = "recovery";
const SUBSCRIBERS: usize = 20_000;

/// Runs the rows of this family if one was asked for.
pub(crate) async fn rows(site: &Site, wanted: &Wanted, report: &mut Report) -> Result<(), Error> {
    let names = ["first_commit_s", "caught_up_s", "settled_s"];
    let names = names.map(|name| format!("{FAMILY}.{name}"));
    if !names.iter().any(|name| wanted.row(name)) {
        return Ok(());
    }
    let took = killed_in_mid_send().await?;
    for (name, subject) in names.into_iter().zip(took) {
        report.add(Row {
            name,
            value: Some(subject),
            unit: "s",
            subject,
            fsync_us: site.fsync_us()?,
            note: format!(
                "after kill -9 of all three programs, a quarter of {SUBSCRIBERS} mails sent"
            ),
            ..Row::default()
        });
    }
    Ok(())
}

/// Seconds from the start of the program until each of the three.
async fn killed_in_mid_send() -> Result<[f64; 3], Error> {
    let sink = smtp::start(smtp::Options {
        keep: smtp::Keep::Digest,
        ..smtp::Options::default()
    })
    .await?;
    let mut program = program()?;
    start(&mut program).await?;
    let publication = publish(&program.api(), sink.addr().port(), SUBSCRIBERS).await;
    sink.wait_for(SUBSCRIBERS / 4).await;
    program.kill(true);
    let restarted = Instant::now();
    start(&mut program).await?;
    let api = program.api();
    let somebody = json!({ "email": "later@example.org" });
    let signed_up = api.post("/api/v1/subscribers", &somebody).await;
    let first_commit = restarted.elapsed();
    let views = format!("/api/v1/views?at_least={}", signed_up["position"]);
    api.until(&views, |_| true).await;
    let caught_up = restarted.elapsed();
    settled(&api, &publication).await;
    let settled = restarted.elapsed();
    program.stop().await;
    sink.stop().await;
    Ok([first_commit, caught_up, settled].map(|took| took.as_secs_f64()))
}

/// The program over a folder of its own; it does not run yet.
pub(crate) fn program() -> Result<Program, Error> {
    Ok(Program::new(binary()?, Path::new("/var/tmp"), Vec::new()))
}

/// Starts it, and waits until it is ready.
pub(crate) async fn start(program: &mut Program) -> Result<(), Error> {
    let started = program.up(None).await;
    started.then_some(()).ok_or_else(|| program.said().into())
}

/// The program, built beside this one.
fn binary() -> Result<PathBuf, Error> {
    let binary = std::env::current_exe()?.with_file_name("tidings");
    if binary.is_file() {
        return Ok(binary);
    }
    let build = "cargo build --release -p tidings-standalone";
    Err(format!("{} is not there: {build}", binary.display()).into())
}
