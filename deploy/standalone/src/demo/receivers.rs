//! The demo's receivers: a mail server, Amazon SES, Slack, Discord and a webhook, all on this machine, at ports that stay
//! the same so that a second demo over the same data folder finds its channels as they were.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tidings_sinks::{discord, ses, slack, smtp, webhook};

use crate::home::Home;

/// Why the receivers could not be set up.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what is wrong")]
pub enum ReceiverError {
    #[error(
        "the demo's mail server did not start: free the port, or use another folder with --data"
    )]
    Smtp(#[from] smtp::Error),
    #[error("the demo's {name} did not start: free the port, or use another folder with --data")]
    Http {
        name: &'static str,
        #[source]
        source: slack::Error,
    },
    #[error("cannot use {}: check its permissions", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// What the demo's webhook is signed with: it protects nothing.
pub(super) const WEBHOOK_SECRET: &str = "whsec_dGhlLWRlbW8tb2YtdGlkaW5ncy1vbi1sb29wYmFjaw==";

/// What the demo's mails to Amazon SES are signed with: it protects nothing either.
pub(super) const SES_KEY: [&str; 2] = ["AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"];
/// Where that account is.
pub(super) const SES_REGION: &str = "eu-west-1";
/// Whom it may write for.
pub(super) const DOMAIN: &str = "town.example.org";

/// The running receivers.
pub(super) struct Receivers {
    pub(super) smtp: smtp::Handle,
    pub(super) ses: ses::Handle,
    pub(super) slack: slack::Handle,
    pub(super) discord: discord::Handle,
    pub(super) webhook: webhook::Handle,
    /// Every mail the mail server took, one file each.
    pub(super) outbox: PathBuf,
}

/// Kept in the data folder as `demo.json`.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Ports {
    smtp: u16,
    ses: u16,
    slack: u16,
    discord: u16,
    webhook: u16,
}

impl Receivers {
    pub(super) async fn start(home: &Home) -> Result<Self, ReceiverError> {
        let outbox = home.outbox_dir();
        std::fs::create_dir_all(&outbox).map_err(file(&outbox))?;
        let path = home.dir().join("demo.json");
        let ports = recall(&path);
        let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let smtp = smtp::start(smtp::Options {
            listen: at(ports.smtp),
            folder: Some(outbox.clone()),
            // Goes on numbering where the last demo ended.
            journal_file: Some(outbox.join("journal.jsonl")),
            keep: smtp::Keep::Digest,
            ..smtp::Options::default()
        })
        .await?;
        let options = |port| slack::Options {
            listen: at(port),
            ..slack::Options::default()
        };
        let ses = ses::start(options(ports.ses), ses_account()).await;
        let ses = ses.map_err(http("Amazon SES"))?;
        let slack = slack::start(options(ports.slack)).await;
        let slack = slack.map_err(http("Slack"))?;
        let discord = discord::start(options(ports.discord)).await;
        let discord = discord.map_err(http("Discord"))?;
        let knows = webhook::Receiver {
            secrets: vec![WEBHOOK_SECRET.to_owned()],
        };
        let webhook = webhook::start(options(ports.webhook), &knows).await;
        let webhook = webhook.map_err(http("webhook"))?;
        let ports = Ports {
            smtp: smtp.addr().port(),
            ses: ses.addr().port(),
            slack: slack.addr().port(),
            discord: discord.addr().port(),
            webhook: webhook.addr().port(),
        };
        let text = serde_json::to_vec(&ports).expect("numbers make JSON");
        std::fs::write(&path, text).map_err(file(&path))?;
        Ok(Self {
            smtp,
            ses,
            slack,
            discord,
            webhook,
            outbox,
        })
    }

    /// Lets them live as long as the process.
    pub(super) fn keep(self) {
        std::mem::forget(self);
    }

    /// How many mails came in this time, either way.
    pub(super) fn mails_now(&self) -> usize {
        self.smtp.count() + self.ses.count()
    }

    /// The mails on disk, oldest first.
    pub(super) fn mails(&self) -> Result<Vec<PathBuf>, ReceiverError> {
        let entries = std::fs::read_dir(&self.outbox).map_err(file(&self.outbox))?;
        let mut mails: Vec<PathBuf> = entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|it| it == "eml"))
            .collect();
        mails.sort_unstable();
        Ok(mails)
    }

    /// One of [`Receivers::mails`].
    pub(super) fn read(&self, mail: &Path) -> Result<String, ReceiverError> {
        std::fs::read_to_string(mail).map_err(file(mail))
    }

    /// The mails could not be written.
    pub(super) fn unreadable(&self, source: io::Error) -> ReceiverError {
        file(&self.outbox)(source)
    }
}

fn ses_account() -> ses::Account {
    let [access_key_id, secret_access_key] = SES_KEY.map(str::to_owned);
    ses::Account {
        access_key_id,
        secret_access_key,
        session_token: None,
        region: SES_REGION.to_owned(),
        identities: vec![DOMAIN.to_owned()],
        configuration_sets: Vec::new(),
    }
}

fn recall(path: &Path) -> Ports {
    let text = std::fs::read(path).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

fn http(name: &'static str) -> impl FnOnce(slack::Error) -> ReceiverError {
    move |source| ReceiverError::Http { name, source }
}

fn file(path: &Path) -> impl FnOnce(io::Error) -> ReceiverError {
    let path = path.to_owned();
    move |source| ReceiverError::File { path, source }
}
