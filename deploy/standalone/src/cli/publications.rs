//! `tidings publications`: what an editor does, from a file to the readers.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tidings_service::auth::Role;
use uuid::Uuid;

use super::caller::with_api;
use super::global::{Global, Logs};
use super::input::read;
use super::{Api, CliError, Out};

const COLLECTION: &str = "/api/v1/publications";

/// Draft publications from files, and publish them
#[derive(Debug, Subcommand)]
pub(super) enum Publications {
    Draft(Draft),
    Revise(Revise),
    Publish(Publish),
    Audience(Audience),
}

/// Draft a publication from a file
///
/// A Markdown file (.md or .markdown) begins with front matter: `title`, and `channels` with the ids of the channels it
/// goes to, in YAML between lines of `---` or in TOML between lines of `+++`. An HTML file (.html or .htm) has a <title>,
/// and the channels in <meta name="tidings:channels" content="ID, ID">. To go to some subscribers only, `topics`, `segments`
/// and `excluded_segments` list slugs in the same way; `url` says where it can be read whole on the web. Prints the id of the
/// draft.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  tidings publications draft ferry.md")]
pub(super) struct Draft {
    /// The file, in UTF-8
    #[arg(value_name = "FILE", value_parser = file)]
    file: File,
}

/// Write a draft anew, from a file
///
/// Title, channels and text become those of the file, and so does whom it goes to: if the draft names segments, the file has to
/// say both `segments` and `excluded_segments`, be it that there are none. What is published already does not change any more.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  tidings publications revise 019b7cba-7a2e-8000-9c5e-0d8f6f2f3b13 ferry.md")]
pub(super) struct Revise {
    /// The publication's id
    #[arg(value_parser = id)]
    id: Uuid,
    /// The file, in UTF-8
    #[arg(value_name = "FILE", value_parser = file)]
    file: File,
}

/// Publish a draft to its channels
///
/// It goes out while a platform runs; without one, as soon as one does. If it names segments and these pick nobody by now, it is
/// refused.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  tidings publications publish 019b7cba-7a2e-8000-9c5e-0d8f6f2f3b13")]
pub(super) struct Publish {
    /// The publication's id
    #[arg(value_parser = id)]
    id: Uuid,
}

/// Show how many a publication reaches
///
/// Counted as it will be when it goes out, by its topics and segments as they are now. Once that is settled: what was.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  tidings publications audience 019b7cba-7a2e-8000-9c5e-0d8f6f2f3b13")]
pub(super) struct Audience {
    /// The publication's id
    #[arg(value_parser = id)]
    id: Uuid,
}

/// A file of a kind that can be published.
#[derive(Clone, Debug)]
struct File {
    path: PathBuf,
    media_type: &'static str,
}

fn id(text: &str) -> Result<Uuid, String> {
    Uuid::parse_str(text).map_err(|_| {
        "it must be the id of a publication, as `tidings publications draft` prints it".to_owned()
    })
}

fn file(text: &str) -> Result<File, String> {
    let path = PathBuf::from(text);
    let ending = path.extension().and_then(|it| it.to_str());
    let media_type = match ending.map(str::to_ascii_lowercase).as_deref() {
        Some("md" | "markdown") => "text/markdown",
        Some("html" | "htm") => "text/html",
        _ => return Err("its name must end with .md, .markdown, .html or .htm".to_owned()),
    };
    Ok(File { path, media_type })
}

impl Publications {
    pub(super) async fn run(self, global: &Global, out: Out) -> Result<(), CliError> {
        let session = global.existing()?;
        let telemetry = session.telemetry(Logs::Quiet)?;
        let key = session.ground.ids.next().to_string();
        let work = async |api: Api| match self {
            Self::Draft(Draft { file }) => draft(&api, &file, &key, out).await,
            Self::Revise(Revise { id, file }) => revise(&api, id, &file, out).await,
            Self::Publish(Publish { id }) => publish(&api, id, &key, out).await,
            Self::Audience(Audience { id }) => audience(&api, id, out).await,
        };
        let done = with_api(&session, Role::Editor, work).await;
        telemetry.shutdown().await;
        done
    }
}

async fn draft(api: &Api, file: &File, key: &str, out: Out) -> Result<(), CliError> {
    let bytes = read(&file.path)?;
    let drafted = api
        .upload(COLLECTION, Some(key), file.media_type, bytes)
        .await?;
    out.say(drafted.text("id")?);
    out.result(&drafted.body);
    Ok(())
}

async fn revise(api: &Api, id: Uuid, file: &File, out: Out) -> Result<(), CliError> {
    let bytes = read(&file.path)?;
    let path = format!("{COLLECTION}/{id}");
    let revised = api.replace(&path, file.media_type, bytes).await?;
    out.say("revised");
    out.result(&revised.body);
    Ok(())
}

async fn publish(api: &Api, id: Uuid, key: &str, out: Out) -> Result<(), CliError> {
    let path = format!("{COLLECTION}/{id}/publish");
    let published = api.command(&path, key, &json!({})).await?;
    out.say("published");
    out.result(&published.body);
    Ok(())
}

async fn audience(api: &Api, id: Uuid, out: Out) -> Result<(), CliError> {
    let path = format!("{COLLECTION}/{id}/audience");
    let reached = api.get(&path).await?;
    out.say(reach(&reached.body));
    out.result(&reached.body);
    Ok(())
}

/// What an editor wants to know of it.
fn reach(reached: &Value) -> String {
    let (subscribers, deliveries) = (&reached["subscribers"], &reached["deliveries"]);
    let standing = match reached["frozen"].as_bool() {
        Some(true) => "as settled when it went out",
        _ => "if it went out now",
    };
    format!("subscribers: {subscribers}, deliveries: {deliveries}; {standing}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_editor_sees_how_many_it_reaches_and_whether_that_is_settled() {
        let reached = |frozen| json!({ "subscribers": 2, "deliveries": 4, "frozen": frozen });
        assert_eq!(
            reach(&reached(false)),
            "subscribers: 2, deliveries: 4; if it went out now"
        );
        assert_eq!(
            reach(&reached(true)),
            "subscribers: 2, deliveries: 4; as settled when it went out"
        );
    }

    #[test]
    fn the_ending_of_its_name_says_what_a_file_is() {
        for (name, media_type) in [
            ("a.md", "text/markdown"),
            ("a/b.MARKDOWN", "text/markdown"),
            ("a.b.html", "text/html"),
            ("a.htm", "text/html"),
        ] {
            assert_eq!(file(name).unwrap().media_type, media_type);
        }
        for name in ["a", "a.txt", "md", "a.md.bak"] {
            assert!(file(name).is_err(), "{name}");
        }
    }
}
