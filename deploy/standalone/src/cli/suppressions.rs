//! `tidings suppressions`: addresses and domains that nothing may be sent to.

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tidings_service::auth::Role;
use uuid::Uuid;

use super::api::with_query;
use super::caller::with_api;
use super::global::{Global, Logs};
use super::{Api, ApiError, CliError, Out, who};

const COLLECTION: &str = "/api/v1/suppressions";

/// See what nothing may be sent to and why, add to it, and take away from it
#[derive(Debug, Subcommand)]
pub(super) enum Suppressions {
    List(List),
    Find(Find),
    Add(Add),
    Lift(Lift),
}

/// List what nothing may be sent to, and since when, by what and by whom
///
/// Domains are named. Of an address nothing is kept but a keyed hash, so that nobody can read addresses out of the list, and
/// whoever is erased stays out of reach: it is shown masked while a subscriber has it, and `tidings suppressions find ADDRESS`
/// tells of one.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidings suppressions list
  tidings suppressions list --cause complaint --limit 1000")]
pub(super) struct List {
    /// Only those that stand for this: manual, hard_bounce, complaint, import, unsubscribed, erased or moved
    #[arg(long, value_name = "CAUSE")]
    cause: Option<String>,
    /// How many, at most 1000
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = super::paging::limit)]
    limit: u32,
}

/// Find out whether anything may be sent to an address or a domain, and why not
///
/// Of an address also what stands against its whole domain. As the log has it at this moment. If a subscriber has the address,
/// that you have looked for them by it goes on record.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidings suppressions find ada@example.org --reason 'gets nothing, she says'
  tidings suppressions find example.org")]
pub(super) struct Find {
    /// The whole address, or the domain
    #[arg(value_name = "ADDRESS|DOMAIN")]
    whom: String,
    /// Why you look, in your words: required with an address; it goes on record with the look
    #[arg(long, value_name = "TEXT", value_parser = who::reason)]
    reason: Option<String>,
}

/// Send nothing more to an address or a whole domain
///
/// By hand, so the cause is manual. From here on no attempt is made, also of what is on its way. A domain is every address
/// of it, and none of the domains below it. Doing it again changes nothing.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidings suppressions add ada@example.org
  tidings suppressions add example.org")]
pub(super) struct Add {
    /// The whole address, or the domain
    #[arg(value_name = "ADDRESS|DOMAIN")]
    whom: String,
}

/// Say that causes no longer stand
///
/// It stands as long as any other cause does. erased is not lifted here, nor is unsubscribed, unless it came with a file that
/// was imported and they have not said so themselves: only a sign-up of their own puts an end to them.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidings suppressions lift ada@example.org --cause hard_bounce --reason 'her mailbox is there again'
  tidings suppressions lift 2ea9833c-7d26-8016-b92c-575cde98db94 --cause manual --cause import")]
pub(super) struct Lift {
    /// The whole address, the domain, or the suppression's id
    #[arg(value_name = "ADDRESS|DOMAIN|ID")]
    whom: String,
    /// What no longer stands: manual, hard_bounce, complaint, import or moved; unsubscribed, where a file said so
    #[arg(long = "cause", value_name = "CAUSE", required = true)]
    causes: Vec<String>,
    /// Why you look, in your words: required with an address; it goes on record with the look
    #[arg(long, value_name = "TEXT", value_parser = who::reason)]
    reason: Option<String>,
}

impl Suppressions {
    pub(super) async fn run(self, global: &Global, out: Out) -> Result<(), CliError> {
        match &self {
            Self::Find(Find { whom, reason }) | Self::Lift(Lift { whom, reason, .. }) => {
                who::is_said_why(whom, reason.as_deref())?;
            }
            Self::List(_) | Self::Add(_) => {}
        }
        let session = global.existing()?;
        let telemetry = session.telemetry(Logs::Quiet)?;
        let key = session.ground.ids.next().to_string();
        let work = async |api: Api| match self {
            Self::List(list) => list.run(&api, out).await,
            Self::Find(find) => find.run(&api, out).await,
            Self::Add(add) => {
                let body = whom(&add.whom);
                changed(&api.command(COLLECTION, &key, &body).await?, out);
                Ok(())
            }
            Self::Lift(lift) => lift.run(&api, &key, out).await,
        };
        let done = with_api(&session, Role::Operator, work).await;
        telemetry.shutdown().await;
        done
    }
}

/// An address or a domain, as requests name it.
fn whom(text: &str) -> Value {
    match text.contains('@') {
        true => json!({ "address": text }),
        false => json!({ "domain": text }),
    }
}

/// What stands against it, or once did; null: nothing ever did.
async fn found(api: &Api, whom: &Value, reason: Option<&str>) -> Result<Value, ApiError> {
    match api.find(&format!("{COLLECTION}/find"), whom, reason).await {
        Ok(answer) => Ok(answer.body),
        Err(ApiError::Refused { status, .. }) if status.as_u16() == 404 => Ok(Value::Null),
        Err(error) => Err(error),
    }
}

fn changed(answer: &super::Answer, out: Out) {
    out.say(format!(
        "on record at position {}; {}",
        answer.position,
        answer.body["id"].as_str().unwrap_or_default()
    ));
    out.result(&answer.body);
}

impl List {
    async fn run(self, api: &Api, out: Out) -> Result<(), CliError> {
        let limit = self.limit.to_string();
        let query = [("limit", Some(&limit)), ("reason", self.cause.as_ref())];
        let page = api.get(&with_query(COLLECTION, &query)?).await?;
        let items = page.body["items"].as_array().cloned().unwrap_or_default();
        if items.is_empty() {
            out.say("nothing of this kind is suppressed");
        }
        for suppression in &items {
            out.say(lines(suppression));
        }
        if !page.body["next"].is_null() {
            out.say("… and more: ask for them with --limit, or narrow it down with --cause");
        }
        out.result(&page.body);
        Ok(())
    }
}

/// One suppression, and below it each of its causes.
fn lines(suppression: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let scope = text(&suppression["scope"]);
    let named = suppression["domain"].as_str();
    let what = match named.or(suppression["address"].as_str()) {
        Some(name) => format!("{scope} {name}"),
        None => scope,
    };
    let mut lines = format!("{}  {what}", text(&suppression["id"]));
    for cause in suppression["causes"].as_array().into_iter().flatten() {
        let shown = match cause["delivery_id"].as_str() {
            Some(delivery) => format!(", shown by delivery {delivery}"),
            None => String::new(),
        };
        lines += &format!(
            "\n    {} since {}, by {}{shown}",
            text(&cause["reason"]),
            text(&cause["since"]),
            text(&cause["actor"])
        );
    }
    lines
}

impl Find {
    async fn run(self, api: &Api, out: Out) -> Result<(), CliError> {
        let mut all = serde_json::Map::new();
        let reason = self.reason.as_deref();
        let of_it = found(api, &whom(&self.whom), reason).await?;
        all.insert("found".to_owned(), of_it);
        if let Some((_, domain)) = self.whom.rsplit_once('@') {
            let of_domain = found(api, &whom(domain), None).await?;
            all.insert("domain".to_owned(), of_domain);
        }
        let against = |found: &Value| {
            let reasons = found["reasons"].as_array().into_iter().flatten();
            reasons
                .filter_map(Value::as_str)
                .collect::<Vec<_>>()
                .join(", ")
        };
        let mut free = true;
        for (key, what) in [("found", "it"), ("domain", "its domain")] {
            let found = all.get(key).unwrap_or(&Value::Null);
            let reasons = against(found);
            if !reasons.is_empty() {
                free = false;
                let id = found["id"].as_str().unwrap_or_default();
                out.say(format!("against {what} stands: {reasons}  ({id})"));
            }
        }
        if free {
            out.say("nothing stands against it");
        }
        all.insert("suppressed".to_owned(), json!(!free));
        out.result(&all);
        Ok(())
    }
}

impl Lift {
    async fn run(self, api: &Api, key: &str, out: Out) -> Result<(), CliError> {
        let id = match Uuid::parse_str(&self.whom) {
            Ok(id) => id.to_string(),
            Err(_) => {
                match found(api, &whom(&self.whom), self.reason.as_deref()).await?["id"].as_str() {
                    Some(id) => id.to_owned(),
                    None => {
                        return Err(CliError::Usage(
                        "nothing was ever against it: `tidings suppressions find` tells what stands against an address \
                         and its domain".to_owned(),
                    ));
                    }
                }
            }
        };
        let path = format!("{COLLECTION}/{id}/lift");
        let answer = api
            .command(&path, key, &json!({ "reasons": self.causes }))
            .await?;
        changed(&answer, out);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_told_from_a_domain() {
        assert_eq!(
            whom("ada@example.org"),
            json!({ "address": "ada@example.org" })
        );
        assert_eq!(whom("example.org"), json!({ "domain": "example.org" }));
    }

    #[test]
    fn each_cause_says_since_when_and_by_what() {
        let delivery = "019b7cba-7a2e-8000-9c5e-0d8f6f2f3b12";
        let shown = lines(&json!({
            "id": "2ea9833c", "scope": "domain", "domain": "example.org", "reasons": ["manual", "hard_bounce"],
            "causes": [
                { "reason": "manual", "since": "2026-03-01T08:00:00Z", "actor": "user:1", "delivery_id": null },
                { "reason": "hard_bounce", "since": "2026-03-02T08:00:00Z", "actor": "system:feedback", "delivery_id": delivery },
            ],
        }));
        insta::assert_snapshot!(shown, @r"
        2ea9833c  domain example.org
            manual since 2026-03-01T08:00:00Z, by user:1
            hard_bounce since 2026-03-02T08:00:00Z, by system:feedback, shown by delivery 019b7cba-7a2e-8000-9c5e-0d8f6f2f3b12
        ");
        let of = |address: Value| {
            lines(
                &json!({ "id": "2ea9", "scope": "address", "domain": null, "address": address, "causes": [] }),
            )
        };
        assert_eq!(of(json!("a…@example.org")), "2ea9  address a…@example.org");
        assert_eq!(of(Value::Null), "2ea9  address");
    }
}
