//! What the tests of all kinds share: surroundings on this machine, and sample deliveries.

use std::{
    path::{Path, PathBuf},
    sync::LazyLock,
    time::Duration,
};

use tidings_service::{
    clock::Clock,
    outbound::{Outbound, Policy},
};
use time::macros::datetime;
use uuid::Uuid;

use super::email::system_trust;
use crate::{
    channel::{Environment, Job, Recipient},
    content::Composed,
};

/// Made once: reading the system's root certificates takes its time.
static ENVIRONMENT: LazyLock<Environment> = LazyLock::new(|| {
    let policy = Policy {
        allow_loopback: true,
        timeout: Duration::from_secs(1),
        ..Policy::strict()
    };
    Environment {
        outbound: Outbound::new(policy).unwrap(),
        clock: Clock::manual(datetime!(2026-01-02 03:04:05 UTC)).clock(),
        tls: system_trust().unwrap(),
        file_root: PathBuf::new(),
        allow_loopback: true,
        hello_name: "tidings.example.org".to_owned(),
    }
});

/// Loopback allowed; HTTP answers within a second.
pub(super) fn environment(file_root: &Path) -> Environment {
    Environment {
        file_root: file_root.to_owned(),
        ..ENVIRONMENT.clone()
    }
}

pub(super) fn content() -> Composed {
    Composed::new("Tide tables", "High water at **noon**.\n\n.dot\n")
}

pub(super) fn broadcast(content: &Composed) -> Job<'_> {
    Job {
        delivery_id: Uuid::from_u128(0xd1),
        publication_id: Uuid::from_u128(0xa1),
        content,
        recipient: None,
        unsubscribe_url: None,
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

pub(super) fn always() -> bool {
    true
}
