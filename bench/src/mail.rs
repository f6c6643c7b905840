//! `mail.per_s`: one publication to 20,000 subscribers, every delivery on the ledger. The clock starts
//! when it is published and stops when the accounting view balances. `mail.two_dispatchers`: the same by two of them.
//! `mail.cpu.*`: what a thousand of these deliveries cost, by process.

mod ledger;
mod rebuilding;
mod town;

use std::time::Instant;

use serde_json::json;
use tidings_sinks::smtp::{self, Keep};
use uuid::Uuid;

use crate::cpu::{self, Spent};
use crate::platform::Platform;
use crate::report::{Report, Row};
use crate::site::Site;
use crate::stats::median;
use crate::{Error, Wanted};

const ONE: &str = "mail.per_s";
const TWO: &str = "mail.two_dispatchers";
const CPU: &str = "mail.cpu";
const SUBSCRIBERS: usize = 20_000;
/// The first publication goes to so many: it warms everything up.
const WARM_UP: usize = 2_000;
const ROUNDS: usize = 3;
/// Connections the channel may open to the sink: as many as attempts may be open.
const CONNECTIONS: usize = 64;
const ARTICLE: &str = include_str!("mail/article.md");

/// Runs the rows that were asked for.
pub(crate) async fn rows(site: &Site, wanted: &Wanted, report: &mut Report) -> Result<(), Error> {
    if wanted.row(ONE) || wanted.row(TWO) || wanted.row(CPU) {
        let sent = send(site).await?;
        for row in sent.rows(site)? {
            if wanted.row(&row.name) {
                report.add(row);
            }
        }
    }
    rebuilding::rows(site, wanted, report).await
}

/// What was seen of the mails, round by round.
#[derive(Default)]
struct Sent {
    /// By one dispatcher in a second, and by two.
    per_s: [Vec<f64>; 2],
    /// Processor time of one dispatcher's rounds.
    spent: Vec<Spent>,
    /// What the log did in the last of them.
    log: String,
}

async fn send(site: &Site) -> Result<Sent, Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name(cpu::SINK)
        .enable_all()
        .build()?;
    let sink = runtime
        .spawn(smtp::start(smtp::Options {
            keep: Keep::Digest,
            ..smtp::Options::default()
        }))
        .await??;
    let mut platform = Platform::start(site, "mail").await?;
    let channel_id = configure(&platform, sink.addr().port()).await?;
    town::sign_up(&platform, 0..WARM_UP).await?;
    publish(&platform, channel_id, WARM_UP).await?;
    town::sign_up(&platform, WARM_UP..SUBSCRIBERS).await?;
    platform.database.calm().await?;
    let mut sent = Sent::default();
    for (n, per_s) in sent.per_s.iter_mut().enumerate() {
        if n > 0 {
            platform.add_dispatcher(site).await?;
        }
        for _ in 0..ROUNDS {
            let (before, spent) = (platform.totals(), Spent::now(site)?);
            let started = Instant::now();
            publish(&platform, channel_id, SUBSCRIBERS).await?;
            per_s.push(SUBSCRIBERS as f64 / started.elapsed().as_secs_f64());
            if n == 0 {
                sent.spent.push(Spent::now(site)?.since(spent));
                sent.log = platform.totals().since(&before);
            }
        }
    }
    platform.stop().await?;
    let expected = WARM_UP + 2 * ROUNDS * SUBSCRIBERS;
    assert_eq!(sink.count(), expected, "the sink holds every mail once");
    sink.stop().await;
    runtime.shutdown_background();
    Ok(sent)
}

impl Sent {
    fn rows(self, site: &Site) -> Result<Vec<Row>, Error> {
        let fsync_us = site.fsync_us()?;
        let [one, two] = self.per_s.map(median);
        let mut rows = vec![
            Row {
                name: ONE.to_owned(),
                value: Some(one),
                unit: "mails/s",
                subject: one,
                fsync_us,
                note: self.log,
                ..Row::default()
            },
            Row {
                name: TWO.to_owned(),
                ratio: Some(two / one),
                unit: "mails/s",
                subject: two,
                against: Some(one),
                fsync_us,
                note: "by two dispatchers, against one, on the same processors".to_owned(),
                ..Row::default()
            },
        ];
        for part in cpu::PARTS {
            let each = self.spent.iter().map(|it| it.of(part) as f64);
            let per_1000 = median(each.collect()) * 1_000.0 / SUBSCRIBERS as f64;
            rows.push(Row {
                name: format!("{CPU}.{}", part.name()),
                value: Some(per_1000),
                unit: "ms",
                subject: per_1000,
                fsync_us,
                note: "processor time of 1,000 deliveries by one dispatcher".to_owned(),
                ..Row::default()
            });
        }
        Ok(rows)
    }
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
