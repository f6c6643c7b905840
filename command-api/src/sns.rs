//! What Amazon SNS posts to a hook: believed only if a topic of ours has signed it.
//!
//! Anybody can post to a hook. So a message is judged in this order, each step before the next one costs anything: its
//! shape; its topic, which must be one that the configuration names; the place of its certificate, which must be SNS in
//! that topic's own region; the signature.
//!
//! How old a message is says nothing: SNS tries again for as long as its owner's policy tells it to. Whoever takes what
//! is in it takes each thing once.

mod certificate;
mod certificates;
mod envelope;
mod page;

use tidings_service::config::TopicArn;
use time::OffsetDateTime;

use certificates::Certificates;
use envelope::{Envelope, Kind};
pub use page::{NoPage, ReadPage, pages};

/// Takes messages of some topics.
pub struct Sns {
    topics: Vec<TopicArn>,
    certificates: Certificates,
}

/// Why a message is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It cannot be read.
    Malformed(&'static str),
    /// Nothing shows that one of our topics has sent it.
    Unverified(&'static str),
    /// That cannot be found out at the moment; worth another try.
    Away(&'static str),
}

impl Sns {
    /// Takes messages of these topics. `read_page` gets the certificates, and confirms subscriptions.
    #[must_use]
    pub fn new(topics: Vec<TopicArn>, read_page: ReadPage) -> Self {
        Self {
            topics,
            certificates: Certificates::new(read_page),
        }
    }

    /// Takes one message, as it was posted. Gives the text of a notification, and nothing for what SNS says of the
    /// subscription itself: a new one is confirmed.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn receive(
        &self,
        body: &[u8],
        now: OffsetDateTime,
    ) -> Result<Option<String>, Refused> {
        let envelope = Envelope::read(body)?;
        let topic = self.topics.iter().find(|it| it.as_str() == envelope.topic);
        let topic = topic.ok_or(Refused::Unverified("its topic is none of `ses.topics`"))?;
        let place = certificates::Place::pin(&envelope.certificate_url, topic).ok_or(
            Refused::Unverified("its certificate lies elsewhere than at SNS"),
        )?;
        let certificate = self.certificates.at(&place, now).await?;
        if !certificate.is_valid_at(now) {
            return Err(Refused::Unverified("its certificate is not valid now"));
        }
        if !certificate.has_signed(&envelope) {
            return Err(Refused::Unverified("its signature is wrong"));
        }
        self.certificates.has_served(&place);
        match envelope.kind {
            Kind::Notification => Ok(Some(envelope.message)),
            Kind::Subscribed { token } => self.confirm(topic, &token, now).await.map(|()| None),
            Kind::Unsubscribed => {
                tracing::warn!(%topic, "SNS has ended the subscription of a topic: what becomes of mails is not told any more");
                Ok(None)
            }
        }
    }

    /// Confirms a subscription by what its `SubscribeURL` does. That is put together anew, so that no address from
    /// outside is ever asked.
    async fn confirm(
        &self,
        topic: &TopicArn,
        token: &str,
        now: OffsetDateTime,
    ) -> Result<(), Refused> {
        let host = topic.host();
        let url =
            format!("https://{host}/?Action=ConfirmSubscription&TopicArn={topic}&Token={token}");
        // Not confirmed is worth another try, whatever SNS answered: nobody else would make up for it.
        let confirmed = self.certificates.confirm(url, now).await;
        confirmed.map_err(|_| Refused::Away("SNS did not confirm the subscription"))?;
        tracing::info!(%topic, "the subscription of a topic of SNS is confirmed");
        Ok(())
    }
}

#[cfg(test)]
mod tests;
