//! Since when each reason stands, by whom, and which domain it is: read from the log, for what a page shows. The view holds
//! none of it.

use std::collections::HashMap;

use serde::Serialize;
use tidings_event_store::Recorded;
use tidings_proto::Event;
use tidings_service::Problem;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Suppression;
use crate::opened::{self, Words};
use crate::reader::{Reader, unreadable};

/// A reason that stands.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Cause {
    /// Which.
    #[schema(example = "hard_bounce")]
    pub reason: String,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
    /// By whom: `user:…`, `subscriber:…` or `system:…`.
    #[schema(example = "system:feedback")]
    pub actor: String,
    /// The delivery that showed it; null when none did.
    pub delivery_id: Option<Uuid>,
}

/// What the log knows of one suppression.
#[derive(Default)]
struct Known {
    standing: Vec<Cause>,
    domain: Option<String>,
}

/// Fills in what the view does not hold.
///
/// # Errors
/// When the log can not be read, or keys can not be had.
pub(super) async fn tell(reader: &Reader, page: &mut [Suppression]) -> Result<(), Problem> {
    let ids: Vec<Uuid> = page.iter().map(|it| it.id).collect();
    let events = reader.store().log().streams(&ids).await;
    let events = events.map_err(|error| unreadable(&error))?;
    let opened = opened::open(reader.store(), &events).await?;
    let mut all: HashMap<Uuid, Known> = HashMap::new();
    for (event, fields) in events.iter().zip(opened) {
        let known = all.entry(event.stream_id).or_default();
        known.take(event);
        let value = fields.into_iter().find(|(field, _)| field == "value");
        if let Some((_, Words::Known(domain))) = value {
            known.domain = Some(domain);
        }
    }
    for suppression in page {
        let known = all.remove(&suppression.id).unwrap_or_default();
        suppression.domain = known.domain;
        // The log may be further than the view: what is said of it is of one moment.
        let standing = known.standing.into_iter();
        suppression.causes = standing
            .filter(|cause| suppression.reasons.contains(&cause.reason))
            .collect();
    }
    Ok(())
}

impl Known {
    fn take(&mut self, event: &Recorded) {
        match event.decode() {
            Ok(Event::SuppressionAdded(it)) => self.standing.push(Cause {
                reason: it.reason,
                since: event.occurred_at,
                actor: event.actor.clone(),
                delivery_id: Uuid::from_slice(&it.delivery_id).ok(),
            }),
            Ok(Event::SuppressionLifted(it)) => {
                self.standing
                    .retain(|cause| !it.reasons.contains(&cause.reason));
            }
            _ => {}
        }
    }
}
