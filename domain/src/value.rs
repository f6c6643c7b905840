//! Value objects: text from outside becomes one of these by `parse()`, once, at the edge.
//!
//! Every `parse` says in plain words what was wrong and what is allowed. What the log holds was
//! parsed under the rules of its day, so codecs take it back through `recorded` instead.

mod attribute;
mod attributes;
mod channel_ids;
mod channel_kind;
mod code;
mod credentials;
mod decimal;
mod email_address;
mod evidence;
mod few;
mod html;
mod json;
mod list_id;
mod mailbox;
mod markdown;
mod month;
mod page_url;
mod scope;
mod segment_ids;
mod settings;
mod slug;
mod tag;
mod target;
mod text;
mod topic_ids;

pub use attribute::{AttributeKey, AttributeValue};
pub use attributes::Attributes;
pub use channel_ids::ChannelIds;
pub use channel_kind::ChannelKind;
pub use code::Code;
pub(crate) use code::code_enum;
pub use credentials::Credentials;
pub use decimal::Decimal;
pub use email_address::EmailAddress;
pub use evidence::Evidence;
pub use html::Html;
pub use list_id::ListId;
pub use mailbox::Mailbox;
pub use markdown::Markdown;
pub use month::Month;
pub use page_url::PageUrl;
pub use scope::Scope;
pub use segment_ids::SegmentIds;
pub use settings::Settings;
pub use slug::Slug;
pub use tag::Tag;
pub use target::Target;
pub(crate) use text::cut;
pub use text::{
    ChannelName, ConsentVersion, ConsentWording, Description, DisplayName, KeyName, LookReason,
    SegmentName, SkipReason, Title, TopicName,
};
pub use topic_ids::TopicIds;

/// What was wrong with a value, and what is allowed, in words for the person who sent it.
/// Where it stood (a field, a line) is for the caller to say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Invalid {
    /// One sentence in plain words.
    pub detail: String,
}

impl Invalid {
    pub(crate) fn new(detail: impl Into<String>) -> Self {
        Self {
            detail: detail.into(),
        }
    }
}
