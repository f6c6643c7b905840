//! Makes an export. It is worked off in pages, so memory does not grow with the number of events.

use std::io;
use std::time::Duration;

use serde::Serialize;
use tidings_event_store::Recorded;
use tidings_event_store::audit::{ProofOfMany, ProveError, covering, span};
use tidings_event_store::export::{self, FORMAT, Manifest, digest_of};
use tidings_event_store::view::View as _;
use tidings_event_store::witness::SignedHead;
use tidings_proto::{Event, EventMessage as _, access};
use tidings_service::look::{File as Handed, ReadyFile};
use tidings_service::{Problem, csv};
use time::OffsetDateTime;
use uuid::Uuid;

use super::archive::{Archive, Part};
use super::line::Line;
use super::{engagement, files, page};
use crate::channel_list::ChannelList;
use crate::delivery_engagement::DeliveryEngagement;
use crate::delivery_log::{self, DeliveryLog};
use crate::publication_status::PublicationStatus;
use crate::reader::{Reader, no_keys, unreadable};
use crate::subscriber_profile::preferences::Preferences;
use crate::subscriber_profile::{self, Subscriber, SubscriberProfile};
use crate::subscriber_timeline::{Eyes, Held, Story, story, tell};
use crate::suppression_list::SuppressionList;
use crate::topic_list::TopicList;

/// Events of a page.
const PAGE: usize = 100;
/// The witness signs about every second.
const WITNESSED_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(250);
const VIEWS: [&str; 7] = [
    SubscriberProfile::DEFINITION.name,
    SuppressionList::DEFINITION.name,
    DeliveryLog::DEFINITION.name,
    DeliveryEngagement::DEFINITION.name,
    PublicationStatus::DEFINITION.name,
    ChannelList::DEFINITION.name,
    TopicList::DEFINITION.name,
];

/// `profile.json`.
#[derive(Serialize)]
struct WhoTheyAre {
    #[serde(flatten)]
    profile: Option<Subscriber>,
    /// What they chose.
    choices: Option<Preferences>,
}

/// The parts that grow with the events.
struct Parts {
    readme: Part,
    events: Part,
    consent: Part,
    deliveries: Part,
    engagement: Part,
}

/// Makes the export of a subscriber, for these eyes.
///
/// # Errors
/// 404 when the log knows nothing of them; 503 when the views or the witness are behind.
pub(super) async fn make(
    reader: &Reader,
    subscriber_id: Uuid,
    now: OffsetDateTime,
    eyes: Eyes,
) -> Result<ReadyFile, Problem> {
    let log = reader.store().log();
    let Story { positions, held } = story(reader, subscriber_id).await?;
    let Some(last) = positions.last().copied() else {
        return Err(Problem::not_found(format!(
            "The log knows nothing of a subscriber {subscriber_id}."
        )));
    };
    reader.position(&VIEWS, Some(last)).await?;
    let heads = witnessed(reader, &positions).await?;
    let profile = subscriber_profile::get_row(reader, subscriber_id).await?;
    let mut parts = Parts::begin().map_err(unwritable)?;
    let begin = page::begin(subscriber_id, profile.as_ref(), (now, last), eyes);
    parts.readme.push(&begin).map_err(unwritable)?;
    for page in positions.chunks(PAGE) {
        let events = log.at(page).await.map_err(|error| unreadable(&error))?;
        parts
            .take(reader, (subscriber_id, &held), &events, eyes)
            .await?;
    }
    let mut profile_part = Part::new(files::PROFILE).map_err(unwritable)?;
    let choices = subscriber_profile::get_choices(reader, subscriber_id).await?;
    let profile = serde_json::to_string_pretty(&WhoTheyAre { profile, choices });
    let profile = profile.map_err(|e| Problem::internal(&e))?;
    profile_part.push(&(profile + "\n")).map_err(unwritable)?;
    let key = reader.store().vault().witness_key(now).await;
    let key = key.map_err(|error| no_keys(&error))?;
    let proof = proof(reader, key.public(), heads).await?;
    let mut archive = Archive::new().map_err(unwritable)?;
    for part in parts.end(profile_part, proof).map_err(unwritable)? {
        archive.add(part).map_err(unwritable)?;
    }
    let events = positions.len() as u64;
    let manifest = Manifest {
        format: FORMAT.to_owned(),
        subscriber_id,
        made_at: now,
        through_position: last,
        events,
        salt: export::salt(),
        files: archive.entries(),
        public_key: key.public(),
    };
    let file = archive.finish(files::MANIFEST, &manifest.sign(&key));
    let mut file = file.map_err(unwritable)?;
    let digest = digest_of(&file).map_err(unwritable)?;
    io::Seek::rewind(&mut file).map_err(unwritable)?;
    Ok(ReadyFile {
        file,
        handed: Handed {
            digest,
            events,
            through_position: last,
        },
    })
}

/// The signed heads that cover all of it, once there are.
async fn witnessed(
    reader: &Reader,
    positions: &[i64],
) -> Result<Vec<(SignedHead, Vec<i64>)>, Problem> {
    let Some(folder) = reader.witness() else {
        let missing = io::Error::other("nobody has named the folder of the witness");
        return Err(Problem::internal(&missing));
    };
    let mut waited = Duration::ZERO;
    loop {
        let (folder, positions) = (folder.clone(), positions.to_vec());
        let read = tokio::task::spawn_blocking(move || covering(&folder, &positions)).await;
        match read.map_err(|error| Problem::internal(&error))? {
            Ok(heads) => return Ok(heads),
            Err(ProveError::NotWitnessed { .. }) if waited < WITNESSED_WITHIN => {
                tokio::time::sleep(LOOK_EVERY).await;
                waited += LOOK_EVERY;
            }
            Err(error @ ProveError::NotWitnessed { .. }) => {
                tracing::warn!(error = %error, "an export waits for the witness");
                return Err(Problem::unavailable(
                    "The witness has not signed the end of it yet, so it could not be proven. See /readyz.",
                    5,
                    None,
                ));
            }
            Err(error) => return Err(unproven(&error)),
        }
    }
}

async fn proof(
    reader: &Reader,
    key: tidings_event_store::witness::PublicKey,
    heads: Vec<(SignedHead, Vec<i64>)>,
) -> Result<Part, Problem> {
    let (before, between, after) = ProofOfMany::frame(key);
    let mut part = Part::new(files::PROOF).map_err(unwritable)?;
    part.push(&before).map_err(unwritable)?;
    for (index, (head, positions)) in heads.iter().enumerate() {
        let span = span(reader.store().log(), key, head, positions).await;
        let span = span.map_err(|error| unproven(&error))?;
        let text = serde_json::to_string(&span).map_err(|error| Problem::internal(&error))?;
        if index > 0 {
            part.push(between).map_err(unwritable)?;
        }
        part.push(&text).map_err(unwritable)?;
    }
    part.push(after).map_err(unwritable)?;
    Ok(part)
}

impl Parts {
    fn begin() -> io::Result<Self> {
        let mut parts = Self {
            readme: Part::new(files::README)?,
            events: Part::new(files::EVENTS)?,
            consent: Part::new(files::CONSENT)?,
            deliveries: Part::new(files::DELIVERIES)?,
            engagement: Part::new(files::ENGAGEMENT)?,
        };
        parts
            .consent
            .push(&csv::row(["position", "at", "event", "who", "what"]))?;
        parts.engagement.push(&engagement::header())?;
        let of_delivery = [
            "delivery_id",
            "publication_id",
            "channel_id",
            "class",
            "attempts",
            "reason",
            "code",
            "planned_at",
            "settled_at",
            "feedback",
            "feedback_at",
        ];
        parts.deliveries.push(&csv::row(of_delivery))?;
        Ok(parts)
    }

    async fn take(
        &mut self,
        reader: &Reader,
        (subscriber_id, held): (Uuid, &Held),
        events: &[Recorded],
        eyes: Eyes,
    ) -> Result<(), Problem> {
        let told = tell(reader, (subscriber_id, held), events, eyes).await?;
        let mut planned = Vec::new();
        for (event, (told, opened)) in events.iter().zip(told) {
            self.readme.push(&page::event(&told)).map_err(unwritable)?;
            if let Some(row) = engagement::row(event, &told, &opened) {
                self.engagement.push(&row).map_err(unwritable)?;
            }
            let line = Line::of(event, &told, opened, held.about(event.position)).to_json();
            self.events.push(&line).map_err(unwritable)?;
            let (position, at) = (told.position.to_string(), csv_time(Some(told.at)));
            let of_event = [position.as_str(), &at, &told.r#type];
            let of = |rest: [&str; 2]| csv::row(of_event.into_iter().chain(rest));
            match told.r#type.as_str() {
                "delivery.Planned" => planned.push(told.stream_id),
                other if other.starts_with("subscriber.") || asks_for_consent(event) => {
                    let row = of([&told.who, &told.words]);
                    self.consent.push(&row).map_err(unwritable)?;
                }
                _ => {}
            }
        }
        for delivery in delivery_log::many(reader, &planned).await? {
            self.deliveries
                .push(&delivery_row(&delivery))
                .map_err(unwritable)?;
        }
        Ok(())
    }

    /// In the order of the archive.
    fn end(mut self, profile: Part, proof: Part) -> io::Result<[Part; 7]> {
        self.readme.push(page::END)?;
        Ok([
            self.readme,
            profile,
            self.events,
            self.consent,
            self.deliveries,
            self.engagement,
            proof,
        ])
    }
}

/// A notice that does: what they were shown stands in it.
fn asks_for_consent(event: &Recorded) -> bool {
    let notice = match event.event_type.as_str() {
        access::NoticeIssued::TYPE => event.decode().ok(),
        _ => None,
    };
    matches!(notice, Some(Event::AccessNoticeIssued(it)) if it.kind == "confirm_sign_up")
}

fn delivery_row(it: &delivery_log::Delivery) -> String {
    let id = |id: Option<Uuid>| id.map_or_else(String::new, |id| id.to_string());
    let cells = [
        it.id.to_string(),
        id(it.publication_id),
        id(it.channel_id),
        it.class.as_str().to_owned(),
        it.attempts.to_string(),
        it.reason.clone().unwrap_or_default(),
        it.code.map_or_else(String::new, |code| code.to_string()),
        csv_time(it.planned_at),
        csv_time(it.settled_at),
        it.feedback
            .map_or_else(String::new, |it| it.as_str().to_owned()),
        csv_time(it.feedback_at),
    ];
    csv::row(cells.iter().map(String::as_str))
}

/// RFC 3339; nothing for none.
pub(super) fn csv_time(at: Option<OffsetDateTime>) -> String {
    let format = &time::format_description::well_known::Rfc3339;
    at.and_then(|at| at.format(format).ok()).unwrap_or_default()
}

fn unproven(error: &ProveError) -> Problem {
    match error {
        ProveError::Read(error) => unreadable(error),
        other => Problem::internal(other),
    }
}

/// The disk for files in the making is full or away.
#[expect(
    clippy::needless_pass_by_value,
    reason = "it is what `map_err` hands over"
)]
fn unwritable(error: io::Error) -> Problem {
    Problem::internal(&error)
}
