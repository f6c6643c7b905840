//! What the columns of a file hold: its own names, or those of another product's export, which is known by its header.

pub(super) mod consent;
mod kind;
pub(super) mod tags;

use serde_json::{Map, Value};
use tidings_domain::suppression::Reason;

use consent::Sound;
pub(super) use kind::Kind;

/// What a column holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// The address.
    Email,
    /// The display name.
    Name,
    /// A part of the name; parts are joined in the order of their columns.
    NamePart,
    /// An attribute.
    Attribute(Attribute),
    /// Whether they have agreed to get mail, in anybody's words; an attribute besides.
    Consent(Attribute),
    /// Something that is called as if it said that, in words that are not known; an attribute besides.
    Sounding(Attribute, Sound),
    /// Tags, as Mailchimp writes them.
    Tags,
    /// Attributes: a JSON object.
    Attributes,
    /// Whether there is mail for them, in the product's words.
    Status,
    /// Whatever stands here, unless it is a no, says that they must get none, for this reason.
    Refusal(Reason),
    /// What only this platform's own export holds.
    Own(Own),
    /// What only the product that wrote it has use for.
    Ignored,
}

/// What an attribute is called, and what its cells are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attribute {
    pub(super) key: String,
    pub(super) kind: Kind,
}

impl Column {
    /// The attribute that it says something of.
    pub(super) fn attribute(&self) -> Option<&Attribute> {
        match self {
            Self::Attribute(attribute)
            | Self::Consent(attribute)
            | Self::Sounding(attribute, _) => Some(attribute),
            _ => None,
        }
    }

    /// Whether both say the same thing of somebody: only one of them can be right.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self.attribute(), other.attribute()) {
            (Some(one), Some(other)) => one.key == other.key,
            _ => self == other,
        }
    }
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
    /// What the header calls them.
    pub(super) names: Vec<String>,
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

/// Columns that every export of a Mailchimp audience has, whatever its owner has called the others.
const MAILCHIMP: [&str; 2] = ["MEMBER_RATING", "LEID"];
/// What its column of addresses is called; before its owner calls it something else, such as `Adresse e-mail`: then it is
/// the first.
const MAILCHIMP_EMAIL: [&str; 2] = ["Email Address", "email"];
/// Of those who left, and of those whose address bounced; in lower case.
const MAILCHIMP_LEFT: &str = "unsub_time";
const MAILCHIMP_CLEANED: &str = "clean_time";
const MAILCHIMP_TAGS: &str = "tags";
/// Guesses about readers, their addresses on the network, and Mailchimp's own ids. When they signed up is kept: it is
/// what consent is shown with.
const MAILCHIMP_IGNORED: [&str; 19] = [
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
    "UNSUB_CAMPAIGN_TITLE",
    "UNSUB_CAMPAIGN_ID",
    "UNSUB_REASON",
    "UNSUB_REASON_OTHER",
    "CLEAN_CAMPAIGN_TITLE",
    "CLEAN_CAMPAIGN_ID",
    "LEID",
    "EUID",
];

/// Why nothing can be said of what the columns of a header hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unknown {
    /// It looks like that of this platform's own export, but this column is missing.
    OwnWithout(&'static str),
    /// It looks like that of this platform's own export, but this column is none of it.
    OwnWith(String),
    /// This column is to hold values of a kind that there is not.
    Kind(String),
}

impl Layout {
    /// What a header says, each name without white space around it.
    ///
    /// # Errors
    /// When this platform wrote it, and what may keep mail from going out is not all there, or more is there than this
    /// version knows: either might bring somebody back who had left. When it asks for values of a kind that there is not.
    pub(super) fn of(names: &[&str]) -> Result<Self, Unknown> {
        let has = |all: &[&str]| all.iter().all(|name| names.contains(name));
        let lower: Vec<String> = names.iter().map(|it| it.to_ascii_lowercase()).collect();
        let says = |name: &str| lower.iter().any(|it| it == name);
        let is_listmonk = has(&LISTMONK);
        let is_mailchimp = MAILCHIMP
            .iter()
            .all(|name| says(&name.to_ascii_lowercase()));
        let is_own = OWN_MARKS.into_iter().any(says) && !is_listmonk && !is_mailchimp;
        if is_own && let Some(missing) = OWN.into_iter().find(|name| !says(name)) {
            return Err(Unknown::OwnWithout(missing));
        }
        let column: fn(&str) -> Column = match () {
            () if is_listmonk => listmonk,
            () if is_mailchimp => mailchimp,
            () if is_own => exported,
            () => own,
        };
        let mut columns: Vec<Column> = names.iter().map(|name| column(name)).collect();
        // Mailchimp puts those who left, and those whose address bounced, into files of their own.
        let standing = match () {
            () if !is_mailchimp => Standing::Wanted,
            () if says(MAILCHIMP_LEFT) => Standing::Unwanted(Reason::Unsubscribed),
            () if says(MAILCHIMP_CLEANED) => Standing::Unwanted(Reason::HardBounce),
            () => Standing::Wanted,
        };
        if is_mailchimp {
            let at = |wanted: &str| names.iter().position(|it| it.eq_ignore_ascii_case(wanted));
            let email = MAILCHIMP_EMAIL.into_iter().find_map(at).unwrap_or(0);
            columns[email] = Column::Email;
        }
        let mut attributes = columns.iter().filter_map(Column::attribute);
        if is_own && let Some(unknown) = attributes.next() {
            return Err(Unknown::OwnWith(unknown.key.clone()));
        }
        // What others have written asks for nothing of the sort, whatever its owner calls things.
        // Without an address it is read with the wrong delimiter, or no such file at all.
        let asks = !is_mailchimp && columns.contains(&Column::Email);
        let mut misspelt = attributes.filter(|it| asks && kind::is_misspelt(&it.key));
        if let Some(column) = misspelt.next() {
            return Err(Unknown::Kind(column.key.clone()));
        }
        Ok(Self {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            columns,
            standing,
            is_own,
        })
    }

    /// What the header calls a column, as it is told: cut to [`Self::TOLD_BYTES_MAX`].
    pub(super) fn told(&self, at: usize) -> Option<String> {
        let name = self.names.get(at)?;
        Some(name[..name.floor_char_boundary(Self::TOLD_BYTES_MAX)].to_owned())
    }

    /// The most bytes that are told of a column's name: it stands with each line that is rejected.
    const TOLD_BYTES_MAX: usize = 64;
}

/// A column of any file.
fn own(name: &str) -> Column {
    let (base, kind) = kind::of(name);
    match consent::refusal_in(base) {
        Some(reason) => Column::Refusal(reason),
        None => match named(base, kind) {
            Column::Attribute(attribute) if consent::is_asked_in(base) => {
                Column::Consent(attribute)
            }
            Column::Attribute(attribute) => match consent::sound_of(base) {
                Some(sound) => Column::Sounding(attribute, sound),
                None => Column::Attribute(attribute),
            },
            column => column,
        },
    }
}

/// An address, a name, or what is known of somebody besides.
fn named(name: &str, kind: Kind) -> Column {
    match name.to_ascii_lowercase().as_str() {
        "email" => Column::Email,
        "name" => Column::Name,
        _ => Column::Attribute(Attribute {
            key: name.to_owned(),
            kind,
        }),
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
        _ => named(name, Kind::Text),
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
    let is_one = |of: &[&str]| of.iter().any(|it| name.eq_ignore_ascii_case(it));
    if is_one(&MAILCHIMP_IGNORED) {
        return Column::Ignored;
    }
    if is_one(&["First Name", "Last Name"]) {
        return Column::NamePart;
    }
    if is_one(&[MAILCHIMP_TAGS]) {
        return Column::Tags;
    }
    match own(name) {
        // Which one holds the address is said once all are known; any other is its owner's, whatever it is called.
        Column::Email | Column::Name => Column::Attribute(Attribute {
            key: name.to_owned(),
            kind: Kind::Text,
        }),
        // Which of its files it is says how they stand.
        Column::Sounding(attribute, _) => Column::Attribute(attribute),
        column => column,
    }
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
