//! What somebody left is named by its id where a platform has no other name for it. Of an id that is another platform's
//! nobody can tell what it stands for, so whoever left it gets nothing before they confirm.

use std::collections::HashSet;

use tidings_domain::aggregate::Aggregate as _;
use tidings_domain::channel::Channel;
use tidings_domain::subscriber::What;
use tidings_domain::topic::Topic;
use tidings_event_store::ReadError;
use uuid::Uuid;

use crate::imports::own::Carried;
use crate::imports::worker::ImportWorker;
use crate::subscribers::Registration;

/// The id that stands in the place of a slug.
pub(super) fn id(slug: &str) -> Option<Uuid> {
    // Without hyphens it may well be a slug.
    let is_written_as_one = slug.len() == uuid::fmt::Hyphenated::LENGTH;
    slug.parse().ok().filter(|_| is_written_as_one)
}

/// What they left, as far as it is named by its id.
pub(super) fn named(carried: &Carried) -> Vec<What> {
    let topics = carried.topics_left.iter().filter_map(|it| id(it));
    let channels = carried.channels_left.iter().copied();
    let topics = topics.map(What::Topic);
    topics.chain(channels.map(What::Channel)).collect()
}

/// Takes away what is none of this platform's from what they left, and has them confirm. `named`: of each registration.
pub(super) async fn look_up(
    worker: &ImportWorker,
    registrations: &mut [(u64, Registration)],
    named: &[Vec<What>],
) -> Result<(), ReadError> {
    let ids = |of: fn(What) -> Option<Uuid>| named.iter().flatten().filter_map(move |it| of(*it));
    let topics: HashSet<Uuid> = ids(What::topic_id).collect();
    let channels: HashSet<Uuid> = ids(What::channel_id).collect();
    let topics = of_noun(worker, Topic::NOUN, topics).await?;
    let channels = of_noun(worker, Channel::NOUN, channels).await?;
    let topics = topics.into_iter().map(What::Topic);
    let channels = channels.into_iter().map(What::Channel);
    let here: HashSet<What> = topics.chain(channels).collect();
    for ((_, registration), named) in registrations.iter_mut().zip(named) {
        let brought = &mut registration.brought;
        let strange = |what: &What| named.contains(what) && !here.contains(what);
        brought.unconfirmed |= named.iter().any(strange);
        brought.said.retain(|(what, _)| !strange(what));
    }
    Ok(())
}

/// Those streams among these that are of this noun. A file may name any stream, so none is folded.
async fn of_noun(
    worker: &ImportWorker,
    noun: &str,
    ids: HashSet<Uuid>,
) -> Result<Vec<Uuid>, ReadError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<Uuid> = ids.into_iter().collect();
    let sql = "select stream_id from publishing_events where stream_id = any($1) and version = 1 \
               and starts_with(type, $2)";
    let begins = format!("{noun}.");
    let rows = worker.store.log().query(sql, &[&ids, &begins]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
