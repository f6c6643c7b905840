//! What happens in the demo, step by step, each through the API and safe to repeat.

use std::time::Duration;

use serde_json::{Value, json};
use tidings_service::auth::Role;

use super::channels::{Channels, configure};
use super::content::{Article, READERS, articles};
use super::receivers::Receivers;
use super::table::{Line, table};
use super::{DemoError, Stage, caller, mail, trace};
use crate::cli::{Answer, Api, Bar, Hints, import, token};

const TOKEN_TTL: Duration = Duration::from_secs(24 * 3_600);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Far longer than it takes anywhere.
const SETTLES_WITHIN: Duration = Duration::from_secs(600);

/// One publication, settled.
struct Published {
    title: &'static str,
    /// The channel its mails went by.
    mails_by: &'static str,
    id: String,
    accounting: Answer,
    took: Duration,
}

pub(super) async fn play(stage: &Stage<'_>, receivers: &Receivers) -> Result<(), DemoError> {
    let out = stage.out;
    let now = stage.session.ground.clock.now();
    let roles = [Role::Editor, Role::Operator];
    let token = token::make(&stage.session.config.auth, "demo", &roles, TOKEN_TTL, now);
    let token = token.map_err(|error| DemoError::Import(Box::new(error)))?;
    let api = caller(stage, token)?;

    let channels = configure(&api, receivers).await?;
    out.say("\nSix channels: e-mail by SMTP and through Amazon SES, Slack, Discord and a webhook (receivers on this machine), and files.\nEach article is mailed one of the two ways.");
    let clock = &stage.session.ground.clock;
    let started = clock.monotonic();
    let readers = READERS.as_bytes().to_vec();
    let imported = import::import(&api, Some("demo-readers"), readers, out).await;
    let imported = imported.map_err(|error| DemoError::Import(Box::new(error)))?;
    let seconds = clock.age(started).as_secs_f64();
    out.say(format!(
        "\nReaders from deploy/demo/subscribers.csv, in {seconds:.1} s:"
    ));
    import::say(&imported, out);

    let [library, ferry, repair] = articles();
    let mut published = vec![
        publish(stage, &api, &channels, ("email", library)).await?,
        publish(stage, &api, &channels, ("ses", ferry)).await?,
    ];
    let flushed = receivers.smtp.flush().await;
    flushed.map_err(|error| receivers.unreadable(error))?;
    let leaver = unsubscribe_one(&api, receivers).await?;
    out.say(format!(
        "\n{leaver} has left, by the List-Unsubscribe link of their mail: one click, no login."
    ));
    published.push(publish(stage, &api, &channels, ("email", repair)).await?);
    tell(stage, &api, receivers, &channels, &published).await
}

/// Drafts and publishes an article, and waits until all its deliveries are settled.
async fn publish(
    stage: &Stage<'_>,
    api: &Api,
    channels: &Channels,
    (mails_by, article): (&'static str, Article),
) -> Result<Published, DemoError> {
    let clock = &stage.session.ground.clock;
    let ids = channels.with(mails_by).map(|(_, id)| id.as_str());
    let ids: Vec<&str> = ids.collect();
    let body = json!({ "title": article.title, "markdown": article.markdown, "channels": ids });
    let name = article.name;
    // A data folder from before there was a channel more publishes anew: the same keys would stand for another request.
    let name = format!("{name}-{}", channels.count());
    let key = format!("demo-draft-{name}");
    let drafted = api.command("/api/v1/publications", &key, &body).await?;
    let id = drafted.text("id")?.to_owned();
    let started = clock.monotonic();
    let path = format!("/api/v1/publications/{id}");
    let answer = api
        .act(&format!("{path}/publish"), &format!("demo-publish-{name}"))
        .await?;
    let accounting = format!("{path}/accounting?at_least={}", answer.position);
    let bar = Bar::new(stage.out, article.name, "deliveries");
    loop {
        let now = api.get(&accounting).await?;
        let planned = now.count("deliveries").max(now.count("planned"));
        bar.set(
            now.count("planned") - now.count("pending").min(now.count("planned")),
            planned,
        );
        if now.text("state")? == "completed" && now.count("pending") == 0 {
            let took = clock.age(started);
            return Ok(Published {
                title: article.title,
                mails_by,
                id,
                accounting: now,
                took,
            });
        }
        if clock.age(started) > SETTLES_WITHIN {
            let title = article.title.to_owned();
            return Err(DemoError::NotSettled {
                title,
                limit_s: SETTLES_WITHIN.as_secs(),
            });
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The reader of the oldest mail leaves; gives their address.
async fn unsubscribe_one(api: &Api, receivers: &Receivers) -> Result<String, DemoError> {
    let none = || DemoError::NoMail(receivers.outbox.clone());
    let path = receivers.mails()?.into_iter().next().ok_or_else(none)?;
    let raw = receivers.read(&path)?;
    let url = mail::unsubscribe_url(&raw).ok_or_else(none)?;
    api.one_click(&url).await?;
    Ok(mail::header(&raw, "To").unwrap_or_default())
}

async fn tell(
    stage: &Stage<'_>,
    api: &Api,
    receivers: &Receivers,
    channels: &Channels,
    published: &[Published],
) -> Result<(), DemoError> {
    let out = stage.out;
    let lines: Vec<Line> = published.iter().flat_map(|it| it.lines(channels)).collect();
    out.say(format!("\n{}", table(&lines)));
    let balanced = published
        .iter()
        .all(|it| it.accounting.body["balanced"] == true);
    out.say(if balanced {
        "Every line balances: planned = sent + failed + suppressed + cancelled + in doubt + pending."
    } else {
        "The accounting does not balance, which must not happen: please report it."
    });
    if receivers.mails_now() == 0 {
        out.say("\nThis data folder had the demo already: every request met its own events, and nothing was sent twice.");
    } else {
        for it in published {
            out.say(it.pace());
        }
    }
    if let Some(first) = published.first() {
        out.say("\nThe way of one delivery, from the command to the view:");
        for line in trace::way_of_one(stage, api, &first.id).await? {
            out.say(format!("  {line}"));
        }
    }
    let mails = receivers.mails()?;
    if let Some(path) = mails.last() {
        out.say(format!(
            "\nOne of the {} mails that went by SMTP, {}:\n",
            mails.len(),
            path.display()
        ));
        out.say(indented(&mail::as_text(&receivers.read(path)?)));
    }
    hints(stage, receivers, published);
    out.result(&result(published, receivers, balanced));
    Ok(())
}

impl Published {
    fn lines(&self, channels: &Channels) -> Vec<Line> {
        let of = |id: &str| {
            let all = self.accounting.body["channels"].as_array();
            all.into_iter()
                .flatten()
                .find(|it| it["channel_id"] == id)
                .cloned()
        };
        let line = |(name, id): &(&'static str, String)| Line {
            title: self.title.to_owned(),
            channel: (*name).to_owned(),
            counts: of(id).unwrap_or(Value::Null),
        };
        channels.with(self.mails_by).map(line).collect()
    }

    fn deliveries_per_s(&self) -> f64 {
        let sent = u32::try_from(self.accounting.count("sent")).unwrap_or(u32::MAX);
        f64::from(sent) / self.took.as_secs_f64().max(0.001)
    }

    fn pace(&self) -> String {
        format!(
            "  {}: {} sent in {:.1} s, from the command to the last settled delivery ({:.0}/s)",
            self.title,
            self.accounting.count("sent"),
            self.took.as_secs_f64(),
            self.deliveries_per_s(),
        )
    }
}

fn hints(stage: &Stage<'_>, receivers: &Receivers, published: &[Published]) {
    let url = format!("http://{}", stage.platform.address());
    let Hints { program, data } = &stage.hints;
    let id = published.last().map_or("", |it| it.id.as_str());
    let archive = stage.session.ground.home.files_dir().join("archive");
    stage.out.say(format!(
        "\nWhere to look:\n\
         \x20 {}  every mail that went by SMTP\n\
         \x20 {}  the file channel\n\
         \x20 {url}/docs  the API\n\
         \nWhat to try next:\n\
         \x20 export TOKEN=$({program} token --role admin{data})\n\
         \x20 curl -H \"Authorization: Bearer $TOKEN\" {url}/api/v1/publications/{id}/accounting\n\
         \x20 curl -H \"Authorization: Bearer $TOKEN\" '{url}/api/v1/publications/{id}/deliveries?limit=3'\n\
         \x20 {program} rebuild all --verify{data}\n\
         \x20 {program} doctor{data}",
        receivers.outbox.display(),
        archive.display(),
    ));
}

fn result(published: &[Published], receivers: &Receivers, balanced: bool) -> Value {
    let publications: Vec<Value> = published
        .iter()
        .map(|it| {
            json!({
                "id": it.id,
                "title": it.title,
                "accounting": it.accounting.body,
                "seconds": it.took.as_secs_f64(),
                "deliveries_per_s": it.deliveries_per_s(),
            })
        })
        .collect();
    json!({
        "publications": publications,
        "balanced": balanced,
        "sent_now": receivers.mails_now(),
        "outbox": receivers.outbox,
    })
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}
