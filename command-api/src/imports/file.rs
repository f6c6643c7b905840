//! A file of subscribers, judged record by record: who is to be signed up, and what is wrong with the
//! others. Pure: the same file gives the same rows.

use std::borrow::Cow;
use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tidings_domain::value::{Attributes, DisplayName, EmailAddress};

use super::record::{Malformed, Record, Records};

/// Records worked off in one go.
pub(super) const CHUNK_RECORDS: usize = 500;
/// Bytes kept of a rejected record; a chunk of nothing else still fits one event.
const QUOTED_BYTES_MAX: usize = 1_000;
/// What a spreadsheet takes for the start of a formula. An export puts a `'` before it.
const FORMULA_STARTS: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

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
}

/// What a column holds.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Column {
    Email,
    Name,
    Attribute(String),
}

/// The rows of a file, in chunks.
pub(super) struct Chunks<'a> {
    records: Records<'a>,
    columns: Vec<Column>,
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
            match columns(&header) {
                Ok(_) if records.clone().next().is_none() => return Err(NotTaken::Empty),
                Ok(columns) => {
                    return Ok(Self {
                        records,
                        columns,
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
        if fields.len() != self.columns.len() {
            return Err("wrong_field_count");
        }
        let (mut email, mut name, mut attributes) = (None, None, Map::new());
        for (column, field) in self.columns.iter().zip(fields) {
            let value = without_guard(std::str::from_utf8(field).map_err(|_| "invalid_utf8")?);
            match column {
                Column::Email => {
                    email = Some(EmailAddress::parse(value).map_err(|_| "invalid_email")?);
                }
                _ if value.trim().is_empty() => {}
                Column::Name => name = Some(DisplayName::parse(value).map_err(|_| "invalid_name")?),
                Column::Attribute(key) => {
                    attributes.insert(key.clone(), Value::from(value));
                }
            }
        }
        let attributes =
            Attributes::parse(Value::Object(attributes)).map_err(|_| "invalid_attributes")?;
        let email = email.ok_or("invalid_email")?;
        if !self.seen.insert(email.normalized()) {
            return Err("duplicate_in_file");
        }
        Ok(Said::Person {
            email: email.to_string(),
            name: name.map(|name| name.to_string()),
            attributes: (!attributes.is_empty()).then(|| attributes.to_json()),
        })
    }
}

impl Iterator for Chunks<'_> {
    type Item = Vec<Row>;

    fn next(&mut self) -> Option<Vec<Row>> {
        let mut rows = Vec::new();
        while rows.len() < CHUNK_RECORDS
            && let Some(record) = self.records.next()
        {
            rows.push(self.judge(&record));
        }
        (!rows.is_empty()).then_some(rows)
    }
}

fn columns(header: &Record<'_>) -> Result<Vec<Column>, NotTaken> {
    let fields = header.fields.as_ref().map_err(|_| NotTaken::NotText)?;
    let mut names = Vec::with_capacity(fields.len());
    for field in fields {
        names.push(
            std::str::from_utf8(field)
                .map_err(|_| NotTaken::NotText)?
                .trim(),
        );
    }
    let columns: Vec<Column> = names
        .iter()
        .map(|name| match name.to_ascii_lowercase().as_str() {
            "email" => Column::Email,
            "name" => Column::Name,
            _ => Column::Attribute((*name).to_owned()),
        })
        .collect();
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
        if columns[..at].contains(column) {
            return Err(NotTaken::Twice(names[at].to_owned()));
        }
    }
    if attributes > Attributes::COUNT_MAX {
        return Err(NotTaken::TooManyColumns(attributes));
    }
    Ok(columns)
}

/// The value without the `'` that an export puts before what a spreadsheet takes for a formula.
fn without_guard(value: &str) -> &str {
    value
        .strip_prefix('\'')
        .filter(|rest| rest.starts_with(FORMULA_STARTS))
        .unwrap_or(value)
}

/// A record as it is shown to whoever sent it, cut to [`QUOTED_BYTES_MAX`].
fn quoted(raw: &[u8]) -> String {
    let text: Cow<'_, str> = String::from_utf8_lossy(raw);
    let end = text.floor_char_boundary(QUOTED_BYTES_MAX);
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rows(file: &[u8]) -> Vec<Row> {
        Chunks::open(file).unwrap().flatten().collect()
    }

    fn person(line: u64, email: &str, name: Option<&str>, attributes: Option<&str>) -> Row {
        let own = |text: Option<&str>| text.map(str::to_owned);
        let said = Said::Person {
            email: email.to_owned(),
            name: own(name),
            attributes: own(attributes),
        };
        Row { line, said }
    }

    fn nothing(line: u64, reason: &str, record: Option<&str>) -> Row {
        let said = Said::Nothing {
            reason: reason.to_owned(),
            record: record.map(str::to_owned),
        };
        Row { line, said }
    }

    #[test]
    fn good_and_bad_lines_are_told_apart() {
        let file = b"Email,Name,city,plan\n\
            ada@example.org,Ada,London,\n\
            not an address,Bob,,\n\
            ADA@example.org,Ada again,,\n\
            c@example.org\n\
            d@example.org,\"open,,\n\
            e@example.org,\xff,,\n\
            f@example.org,,'=1+1,'quoted'\n";
        let expected = [
            person(
                2,
                "ada@example.org",
                Some("Ada"),
                Some(r#"{"city":"London"}"#),
            ),
            nothing(3, "invalid_email", Some("not an address,Bob,,")),
            nothing(4, "duplicate_in_file", None),
            nothing(5, "wrong_field_count", Some("c@example.org")),
            nothing(6, "malformed_quotes", Some("d@example.org,\"open,,")),
            nothing(7, "invalid_utf8", Some("e@example.org,\u{fffd},,")),
            person(
                8,
                "f@example.org",
                None,
                Some(r#"{"city":"=1+1","plan":"'quoted'"}"#),
            ),
        ];
        assert_eq!(rows(file), expected);
    }

    #[test]
    fn semicolons_and_tabs_separate_too() {
        assert_eq!(
            rows(b"email;name\na@example.org;A, B"),
            [person(2, "a@example.org", Some("A, B"), None)]
        );
        assert_eq!(
            rows(b"name\temail\nA\ta@example.org"),
            [person(2, "a@example.org", Some("A"), None)]
        );
    }

    #[test]
    fn a_file_that_can_not_be_taken_says_why() {
        let files: [&[u8]; 7] = [
            b"",
            b"email,name\n",
            b"mail,name\na@example.org,A\n",
            b"e\0m\0a\0i\0l\0\n\0",
            b"email,\xff\na@example.org,1\n",
            b"email,EMAIL\na@example.org,A\n",
            b"email,,\na@example.org,A,B\n",
        ];
        let said = files.map(|file| {
            Chunks::open(file)
                .err()
                .map_or("taken".to_owned(), |error| error.to_string())
        });
        insta::assert_snapshot!(said.join("\n"), @r#"
        The file is empty: it needs a header line and at least one record.
        The file is empty: it needs a header line and at least one record.
        The header line has no column "email"; it has: mail, name.
        The file is not CSV text in UTF-8; export it again as "CSV UTF-8".
        The file is not CSV text in UTF-8; export it again as "CSV UTF-8".
        The header line has the column "EMAIL" twice.
        Column 2 of the header line needs a name of 1 to 64 characters.
        "#);
    }

    #[test]
    fn a_chunk_of_rejected_records_stays_small() {
        let bad = "\u{20ac}".repeat(5_000);
        let file = format!("email\n{}", format!("{bad}\n").repeat(CHUNK_RECORDS));
        let chunk = Chunks::open(file.as_bytes()).unwrap().next().unwrap();
        let quoted: usize = chunk
            .iter()
            .map(|row| match &row.said {
                Said::Nothing { record, .. } => record.as_ref().map_or(0, String::len),
                Said::Person { .. } => 0,
            })
            .sum();
        assert!(quoted > 400_000 && quoted <= CHUNK_RECORDS * QUOTED_BYTES_MAX);
    }

    proptest! {
        #[test]
        fn chunks_joined_again_are_the_records_of_the_file(
            people in proptest::collection::hash_set("[a-z]{1,8}", 1..1_300),
            cities in proptest::collection::vec("[A-Za-z ,\"\n']{0,6}", 1_300),
        ) {
            let mut writer = csv::Writer::from_writer(Vec::new());
            writer.write_record(["email", "city"]).unwrap();
            let mut expected = Vec::new();
            for (person, city) in people.iter().zip(&cities) {
                let email = format!("{person}@example.org");
                writer.write_record([&email, city]).unwrap();
                let city = Some(city).filter(|city| !city.trim().is_empty());
                expected.push((email, city.map(|city| serde_json::json!({ "city": city }).to_string())));
            }
            let file = writer.into_inner().unwrap();
            let chunks: Vec<Vec<Row>> = Chunks::open(&file).unwrap().collect();
            prop_assert!(chunks.iter().rev().skip(1).all(|chunk| chunk.len() == CHUNK_RECORDS));
            let joined: Vec<_> = chunks.into_iter().flatten().map(|row| match row.said {
                Said::Person { email, attributes, .. } => (email, attributes),
                Said::Nothing { reason, .. } => (reason, None),
            }).collect();
            prop_assert_eq!(joined, expected);
        }

        #[test]
        fn what_an_export_guards_comes_back(value in "[=+@a\t-][a-z=+@' -]{0,5}") {
            let exported = if value.starts_with(FORMULA_STARTS) { format!("'{value}") } else { value.clone() };
            prop_assert_eq!(without_guard(&exported), value);
        }
    }
}
