//! The certificates that SNS signs with, got when they are first named and kept.
//!
//! Whoever knows the name of a topic of ours can name certificates at SNS that do not exist. So only so many are got in a
//! minute, whoever asks; what could not be got is not asked for again at once; certificates that have served need not be
//! got again, and are not pushed out by others that have not; and what a verified message asks for does not wait for any
//! of that.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidings_service::config::TopicArn;
use time::{Duration, OffsetDateTime};

use super::certificate::Certificate;
use super::{NoPage, ReadPage, Refused};

/// SNS has one or two a region at a time.
const KEPT_MAX: usize = 16;
/// Certificates that are got in [`GETS_IN`], and, apart from them, subscriptions that are confirmed.
const GETS_MAX: usize = 10;
const GETS_IN: Duration = Duration::MINUTE;
/// So long nobody asks again for what could not be got. Shorter than SNS waits before it tries again.
const FAILED_FOR: Duration = Duration::seconds(10);

/// Where a certificate lies: nowhere but at SNS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place(String);

impl Place {
    /// The URL, if it is of a certificate at the host of this topic's region. Compared letter by letter, so that no
    /// reading of URLs can differ from another.
    pub(super) fn pin(url: &str, topic: &TopicArn) -> Option<Self> {
        let path = url.strip_prefix("https://")?.strip_prefix(topic.host())?;
        let name = path
            .strip_prefix("/SimpleNotificationService-")?
            .strip_suffix(".pem")?;
        let plain = name.bytes().all(|b| b.is_ascii_alphanumeric());
        (plain && (1..=64).contains(&name.len())).then(|| Self(url.to_owned()))
    }
}

/// What is kept, and what may still be got.
pub(super) struct Certificates {
    read_page: ReadPage,
    memory: Mutex<Memory>,
    /// Held while a certificate is got, so that a burst of messages gets it once.
    getting: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Memory {
    /// Those that have served stand behind those that have not; the latest last.
    kept: Vec<(Place, Arc<Certificate>)>,
    failed: VecDeque<(Place, OffsetDateTime, Refused)>,
    certificates: Budget,
    confirmations: Budget,
}

/// What may still be got.
#[derive(Default)]
struct Budget {
    got_at: VecDeque<OffsetDateTime>,
}

impl Certificates {
    pub(super) fn new(read_page: ReadPage) -> Self {
        Self {
            read_page,
            memory: Mutex::default(),
            getting: tokio::sync::Mutex::default(),
        }
    }

    /// The certificate that lies there.
    pub(super) async fn at(
        &self,
        place: &Place,
        now: OffsetDateTime,
    ) -> Result<Arc<Certificate>, Refused> {
        if let Some(known) = self.memory().find(place, now) {
            return known;
        }
        let _getting = self.getting.lock().await;
        if let Some(known) = self.memory().find(place, now) {
            return known;
        }
        if !self.memory().certificates.may_get(now) {
            tracing::debug!("more certificates are named than are got in a minute: messages wait");
            return Err(AWAY);
        }
        let got = match (self.read_page)(place.0.clone()).await {
            // A page that is none was given by somebody on the way there.
            Ok(page) => Certificate::read(&page).map(Arc::new).ok_or(AWAY),
            Err(NoPage::Away) => Err(AWAY),
            Err(NoPage::Nothing) => {
                Err(Refused::Unverified("there is no certificate where it says"))
            }
        };
        self.memory().note(place, now, &got);
        got
    }

    /// Remembers that a message was signed with this one.
    pub(super) fn has_served(&self, place: &Place) {
        let mut memory = self.memory();
        if let Some(at) = memory.kept.iter().position(|(it, _)| it == place) {
            memory.kept[at..].rotate_left(1);
        }
    }

    /// Gets the page at SNS that confirms a subscription, unless too many were confirmed just before. Only for messages
    /// that are verified.
    pub(super) async fn confirm(&self, url: String, now: OffsetDateTime) -> Result<(), NoPage> {
        if !self.memory().confirmations.may_get(now) {
            return Err(NoPage::Away);
        }
        (self.read_page)(url).await.map(drop)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const AWAY: Refused = Refused::Away("its certificate cannot be had at the moment");

impl Memory {
    fn find(
        &self,
        place: &Place,
        now: OffsetDateTime,
    ) -> Option<Result<Arc<Certificate>, Refused>> {
        if let Some((_, certificate)) = self.kept.iter().find(|(it, _)| it == place) {
            return Some(Ok(Arc::clone(certificate)));
        }
        let failed = self
            .failed
            .iter()
            .find(|(it, at, _)| it == place && is_within(*at, now, FAILED_FOR));
        failed.map(|(_, _, why)| Err(*why))
    }

    fn note(
        &mut self,
        place: &Place,
        now: OffsetDateTime,
        got: &Result<Arc<Certificate>, Refused>,
    ) {
        match got {
            Ok(certificate) => {
                if self.kept.len() == KEPT_MAX {
                    self.kept.remove(0);
                }
                self.kept
                    .insert(0, (place.clone(), Arc::clone(certificate)));
            }
            Err(why) => {
                // No more can fail in that time than are got.
                self.failed
                    .retain(|(_, at, _)| is_within(*at, now, FAILED_FOR));
                self.failed.push_back((place.clone(), now, *why));
            }
        }
    }
}

impl Budget {
    fn may_get(&mut self, now: OffsetDateTime) -> bool {
        self.got_at.retain(|at| is_within(*at, now, GETS_IN));
        let may = self.got_at.len() < GETS_MAX;
        if may {
            self.got_at.push_back(now);
        }
        may
    }
}

/// Whether not more than `period` has gone by; a clock that was put back has.
fn is_within(at: OffsetDateTime, now: OffsetDateTime, period: Duration) -> bool {
    (Duration::ZERO..period).contains(&(now - at))
}
