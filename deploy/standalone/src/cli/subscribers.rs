//! `tidings subscribers`: who there is, and what is known of somebody.

mod export;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use tidings_service::auth::Role;
use uuid::Uuid;

use super::caller::with_api;
use super::global::{Global, Logs};
use super::{Api, CliError, Out, who};

const COLLECTION: &str = "/api/v1/subscribers";

/// List subscribers, show one, change what is known of one, and export many
#[derive(Debug, Subcommand)]
pub(super) enum Subscribers {
    List(List),
    Export(export::Export),
    Show(Show),
    Set(Set),
}

/// List subscribers, their addresses masked
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidings subscribers list --state unsubscribed
  tidings subscribers list --tag early_bird --attribute city:London")]
pub(super) struct List {
    #[command(flatten)]
    filter: Filter,
    /// How many, at most 1000
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = super::paging::limit)]
    limit: u32,
}

/// Which subscribers; all that is said counts.
#[derive(Args, Debug)]
struct Filter {
    /// Only those in this state: active, pending, unsubscribed or erased
    #[arg(long, value_name = "STATE")]
    state: Option<String>,
    /// Only those who want this topic
    #[arg(long, value_name = "ID")]
    topic: Option<Uuid>,
    /// Only those whom this segment picks
    #[arg(long, value_name = "ID")]
    segment: Option<Uuid>,
    /// Only those with this tag
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// Only those with this attribute
    #[arg(long, value_name = "KEY:VALUE")]
    attribute: Option<String>,
    /// Only those to whom nothing may be sent (true), or only the others (false)
    #[arg(long, value_name = "BOOL")]
    suppressed: Option<bool>,
}

impl Filter {
    /// By the names that requests have for it.
    fn query(&self) -> Vec<(&'static str, Option<String>)> {
        let id = |id: Option<Uuid>| id.map(|id| id.to_string());
        vec![
            ("state", self.state.clone()),
            ("topic", id(self.topic)),
            ("segment", id(self.segment)),
            ("tag", self.tag.clone()),
            ("attribute", self.attribute.clone()),
            ("suppressed", self.suppressed.map(|it| it.to_string())),
        ]
    }
}

/// Show what is known of somebody; that you looked goes on record
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  tidings subscribers show ada@example.org --reason 'asked by mail, ticket 4711'")]
pub(super) struct Show {
    /// The subscriber's id, or their whole address
    #[arg(value_name = "ID|EMAIL")]
    who: String,
    /// Why you look, in your words: it goes on record with the look
    #[arg(long, value_name = "TEXT", value_parser = who::reason)]
    reason: String,
}

/// Change what is known of somebody
///
/// What is not named stays as it is. After a change of address nothing goes to the old one.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidings subscribers set 019b7cba-7a2e-8000-9c5e-0d8f6f2f3b15 --email ada@example.net
  tidings subscribers set ada@example.org --reason 'told us by mail' --attribute city=London --attribute age:=36
  tidings subscribers set 019b7cba-7a2e-8000-9c5e-0d8f6f2f3b15 --attribute 'born:={\"date\": \"1815-12-10\"}'
  tidings subscribers set 019b7cba-7a2e-8000-9c5e-0d8f6f2f3b15 --no-attribute city --tag early_bird --no-tag trial")]
pub(super) struct Set {
    /// The subscriber's id, or their whole address
    #[arg(value_name = "ID|EMAIL")]
    who: String,
    /// Why you look them up, in your words: required with an address; it goes on record with the look
    #[arg(long, value_name = "TEXT", value_parser = who::reason)]
    reason: Option<String>,
    /// Where mail goes from here on
    #[arg(long, value_name = "EMAIL")]
    email: Option<String>,
    /// How to address them
    #[arg(long, value_name = "NAME", conflicts_with = "no_name")]
    name: Option<String>,
    /// They have no name
    #[arg(long)]
    no_name: bool,
    /// An attribute: KEY=TEXT, or KEY:=JSON for a number, true, false or a date
    #[arg(long = "attribute", value_name = "KEY=VALUE", value_parser = attribute)]
    attributes: Vec<(String, Value)>,
    /// An attribute to take away
    #[arg(long = "no-attribute", value_name = "KEY")]
    no_attributes: Vec<String>,
    /// A tag they have
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// A tag they have no more
    #[arg(long = "no-tag", value_name = "TAG")]
    no_tags: Vec<String>,
}

/// `city=London` or `age:=36`
fn attribute(text: &str) -> Result<(String, Value), String> {
    let (key, value) = text
        .split_once('=')
        .ok_or("it is KEY=TEXT, or KEY:=JSON for a number, true, false or a date")?;
    match key.strip_suffix(':') {
        None => Ok((key.to_owned(), json!(value))),
        Some(key) => {
            let value = serde_json::from_str(value);
            let value = value.map_err(|_| "what stands behind := is JSON".to_owned())?;
            Ok((key.to_owned(), value))
        }
    }
}

impl Subscribers {
    pub(super) async fn run(self, global: &Global, out: Out) -> Result<(), CliError> {
        if let Self::Set(set) = &self {
            who::is_said_why(&set.who, set.reason.as_deref())?;
        }
        let session = global.existing()?;
        let telemetry = session.telemetry(Logs::Quiet)?;
        let work = async |api: Api| match self {
            Self::List(list) => list.run(&api, out).await,
            Self::Export(export) => export.run(&api, out).await,
            Self::Show(show) => show.run(&api, out).await,
            Self::Set(set) => set.run(&api, out).await,
        };
        let done = with_api(&session, Role::Compliance, work).await;
        telemetry.shutdown().await;
        done
    }
}

impl List {
    async fn run(self, api: &Api, out: Out) -> Result<(), CliError> {
        let mut query = self.filter.query();
        query.push(("limit", Some(self.limit.to_string())));
        let query: Vec<_> = query
            .iter()
            .map(|(name, it)| (*name, it.as_ref()))
            .collect();
        let page = api.list(COLLECTION, &query).await?;
        for subscriber in page.body["items"].as_array().into_iter().flatten() {
            out.say(line(subscriber));
        }
        if !page.body["next"].is_null() {
            out.say("… and more: ask for them with --limit");
        }
        out.result(&page.body);
        Ok(())
    }
}

fn line(subscriber: &Value) -> String {
    let text = |key: &str| subscriber[key].as_str().unwrap_or_default();
    let suppressed = match subscriber["suppressed"] == true {
        true => ", suppressed",
        false => "",
    };
    let email = subscriber["email"].as_str().unwrap_or("(erased)");
    format!("{}  {email}  {}{suppressed}", text("id"), text("state"))
}

impl Show {
    async fn run(self, api: &Api, out: Out) -> Result<(), CliError> {
        let id = who::subscriber(api, &self.who, Some(&self.reason)).await?;
        let path = format!("{COLLECTION}/{id}");
        let found = api.look(&path, &self.reason).await?;
        for (name, value) in found.body.as_object().into_iter().flatten() {
            match value {
                Value::String(text) => out.say(format!("{name}: {text}")),
                other => out.say(format!("{name}: {other}")),
            }
        }
        out.result(&found.body);
        Ok(())
    }
}

impl Set {
    async fn run(self, api: &Api, out: Out) -> Result<(), CliError> {
        let id = who::subscriber(api, &self.who, self.reason.as_deref()).await?;
        let answer = api
            .change(&format!("{COLLECTION}/{id}"), &self.body())
            .await?;
        out.say(format!("on record at position {}", answer.position));
        out.result(&answer.body);
        Ok(())
    }

    fn body(self) -> Value {
        let mut body = Map::new();
        if let Some(email) = self.email {
            body.insert("email".to_owned(), json!(email));
        }
        if self.name.is_some() || self.no_name {
            body.insert("name".to_owned(), json!(self.name));
        }
        let gone = self.no_attributes.into_iter().map(|key| (key, Value::Null));
        let attributes: Map<String, Value> = gone.chain(self.attributes).collect();
        body.insert("attributes".to_owned(), attributes.into());
        let tags = json!({ "add": self.tags, "remove": self.no_tags });
        body.insert("tags".to_owned(), tags);
        body.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Parsed {
        #[command(flatten)]
        set: Set,
    }

    #[test]
    fn what_is_not_named_stays() {
        let body = |arguments: &[&str]| {
            let arguments = ["set", "ada@example.org"].iter().chain(arguments);
            Parsed::parse_from(arguments).set.body()
        };
        let nothing = json!({ "attributes": {}, "tags": { "add": [], "remove": [] } });
        assert_eq!(body(&[]), nothing);
        let all = body(&[
            "--no-name",
            "--attribute",
            "city=a=b",
            "--attribute",
            "age:=36",
            "--no-attribute",
            "trial",
            "--tag",
            "vip",
        ]);
        let expected = json!({
            "name": null,
            "attributes": { "city": "a=b", "age": 36, "trial": null },
            "tags": { "add": ["vip"], "remove": [] },
        });
        assert_eq!(all, expected);
        assert!(attribute("city").is_err() && attribute("age:=x").is_err());
    }

    #[test]
    fn a_line_says_who_it_may_be_and_how_they_stand() {
        let listed =
            json!({ "id": "1", "email": "a…@example.org", "state": "active", "suppressed": true });
        assert_eq!(line(&listed), "1  a…@example.org  active, suppressed");
    }
}
