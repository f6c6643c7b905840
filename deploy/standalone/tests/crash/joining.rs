//! Somebody who signs up in a round, and has to say so once more by the link they are sent.

use serde_json::{Value, json};
use tidings_domain::subscriber::Subscriber;
use tidings_domain::token::{ConfirmLink, UnsubscribeLink};
use tidings_service::Clock;
use tidings_tests::program::{ASK_AGAIN, Api, Away};
use uuid::Uuid;

use crate::world::World;

impl World {
    /// Signs somebody up, waits for the mail that asks them, and has them say yes.
    pub(crate) async fn one_joins(&self, api: &Api, number: usize) -> Result<(), Away> {
        let email = format!("joins{number}@example.org");
        self.hand_in(vec![email.clone()]);
        let key = format!("{email} of {}", self.seed);
        let whom = json!({ "email": email, "confirmation": "required" });
        let answer = api.command_once(&key, "/api/v1/subscribers", &whom).await?;
        let id = self.tell(&answer.expect("somebody may sign up"));
        let delivery_id = self.asked(api, id, &email).await?;
        let token = self.confirmation(id, delivery_id).await?;
        api.press(&format!("/c/{token}")).await?;
        let confirmed = |it: &Value| it["state"] != json!("pending");
        api.await_answer(&format!("/api/v1/subscribers/{id}"), confirmed)
            .await?;
        Ok(())
    }

    /// The delivery of the mail that asks them, once it is there.
    async fn asked(&self, api: &Api, id: Uuid, email: &str) -> Result<Uuid, Away> {
        loop {
            let mails = self.smtp.by_recipient(email);
            let sent = mails.first().and_then(|it| it.message_id.as_deref());
            if let Some(sent) = sent {
                let sent = sent.trim_start_matches('<').split('@').next();
                return Ok(sent.unwrap_or_default().parse().unwrap());
            }
            // Whoever is dead sends nothing any more.
            api.query(&format!("/api/v1/subscribers/{id}")).await?;
            self.mend_channels(api).await?;
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }

    /// What stands in the link of their mail, of which the receiver keeps no more than the header.
    async fn confirmation(&self, subscriber_id: Uuid, delivery_id: Uuid) -> Result<String, Away> {
        let now = Clock::system().now();
        let keys = self.store.vault().link_keys(now).await;
        let keys = keys.map_err(|error| Away::Silent(error.to_string()))?;
        let reader = self.store.load::<Subscriber>(subscriber_id).await;
        let reader = reader.map_err(|error| Away::Silent(error.to_string()))?;
        let profile = reader.state.profile().expect("they signed up");
        let link = ConfirmLink {
            subscriber_id,
            delivery_id,
            address_suppression_id: profile.address_suppression_id,
            issued: UnsubscribeLink::issued_on(now),
        };
        Ok(link.sign(keys.current()))
    }
}
