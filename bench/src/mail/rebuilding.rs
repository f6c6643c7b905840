//! `rebuild.sends_meanwhile` and `rebuild.reads_meanwhile`: how many mails go out, and how many reads are answered, in a
//! second while the view of deliveries is rebuilt again and again, against how many do while nothing else runs.

use std::time::{Duration, Instant};

use tidings_sinks::smtp::{self, Keep};
use uuid::Uuid;

use super::{configure, publish, town};
use crate::load::{Load, drive};
use crate::platform::Platform;
use crate::rebuild::meanwhile_of;
use crate::report::{Report, Row};
use crate::site::Site;
use crate::stats::median;
use crate::{Error, Wanted};

const SENDS: &str = "rebuild.sends_meanwhile";
const READS: &str = "rebuild.reads_meanwhile";
const SUBSCRIBERS: usize = 10_000;
const ROUNDS: usize = 3;
/// Who read at once.
const READERS: usize = 16;
const READING: Duration = Duration::from_secs(3);
/// What `GET …/accounting` asks.
const ACCOUNTING: &str =
    "select * from publishing_publication_accounting where publication_id = $1";

/// Runs the rows that were asked for.
pub(super) async fn rows(site: &Site, wanted: &Wanted, report: &mut Report) -> Result<(), Error> {
    if !wanted.row(SENDS) && !wanted.row(READS) {
        return Ok(());
    }
    let sink = smtp::start(smtp::Options {
        keep: Keep::Digest,
        ..smtp::Options::default()
    })
    .await?;
    let platform = Platform::start(site, "rebuilding").await?;
    let channel_id = configure(&platform, sink.addr().port()).await?;
    town::sign_up(&platform, 0..SUBSCRIBERS).await?;
    publish(&platform, channel_id, SUBSCRIBERS).await?;
    if wanted.row(SENDS) {
        report.add(sends(site, &platform, channel_id).await?);
    }
    if wanted.row(READS) {
        report.add(reads(site, &platform, channel_id).await?);
    }
    platform.stop().await?;
    sink.stop().await;
    Ok(())
}

async fn sends(site: &Site, platform: &Platform, channel_id: Uuid) -> Result<Row, Error> {
    let (mut alone, mut meanwhile, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let quiet = mails_per_s(platform, channel_id).await?;
        let busy = meanwhile_of(&platform.store, mails_per_s(platform, channel_id)).await?;
        alone.push(quiet);
        meanwhile.push(busy);
        ratios.push(busy / quiet);
    }
    Ok(Row {
        name: SENDS.to_owned(),
        ratio: Some(median(ratios)),
        unit: "mails/s",
        subject: median(meanwhile),
        against: Some(median(alone)),
        fsync_us: site.fsync_us()?,
        note: format!("{SUBSCRIBERS} mails while delivery_log is rebuilt by one reader"),
        ..Row::default()
    })
}

async fn reads(site: &Site, platform: &Platform, channel_id: Uuid) -> Result<Row, Error> {
    let publication_id = platform.publish(super::ARTICLE, vec![channel_id]).await?;
    super::ledger::balanced(platform, publication_id, SUBSCRIBERS as i64).await?;
    let (mut alone, mut meanwhile, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let mut latency = String::new();
    for _ in 0..ROUNDS {
        let quiet = read(platform, publication_id).await?;
        let mut busy = meanwhile_of(&platform.store, read(platform, publication_id)).await?;
        alone.push(quiet.per_s());
        meanwhile.push(busy.per_s());
        ratios.push(busy.per_s() / quiet.per_s());
        let (p50, p99) = busy.p50_p99_ms();
        latency = format!("p50 {p50:.1} ms, p99 {p99:.1} ms");
    }
    Ok(Row {
        name: READS.to_owned(),
        ratio: Some(median(ratios)),
        unit: "reads/s",
        subject: median(meanwhile),
        against: Some(median(alone)),
        fsync_us: site.fsync_us()?,
        note: format!(
            "{READERS} readers of an accounting while delivery_log is rebuilt: {latency}"
        ),
        ..Row::default()
    })
}

async fn mails_per_s(platform: &Platform, channel_id: Uuid) -> Result<f64, Error> {
    let started = Instant::now();
    publish(platform, channel_id, SUBSCRIBERS).await?;
    Ok(SUBSCRIBERS as f64 / started.elapsed().as_secs_f64())
}

async fn read(platform: &Platform, publication_id: Uuid) -> Result<Load, Error> {
    let pool = platform.database.pool.clone();
    drive(READERS, READING, move || {
        let pool = pool.clone();
        async move {
            let client = pool.get().await?;
            let statement = client.prepare_cached(ACCOUNTING).await?;
            client.query(&statement, &[&publication_id]).await?;
            Ok(())
        }
    })
    .await
}
