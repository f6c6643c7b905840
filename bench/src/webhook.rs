//! `webhook.hanging.vs_healthy`: events to 100 webhooks, every delivery on the ledger: how many the other 99 get in a
//! second while one of them answers nothing, against how many they get while all answer.

use std::time::{Duration, Instant};

use serde_json::json;
use tidings_sinks::webhook::{self, Action, Handle, Limit, Receiver, Rule};
use uuid::Uuid;

use crate::platform::Platform;
use crate::report::{Report, Row};
use crate::site::Site;
use crate::stats::median;
use crate::{Error, Wanted};

const NAME: &str = "webhook.hanging.vs_healthy";
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const ENDPOINTS: usize = 100;
/// Channels of one publication at the most.
const PER_PUBLICATION: usize = 20;
/// Events to each endpoint in one round.
const EVENTS: usize = 40;
const ROUNDS: usize = 3;
const ARTICLE: &str = "The harbour bridge is **open** again.\n";
/// The one that hangs.
const HANGING: &str = "in0";
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Far more than it takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs the row if it was asked for.
pub(crate) async fn rows(site: &Site, wanted: &Wanted, report: &mut Report) -> Result<(), Error> {
    if !wanted.row(NAME) {
        return Ok(());
    }
    let (mut healthy, mut hanging) = (Vec::new(), Vec::new());
    for n in 0..ROUNDS {
        // Each on a platform of its own: a hanging endpoint is left alone after three attempts.
        healthy.push(per_s(site, &format!("healthy{n}"), false).await?);
        hanging.push(per_s(site, &format!("hanging{n}"), true).await?);
    }
    let (subject, against) = (median(hanging), median(healthy));
    report.add(Row {
        name: NAME.to_owned(),
        ratio: Some(subject / against),
        unit: "events/s",
        subject,
        against: Some(against),
        fsync_us: site.fsync_us()?,
        note: format!("{ENDPOINTS} endpoints, {EVENTS} events each, one hangs"),
        ..Row::default()
    });
    Ok(())
}

/// Events a second to all endpoints but the first.
async fn per_s(site: &Site, name: &str, hangs: bool) -> Result<f64, Error> {
    let options = webhook::Options {
        rate_limit: Limit::None,
        ..webhook::Options::default()
    };
    let knows = Receiver {
        secrets: vec![SECRET.to_owned()],
    };
    let sink = webhook::start(options, &knows).await?;
    let platform = Platform::start(site, name).await?;
    let mut channels = Vec::new();
    for n in 0..ENDPOINTS {
        let settings = json!({ "url": sink.url(&format!("in{n}")) });
        let secret = json!({ "secret": SECRET });
        channels.push(
            platform
                .configure("webhook", settings, Some(secret))
                .await?,
        );
    }
    publish(&platform, &channels, 1).await?;
    until(&sink, ENDPOINTS).await?;
    if hangs {
        sink.add_rule(Rule::new(Action::Stall).to(HANGING));
    }
    let started = Instant::now();
    publish(&platform, &channels, EVENTS).await?;
    let others = EVENTS * (ENDPOINTS - 1);
    let all = EVENTS * ENDPOINTS;
    until(&sink, ENDPOINTS + if hangs { others } else { all }).await?;
    let took = started.elapsed().as_secs_f64();
    sink.clear_rules();
    sink.release();
    platform.stop().await?;
    sink.stop().await;
    Ok(others as f64 / took)
}

async fn publish(platform: &Platform, channels: &[Uuid], events: usize) -> Result<(), Error> {
    for _ in 0..events {
        for some in channels.chunks(PER_PUBLICATION) {
            platform.publish(ARTICLE, some.to_vec()).await?;
        }
    }
    Ok(())
}

async fn until(sink: &Handle, count: usize) -> Result<(), Error> {
    let started = Instant::now();
    while sink.count() < count {
        if started.elapsed() > PATIENCE {
            return Err(format!("{} of {count} events arrived", sink.count()).into());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}
