//! What the columns of a file hold: its own names, or those of another product's export, which is known by its header.

use std::borrow::Cow;

use serde_json::{Map, Value};
use tidings_domain::suppression::Reason;
use tidings_service::csv;

/// What a column holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// The address.
    Email,
    /// The display name.
    Name,
    /// A part of the name; parts are joined in the order of their columns.
    NamePart,
    /// An attribute of this name.
    Attribute(String),
    /// Attributes: a JSON object.
    Attributes,
    /// Whether there is mail for them, in the product's words.
    Status,
    /// What only this platform's own export holds.
    Own(Own),
    /// What only the product that wrote it has use for.
    Ignored,
}

/// A column of this platform's own export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Own {
    /// active, pending or unsubscribed.
    Status,
    /// Whether mail may go out without a further word from them.
    Confirmed,
    /// Reasons of suppressions, one after the other.
    Suppressed,
    /// Tags.
    Tags,
    /// A JSON object of typed attributes.
    Attributes,
    /// Slugs of topics.
    TopicsLeft,
    /// Slugs of topics.
    TopicsWanted,
    /// Ids of channels.
    ChannelsLeft,
}

/// What a file says about everybody in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// They want mail.
    Wanted,
    /// They must get none, for this reason.
    Unwanted(Reason),
}

/// The columns of a header, and the standing of all its records that have no status of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) columns: Vec<Column>,
    pub(super) standing: Standing,
    /// Whether this platform has written the file.
    pub(super) is_own: bool,
}

/// What this platform's own export says of everybody (`projector/src/subscriber_profile/export/line.rs`): all that may keep
/// mail from going out, so that nobody gets any because a column was taken away.
const OWN: [&str; 6] = [
    "email",
    "status",
    "confirmed",
    "suppressed",
    "topics_left",
    "channels_left",
];
/// One of these tells that this platform wrote the file, whatever has been taken out of it since.
const OWN_MARKS: [&str; 5] = [
    "confirmed",
    "suppressed",
    "topics_left",
    "channels_left",
    "signed_up_at",
];
/// Ids and times of the platform that wrote it.
const OWN_IGNORED: [&str; 4] = ["id", "source", "signed_up_at", "unsubscribed_at"];

/// The header of listmonk's export, whatever stands beside these.
const LISTMONK: [&str; 5] = ["uuid", "email", "name", "attributes", "status"];
const LISTMONK_IGNORED: [&str; 3] = ["uuid", "created_at", "updated_at"];

/// Columns that every export of a Mailchimp audience has.
const MAILCHIMP: [&str; 3] = ["Email Address", "MEMBER_RATING", "LEID"];
/// Of those who left, and of those whose address bounced.
const MAILCHIMP_LEFT: &str = "UNSUB_TIME";
const MAILCHIMP_CLEANED: &str = "CLEAN_TIME";
/// Guesses about readers, their addresses on the network, and Mailchimp's own ids. When they signed up is kept: it is
/// what consent is shown with.
const MAILCHIMP_IGNORED: [&str; 21] = [
    "MEMBER_RATING",
    "OPTIN_IP",
    "CONFIRM_IP",
    "LATITUDE",
    "LONGITUDE",
    "GMTOFF",
    "DSTOFF",
    "TIMEZONE",
    "CC",
    "REGION",
    "LAST_CHANGED",
    "UNSUB_TIME",
    "UNSUB_CAMPAIGN_TITLE",
    "UNSUB_CAMPAIGN_ID",
    "UNSUB_REASON",
    "UNSUB_REASON_OTHER",
    "CLEAN_TIME",
    "CLEAN_CAMPAIGN_TITLE",
    "CLEAN_CAMPAIGN_ID",
    "LEID",
    "EUID",
];

/// Why a header is not the one of this platform's own export, though it looks like it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NotOwn {
    /// This column is missing.
    Without(&'static str),
    /// This column is none of it.
    With(String),
}

impl Layout {
    /// What a header says, each name without white space around it.
    ///
    /// # Errors
    /// When this platform wrote it, and what may keep mail from going out is not all there, or more is there than this
    /// version knows: either might bring somebody back who had left.
    pub(super) fn of(names: &[&str]) -> Result<Self, NotOwn> {
        let has = |all: &[&str]| all.iter().all(|name| names.contains(name));
        let lower: Vec<String> = names.iter().map(|it| it.to_ascii_lowercase()).collect();
        let says = |name: &str| lower.iter().any(|it| it == name);
        let is_own = OWN_MARKS.into_iter().any(says) && !has(&LISTMONK) && !has(&MAILCHIMP);
        if is_own && let Some(missing) = OWN.into_iter().find(|name| !says(name)) {
            return Err(NotOwn::Without(missing));
        }
        let column: fn(&str) -> Column = match () {
            () if has(&LISTMONK) => listmonk,
            () if has(&MAILCHIMP) => mailchimp,
            () if is_own => exported,
            () => own,
        };
        let standing = match () {
            () if !has(&MAILCHIMP) => Standing::Wanted,
            () if has(&[MAILCHIMP_LEFT]) => Standing::Unwanted(Reason::Unsubscribed),
            () if has(&[MAILCHIMP_CLEANED]) => Standing::Unwanted(Reason::HardBounce),
            () => Standing::Wanted,
        };
        let columns: Vec<Column> = names.iter().map(|name| column(name)).collect();
        let unknown = columns.iter().find_map(|column| match column {
            Column::Attribute(name) if is_own => Some(name),
            _ => None,
        });
        if let Some(name) = unknown {
            return Err(NotOwn::With(name.clone()));
        }
        Ok(Self {
            columns,
            standing,
            is_own,
        })
    }
}

fn own(name: &str) -> Column {
    match name.to_ascii_lowercase().as_str() {
        "email" => Column::Email,
        "name" => Column::Name,
        _ => Column::Attribute(name.to_owned()),
    }
}

fn exported(name: &str) -> Column {
    match name.to_ascii_lowercase().as_str() {
        "status" => Column::Own(Own::Status),
        "confirmed" => Column::Own(Own::Confirmed),
        "suppressed" => Column::Own(Own::Suppressed),
        "tags" => Column::Own(Own::Tags),
        "attributes" => Column::Own(Own::Attributes),
        "topics_left" => Column::Own(Own::TopicsLeft),
        "topics_wanted" => Column::Own(Own::TopicsWanted),
        "channels_left" => Column::Own(Own::ChannelsLeft),
        lower if OWN_IGNORED.contains(&lower) => Column::Ignored,
        _ => own(name),
    }
}

fn listmonk(name: &str) -> Column {
    match name {
        "attributes" => Column::Attributes,
        "status" => Column::Status,
        name if LISTMONK_IGNORED.contains(&name) => Column::Ignored,
        name => own(name),
    }
}

fn mailchimp(name: &str) -> Column {
    match name {
        "Email Address" => Column::Email,
        "First Name" | "Last Name" => Column::NamePart,
        name if MAILCHIMP_IGNORED.contains(&name) => Column::Ignored,
        name => Column::Attribute(name.to_owned()),
    }
}

/// What a status of listmonk means; none: there is no such status. Who was blocked there is let in by an operator here,
/// not by a sign-up.
pub(super) fn status(text: &str) -> Option<Standing> {
    match text {
        "enabled" => Some(Standing::Wanted),
        "disabled" | "blocklisted" | "blacklisted" => Some(Standing::Unwanted(Reason::Import)),
        _ => None,
    }
}

/// Whether a status, in whatever file, says that somebody must get nothing.
pub(super) fn is_refusal(status: &str) -> bool {
    let refusals = [
        "disabled",
        "blocklisted",
        "blacklisted",
        "blocked",
        "unsubscribed",
        "cleaned",
        "bounced",
        "complained",
    ];
    let status = status.trim().to_ascii_lowercase();
    refusals.contains(&status.as_str())
}

/// Who has yet to confirm.
const PENDING: &str = "pending";

/// Whether a column that is called `status` says that they must get nothing, in a file of no layout that is known: rather
/// nobody is signed up who left elsewhere, or never confirmed.
pub(super) fn says_no(columns: &[Column], fields: &[Cow<'_, [u8]>]) -> bool {
    let called = |column: &Column| matches!(column, Column::Attribute(name) if name.eq_ignore_ascii_case("status"));
    let mut statuses = columns
        .iter()
        .zip(fields)
        .filter(|(column, _)| called(column));
    statuses.any(|(_, field)| {
        let text = std::str::from_utf8(field);
        text.is_ok_and(|text| {
            let status = csv::without_guard(text);
            is_refusal(status) || status.trim().eq_ignore_ascii_case(PENDING)
        })
    })
}

/// The attributes in a JSON object; what is nested is kept as the JSON it was. None: it is no object.
pub(super) fn attributes(text: &str) -> Option<Map<String, Value>> {
    let Ok(Value::Object(object)) = serde_json::from_str(text) else {
        return None;
    };
    let plain = object.into_iter().filter_map(|(key, value)| match value {
        Value::Null => None,
        Value::Array(_) | Value::Object(_) => Some((key, Value::from(value.to_string()))),
        plain => Some((key, plain)),
    });
    Some(plain.collect())
}
