//! What the tests of all kinds share: surroundings on this machine, and sample deliveries.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
    time::Duration,
};

use serde_json::Value;
use tidings_domain::topic::Sender;
use tidings_proto::Reason;
use tidings_service::{
    clock::Clock,
    outbound::{Outbound, Policy},
};
use time::macros::datetime;
use uuid::Uuid;

use super::{Accounts, Paces, email::system_trust, find};
use crate::{
    channel::{About, Blame, Channel, Environment, Job, Outcome, Recipient},
    content::Composed,
};

/// Made once: reading the system's root certificates takes its time.
static ENVIRONMENT: LazyLock<Environment> = LazyLock::new(|| {
    let policy = Policy {
        allow_loopback: true,
        timeout: Duration::from_secs(3),
        ..Policy::strict()
    };
    Environment {
        outbound: Outbound::new(policy).unwrap(),
        clock: Clock::manual(datetime!(2026-01-02 03:04:05 UTC)).clock(),
        tls: system_trust().unwrap(),
        file_root: PathBuf::new(),
        allow_loopback: true,
        hello_name: "tidings.example.org".to_owned(),
        smtp_phase_max: None,
        paces: Paces::default(),
        accounts: Accounts::default(),
    }
});

/// Loopback allowed; HTTP answers within three seconds.
pub(super) fn environment(file_root: &Path) -> Environment {
    Environment {
        file_root: file_root.to_owned(),
        ..ENVIRONMENT.clone()
    }
}

pub(super) fn content() -> Composed {
    Composed::new("Tide tables", "High water at **noon**.\n\n.dot\n")
}

/// The channel's own.
const OWN_SENDER: Sender = Sender {
    from: None,
    reply_to: None,
    list_id: None,
};

pub(super) fn broadcast(content: &Composed) -> Job<'_> {
    Job {
        delivery_id: Uuid::from_u128(0xd1),
        attempt: 1,
        about: About::Publication(Uuid::from_u128(0xa1)),
        content,
        recipient: None,
        unsubscribe_url: None,
        preferences_url: None,
        sender: &OWN_SENDER,
        return_path: None,
        tracking: None,
        date: datetime!(2026-01-02 03:04:05 UTC),
    }
}

pub(super) fn addressed<'a>(content: &'a Composed, email: &str, name: Option<&str>) -> Job<'a> {
    Job {
        recipient: Some(Recipient {
            subscriber_id: Uuid::from_u128(0x51),
            email: email.to_owned(),
            name: name.map(str::to_owned),
        }),
        unsubscribe_url: Some("https://news.example.org/u/TOKEN".to_owned()),
        ..broadcast(content)
    }
}

/// A channel of a kind, built.
pub(super) fn channel(kind: &str, settings: &Value, credentials: &Value) -> Arc<dyn Channel> {
    channel_in(
        &environment("/nowhere".as_ref()),
        kind,
        settings,
        credentials,
    )
}

/// The same in other surroundings.
pub(super) fn channel_in(
    environment: &Environment,
    kind: &str,
    settings: &Value,
    credentials: &Value,
) -> Arc<dyn Channel> {
    let build = find(kind).unwrap().build;
    build(settings, Some(&credentials.to_string()), environment).unwrap()
}

/// The sample broadcast, attempted once.
pub(super) async fn sent(channel: &Arc<dyn Channel>) -> Outcome {
    let content = content();
    let rendered = channel.render(&broadcast(&content)).unwrap();
    channel.send(&rendered, &always).await
}

/// (kind of outcome, reason, code, blame): what the engine acts on.
pub(super) fn gist(outcome: &Outcome) -> (&'static str, &'static str, i32, Option<Blame>) {
    match outcome {
        Outcome::Sent { code, .. } => ("sent", "", *code, None),
        Outcome::Deferred {
            reason,
            code,
            blame,
            ..
        } => ("deferred", reason.as_str(), *code, Some(*blame)),
        Outcome::Failed {
            reason,
            code,
            blame,
            ..
        } => ("failed", reason.as_str(), *code, Some(*blame)),
        Outcome::Abandoned { reason } => ("abandoned", reason.as_str(), 0, None),
        Outcome::InDoubt { reason } => ("in doubt", reason.as_str(), 0, None),
    }
}

/// Taken, with this answer and id.
pub(super) fn taken(code: i32, reply: &str, id: Option<&str>) -> Outcome {
    Outcome::Sent {
        code,
        reply: reply.to_owned(),
        provider_message_id: id.map(str::to_owned),
    }
}

/// The reason of a code.
pub(super) fn given(reason: &str) -> Reason {
    Reason::parse(reason).expect("a reason that channels give")
}

/// Put off for this reason, without a wish when to come back.
pub(super) fn deferred(reason: &str, code: i32, reply: &str, blame: Blame) -> Outcome {
    Outcome::Deferred {
        reason: given(reason),
        code,
        reply: reply.to_owned(),
        retry_after: None,
        blame,
    }
}

/// [`deferred`], with one, in seconds.
pub(super) fn deferred_for(reason: &str, code: i32, reply: &str, wait_s: u64) -> Outcome {
    Outcome::Deferred {
        reason: given(reason),
        code,
        reply: reply.to_owned(),
        retry_after: Some(Duration::from_secs(wait_s)),
        blame: match reason {
            "rate_limited" => Blame::Pace,
            _ => Blame::Network,
        },
    }
}

/// Refused for good.
pub(super) fn failed(reason: &str, code: i32, reply: &str) -> Outcome {
    Outcome::Failed {
        reason: given(reason),
        code,
        reply: reply.to_owned(),
        blame: Blame::Receiver,
    }
}

pub(super) fn always() -> bool {
    true
}
