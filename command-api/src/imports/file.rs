//! A file of subscribers, judged record by record: who is to be signed up, and what is wrong with the
//! others. Pure: the same file gives the same rows.

use std::borrow::Cow;
use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use tidings_domain::subscriber_import::Rejected;
use tidings_domain::suppression::Reason;
use tidings_domain::value::{Attributes, DisplayName, EmailAddress};
use tidings_service::csv;

mod known;

use known::Known;

use super::layout::{Column, Layout, Own, Standing, Unknown, consent};
use super::own::{self, Carried};
use super::record::{Malformed, Record, Records};

/// Records worked off in one go, and the bytes after which no further one is taken.
const CHUNK_RECORDS: usize = 500;
const CHUNK_BYTES: usize = 16 << 20;
/// Columns of a file: each is compared with all others.
const COLUMNS_MAX: usize = 1_000;

/// One record, judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Row {
    /// The line it starts on, 1-based, header included.
    pub(super) line: u64,
    /// What it says.
    pub(super) said: Said,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Said {
    /// Somebody to sign up; every value passed its parser.
    Person {
        /// The address.
        email: String,
        /// The display name.
        name: Option<String>,
        /// JSON object of the other columns.
        attributes: Option<String>,
        /// What only this platform's own export says, and what other files say that a sign-up has no place for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        carried: Option<Box<Carried>>,
    },
    /// Somebody who must get no mail.
    Unwanted {
        /// The address.
        email: String,
        /// A reason of suppressions.
        reason: String,
        /// The file says no more than that they have yet to confirm elsewhere: it is nothing to whoever is here already.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        unconfirmed: bool,
        /// What the header calls the column that says so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        column: Option<String>,
    },
    /// Nobody.
    Nothing {
        /// A stable code.
        reason: String,
        /// The record, where it can not be read or names nobody.
        record: Option<String>,
        /// What the header calls the column at fault.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        column: Option<String>,
    },
}

/// Why a file is not taken at all; worded for whoever sent it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotTaken {
    /// No header, or nothing after it.
    #[error("The file is empty: it needs a header line and at least one record.")]
    Empty,
    /// It is no text.
    #[error("The file is not CSV text in UTF-8; export it again as \"CSV UTF-8\".")]
    NotText,
    /// No column of that name.
    #[error("The header line has no column \"email\"; it has: {0}.")]
    NoEmail(String),
    /// Two columns of one name.
    #[error("The header line has the column {0:?} twice.")]
    Twice(String),
    /// An attribute's name must be one.
    #[error("Column {0} of the header line needs a name of 1 to {max} characters.", max = Attributes::KEY_CHARS_MAX)]
    BadName(usize),
    /// More columns than anybody fills.
    #[error("The file has {0} columns; at most {COLUMNS_MAX} are allowed.")]
    TooManyColumns(usize),
    /// As a text nothing could be compared with it.
    #[error(
        "The column {0:?} of the header line asks for values of a kind that there is not: write :text, :number, :boolean or \
        :date behind its name, or leave the colon out."
    )]
    Kind(String),
    /// Who left would come back.
    #[error(
        "The header line is that of a Tidings export, but has no column {0:?}, and without it somebody could get mail who \
        must not: export the file again and leave its columns in it. If another product wrote it, rename the columns \
        confirmed, suppressed, topics_left, channels_left and signed_up_at."
    )]
    OwnWithout(&'static str),
    /// It might say who must get nothing.
    #[error(
        "The header line is that of a Tidings export, but has a column {0:?} that this version does not know: take it out \
        if you have added it, or else import the file with the version that wrote it."
    )]
    OwnWith(String),
}

impl From<Unknown> for NotTaken {
    fn from(why: Unknown) -> Self {
        match why {
            Unknown::OwnWithout(missing) => Self::OwnWithout(missing),
            Unknown::OwnWith(unknown) => Self::OwnWith(unknown),
            Unknown::Kind(name) => Self::Kind(name),
        }
    }
}

/// Why a record is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wrong {
    /// A stable code.
    code: &'static str,
    /// The column at fault, where it is one in particular.
    at: Option<usize>,
}

impl Wrong {
    /// That a column is the one at fault.
    fn in_column(at: usize) -> impl Fn(&'static str) -> Self {
        move |code| Self { code, at: Some(at) }
    }
}

impl From<&'static str> for Wrong {
    fn from(code: &'static str) -> Self {
        Self { code, at: None }
    }
}

/// The rows of a file, in chunks.
pub(super) struct Chunks<'a> {
    records: Records<'a>,
    layout: Layout,
    seen: HashSet<String>,
}

impl<'a> Chunks<'a> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`NotTaken`], when there is nothing to import.
    pub(super) fn open(file: &'a [u8]) -> Result<Self, NotTaken> {
        if memchr::memchr(0, file).is_some() {
            return Err(NotTaken::NotText);
        }
        let mut problem = NotTaken::Empty;
        // Spreadsheets of half the world separate by semicolon.
        for delimiter in [b',', b';', b'\t'] {
            let mut records = Records::new(file, delimiter);
            let Some(header) = records.next() else {
                return Err(NotTaken::Empty);
            };
            match layout(&header) {
                Ok(_) if records.clone().next().is_none() => return Err(NotTaken::Empty),
                Ok(layout) => {
                    if layout.is_own {
                        records.take_long_ones();
                    }
                    return Ok(Self {
                        records,
                        layout,
                        seen: HashSet::new(),
                    });
                }
                Err(error) if delimiter == b',' => problem = error,
                Err(NotTaken::NoEmail(_)) => {}
                Err(error) => problem = error,
            }
        }
        Err(problem)
    }

    fn judge(&mut self, record: &Record<'_>) -> Row {
        let said = self.person(record).unwrap_or_else(|wrong| Said::Nothing {
            reason: wrong.code.to_owned(),
            // A duplicate names somebody who is signed up by another line.
            record: quoted(record.raw).filter(|_| wrong.code != "duplicate_in_file"),
            column: wrong.at.and_then(|at| self.layout.told(at)),
        });
        Row {
            line: record.line,
            said,
        }
    }

    fn person(&mut self, record: &Record<'_>) -> Result<Said, Wrong> {
        let fields = record
            .fields
            .as_ref()
            .map_err(|malformed| match malformed {
                Malformed::Quotes => "malformed_quotes",
                Malformed::TooLong => "record_too_long",
            })?;
        if fields.len() != self.layout.columns.len() {
            return Err("wrong_field_count".into());
        }
        let of = |wanted: &Column| {
            let mut columns = self.layout.columns.iter();
            let at = columns.position(|column| column == wanted)?;
            Some((at, text(&fields[at]).map_err(Wrong::in_column(at))))
        };
        let email = of(&Column::Email).ok_or("invalid_email")?.1?;
        let email = EmailAddress::parse(email).map_err(|_| "invalid_email")?;
        // Whatever else the file says of them, and whatever is wrong with that.
        let (reason, at, unconfirmed) = match self.word(of(&Column::Status), fields)? {
            Heard::Unwanted(reason, at) => (reason, at, false),
            // A sign-up of their own ends it.
            Heard::Unconfirmed(at) => (Reason::Unsubscribed, Some(at), true),
            Heard::Wanted => match self.wanted(&email, fields) {
                Ok(person) => return Ok(person),
                Err(wrong) => {
                    let no = own::refusal(&self.layout.columns, fields).ok_or(wrong)?;
                    (no.0, Some(no.1), false)
                }
            },
        };
        self.seen.insert(email.normalized());
        Ok(Said::Unwanted {
            email: email.to_string(),
            reason: reason.to_string(),
            unconfirmed,
            column: at.and_then(|at| self.layout.told(at)),
        })
    }

    /// Whether a record says that they may get mail. `status`: that of listmonk.
    fn word(
        &self,
        status: Option<(usize, Result<&str, Wrong>)>,
        fields: &[Cow<'_, [u8]>],
    ) -> Result<Heard, Wrong> {
        let word = consent::word(&self.layout.columns, fields);
        let mut standing = self.layout.standing;
        if let Some((at, status)) = status {
            let unknown = || Wrong::in_column(at)("unknown_status");
            standing = consent::status(status?.trim()).ok_or_else(unknown)?;
            if let Standing::Unwanted(reason) = standing {
                return Ok(Heard::Unwanted(reason, Some(at)));
            }
        }
        Ok(match (word.unwanted, standing) {
            (Some((reason, at)), _) => Heard::Unwanted(reason, Some(at)),
            (None, Standing::Unwanted(reason)) => Heard::Unwanted(reason, None),
            (None, Standing::Wanted) => match (word.unconfirmed, word.unclear) {
                (Some(at), _) => Heard::Unconfirmed(at),
                (None, Some(at)) => return Err(Wrong::in_column(at)("unclear_consent")),
                (None, None) => Heard::Wanted,
            },
        })
    }

    /// Somebody to sign up.
    fn wanted(&mut self, email: &EmailAddress, fields: &[Cow<'_, [u8]>]) -> Result<Said, Wrong> {
        let (mut name, mut parts) = (None, Vec::new());
        let mut known = Known::default();
        for (at, (column, field)) in self.layout.columns.iter().zip(fields).enumerate() {
            let in_column = Wrong::in_column(at);
            let value = text(field).map_err(&in_column)?;
            let carried = &mut known.carried;
            match column {
                Column::Email | Column::Status | Column::Refusal(_) | Column::Ignored => {}
                // Where nothing stands, nobody has said that they may get mail.
                Column::Own(own @ (Own::Status | Own::Confirmed)) => {
                    carried.take(*own, value).map_err(in_column)?;
                }
                _ if value.trim().is_empty() => {}
                Column::Name => name = Some(Cow::Borrowed(value)),
                Column::NamePart => parts.push(value),
                Column::Own(own) => carried.take(*own, value).map_err(in_column)?,
                other => known.take(at, &self.layout.names[at], other, value)?,
            }
        }
        if known.carried.choices() > Carried::CHOICES_MAX {
            return Err("too_many_choices".into());
        }
        let name = name.or_else(|| (!parts.is_empty()).then(|| Cow::Owned(parts.join(" "))));
        let name = name.map(|name| DisplayName::parse(&name)).transpose();
        let name = name.map_err(|_| "invalid_name")?;
        let (attributes, carried) = known.all()?;
        if !self.seen.insert(email.normalized()) {
            return Err("duplicate_in_file".into());
        }
        let carries = self.layout.is_own || carried != Carried::default();
        Ok(Said::Person {
            email: email.to_string(),
            name: name.map(|name| name.to_string()),
            attributes: (!attributes.is_empty()).then(|| attributes.to_json()),
            carried: carries.then(|| Box::new(carried)),
        })
    }
}

/// What a record says of whether they may get mail; where it is a column that says so, with that.
enum Heard {
    Wanted,
    Unwanted(Reason, Option<usize>),
    Unconfirmed(usize),
}

impl Iterator for Chunks<'_> {
    type Item = Vec<Row>;

    fn next(&mut self) -> Option<Vec<Row>> {
        let (mut rows, mut bytes) = (Vec::new(), 0);
        while rows.len() < CHUNK_RECORDS
            && bytes < CHUNK_BYTES
            && let Some(record) = self.records.next()
        {
            bytes += record.raw.len();
            rows.push(self.judge(&record));
        }
        (!rows.is_empty()).then_some(rows)
    }
}

fn layout(header: &Record<'_>) -> Result<Layout, NotTaken> {
    let fields = header.fields.as_ref().map_err(|_| NotTaken::NotText)?;
    let mut names = Vec::with_capacity(fields.len());
    for field in fields {
        names.push(
            std::str::from_utf8(field)
                .map_err(|_| NotTaken::NotText)?
                .trim(),
        );
    }
    if names.len() > COLUMNS_MAX {
        return Err(NotTaken::TooManyColumns(names.len()));
    }
    let layout = Layout::of(&names)?;
    let columns = &layout.columns;
    if !columns.contains(&Column::Email) {
        return Err(NotTaken::NoEmail(names.join(", ")));
    }
    for (at, column) in columns.iter().enumerate() {
        if let Some(attribute) = column.attribute()
            && !(1..=Attributes::KEY_CHARS_MAX).contains(&attribute.key.chars().count())
        {
            return Err(NotTaken::BadName(at + 1));
        }
        let may_repeat = matches!(
            column,
            Column::NamePart | Column::Refusal(_) | Column::Ignored
        );
        if !may_repeat && columns[..at].iter().any(|it| it.is_same(column)) {
            return Err(NotTaken::Twice(names[at].to_owned()));
        }
    }
    Ok(layout)
}

/// The text of a field.
fn text(field: &[u8]) -> Result<&str, &'static str> {
    let text = std::str::from_utf8(field).map_err(|_| "invalid_utf8")?;
    Ok(csv::without_guard(text))
}

/// A record as it is shown to whoever sent it, unless it is longer than what is kept: a chunk of nothing else still fits one
/// event.
fn quoted(raw: &[u8]) -> Option<String> {
    let is_kept = raw.len() <= Rejected::RECORD_BYTES_MAX;
    is_kept.then(|| String::from_utf8_lossy(raw).into_owned())
}

#[cfg(test)]
mod tests;
