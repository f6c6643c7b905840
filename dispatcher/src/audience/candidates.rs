//! Who could be in an audience, as the log tells it up to the position it was frozen at, without a key: the view has moved on.

use std::collections::{BTreeSet, HashMap};

use tidings_domain::subscriber::{Choices, What};
use tidings_event_store::{ReadError, Store};
use tidings_proto::Event;
use uuid::Uuid;

use super::AboutTopic;

const LOG_PAGE: i64 = 5_000;

/// Whoever was active as of a position and wanted one of these topics, in ascending order.
pub(crate) async fn candidates(
    store: &Store,
    position: i64,
    topics: &[AboutTopic],
) -> Result<Vec<Uuid>, ReadError> {
    let mut told = Told::default();
    let mut read = 0;
    while read < position {
        let limit = LOG_PAGE.min(position - read);
        let page = store.log().page_after(read, limit).await?;
        for event in &page {
            if let Ok(it) = event.decode() {
                told.hear(event.stream_id, &it);
            }
        }
        let Some(last) = page.last() else { break };
        read = last.position;
    }
    let Told {
        choices,
        confirmed,
        left,
        erased,
    } = told;
    let silent = Choices::default();
    let wants = |id: &Uuid| choices.get(id).unwrap_or(&silent).want_any(topics);
    let active = confirmed
        .into_iter()
        .filter(|id| !left.contains(id) && !erased.contains(id));
    Ok(active.filter(wants).collect())
}

/// What subscribers have said of what they get.
#[derive(Default)]
struct Told {
    choices: HashMap<Uuid, Choices>,
    confirmed: BTreeSet<Uuid>,
    left: BTreeSet<Uuid>,
    erased: BTreeSet<Uuid>,
}

impl Told {
    fn hear(&mut self, id: Uuid, event: &Event) {
        match event {
            Event::SubscriberSignedUp(it) if it.confirmation == "not_required" => {
                self.confirmed.insert(id);
            }
            Event::SubscriberConfirmed(_) => {
                self.confirmed.insert(id);
            }
            Event::SubscriberResubscribed(back) if !back.topic_id.is_empty() => {
                self.say(id, &back.topic_id, true);
            }
            Event::SubscriberUnsubscribed(gone) if !gone.topic_id.is_empty() => {
                self.say(id, &gone.topic_id, false);
            }
            Event::SubscriberResubscribed(back) if back.channel_id.is_empty() => {
                self.left.remove(&id);
            }
            Event::SubscriberUnsubscribed(gone) if gone.channel_id.is_empty() => {
                self.left.insert(id);
            }
            Event::SubscriberErasureRequested(_) => {
                self.erased.insert(id);
            }
            _ => {}
        }
    }

    fn say(&mut self, id: Uuid, topic_id: &[u8], wanted: bool) {
        if let Ok(topic_id) = Uuid::from_slice(topic_id) {
            let choices = self.choices.entry(id).or_default();
            choices.say(What::Topic(topic_id), wanted);
        }
    }
}
