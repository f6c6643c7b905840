//! Freezing an audience: who receives a publication is read once, from the subscriber view at a known
//! position, into a table of its own.

use std::collections::{BTreeSet, HashMap};

use deadpool_postgres::Pool;
use tidings_domain::subscriber::{Choices, What};
use tidings_domain::topic::ByDefault;
use tidings_event_store::{ReadError, Store, crash_point};
use tidings_proto::Event;
use uuid::Uuid;

/// An audience as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frozen {
    /// The position the view stood at.
    pub(crate) view_position: i64,
    /// How many subscribers.
    pub(crate) subscribers: i64,
    /// SHA-256 over their ids in ascending order.
    pub(crate) digest: [u8; 32],
}

/// With topics: whoever wants at least one of them, by their last word on it, or else by what the topic is by default.
const READ_VIEW: &str = "insert into publishing_dispatch_audience (publication_id, subscriber_id) \
     select $1, subscriber_id from publishing_subscriber_profile where state = 'active' \
        and (cardinality($2::text[]) = 0 or exists ( \
            select from unnest($2::text[], $3::boolean[]) as topic (id, by_default) \
                where coalesce((topics ->> topic.id)::boolean, topic.by_default)))";
const SUM_UP: &str = "select count(*), \
     sha256(coalesce(string_agg(uuid_send(subscriber_id), ''::bytea order by subscriber_id), ''::bytea)) \
     from publishing_dispatch_audience where publication_id = $1";
/// The view an audience is read from.
const SUBSCRIBERS: &str = "subscriber_profile";
const LOG_PAGE: i64 = 5_000;

/// A topic, and who gets it without a word from them.
pub(crate) type AboutTopic = (Uuid, ByDefault);

/// Reads the audience of active subscribers who want any of these topics (or whatever there is, without topics) as of now,
/// at `not_before` or later; `None`: the view is not there yet. `addressed`: whether any channel needs subscribers at all.
pub(crate) async fn freeze(
    pool: &Pool,
    publication_id: Uuid,
    not_before: i64,
    addressed: bool,
    topics: &[AboutTopic],
) -> Result<Option<Frozen>, ReadError> {
    let mut client = pool.get().await?;
    // One snapshot for the position and the rows.
    let transaction = client
        .build_transaction()
        .isolation_level(tokio_postgres::IsolationLevel::RepeatableRead)
        .start()
        .await?;
    // A lock takes no snapshot. Behind it nobody can put another table behind the view's name, whose
    // rows a snapshot taken before would not see.
    transaction
        .batch_execute("lock table publishing_subscriber_profile in access share mode")
        .await?;
    let position = transaction
        .query_opt(
            "select position from publishing_views where view = $1",
            &[&SUBSCRIBERS],
        )
        .await?
        .map(|row| row.get::<_, i64>(0));
    let Some(view_position) = position.filter(|position| *position >= not_before) else {
        return Ok(None);
    };
    transaction
        .execute(
            "delete from publishing_dispatch_audience where publication_id = $1",
            &[&publication_id],
        )
        .await?;
    if addressed {
        let ids: Vec<String> = topics.iter().map(|(id, _)| id.to_string()).collect();
        let by_default = topics.iter().map(|(_, default)| *default == ByDefault::In);
        let by_default: Vec<bool> = by_default.collect();
        transaction
            .execute(READ_VIEW, &[&publication_id, &ids, &by_default])
            .await?;
    }
    let (subscribers, digest) = sum_up(&transaction, publication_id).await?;
    crash_point!("freeze.audience_read");
    transaction.commit().await?;
    crash_point!("freeze.audience_kept");
    Ok(Some(Frozen {
        view_position,
        subscribers,
        digest,
    }))
}

/// How many subscribers the table holds for a publication, and their digest.
pub(crate) async fn stored(
    pool: &Pool,
    publication_id: Uuid,
) -> Result<(i64, [u8; 32]), ReadError> {
    let client = pool.get().await?;
    Ok(sum_up(&client, publication_id).await?)
}

/// Whether the table holds a subscriber for a publication.
pub(crate) async fn holds(
    pool: &Pool,
    publication_id: Uuid,
    subscriber_id: Uuid,
) -> Result<bool, ReadError> {
    let client = pool.get().await?;
    let sql = "select exists (select from publishing_dispatch_audience \
               where publication_id = $1 and subscriber_id = $2)";
    let statement = client.prepare_cached(sql).await?;
    let row = client
        .query_one(&statement, &[&publication_id, &subscriber_id])
        .await?;
    Ok(row.get(0))
}

async fn sum_up(
    client: &impl deadpool_postgres::GenericClient,
    publication_id: Uuid,
) -> Result<(i64, [u8; 32]), tokio_postgres::Error> {
    let row = client.query_one(SUM_UP, &[&publication_id]).await?;
    let digest = row
        .get::<_, &[u8]>(1)
        .try_into()
        .expect("sha256() gives 32 bytes");
    Ok((row.get(0), digest))
}

/// Reads a lost audience again, from the log up to the position it was frozen at: the view has moved on.
pub(crate) async fn restore(
    store: &Store,
    publication_id: Uuid,
    view_position: i64,
    topics: &[AboutTopic],
) -> Result<(), ReadError> {
    let mut choices: HashMap<Uuid, Choices> = HashMap::new();
    let (mut confirmed, mut left) = (BTreeSet::new(), BTreeSet::new());
    let mut erased = BTreeSet::new();
    let mut position = 0;
    while position < view_position {
        let page = store
            .log()
            .page_after(position, LOG_PAGE.min(view_position - position))
            .await?;
        for event in &page {
            match event.decode() {
                Ok(Event::SubscriberSignedUp(signed_up))
                    if signed_up.confirmation == "not_required" =>
                {
                    confirmed.insert(event.stream_id);
                }
                Ok(Event::SubscriberConfirmed(_)) => {
                    confirmed.insert(event.stream_id);
                }
                Ok(Event::SubscriberResubscribed(back)) if !back.topic_id.is_empty() => {
                    say(&mut choices, event.stream_id, &back.topic_id, true);
                }
                Ok(Event::SubscriberUnsubscribed(gone)) if !gone.topic_id.is_empty() => {
                    say(&mut choices, event.stream_id, &gone.topic_id, false);
                }
                Ok(Event::SubscriberResubscribed(back)) if back.channel_id.is_empty() => {
                    left.remove(&event.stream_id);
                }
                Ok(Event::SubscriberUnsubscribed(gone)) if gone.channel_id.is_empty() => {
                    left.insert(event.stream_id);
                }
                Ok(Event::SubscriberErasureRequested(_)) => {
                    erased.insert(event.stream_id);
                }
                _ => {}
            }
        }
        let Some(last) = page.last() else { break };
        position = last.position;
    }
    left.append(&mut erased);
    let silent = Choices::default();
    let wants = |id: &&Uuid| choices.get(id).unwrap_or(&silent).want_any(topics);
    let active: Vec<Uuid> = confirmed.difference(&left).filter(wants).copied().collect();
    let mut client = store.log().pool().get().await?;
    let transaction = client.transaction().await?;
    transaction
        .execute(
            "delete from publishing_dispatch_audience where publication_id = $1",
            &[&publication_id],
        )
        .await?;
    transaction
        .execute(
            "insert into publishing_dispatch_audience (publication_id, subscriber_id) \
             select $1, id from unnest($2::uuid[]) as s(id)",
            &[&publication_id, &active],
        )
        .await?;
    transaction.commit().await?;
    Ok(())
}

fn say(choices: &mut HashMap<Uuid, Choices>, subscriber_id: Uuid, topic_id: &[u8], wanted: bool) {
    if let Ok(topic_id) = Uuid::from_slice(topic_id) {
        let choices = choices.entry(subscriber_id).or_default();
        choices.say(What::Topic(topic_id), wanted);
    }
}

/// The next subscribers of a frozen audience, in ascending order.
pub(crate) async fn page_after(
    pool: &Pool,
    publication_id: Uuid,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Uuid>, ReadError> {
    let client = pool.get().await?;
    let statement = client
        .prepare_cached(
            "select subscriber_id from publishing_dispatch_audience \
             where publication_id = $1 and ($2::uuid is null or subscriber_id > $2) order by subscriber_id limit $3",
        )
        .await?;
    let rows = client
        .query(&statement, &[&publication_id, &after, &limit])
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// The publication is done: nobody asks for its audience any more.
pub(crate) async fn forget(pool: &Pool, publication_id: Uuid) -> Result<(), ReadError> {
    let client = pool.get().await?;
    client
        .execute(
            "delete from publishing_dispatch_audience where publication_id = $1",
            &[&publication_id],
        )
        .await?;
    Ok(())
}
