//! Who a mail comes from, and how its reader answers or leaves: what the kinds that send mails are told alike.

use lettre::{Address, message::Mailbox};

use super::settings::Fields;

/// What a person configures of it.
#[derive(Clone, Debug)]
pub(super) struct Letterhead {
    pub(super) from: Mailbox,
    pub(super) reply_to: Option<Mailbox>,
    /// As it stands in `List-Id`: `Name <list.example.org>` or `<list.example.org>`.
    pub(super) list_id: Option<String>,
    /// Where a mail that asks to leave goes: its server hands it to `/hooks/mail`.
    pub(super) unsubscribe_mailbox: Option<Address>,
}

impl Letterhead {
    /// Reads `from`, `reply_to`, `list_id` and `unsubscribe_mailbox`; none without a usable `from`.
    pub(super) fn read(settings: &mut Fields) -> Option<Self> {
        let address = "an address such as `Name <news@example.org>`";
        let from = settings.required_parsed::<Mailbox>("from", address);
        let reply_to = settings.parsed::<Mailbox>("reply_to", address);
        let list_id = list_id(settings);
        let unsubscribe_mailbox = unsubscribe_mailbox(settings);
        from.map(|from| Self {
            from,
            reply_to,
            list_id,
            unsubscribe_mailbox,
        })
    }
}

fn list_id(settings: &mut Fields) -> Option<String> {
    let text = settings.text("list_id")?;
    let (name, id) = match text.split_once('<') {
        Some((name, rest)) => (name.trim(), rest.strip_suffix('>').unwrap_or_default()),
        None => ("", text.trim()),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let name_plain = name.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if !id.contains('.') || !id.chars().all(plain) || !name_plain {
        settings.problem(
            "list_id",
            "must look like `News <news.example.org>`, in ASCII",
        );
        return None;
    }
    Some(format!("{name} <{id}>").trim_start().to_owned())
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
