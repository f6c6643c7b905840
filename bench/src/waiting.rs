//! `waiting.100k.rss_mib`: the resident memory of the program, which has every role in it, while 100,000 deliveries wait
//! for a channel that takes nothing.

use std::path::Path;

use serde_json::json;
use tidings_tests::program::newsroom::{id, publish};

use crate::recovery::{program, start};
use crate::report::{Report, Row};
use crate::site::Site;
use crate::{Error, Wanted};

const NAME: &str = "waiting.100k.rss_mib";
const SUBSCRIBERS: usize = 100_000;

/// Runs the row if it was asked for.
pub(crate) async fn rows(site: &Site, wanted: &Wanted, report: &mut Report) -> Result<(), Error> {
    if !wanted.row(NAME) {
        return Ok(());
    }
    let subject = resident_mib().await?;
    report.add(Row {
        name: NAME.to_owned(),
        value: Some(subject),
        unit: "MiB",
        subject,
        fsync_us: site.fsync_us()?,
        note: "all roles in one process; its PostgreSQL and nats-server not counted".to_owned(),
        ..Row::default()
    });
    Ok(())
}

async fn resident_mib() -> Result<f64, Error> {
    let mut program = program()?;
    start(&mut program).await?;
    let api = program.api();
    // Nobody listens there: after three attempts everything waits behind the open circuit.
    let publication = publish(&api, 9, SUBSCRIBERS).await;
    let path = format!("/api/v1/publications/{publication}/accounting");
    let waits = |it: &serde_json::Value| it["pending"] == json!(SUBSCRIBERS);
    api.until(&path, waits).await;
    let channels = api.get("/api/v1/channels").await;
    let health = format!("/api/v1/channels/{}/health", id(&channels["items"][0]));
    api.until(&health, |it| it["waiting"] == json!(SUBSCRIBERS))
        .await;
    let status = std::fs::read_to_string(
        Path::new("/proc")
            .join(program.pid().to_string())
            .join("status"),
    )?;
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.split_whitespace().next())
        .ok_or("the kernel does not say how much memory it uses")?;
    let mib = kib.parse::<f64>()? / 1_024.0;
    program.stop().await;
    Ok(mib)
}
