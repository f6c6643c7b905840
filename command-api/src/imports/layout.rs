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
    /// Whatever stands here, unless it is a no, says that they must get none, for this reason.
    Refusal(Reason),
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

/// Columns that every export of a Mailchimp audience has, whatever its owner has called the others.
const MAILCHIMP: [&str; 2] = ["MEMBER_RATING", "LEID"];
/// What its column of addresses is called; before its owner calls it something else, such as `Adresse e-mail`: then it is
/// the first.
const MAILCHIMP_EMAIL: [&str; 2] = ["Email Address", "email"];
/// Of those who left, and of those whose address bounced; in lower case.
const MAILCHIMP_LEFT: &str = "unsub_time";
const MAILCHIMP_CLEANED: &str = "clean_time";
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

/// Columns that say of whoever has something in them that they left, or that their address bounced; in lower case, with
/// underscores. Whatever file they stand in: it may be one that is known, with its other columns renamed or taken out.
const REFUSALS: [(&str, Reason); 8] = [
    (MAILCHIMP_LEFT, Reason::Unsubscribed),
    (MAILCHIMP_CLEANED, Reason::HardBounce),
    ("unsubscribed", Reason::Unsubscribed),
    ("unsubscribed_at", Reason::Unsubscribed),
    ("opted_out", Reason::Unsubscribed),
    ("opted_out_at", Reason::Unsubscribed),
    ("opt_out", Reason::Unsubscribed),
    ("optout", Reason::Unsubscribed),
];
/// What stands where nothing is meant, in spreadsheets and in what databases and programs write.
const NO: [&str; 17] = [
    "", "false", "no", "0", "f", "n", "null", "nil", "none", "never", "off", "-", "--", "n/a",
    "#n/a", "nan", "nat",
];
/// Midnight of these days is a date that was never set: that of MySQL, of Go and .NET, and the 0 of Unix, which is a no as a
/// number too. Nobody has left a mailing list on one of them.
const NO_DAYS: [&str; 3] = ["0000-00-00", "0001-01-01", "1970-01-01"];
/// What midnight is written with behind a day.
const OF_MIDNIGHT: &str = "0:.+-tz ";

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
        let is_listmonk = has(&LISTMONK);
        let is_mailchimp = MAILCHIMP
            .iter()
            .all(|name| says(&name.to_ascii_lowercase()));
        let is_own = OWN_MARKS.into_iter().any(says) && !is_listmonk && !is_mailchimp;
        if is_own && let Some(missing) = OWN.into_iter().find(|name| !says(name)) {
            return Err(NotOwn::Without(missing));
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

/// A column of any file.
fn own(name: &str) -> Column {
    let plain = name.to_ascii_lowercase().replace([' ', '-'], "_");
    let mut refusals = REFUSALS.into_iter();
    match refusals.find(|(refusal, _)| *refusal == plain) {
        Some((_, reason)) => Column::Refusal(reason),
        None => named(name),
    }
}

/// An address, a name, or what is known of somebody besides.
fn named(name: &str) -> Column {
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
        _ => named(name),
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
    match own(name) {
        // Which one holds the address is said once all are known; any other is its owner's, whatever it is called.
        Column::Email | Column::Name => Column::Attribute(name.to_owned()),
        column => column,
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

/// Why a status, in whatever file, says that somebody must get nothing. Who left may sign up again; who was blocked is let
/// in by an operator.
pub(super) fn refusal(status: &str) -> Option<Reason> {
    match status.trim().to_ascii_lowercase().as_str() {
        "unsubscribed" => Some(Reason::Unsubscribed),
        "cleaned" | "bounced" => Some(Reason::HardBounce),
        "complained" => Some(Reason::Complaint),
        "disabled" | "blocklisted" | "blacklisted" | "blocked" => Some(Reason::Import),
        _ => None,
    }
}

/// Who has yet to confirm: they may do so here.
const PENDING: &str = "pending";

/// Why somebody gets nothing, if more is said against them than that they have yet to confirm elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum No {
    /// They must get nothing, for this reason.
    Unwanted(Reason),
    /// They have yet to confirm there, which is nothing to whoever is here already.
    Unconfirmed,
}

/// Why a record says that they must get nothing, in a column for that, or in one that is called `status` in a file of no
/// layout that is known: rather nobody is signed up who left elsewhere, or never confirmed.
pub(super) fn says_no(columns: &[Column], fields: &[Cow<'_, [u8]>]) -> Option<No> {
    let mut is_pending = false;
    let reasons = columns.iter().zip(fields).filter_map(|(column, field)| {
        let text = std::str::from_utf8(field).map(csv::without_guard);
        match (column, text) {
            (Column::Refusal(reason), Ok(text)) => (!is_no(text)).then_some(*reason),
            // Something stands there.
            (Column::Refusal(reason), Err(_)) => Some(*reason),
            (Column::Attribute(name), Ok(text)) if name.eq_ignore_ascii_case("status") => {
                is_pending |= text.trim().eq_ignore_ascii_case(PENDING);
                refusal(text)
            }
            _ => None,
        }
    });
    let reason = strongest(reasons).map(No::Unwanted);
    reason.or_else(|| is_pending.then_some(No::Unconfirmed))
}

/// Which of several reasons counts: one that their own sign-up does not end.
pub(super) fn strongest(reasons: impl Iterator<Item = Reason>) -> Option<Reason> {
    reasons.max_by_key(|reason| !Reason::ENDED_BY_SIGN_UP.contains(reason))
}

/// Whether a cell says no, or nothing.
pub(super) fn is_no(cell: &str) -> bool {
    let cell = cell.trim().to_ascii_lowercase();
    NO.contains(&cell.as_str()) || is_no_day(cell.strip_suffix("utc").unwrap_or(&cell))
}

/// Whether this is a date, in lower case, that was never set.
fn is_no_day(cell: &str) -> bool {
    let mut times = NO_DAYS.iter().filter_map(|day| cell.strip_prefix(day));
    times.any(|time| time.chars().all(|c| OF_MIDNIGHT.contains(c)))
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
