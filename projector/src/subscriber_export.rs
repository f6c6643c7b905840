//! All that is on record of one subscriber, in one file that a person and a program can read, and that proves itself.

mod archive;
pub mod check;
mod engagement;
mod line;
mod make;
mod page;
pub mod post;

use tidings_service::Clock;
use tidings_service::look::MakeExport;

use crate::reader::Reader;
use crate::subscriber_timeline::Eyes;

/// Makes the file for whoever comes by the link of a mail that was sent for it.
#[must_use]
pub fn by_link(reader: Reader, clock: Clock) -> MakeExport {
    std::sync::Arc::new(move |subscriber_id| {
        let (reader, now) = (reader.clone(), clock.now());
        Box::pin(async move { make::make(&reader, subscriber_id, now, Eyes::Link).await })
    })
}

/// The files of an export, in the order they lie there; `manifest.json` comes last.
pub(crate) mod files {
    pub(crate) const README: &str = "README.html";
    pub(crate) const PROFILE: &str = "profile.json";
    pub(crate) const EVENTS: &str = "events.jsonl";
    pub(crate) const CONSENT: &str = "consent.csv";
    pub(crate) const DELIVERIES: &str = "deliveries.csv";
    pub(crate) const ENGAGEMENT: &str = "engagement.csv";
    pub(crate) const PROOF: &str = "proof.json";
    pub(crate) const MANIFEST: &str = "manifest.json";
}
