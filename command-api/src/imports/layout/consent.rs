//! Whether somebody may get mail, in the words of any file: rather nobody is signed up who left elsewhere, never agreed, or
//! of whom it can not be told.

use std::borrow::Cow;

use icu_normalizer::DecomposingNormalizerBorrowed;
use tidings_domain::suppression::Reason;
use tidings_service::csv;

use super::{Column, MAILCHIMP_CLEANED, MAILCHIMP_LEFT, Standing};

/// Columns that say of whoever has something in them that they left, or that their address bounced; by their letters and digits
/// alone. Whatever file they stand in: it may be one that is known, with its other columns renamed or taken out.
const REFUSALS: [(&str, Reason); 16] = [
    (MAILCHIMP_LEFT, Reason::Unsubscribed),
    (MAILCHIMP_CLEANED, Reason::HardBounce),
    ("unsubscribed", Reason::Unsubscribed),
    ("unsubscribed_at", Reason::Unsubscribed),
    ("opted_out", Reason::Unsubscribed),
    ("opted_out_at", Reason::Unsubscribed),
    ("opt_out", Reason::Unsubscribed),
    ("has_opted_out", Reason::Unsubscribed),
    ("email_opt_out", Reason::Unsubscribed),
    ("email_opted_out", Reason::Unsubscribed),
    ("opted_out_of_email", Reason::Unsubscribed),
    ("has_opted_out_of_email", Reason::Unsubscribed),
    ("unsubscribed_from_all_email", Reason::Unsubscribed),
    ("do_not_email", Reason::Unsubscribed),
    ("do_not_mail", Reason::Unsubscribed),
    ("do_not_contact", Reason::Unsubscribed),
];
/// Columns that say whether somebody agreed, written as above; what stands in them has to be understood.
const ASKED: [&str; 19] = [
    "status",
    "subscriber_status",
    "subscription_status",
    "subscribed",
    "is_subscribed",
    "opt_in",
    "opted_in",
    "email_opt_in",
    "marketing_opt_in",
    "newsletter_opt_in",
    "consent",
    "email_consent",
    "marketing_consent",
    "gdpr_consent",
    "email_marketing",
    "email_marketing_consent",
    "email_marketing_status",
    "accepts_marketing",
    "accepts_email_marketing",
];
/// Parts of names, by their letters, of columns that may well say who must get no mail. What is not a no there is not taken for a
/// yes: nobody knows all words of all products and languages.
const SOUNDS_OF_NO: [&str; 24] = [
    "unsub",
    "optout",
    "optedout",
    "optingout",
    "blacklist",
    "blocklist",
    "blocked",
    "bounce",
    "complain",
    "removed",
    "suppress",
    "donotemail",
    "donotmail",
    "donotcontact",
    "nomail",
    "noemail",
    "abgemeldet",
    "abmeld",
    "desinscri",
    "desabonn",
    "cancellato",
    "disiscri",
    "afgemeld",
    "uitgeschreven",
];
/// The same of columns that may well say who agreed: nothing but a yes is taken for one.
const SOUNDS_OF_YES: [&str; 17] = [
    "optin",
    "optedin",
    "consent",
    "einwilligung",
    "acceptsmail",
    "acceptsemail",
    "wantsmail",
    "wantsemail",
    "receivesmail",
    "receivesemail",
    "mailstatus",
    "mailingstatus",
    "contactstatus",
    "liststatus",
    "marketingstatus",
    "newsletterstatus",
    "anmeldestatus",
];
/// And of columns that may be about mail, or about something else: only a no is not taken for a yes.
const SOUNDS_OF_STATE: [&str; 5] = [
    "subscri",
    "permission",
    "newsletter",
    "memberstatus",
    "angemeldet",
];
/// Whole names, by their letters, of such columns.
const NAMES_OF_STATE: [&str; 8] = [
    "active",
    "isactive",
    "enabled",
    "isenabled",
    "mail",
    "mailing",
    "mailings",
    "marketing",
];
/// What stands in no cell of somebody who may be written to without a word on it, alone or among others, whatever its column is
/// called.
const LEFT: [&str; 16] = [
    "unsubscribed",
    "unsubscribe",
    "opted_out",
    "opt_out",
    "optout",
    "bounced",
    "complained",
    "blocklisted",
    "blacklisted",
    "abgemeldet",
    "desinscrit",
    "desinscrite",
    "desabonne",
    "desabonnee",
    "unsub",
    "do_not_email",
];
/// They agreed; in lower case, with underscores.
const YES: [&str; 26] = [
    "yes",
    "ja",
    "oui",
    "si",
    "sim",
    "angemeldet",
    "y",
    "true",
    "t",
    "1",
    "on",
    "subscribed",
    "active",
    "enabled",
    "confirmed",
    "opted_in",
    "opt_in",
    "optin",
    "single_opt_in",
    "double_opt_in",
    "consented",
    "agreed",
    "accepted",
    "granted",
    "given",
    "explicit",
];
/// They said no, or took back that they agreed.
const DECLINED: [&str; 25] = [
    "no",
    "nein",
    "non",
    "nee",
    "neen",
    "nej",
    "nei",
    "nao",
    "n",
    "false",
    "f",
    "0",
    "off",
    "none",
    "never",
    "unsubscribe",
    "opted_out",
    "opt_out",
    "optout",
    "declined",
    "denied",
    "refused",
    "rejected",
    "revoked",
    "withdrawn",
];
/// They did not agree there, or not yet: they may do so here.
const NOT_YET: [&str; 12] = [
    "pending",
    "unconfirmed",
    "not_confirmed",
    "inactive",
    "archived",
    "transactional",
    "nonsubscribed",
    "non_subscribed",
    "not_subscribed",
    "never_subscribed",
    "not_opted_in",
    "not_given",
];
/// What stands where nothing is meant, in spreadsheets and in what databases and programs write.
const NO: [&str; 24] = [
    "", "false", "no", "nein", "non", "nee", "neen", "nej", "nei", "nao", "0", "f", "n", "null",
    "nil", "none", "never", "off", "-", "--", "n/a", "#n/a", "nan", "nat",
];
/// Midnight of these days is a date that was never set: that of MySQL, of Go and .NET, and the 0 of Unix, which is a no as a
/// number too. Nobody has left a mailing list on one of them.
const NO_DAYS: [&str; 3] = ["0000-00-00", "0001-01-01", "1970-01-01"];
/// What midnight is written with behind a day.
const OF_MIDNIGHT: &str = "0:.+-tz ";

/// For what a column of this name keeps whoever has something in it from getting mail.
pub(super) fn refusal_in(name: &str) -> Option<Reason> {
    let name = letters(name);
    let mut refusals = REFUSALS.into_iter();
    let found = refusals.find(|(refusal, _)| letters(refusal) == name);
    found.map(|(_, reason)| reason)
}

/// Whether a column of this name says who agreed.
pub(super) fn is_asked_in(name: &str) -> bool {
    let name = letters(name);
    ASKED.iter().any(|asked| letters(asked) == name)
}

/// What a column sounds like that is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::imports) enum Sound {
    /// As if it said who must get no mail.
    No,
    /// As if it said who agreed.
    Yes,
    /// As if it said how somebody stands, to mail or to something else.
    State,
}

/// What a column of this name sounds like; none: as if it had nothing to do with it.
pub(super) fn sound_of(name: &str) -> Option<Sound> {
    let name = letters(name);
    let has = |sounds: &[&str]| sounds.iter().any(|sound| name.contains(sound));
    match () {
        () if has(&SOUNDS_OF_NO) => Some(Sound::No),
        () if has(&SOUNDS_OF_YES) => Some(Sound::Yes),
        () if has(&SOUNDS_OF_STATE) || NAMES_OF_STATE.contains(&name.as_str()) => {
            Some(Sound::State)
        }
        () => None,
    }
}

/// Whether a cell leaves in doubt that somebody may get mail, in a column of which nobody knows what it says.
fn is_doubtful(sound: Option<Sound>, cell: &str) -> bool {
    let answer = answer(cell);
    match sound {
        Some(Sound::No) => !is_no(cell),
        Some(Sound::Yes) => !matches!(answer, Some(Answer::Yes)),
        Some(Sound::State) => {
            let is_empty = cell.trim().is_empty();
            let is_no = is_no(cell) || matches!(answer, Some(Answer::No(_) | Answer::NotYet));
            !is_empty && (is_no || says_left(cell))
        }
        None => says_left(cell),
    }
}

/// Whether somebody left, by one of the words of a cell that lists some, or by its only one.
fn says_left(cell: &str) -> bool {
    let mut words = cell.split([',', ';', '|']);
    words.any(|word| LEFT.contains(&plain(word).as_str()))
}

/// A name as it is known however it is written: `E-Mail opt in?`, `emailOptIn`, `Désinscrit`.
fn letters(name: &str) -> String {
    let letters = without_accents(name);
    let letters = letters.chars().filter(char::is_ascii_alphanumeric);
    letters.map(|c| c.to_ascii_lowercase()).collect()
}

/// In lower case, with underscores, without accents.
fn plain(text: &str) -> String {
    let text = without_accents(text.trim()).to_ascii_lowercase();
    text.replace([' ', '-'], "_")
}

/// Each letter as if it had no accent.
fn without_accents(text: &str) -> String {
    let letters = DecomposingNormalizerBorrowed::new_nfd();
    let letters = letters.normalize_iter(text.chars());
    letters
        .filter(|c| !('\u{300}'..='\u{36f}').contains(c))
        .collect()
}

/// What a status of listmonk means; none: there is no such status. Who was blocked there is let in by an operator here,
/// not by a sign-up.
pub(in crate::imports) fn status(text: &str) -> Option<Standing> {
    match text {
        "enabled" => Some(Standing::Wanted),
        "disabled" | "blocklisted" | "blacklisted" => Some(Standing::Unwanted(Reason::Import)),
        _ => None,
    }
}

/// Why a status, in whatever file, says that somebody must get nothing. Who left may sign up again; who was blocked is let
/// in by an operator.
pub(in crate::imports) fn refusal(status: &str) -> Option<Reason> {
    match status.trim().to_ascii_lowercase().as_str() {
        "unsubscribed" => Some(Reason::Unsubscribed),
        "cleaned" | "bounced" => Some(Reason::HardBounce),
        "complained" => Some(Reason::Complaint),
        "disabled" | "blocklisted" | "blacklisted" | "blocked" => Some(Reason::Import),
        _ => None,
    }
}

/// What a record says of whether they may get mail; each with the column that says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::imports) struct Word {
    /// They must get nothing, for this reason.
    pub(in crate::imports) unwanted: Option<(Reason, usize)>,
    /// They did not agree there, which is nothing to whoever is here already.
    pub(in crate::imports) unconfirmed: Option<usize>,
    /// Something that is neither a yes nor a no.
    pub(in crate::imports) unclear: Option<usize>,
}

impl Word {
    fn refuse(&mut self, reason: Reason, at: usize) {
        self.unwanted = strongest_of(self.unwanted.into_iter().chain([(reason, at)]));
    }
}

/// What the columns that are for that say, and those that are called as if they were.
pub(in crate::imports) fn word(columns: &[Column], fields: &[Cow<'_, [u8]>]) -> Word {
    let mut word = Word::default();
    for (at, (column, field)) in columns.iter().zip(fields).enumerate() {
        let text = std::str::from_utf8(field).map(csv::without_guard);
        match (column, text) {
            (Column::Refusal(_), Ok(text)) if is_no(text) => {}
            // Something stands there, whatever it is.
            (Column::Refusal(reason), _) => word.refuse(*reason, at),
            (Column::Consent(_), Ok(text)) => match answer(text) {
                Some(Answer::Yes) => {}
                Some(Answer::No(reason)) => word.refuse(reason, at),
                Some(Answer::NotYet) => word.unconfirmed = word.unconfirmed.or(Some(at)),
                None => word.unclear = word.unclear.or(Some(at)),
            },
            (Column::Consent(_), Err(_)) => word.unclear = word.unclear.or(Some(at)),
            (Column::Sounding(_, sound), Ok(text)) if is_doubtful(Some(*sound), text) => {
                word.unclear = word.unclear.or(Some(at));
            }
            (Column::Attribute(_), Ok(text)) if is_doubtful(None, text) => {
                word.unclear = word.unclear.or(Some(at));
            }
            _ => {}
        }
    }
    word
}

/// Whether somebody agreed.
enum Answer {
    Yes,
    No(Reason),
    NotYet,
}

/// None: it is neither. Where nothing stands, nobody has said that they may get mail.
fn answer(cell: &str) -> Option<Answer> {
    let plain = plain(cell);
    let is_in = |words: &[&str]| words.contains(&plain.as_str());
    match refusal(cell) {
        Some(reason) => Some(Answer::No(reason)),
        None if is_in(&YES) || is_a_time(cell.trim()) => Some(Answer::Yes),
        None if is_in(&DECLINED) => Some(Answer::No(Reason::Unsubscribed)),
        None if is_in(&NOT_YET) => Some(Answer::NotYet),
        None => None,
    }
}

/// Whether this is when they agreed: a date as YYYY-MM-DD, with or without a time behind it, that was set.
fn is_a_time(cell: &str) -> bool {
    let (day, rest) = cell.split_at_checked(10).unwrap_or((cell, ""));
    let is_date = day.len() == 10
        && day.bytes().enumerate().all(|(at, b)| match at {
            4 | 7 => b == b'-',
            _ => b.is_ascii_digit(),
        });
    let time = rest.strip_suffix("UTC").unwrap_or(rest);
    let is_time = (time.is_empty() || time.starts_with([' ', 'T', 't']))
        && time
            .chars()
            .all(|c| c.is_ascii_digit() || " :.+-TtZz".contains(c));
    is_date && is_time && !is_no(cell)
}

/// Which of several reasons counts: one that their own sign-up does not end.
pub(in crate::imports) fn strongest(reasons: impl Iterator<Item = Reason>) -> Option<Reason> {
    strongest_of(reasons.map(|reason| (reason, 0))).map(|(reason, _)| reason)
}

/// The same of reasons with their columns.
pub(in crate::imports) fn strongest_of(
    reasons: impl Iterator<Item = (Reason, usize)>,
) -> Option<(Reason, usize)> {
    reasons.max_by_key(|(reason, _)| !Reason::ENDED_BY_SIGN_UP.contains(reason))
}

/// Whether a cell says no, or nothing.
pub(in crate::imports) fn is_no(cell: &str) -> bool {
    let cell = without_accents(cell.trim()).to_ascii_lowercase();
    NO.contains(&cell.as_str()) || is_no_day(cell.strip_suffix("utc").unwrap_or(&cell))
}

/// Whether this is a date, in lower case, that was never set.
fn is_no_day(cell: &str) -> bool {
    let mut times = NO_DAYS.iter().filter_map(|day| cell.strip_prefix(day));
    times.any(|time| time.chars().all(|c| OF_MIDNIGHT.contains(c)))
}
