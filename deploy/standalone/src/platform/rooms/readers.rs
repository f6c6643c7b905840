//! What readers meet without a login, put together from the settings and the other rooms.

use std::sync::Arc;

use tidings_command_api::{NoticeChannel, Offer, OfferedChannel, OfferedTopic, Offers, SignUpForm};
use tidings_dispatcher::channels::addressed_kinds;
use tidings_dispatcher::notices;
use tidings_domain::subscriber::Consent;
use tidings_domain::value::{ConsentVersion, ConsentWording};
use tidings_projector::{Reader, channel_list, subscriber_export, topic_list};
use tidings_service::look::MakeExport;

use super::{Site, StartError};

/// The most topics that readers choose among.
const TOPICS_OFFERED_MAX: i64 = 200;

/// Who writes to subscribers, as they know it.
pub(super) fn organisation(site: &Site<'_>) -> String {
    let named = site.config.notices.organisation.clone();
    named.unwrap_or_else(|| site.public_url.host().to_owned())
}

/// The form by which people sign up, if there is one.
pub(super) fn sign_up_form(site: &Site<'_>) -> Result<Option<SignUpForm>, StartError> {
    let config = &site.config.sign_up;
    let Some(consent) = &config.consent else {
        return Ok(None);
    };
    let wrong = |key| move |source| StartError::SignUp { key, source };
    let wording = ConsentWording::parse(consent).map_err(wrong("sign_up.consent"))?;
    let version = ConsentVersion::parse(&config.consent_version);
    let version = version.map_err(wrong("sign_up.consent_version"))?;
    Ok(Some(SignUpForm {
        organisation: organisation(site),
        consent: Consent::to(wording, version),
        url: site.public_url.join("/join"),
        return_pages: config.return_pages.clone(),
    }))
}

/// How readers reach whoever answers when they ask for their data, and how the file is made that they get by a link; none: they
/// get none.
pub(super) fn own_data(site: &Site<'_>, reader: &Reader) -> Option<(String, MakeExport)> {
    let contact = site.config.own_data.contact.clone()?;
    let clock = site.ground.clock.clone();
    Some((contact, subscriber_export::by_link(reader.clone(), clock)))
}

/// The channel that subscribers are asked by, as the dispatcher knows channels.
pub(super) fn notice_channel(site: &Site<'_>) -> NoticeChannel {
    let (store, wanted) = (site.core.store.clone(), site.config.notices.channel);
    Arc::new(move |left| {
        let store = store.clone();
        Box::pin(async move { notices::channel(store.log(), wanted, &left).await })
    })
}

/// What readers can choose among, as the views have it.
pub(super) fn offers(reader: Reader) -> Offers {
    Arc::new(move || {
        let reader = reader.clone();
        Box::pin(async move {
            let topics = topic_list::offered(&reader, TOPICS_OFFERED_MAX).await?;
            let topics = topics.into_iter().map(|topic| OfferedTopic {
                id: topic.id,
                name: topic.name,
                description: topic.description,
                by_default: topic.default == "in",
            });
            let channels = channel_list::enabled(&reader, &addressed_kinds()).await?;
            let channels = channels.into_iter().map(|channel| OfferedChannel {
                id: channel.id,
                name: channel.name,
            });
            Ok(Offer {
                topics: topics.collect(),
                channels: channels.collect(),
            })
        })
    })
}
