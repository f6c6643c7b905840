//! A file of subscribers, judged record by record: who is to be signed up, and what is wrong with the
//! others. Pure: the same file gives the same rows.

use std::borrow::Cow;
use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tidings_domain::suppression::Reason;
use tidings_domain::value::{Attributes, DisplayName, EmailAddress};
use tidings_service::csv;

use super::layout::{self, Column, Layout, Own, Standing};
use super::own::{self, Carried};
use super::record::{Malformed, Record, Records};

/// Records worked off in one go.
pub(super) const CHUNK_RECORDS: usize = 500;
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
        let standing = match of(&Column::Status)? {
            Some(status) => layout::status(status.trim()).ok_or("unknown_status")?,
            None if layout::says_no(&self.layout.columns, fields) => {
                Standing::Unwanted(Reason::Import)
            }
            None => self.layout.standing,
        };
        // Whatever else the file says of them, and whatever is wrong with that.
        let reason = match standing {
            Standing::Unwanted(reason) => reason,
            Standing::Wanted => match self.wanted(&email, fields) {
                Ok(person) => return Ok(person),
                Err(wrong) => own::refusal(&self.layout.columns, fields).ok_or(wrong)?,
            },
        };
        self.seen.insert(email.normalized());
        Ok(Said::Unwanted {
            email: email.to_string(),
            reason: reason.to_string(),
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
                Column::Email | Column::Status | Column::Ignored => {}
                Column::Own(Own::Status) => carried.take(Own::Status, value)?,
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
        let mut rows = Vec::new();
        while rows.len() < CHUNK_RECORDS
            && let Some(record) = self.records.next()
        {
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
    let layout = Layout::of(&names);
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
        let may_repeat = matches!(column, Column::NamePart | Column::Ignored);
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
            carried: None,
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
    fn a_status_that_says_no_is_believed_in_any_file() {
        let file = b"email,Status,plan\nada@example.org,Unsubscribed,\nbob@example.org,gold,\n";
        let rows = rows(file);
        assert!(
            matches!(rows[0].said, Said::Unwanted { .. }),
            "{:?}",
            rows[0]
        );
        let attributes = Some(r#"{"Status":"gold"}"#);
        assert_eq!(rows[1], person(3, "bob@example.org", None, attributes));
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

    fn unwanted(line: u64, email: &str, reason: &str) -> Row {
        let (email, reason) = (email.to_owned(), reason.to_owned());
        let said = Said::Unwanted { email, reason };
        Row { line, said }
    }

    #[test]
    fn an_export_of_listmonk_is_known_and_whom_it_blocks_gets_nothing() {
        let file = b"uuid,email,name,attributes,status,created_at,updated_at\n\
            1,ada@example.org,Ada,\"{\"\"city\"\": \"\"London\"\", \"\"age\"\": 36, \"\"x\"\": null, \"\"to\"\": [1]}\",enabled,2020,2021\n\
            2,bob@example.org,Bob,{},blocklisted,2020,2021\n\
            3,cleo@example.org,,{},disabled,2020,2021\n\
            4,dan@example.org,Dan,[],enabled,2020,2021\n\
            5,eve@example.org,Eve,{},paused,2020,2021\n\
            6,ada@example.org,,no json,blocklisted,2020,2021\n";
        let attributes = r#"{"age":36,"city":"London","to":"[1]"}"#;
        let expected = [
            person(2, "ada@example.org", Some("Ada"), Some(attributes)),
            unwanted(3, "bob@example.org", "import"),
            unwanted(4, "cleo@example.org", "import"),
            nothing(
                5,
                "invalid_attributes",
                Some("4,dan@example.org,Dan,[],enabled,2020,2021"),
            ),
            nothing(
                6,
                "unknown_status",
                Some("5,eve@example.org,Eve,{},paused,2020,2021"),
            ),
            unwanted(7, "ada@example.org", "import"),
        ];
        assert_eq!(rows(file), expected);
    }

    #[test]
    fn exports_of_mailchimp_are_known_by_their_columns() {
        let common = "Email Address,First Name,Last Name,Address,MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,\
            CONFIRM_IP,LATITUDE,LONGITUDE,GMTOFF,DSTOFF,TIMEZONE,CC,REGION";
        let member = "ada@example.org,Ada,Lovelace,,2,2020-01-02 03:04:05,192.0.2.1,,,51.5,0,0,1,Europe/London,GB,";
        let read = |columns: &str, values: &str| {
            let file = format!(
                "{common},{columns},LEID,EUID,NOTES,TAGS\n{member},{values},1,2,,\"\"\"vip\"\"\"\n"
            );
            rows(file.as_bytes())
        };
        let attributes = r#"{"OPTIN_TIME":"2020-01-02 03:04:05","TAGS":"\"vip\""}"#;
        let subscribed = person(2, "ada@example.org", Some("Ada Lovelace"), Some(attributes));
        assert_eq!(read("LAST_CHANGED", "2020-01-02"), [subscribed]);
        let left =
            "UNSUB_TIME,UNSUB_CAMPAIGN_TITLE,UNSUB_CAMPAIGN_ID,UNSUB_REASON,UNSUB_REASON_OTHER";
        assert_eq!(
            read(left, "2021-01-01,News,7,NORMAL,"),
            [unwanted(2, "ada@example.org", "unsubscribed")]
        );
        let cleaned = "CLEAN_TIME,CLEAN_CAMPAIGN_TITLE,CLEAN_CAMPAIGN_ID";
        assert_eq!(
            read(cleaned, "2021-01-01,News,7"),
            [unwanted(2, "ada@example.org", "hard_bounce")]
        );
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
                Said::Person { .. } | Said::Unwanted { .. } => 0,
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
            let mut writer = ::csv::Writer::from_writer(Vec::new());
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
                Said::Nothing { reason, .. } | Said::Unwanted { reason, .. } => (reason, None),
            }).collect();
            prop_assert_eq!(joined, expected);
        }
    }
}
