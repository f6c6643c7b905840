//! What a mail tells about itself, where its channel wants that: its picture and its links lead by way of the platform.

use tidings_domain::id::IdKey;
use tidings_domain::stream_id;
use tidings_domain::token::{Done, LinkKeys, TrackingLink};
use tidings_service::config::PublicUrl;

use crate::content::mail::Tracked;

/// The longest address a link gets: mail programs and what rewrites links on the way cut longer ones.
pub(crate) const ADDRESS_CHARS_MAX: usize = 2_000;

/// What signs and names what mails tell.
pub struct TrackingKeys {
    /// Signs it.
    pub keys: LinkKeys,
    /// Names the links of a text.
    pub id_key: IdKey,
}

/// How much a channel's mails tell of their readers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Nothing.
    #[default]
    Off,
    /// Which links are followed.
    Clicks,
    /// And that they are opened.
    OpensAndClicks,
}

impl Extent {
    /// By the name it has in settings.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "off" => Some(Self::Off),
            "clicks" => Some(Self::Clicks),
            "opens_and_clicks" => Some(Self::OpensAndClicks),
            _ => None,
        }
    }
}

/// The marks of one delivery's mail.
pub struct Tracking<'a> {
    pub(crate) by: &'a TrackingKeys,
    pub(crate) public_url: &'a PublicUrl,
    /// What all of them say.
    pub(crate) link: TrackingLink,
}

impl Tracking<'_> {
    /// As far as the channel wants it.
    pub(crate) fn tracked(&self, extent: Extent) -> Option<Tracked<'_>> {
        let picture_url = match extent {
            Extent::Off => return None,
            Extent::Clicks => None,
            Extent::OpensAndClicks => Some(self.address(&self.link)),
        };
        Some(Tracked {
            picture_url,
            click_url: Box::new(|url| self.click_url(url)),
        })
    }

    /// Where a link leads instead; to its own address, when the other one would be too long.
    fn click_url(&self, url: &str) -> String {
        let cause = self.link.cause();
        let clicked = TrackingLink {
            done: Done::Clicked {
                link_id: stream_id::engagement_link(&self.by.id_key, cause, url),
                url: url.to_owned(),
            },
            ..self.link.clone()
        };
        let address = self.address(&clicked);
        match address.len() <= ADDRESS_CHARS_MAX {
            true => address,
            false => url.to_owned(),
        }
    }

    fn address(&self, link: &TrackingLink) -> String {
        let token = link.sign(self.by.keys.current());
        self.public_url.join(&format!("/t/{token}"))
    }
}
