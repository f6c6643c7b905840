//! A file of subscribers, judged record by record: who is to be signed up, and what is wrong with the
//! others. Pure: the same file gives the same rows.

use std::borrow::Cow;
use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tidings_domain::suppression::Reason;
use tidings_domain::value::{Attributes, DisplayName, EmailAddress};
use tidings_service::csv;

use super::layout::{self, Column, Layout, No, NotOwn, Own, Standing};
use super::own::{self, Carried};
use super::record::{Malformed, Record, Records};

/// Records worked off in one go, and the bytes after which no further one is taken.
const CHUNK_RECORDS: usize = 500;
const CHUNK_BYTES: usize = 16 << 20;
/// Bytes kept of a rejected record; a chunk of nothing else still fits one event.
const QUOTED_BYTES_MAX: usize = 1_000;

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
        /// What only this platform's own export says.
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
    },
    /// Nobody.
    Nothing {
        /// A stable code.
        reason: String,
        /// The record, where it can not be read or names nobody.
        record: Option<String>,
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
    /// More columns than a subscriber has attributes.
    #[error("The file has {0} columns besides email and name; at most {max} are allowed.", max = Attributes::COUNT_MAX)]
    TooManyColumns(usize),
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

impl From<NotOwn> for NotTaken {
    fn from(why: NotOwn) -> Self {
        match why {
            NotOwn::Without(missing) => Self::OwnWithout(missing),
            NotOwn::With(unknown) => Self::OwnWith(unknown),
        }
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
        let said = self.person(record).unwrap_or_else(|reason| Said::Nothing {
            reason: reason.to_owned(),
            // A duplicate names somebody who is signed up by another line.
            record: (reason != "duplicate_in_file").then(|| quoted(record.raw)),
        });
        Row {
            line: record.line,
            said,
        }
    }

    fn person(&mut self, record: &Record<'_>) -> Result<Said, &'static str> {
        let fields = record
            .fields
            .as_ref()
            .map_err(|malformed| match malformed {
                Malformed::Quotes => "malformed_quotes",
                Malformed::TooLong => "record_too_long",
            })?;
        if fields.len() != self.layout.columns.len() {
            return Err("wrong_field_count");
        }
        let of = |wanted: &Column| {
            let columns = self.layout.columns.iter().zip(fields);
            let mut found = columns.filter(|(column, _)| *column == wanted);
            found.next().map(|(_, field)| text(field)).transpose()
        };
        let email = of(&Column::Email)?.ok_or("invalid_email")?;
        let email = EmailAddress::parse(email).map_err(|_| "invalid_email")?;
        let status =
            of(&Column::Status)?.map(|it| layout::status(it.trim()).ok_or("unknown_status"));
        let no = layout::says_no(&self.layout.columns, fields);
        let standing = match (status.transpose()?, no) {
            (Some(blocked @ Standing::Unwanted(_)), _) => blocked,
            (_, Some(No::Unwanted(reason))) => Standing::Unwanted(reason),
            (status, _) => status.unwrap_or(self.layout.standing),
        };
        let unconfirmed = standing == Standing::Wanted && no == Some(No::Unconfirmed);
        // Whatever else the file says of them, and whatever is wrong with that.
        let reason = match standing {
            Standing::Unwanted(reason) => reason,
            // A sign-up of their own ends it.
            Standing::Wanted if unconfirmed => Reason::Unsubscribed,
            Standing::Wanted => match self.wanted(&email, fields) {
                Ok(person) => return Ok(person),
                Err(wrong) => own::refusal(&self.layout.columns, fields).ok_or(wrong)?,
            },
        };
        self.seen.insert(email.normalized());
        Ok(Said::Unwanted {
            email: email.to_string(),
            reason: reason.to_string(),
            unconfirmed,
        })
    }

    /// Somebody to sign up.
    fn wanted(
        &mut self,
        email: &EmailAddress,
        fields: &[Cow<'_, [u8]>],
    ) -> Result<Said, &'static str> {
        let (mut name, mut parts, mut attributes) = (None, Vec::new(), Map::new());
        let mut carried = Carried::default();
        for (column, field) in self.layout.columns.iter().zip(fields) {
            let value = text(field)?;
            match column {
                Column::Email | Column::Status | Column::Refusal(_) | Column::Ignored => {}
                // Where nothing stands, nobody has said that they may get mail.
                Column::Own(own @ (Own::Status | Own::Confirmed)) => carried.take(*own, value)?,
                _ if value.trim().is_empty() => {}
                Column::Name => name = Some(Cow::Borrowed(value)),
                Column::NamePart => parts.push(value),
                Column::Attribute(key) => {
                    attributes.insert(key.clone(), Value::from(value));
                }
                Column::Attributes => {
                    attributes.extend(layout::attributes(value).ok_or("invalid_attributes")?);
                }
                Column::Own(own) => carried.take(*own, value)?,
            }
        }
        if carried.choices() > Carried::CHOICES_MAX {
            return Err("too_many_choices");
        }
        let name = name.or_else(|| (!parts.is_empty()).then(|| Cow::Owned(parts.join(" "))));
        let name = name.map(|name| DisplayName::parse(&name)).transpose();
        let name = name.map_err(|_| "invalid_name")?;
        let attributes =
            Attributes::parse(Value::Object(attributes)).map_err(|_| "invalid_attributes")?;
        if !self.seen.insert(email.normalized()) {
            return Err("duplicate_in_file");
        }
        Ok(Said::Person {
            email: email.to_string(),
            name: name.map(|name| name.to_string()),
            attributes: (!attributes.is_empty()).then(|| attributes.to_json()),
            carried: self.layout.is_own.then(|| Box::new(carried)),
        })
    }
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
    let layout = Layout::of(&names)?;
    let columns = &layout.columns;
    if !columns.contains(&Column::Email) {
        return Err(NotTaken::NoEmail(names.join(", ")));
    }
    let mut attributes = 0;
    for (at, column) in columns.iter().enumerate() {
        if let Column::Attribute(name) = column {
            attributes += 1;
            if name.is_empty() || name.chars().count() > Attributes::KEY_CHARS_MAX {
                return Err(NotTaken::BadName(at + 1));
            }
        }
        let may_repeat = matches!(
            column,
            Column::NamePart | Column::Refusal(_) | Column::Ignored
        );
        if !may_repeat && columns[..at].contains(column) {
            return Err(NotTaken::Twice(names[at].to_owned()));
        }
    }
    if attributes > Attributes::COUNT_MAX {
        return Err(NotTaken::TooManyColumns(attributes));
    }
    Ok(layout)
}

/// The text of a field.
fn text(field: &[u8]) -> Result<&str, &'static str> {
    let text = std::str::from_utf8(field).map_err(|_| "invalid_utf8")?;
    Ok(csv::without_guard(text))
}

/// A record as it is shown to whoever sent it, cut to [`QUOTED_BYTES_MAX`].
fn quoted(raw: &[u8]) -> String {
    let text: Cow<'_, str> = String::from_utf8_lossy(raw);
    let end = text.floor_char_boundary(QUOTED_BYTES_MAX);
    text[..end].to_owned()
}

#[cfg(test)]
mod tests;
