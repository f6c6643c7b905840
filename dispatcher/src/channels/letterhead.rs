//! Who a mail comes from, and how its reader answers or leaves: what the kinds that send mails are told alike.

use std::borrow::Cow;

use lettre::{Address, message::Mailbox};
use tidings_domain::topic::Sender;
use tidings_domain::value::{self as domain, ListId};

use super::compose::mailbox;
use super::settings::Fields;
use crate::channel::RenderError;
use crate::tracking::Extent;

/// What a person configures of it.
#[derive(Clone, Debug)]
pub(super) struct Letterhead {
    pub(super) from: Mailbox,
    pub(super) reply_to: Option<Mailbox>,
    /// As it stands in `List-Id`: `Name <list.example.org>` or `<list.example.org>`.
    pub(super) list_id: Option<String>,
    /// Where a mail that asks to leave goes: its server hands it to `/hooks/mail`.
    pub(super) unsubscribe_mailbox: Option<Address>,
    /// How much mails tell of their readers.
    pub(super) tracking: Extent,
}

impl Letterhead {
    /// Reads `from`, `reply_to`, `list_id`, `unsubscribe_mailbox` and `tracking`; none without a usable `from`.
    pub(super) fn read(settings: &mut Fields) -> Option<Self> {
        let address = "an address such as `Name <news@example.org>`";
        let from = settings.required_parsed::<Mailbox>("from", address);
        let from = from.and_then(|it| plain(settings, "from", &it));
        let reply_to = settings.parsed::<Mailbox>("reply_to", address);
        let reply_to = reply_to.and_then(|it| plain(settings, "reply_to", &it));
        let list_id = list_id(settings);
        let unsubscribe_mailbox = unsubscribe_mailbox(settings);
        let tracking = tracking(settings);
        from.map(|from| Self {
            from,
            reply_to,
            list_id,
            unsubscribe_mailbox,
            tracking,
        })
    }

    /// The domain that mails come from, about a topic that has these.
    pub(super) fn domain_of_from(&self, topic: &Sender) -> String {
        let own = topic.from.as_ref().map(|from| from.email().domain());
        let domain = own.unwrap_or_else(|| self.from.email.domain());
        domain.to_ascii_lowercase()
    }

    /// How the reader is told who sends it: by name, or else by address.
    pub(super) fn called(&self) -> &str {
        let name = self.from.name.as_deref();
        name.unwrap_or_else(|| self.from.email.as_ref())
    }

    /// The same of mails about a topic that has these.
    pub(super) fn called_about(&self, topic: &Sender) -> Option<String> {
        let letterhead = self.of(topic).ok()?;
        Some(letterhead.called().to_owned())
    }

    /// The same with what a topic has of its own in its place.
    pub(super) fn of(&self, topic: &Sender) -> Result<Cow<'_, Self>, RenderError> {
        if *topic == Sender::default() {
            return Ok(Cow::Borrowed(self));
        }
        let own = |it: &Option<domain::Mailbox>| {
            let it = it.as_ref();
            it.map(|it| mailbox(it.email().as_str(), it.name()))
                .transpose()
        };
        let list_id = topic.list_id.as_ref().map(ToString::to_string);
        Ok(Cow::Owned(Self {
            from: own(&topic.from)?.unwrap_or_else(|| self.from.clone()),
            reply_to: own(&topic.reply_to)?.or_else(|| self.reply_to.clone()),
            list_id: list_id.or_else(|| self.list_id.clone()),
            unsubscribe_mailbox: self.unsubscribe_mailbox.clone(),
            tracking: self.tracking,
        }))
    }
}

/// An address that every server understands: an international domain in its ASCII form. What stands before the `@` has none.
fn plain(settings: &mut Fields, name: &str, written: &Mailbox) -> Option<Mailbox> {
    let plain = mailbox(written.email.as_ref(), written.name.as_deref()).ok();
    let plain = plain.filter(|it| AsRef::<str>::as_ref(&it.email).is_ascii());
    if plain.is_none() {
        let detail = "must have ASCII characters alone before the `@`, and a domain behind it";
        settings.problem(name, detail);
    }
    plain
}

fn list_id(settings: &mut Fields) -> Option<String> {
    let text = settings.text("list_id")?;
    match ListId::parse(&text) {
        Ok(list_id) => Some(list_id.to_string()),
        Err(invalid) => {
            settings.problem("list_id", &invalid.detail);
            None
        }
    }
}

fn tracking(settings: &mut Fields) -> Extent {
    let name = "tracking";
    let Some(text) = settings.text(name) else {
        return Extent::default();
    };
    let extent = Extent::parse(&text);
    if extent.is_none() {
        settings.problem(name, "must be `off`, `clicks` or `opens_and_clicks`");
    }
    extent.unwrap_or_default()
}

/// It stands in a URL, so it is held to characters that mean nothing there.
fn unsubscribe_mailbox(settings: &mut Fields) -> Option<Address> {
    let name = "unsubscribe_mailbox";
    let what = "a plain address such as `leave@example.org`";
    let address = settings.parsed::<Address>(name, what)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '@');
    if AsRef::<str>::as_ref(&address).chars().all(plain) {
        return Some(address);
    }
    settings.problem(name, &format!("must be {what}"));
    None
}
