//! `mail.per_s`: one publication to 20,000 subscribers, every delivery on the ledger. The clock starts
//! when it is published and stops when the accounting view balances.

mod ledger;
mod rebuilding;
mod town;

use std::time::Instant;

use serde_json::json;
use tidings_sinks::smtp::{self, Keep};
use uuid::Uuid;

use crate::platform::Platform;
use crate::report::{Report, Row};
use crate::site::Site;
use crate::stats::median;
use crate::{Error, Wanted};

const NAME: &str = "mail.per_s";
const SUBSCRIBERS: usize = 20_000;
/// The first publication goes to so many: it warms everything up.
const WARM_UP: usize = 2_000;
const ROUNDS: usize = 3;
/// Connections the channel may open to the sink: as many as attempts may be open.
const CONNECTIONS: usize = 64;
const ARTICLE: &str = include_str!("mail/article.md");

/// Runs the row if it was asked for.
pub(crate) async fn rows(site: &Site, wanted: &Wanted, report: &mut Report) -> Result<(), Error> {
    if wanted.row(NAME) {
        report.add(per_s(site).await?);
    }
    rebuilding::rows(site, wanted, report).await
}

async fn per_s(site: &Site) -> Result<Row, Error> {
    let sink = smtp::start(smtp::Options {
        keep: Keep::Digest,
        ..smtp::Options::default()
    })
    .await?;
    let platform = Platform::start(site, "mail").await?;
    let channel_id = configure(&platform, sink.addr().port()).await?;
    town::sign_up(&platform, 0..WARM_UP).await?;
    publish(&platform, channel_id, WARM_UP).await?;
    town::sign_up(&platform, WARM_UP..SUBSCRIBERS).await?;
    platform.database.calm().await?;
    let (mut rates, mut notes) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let before = platform.totals();
        let started = Instant::now();
        publish(&platform, channel_id, SUBSCRIBERS).await?;
        rates.push(SUBSCRIBERS as f64 / started.elapsed().as_secs_f64());
        notes.push(platform.totals().since(&before));
    }
    platform.stop().await?;
    let expected = WARM_UP + ROUNDS * SUBSCRIBERS;
    assert_eq!(sink.count(), expected, "the sink holds every mail once");
    sink.stop().await;
    let per_s = median(rates);
    Ok(Row {
        name: NAME.to_owned(),
        value: Some(per_s),
        unit: "mails/s",
        subject: per_s,
        fsync_us: site.fsync_us()?,
        note: notes.pop().unwrap_or_default(),
        ..Row::default()
    })
}

async fn configure(platform: &Platform, port: u16) -> Result<Uuid, Error> {
    let settings = json!({
        "host": "127.0.0.1", "port": port, "encryption": "none",
        "from": "Bench <bench@example.org>", "connections_max": CONNECTIONS,
    });
    platform.configure("email", settings, None).await
}

/// Publishes to everybody and waits until every delivery is accounted for.
async fn publish(platform: &Platform, channel_id: Uuid, receivers: usize) -> Result<(), Error> {
    let id = platform.publish(ARTICLE, vec![channel_id]).await?;
    ledger::balanced(platform, id, receivers as i64).await
}
