//! Topics, and what readers say about what they get.

use tidings_domain::preferences::{Given, Preferences};
use tidings_domain::publication::{self, Aim, Content, Priority};
use tidings_domain::stream_id;
use tidings_domain::subscriber::{
    self, PreferencesMethod, ResubscribeMethod, Subscriber, UnsubscribeMethod, What,
};
use tidings_domain::suppression::{self, Reason, Scope, Suppression};
use tidings_domain::topic::{self, ByDefault, Card, Sender, Topic};
use tidings_domain::value::{ChannelIds, Markdown, Slug, Title, TopicIds, TopicName};
use uuid::Uuid;

use super::House;

impl House {
    /// A topic, with what its mails bear.
    pub async fn topic(&self, slug: &str, by_default: ByDefault, sender: Sender) -> Uuid {
        let slug = Slug::parse(slug).unwrap();
        let id = stream_id::topic(&self.id_key, &slug);
        let command = || topic::Command::Define {
            slug: slug.clone(),
            by_default,
            card: Card {
                name: TopicName::parse(slug.as_str()).unwrap(),
                description: None,
                sender: sender.clone(),
            },
        };
        let context = self.context();
        let store = &self.platform.store;
        store
            .execute::<Topic>(id, &context, None, command)
            .await
            .unwrap();
        id
    }

    /// A publication about topics, published.
    pub async fn publish_about(
        &self,
        title: &str,
        topics: &[Uuid],
        priority: Priority,
        channels: &[Uuid],
    ) -> Uuid {
        let id = self.platform.ids.next();
        self.publication(id, || publication::Command::Draft {
            content: Content::new(
                Title::parse(title).unwrap(),
                Markdown::parse("It runs.").unwrap(),
            ),
            channel_ids: ChannelIds::parse(channels.to_vec()).unwrap(),
            aim: Aim {
                topic_ids: TopicIds::parse(topics.to_vec()).unwrap(),
                priority,
                ..Aim::default()
            },
        })
        .await;
        self.publication(id, || publication::Command::Publish).await;
        id
    }

    /// Somebody leaves something; gives where that stands.
    pub async fn leave(&self, subscriber_id: Uuid, what: What) -> i64 {
        self.say(subscriber_id, || subscriber::Command::Unsubscribe {
            method: UnsubscribeMethod::Page,
            delivery_id: None,
            evidence: None,
            what,
        })
        .await
    }

    /// Somebody comes back to something, or asks for it.
    pub async fn come_back(&self, subscriber_id: Uuid, what: What) -> i64 {
        self.say(subscriber_id, || subscriber::Command::Resubscribe {
            method: ResubscribeMethod::Page,
            evidence: None,
            what,
        })
        .await
    }

    /// Somebody says how and when they want to get what they get.
    pub async fn prefer(&self, subscriber_id: Uuid, given: Given) -> i64 {
        let preferences = Preferences::parse(&given).unwrap();
        self.say(subscriber_id, || subscriber::Command::ChangePreferences {
            preferences: preferences.clone(),
            method: PreferencesMethod::Page,
            evidence: None,
        })
        .await
    }

    /// Nothing is to be sent to an address or a domain any more, by the id of its stream.
    pub async fn suppress(&self, suppression_id: Uuid, scope: Scope, reason: Reason) {
        self.of_suppression(suppression_id, || suppression::Command::Add {
            scope,
            reason,
            delivery_id: None,
            value: None,
        })
        .await;
    }

    /// A reason stands no more.
    pub async fn lift(&self, suppression_id: Uuid, reason: Reason) {
        let reasons = vec![reason];
        self.of_suppression(suppression_id, || suppression::Command::Lift {
            reasons: reasons.clone(),
        })
        .await;
    }

    async fn of_suppression(
        &self,
        suppression_id: Uuid,
        command: impl Fn() -> suppression::Command + Send + Sync,
    ) {
        let context = self.context();
        let store = &self.platform.store;
        store
            .execute::<Suppression>(suppression_id, &context, None, command)
            .await
            .unwrap();
    }

    /// A command to a subscriber.
    pub(super) async fn say(
        &self,
        subscriber_id: Uuid,
        command: impl Fn() -> subscriber::Command + Send + Sync,
    ) -> i64 {
        let context = self.context();
        let store = &self.platform.store;
        let executed = store
            .execute::<Subscriber>(subscriber_id, &context, None, command)
            .await
            .unwrap();
        executed.position()
    }
}
