//! What a publication names: channels by id, topics and segments by slug. A slug names its stream, so no view is asked.

use futures_util::future::try_join_all;
use tidings_domain::aggregate::Aggregate;
use tidings_domain::channel::Channel;
use tidings_domain::id::IdKey;
use tidings_domain::segment::Segment;
use tidings_domain::stream_id;
use tidings_domain::topic::Topic;
use tidings_domain::value::{ChannelIds, Slug, TopicIds};
use tidings_service::Problem;
use uuid::Uuid;

use crate::Commands;
use crate::refusal::{self, Values};

/// One more than a list may have shows that it is too long; the rest is not looked up.
const LOOKED_UP_MAX: usize = TopicIds::COUNT_MAX + 1;

/// What has a slug that a publication can name.
pub(super) trait Named: Aggregate + Send + Sync {
    /// Its stream.
    fn stream(key: &IdKey, slug: &Slug) -> Uuid;
    /// Whether a publication can name it. `before`: it does so already.
    ///
    /// # Errors
    /// What keeps it from that; none: there is no such thing.
    fn usable(&self, before: bool) -> Result<(), Option<&'static str>>;
}

const ARCHIVED: &str = "is archived";

impl Named for Topic {
    fn stream(key: &IdKey, slug: &Slug) -> Uuid {
        stream_id::topic(key, slug)
    }

    fn usable(&self, _before: bool) -> Result<(), Option<&'static str>> {
        match self {
            Self::Unknown => Err(None),
            Self::Archived { .. } => Err(Some(ARCHIVED)),
            Self::Open { .. } => Ok(()),
        }
    }
}

impl Named for Segment {
    fn stream(key: &IdKey, slug: &Slug) -> Uuid {
        stream_id::segment(key, slug)
    }

    fn usable(&self, before: bool) -> Result<(), Option<&'static str>> {
        match self {
            Self::Unknown => Err(None),
            // Without it the publication would go to others: it still asks what it asked last.
            Self::Archived(_) if !before => Err(Some(ARCHIVED)),
            _ if self.condition().is_none() => {
                Err(Some("can not be read any more: its key was destroyed"))
            }
            Self::Open(_) | Self::Archived(_) => Ok(()),
        }
    }
}

/// What has these slugs, with its id; none when something is wrong with one, which is noted. `pointer`: the list in the
/// request; `before`: what the publication names already.
///
/// # Errors
/// 503 when the log cannot be read.
pub(super) async fn all<A: Named>(
    commands: &Commands,
    values: &mut Values,
    pointer: &str,
    slugs: &[String],
    before: &[Uuid],
) -> Result<Option<Vec<(Uuid, A)>>, Problem> {
    let mut all = Vec::new();
    let mut wrong = false;
    for (at, text) in slugs.iter().enumerate().take(LOOKED_UP_MAX) {
        let found = match Slug::parse(text) {
            Ok(slug) => find::<A>(commands, &slug).await?,
            Err(_) => None,
        };
        let usable = found.ok_or(None::<&str>).and_then(|(id, state)| {
            state.usable(before.contains(&id))?;
            Ok((id, state))
        });
        let noun = A::NOUN;
        let detail = match usable {
            Ok(found) => {
                all.push(found);
                continue;
            }
            Err(Some(why)) => format!("the {noun} {text:?} {why}"),
            Err(None) => format!("there is no {noun} {text:?}"),
        };
        wrong = true;
        values.wrong(&format!("{pointer}/{at}"), &detail);
    }
    Ok((!wrong).then_some(all))
}

async fn find<A: Named>(commands: &Commands, slug: &Slug) -> Result<Option<(Uuid, A)>, Problem> {
    let id = A::stream(&commands.id_key, slug);
    match commands.store.load::<A>(id).await {
        Ok(found) => Ok(Some((id, found.state))),
        Err(error) if error.is_wrong_stream() => Ok(None),
        Err(error) => Err(refusal::load(&error)),
    }
}

/// The kind of each channel; none: there is no channel with that id. More than are allowed are not looked up.
///
/// # Errors
/// 503 when the log cannot be read.
pub(super) async fn kinds(
    commands: &Commands,
    ids: &[Uuid],
) -> Result<Vec<Option<String>>, Problem> {
    let looked_up = ids.iter().take(ChannelIds::COUNT_MAX).map(|id| async {
        match commands.store.load::<Channel>(*id).await {
            Ok(channel) => Ok(channel.state.setup().map(|setup| setup.kind.to_string())),
            Err(error) if error.is_wrong_stream() => Ok(None),
            Err(error) => Err(refusal::load(&error)),
        }
    });
    try_join_all(looked_up).await
}
