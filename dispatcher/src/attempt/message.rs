//! The message of one attempt: what asked for it says what is in it.

use tidings_domain::access::NoticeKind;
use tidings_domain::delivery::Purpose;
use tidings_domain::token::{
    ConfirmLink, Done, OwnDataLink, PreferencesLink, ReturnPath, TrackingLink, UnsubscribeLink,
};
use tidings_domain::topic::Sender;
use time::{Date, UtcOffset};
use uuid::Uuid;

use super::Case;
use crate::causes::{Cause, Notice, Publishing};
use crate::channel::{About, Channel, Job, Recipient, RenderError, Rendered};
use crate::content::{Composed, notice};
use crate::core::Core;
use crate::pick::Pick;
use crate::tracking::Tracking;

/// Where a reader says that they do not want it, or want it otherwise.
#[derive(Default)]
struct Links {
    unsubscribe: Option<String>,
    preferences: Option<String>,
}

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
                // Whoever is asked may have been named by somebody else, who must not get to write in our mail; nor need
                // whoever opens what brings a link to somebody's data learn a name from it.
                name: match case.cause.purpose() {
                    Purpose::Mail => case.receiver.name.clone(),
                    Purpose::AskForConsent | Purpose::OwnData => None,
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
        let job = |about, content, sender, links: Links| Job {
            delivery_id,
            attempt,
            about,
            content,
            recipient,
            unsubscribe_url: links.unsubscribe,
            preferences_url: links.preferences,
            sender,
            return_path,
            tracking: None,
            date: pick.planned_at,
        };
        match &case.cause {
            Cause::Publication(publication) => {
                let content = publication.content.as_ref();
                let content = content.ok_or(RenderError::Unbuildable)?;
                let about = About::Publication(publication.publication_id);
                let topic = publication.only_topic();
                let links = reader.map(|reader| self.links(topic, case, pick, reader));
                let links = links.unwrap_or_default();
                let tracking = reader.map(|reader| self.tracking(publication, pick, reader));
                let job = job(about, content.as_ref(), &publication.sender, links);
                channel.render(&Job { tracking, ..job })
            }
            Cause::Notice(it) => {
                let reader = reader.ok_or(RenderError::NoRecipient)?;
                let (content, links) = match it.kind {
                    NoticeKind::ConfirmSignUp => {
                        let url = self.confirm_url(case, pick, reader);
                        let content =
                            notice::confirm_sign_up(&self.organisation, it.wording.as_ref(), &url);
                        (content, Links::default())
                    }
                    NoticeKind::PreferencesChanged => {
                        let links = self.links(None, case, pick, reader);
                        let url = links.preferences.as_deref().unwrap_or_default();
                        (notice::preferences_changed(&self.organisation, url), links)
                    }
                    // No other link stands beside that one: whoever is passed this mail on has enough by it.
                    NoticeKind::OwnData => {
                        (self.own_data(it, case, pick, reader)?, Links::default())
                    }
                };
                let (about, sender) = (About::Notice(it.kind), Sender::default());
                channel.render(&job(about, &content, &sender, links))
            }
        }
    }

    /// What a publication's mail may tell.
    fn tracking(&self, publication: &Publishing, pick: &Pick, subscriber_id: Uuid) -> Tracking<'_> {
        Tracking {
            by: &self.tracking,
            public_url: &self.public_url,
            link: TrackingLink {
                subscriber_id,
                publication_id: publication.publication_id,
                delivery_id: pick.delivery.id,
                channel_id: pick.plan.channel_id,
                issued: issued(pick),
                content_version: pick.plan.content_version,
                done: Done::Opened,
            },
        }
    }

    /// `topic_id`: what leaving leaves; none: everything.
    fn links(
        &self,
        topic_id: Option<Uuid>,
        case: &Case,
        pick: &Pick,
        subscriber_id: Uuid,
    ) -> Links {
        let (delivery_id, issued) = (Some(pick.delivery.id), issued(pick));
        let unsubscribe = UnsubscribeLink {
            subscriber_id,
            topic_id,
            delivery_id,
            address_suppression_id: case.receiver.address_suppression_id,
            issued,
        };
        let preferences = PreferencesLink {
            subscriber_id,
            delivery_id,
            address_suppression_id: case.receiver.address_suppression_id,
            issued,
        };
        let key = self.link_keys.current();
        let url = |path: &str, token: String| Some(self.public_url.join(&format!("{path}{token}")));
        Links {
            unsubscribe: url("/u/", unsubscribe.sign(key)),
            preferences: url("/p/", preferences.sign(key)),
        }
    }

    /// Brings the link to all that is held about somebody, unless it would not work any more: because it has had its time, or
    /// because they have another address than when they asked. Whose mailbox that one is nobody knows, nor need it learn that
    /// they asked.
    fn own_data(
        &self,
        notice: &Notice,
        case: &Case,
        pick: &Pick,
        subscriber_id: Uuid,
    ) -> Result<Composed, RenderError> {
        let contact = self.own_data_contact.as_deref();
        let contact = contact.ok_or(RenderError::TooLate)?;
        if self.clock.now() >= notice.link_until {
            return Err(RenderError::TooLate);
        }
        let moved = case.receiver.moved_position;
        if moved.is_some_and(|moved| moved > pick.planned_position) {
            return Err(RenderError::Moved);
        }
        let link = OwnDataLink {
            subscriber_id,
            delivery_id: pick.delivery.id,
            address_suppression_id: case.receiver.address_suppression_id,
            issued: issued(pick),
        };
        let token = link.sign(self.link_keys.current());
        let url = self.public_url.join(&format!("/x/{token}"));
        let organisation = &self.organisation;
        Ok(notice::own_data(
            organisation,
            &url,
            notice.link_until,
            contact,
        ))
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
