//! What can be said of a topic anew, as a request says it.

use serde::Deserialize;
use tidings_domain::topic::{Card, Sender};
use tidings_domain::value::{Description, Invalid, ListId, Mailbox, TopicName};
use utoipa::ToSchema;

use crate::refusal::Values;

/// What readers are told of a topic, and who its mails come from.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "name": "Markets",
    "description": "Prices, every weekday evening.",
    "from": "Town Crier markets <markets@news.example.org>",
    "list_id": "Markets <markets.news.example.org>",
}))]
pub(crate) struct TopicCard {
    /// What readers see it called: one line.
    pub(super) name: String,
    /// One line about it for them.
    pub(super) description: Option<String>,
    /// Who its mails come from; the channel says so where it is left out. The channel's server must let us send as this
    /// address.
    pub(super) from: Option<String>,
    /// Where an answer goes.
    pub(super) reply_to: Option<String>,
    /// What mail programs know the list by (RFC 2919).
    pub(super) list_id: Option<String>,
}

impl TopicCard {
    /// The same, right by its types; what is wrong is noted.
    pub(super) fn judge(&self, values: &mut Values) -> Option<Card> {
        let name = values.take("#/name", TopicName::parse(&self.name));
        let (description, from) = (&self.description, &self.from);
        let description = optional(values, "#/description", description, Description::parse);
        let from = optional(values, "#/from", from, Mailbox::parse);
        let reply_to = optional(values, "#/reply_to", &self.reply_to, Mailbox::parse);
        let list_id = optional(values, "#/list_id", &self.list_id, ListId::parse);
        Some(Card {
            name: name?,
            description: description?,
            sender: Sender {
                from: from?,
                reply_to: reply_to?,
                list_id: list_id?,
            },
        })
    }
}

/// The outer `None`: it is wrong.
fn optional<T>(
    values: &mut Values,
    pointer: &str,
    text: &Option<String>,
    parse: impl Fn(&str) -> Result<T, Invalid>,
) -> Option<Option<T>> {
    match text {
        None => Some(None),
        Some(text) => values.take(pointer, parse(text)).map(Some),
    }
}
