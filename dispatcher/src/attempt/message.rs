//! The message of one attempt: what asked for it says what is in it.

use tidings_domain::access::NoticeKind;
use tidings_domain::delivery::Purpose;
use tidings_domain::token::{ConfirmLink, ReturnPath, UnsubscribeLink};
use time::{Date, UtcOffset};
use uuid::Uuid;

use super::Case;
use crate::causes::Cause;
use crate::channel::{About, Channel, Job, Recipient, RenderError, Rendered};
use crate::content::notice;
use crate::core::Core;
use crate::pick::Pick;

impl Core {
    pub(super) fn render(
        &self,
        channel: &dyn Channel,
        case: &Case,
        pick: &Pick,
    ) -> Result<Rendered, RenderError> {
        let recipient = match (pick.plan.subscriber_id, &case.receiver.email) {
            (Some(subscriber_id), Some(email)) => Some(Recipient {
                subscriber_id,
                email: email.clone(),
                // Whoever is asked may have been named by somebody else, who must not get to write in our mail.
                name: match case.cause.purpose() {
                    Purpose::Mail => case.receiver.name.clone(),
                    Purpose::AskForConsent => None,
                },
            }),
            _ => None,
        };
        let reader = recipient.as_ref().map(|recipient| recipient.subscriber_id);
        // The attempt that is about to be made: should it turn out to be another one, all is rendered anew.
        let attempts = case.delivery.state.tries().map_or(0, |it| it.attempts);
        let attempt = attempts.saturating_add(1);
        let delivery_id = pick.delivery.id;
        let return_path = reader.map(|_| {
            let path = ReturnPath {
                delivery_id,
                attempt,
            };
            path.local_part(self.link_keys.current())
        });
        let job = |about, content, unsubscribe_url| Job {
            delivery_id,
            attempt,
            about,
            content,
            recipient,
            unsubscribe_url,
            return_path,
            date: pick.planned_at,
        };
        match &case.cause {
            Cause::Publication(publication) => {
                let content = publication.content.as_ref();
                let content = content.ok_or(RenderError::Unbuildable)?;
                let about = About::Publication(publication.publication_id);
                let url = reader.map(|reader| self.unsubscribe_url(case, pick, reader));
                channel.render(&job(about, content.as_ref(), url))
            }
            Cause::Notice(kind) => {
                let reader = reader.ok_or(RenderError::NoRecipient)?;
                let content = match kind {
                    NoticeKind::ConfirmSignUp => {
                        let url = self.confirm_url(case, pick, reader);
                        notice::confirm_sign_up(&self.organisation, &url)
                    }
                };
                channel.render(&job(About::Notice(*kind), &content, None))
            }
        }
    }

    fn unsubscribe_url(&self, case: &Case, pick: &Pick, subscriber_id: Uuid) -> String {
        let link = UnsubscribeLink {
            subscriber_id,
            topic_id: None,
            delivery_id: Some(pick.delivery.id),
            address_suppression_id: case.receiver.address_suppression_id,
            issued: issued(pick),
        };
        let token = link.sign(self.link_keys.current());
        self.public_url.join(&format!("/u/{token}"))
    }

    fn confirm_url(&self, case: &Case, pick: &Pick, subscriber_id: Uuid) -> String {
        let link = ConfirmLink {
            subscriber_id,
            delivery_id: pick.delivery.id,
            address_suppression_id: case.receiver.address_suppression_id,
            issued: issued(pick),
        };
        let token = link.sign(self.link_keys.current());
        self.public_url.join(&format!("/c/{token}"))
    }
}

/// The day it was planned, so that every attempt renders the same bytes.
fn issued(pick: &Pick) -> Date {
    pick.planned_at.to_offset(UtcOffset::UTC).date()
}
