//! Cuts a CSV file into records (RFC 4180, quotes and all) without ever losing the rest of the file:
//! a line whose quotes do not close is one bad record, and the next line starts afresh.

use std::borrow::Cow;

use memchr::memchr;

/// Bytes a record may take; a quote that is open longer is held to be a mistake.
const RECORD_BYTES_MAX: usize = 32 * 1024;
/// The same where a program has set the quotes: all attributes that somebody may have, however they are escaped.
const LONG_RECORD_BYTES_MAX: usize = 512 * 1024;
const BOM: &[u8] = b"\xef\xbb\xbf";

/// The fields of a record, quotes taken off.
type Fields<'a> = Vec<Cow<'a, [u8]>>;

/// One record of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    /// The line it starts on, 1-based.
    pub(super) line: u64,
    /// Its bytes as received, without the line end.
    pub(super) raw: &'a [u8],
    /// Its fields.
    pub(super) fields: Result<Fields<'a>, Malformed>,
}

/// Why a record has no fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Malformed {
    /// A quoted field does not end, or goes on after its closing quote.
    Quotes,
    /// It takes more than [`RECORD_BYTES_MAX`], or [`LONG_RECORD_BYTES_MAX`].
    TooLong,
}

/// The records of a file, in order. Empty lines are none.
#[derive(Clone)]
pub(super) struct Records<'a> {
    rest: &'a [u8],
    line: u64,
    delimiter: u8,
    bytes_max: usize,
}

impl<'a> Records<'a> {
    /// The records of `file`, fields separated by `delimiter`.
    pub(super) fn new(file: &'a [u8], delimiter: u8) -> Self {
        Self {
            rest: file.strip_prefix(BOM).unwrap_or(file),
            line: 1,
            delimiter,
            bytes_max: RECORD_BYTES_MAX,
        }
    }

    /// From here on a record may take [`LONG_RECORD_BYTES_MAX`].
    pub(super) fn take_long_ones(&mut self) {
        self.bytes_max = LONG_RECORD_BYTES_MAX;
    }

    /// Takes `length` bytes and the line end after them.
    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = match rest {
            [b'\r', b'\n', rest @ ..] | [b'\n', rest @ ..] => rest,
            // A file may end in the middle of its last line end.
            [b'\r'] => &[],
            _ => rest,
        };
        let lines =
            memchr::memchr_iter(b'\n', taken).count() + usize::from(self.rest.len() < rest.len());
        self.line += lines as u64;
        taken
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        while line_length(self.rest) == 0 && !self.rest.is_empty() {
            self.take(0);
        }
        if self.rest.is_empty() {
            return None;
        }
        let line = self.line;
        let (length, fields) = match fields(self.rest, self.delimiter, self.bytes_max) {
            Ok((_, length)) if length > self.bytes_max => (length, Err(Malformed::TooLong)),
            Ok((fields, length)) => (length, Ok(fields)),
            Err(malformed) => (line_length(self.rest), Err(malformed)),
        };
        Some(Record {
            line,
            raw: self.take(length),
            fields,
        })
    }
}

/// Bytes up to the end of the line.
fn line_length(bytes: &[u8]) -> usize {
    let end = memchr(b'\n', bytes).unwrap_or(bytes.len());
    if bytes[..end].ends_with(b"\r") {
        end - 1
    } else {
        end
    }
}

/// The fields of the record that `bytes` starts with, and its length.
fn fields(bytes: &[u8], delimiter: u8, bytes_max: usize) -> Result<(Fields<'_>, usize), Malformed> {
    let mut fields = Vec::new();
    let mut at = 0;
    loop {
        let (field, length) = match bytes[at..].split_first() {
            Some((b'"', quoted)) => {
                let (field, length) = quoted_field(quoted, bytes_max)?;
                (field, length + 1)
            }
            _ => {
                let line = &bytes[at..at + line_length(&bytes[at..])];
                let length = memchr(delimiter, line).unwrap_or(line.len());
                (Cow::Borrowed(&line[..length]), length)
            }
        };
        fields.push(field);
        at += length;
        if bytes.get(at) == Some(&delimiter) {
            at += 1;
        } else if line_length(&bytes[at..]) == 0 {
            return Ok((fields, at));
        } else {
            return Err(Malformed::Quotes);
        }
    }
}

/// The field behind an opening quote, and its length with the closing quote.
fn quoted_field(bytes: &[u8], bytes_max: usize) -> Result<(Cow<'_, [u8]>, usize), Malformed> {
    let near = &bytes[..bytes.len().min(bytes_max)];
    let mut field = Cow::Borrowed(&near[..0]);
    let mut at = 0;
    loop {
        let quote = at + memchr(b'"', &near[at..]).ok_or(Malformed::Quotes)?;
        let part = &near[at..quote];
        if at == 0 {
            field = Cow::Borrowed(part);
        } else {
            field.to_mut().extend_from_slice(part);
        }
        if near.get(quote + 1) != Some(&b'"') {
            return Ok((field, quote + 1));
        }
        field.to_mut().push(b'"');
        at = quote + 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(file: &str) -> Vec<(u64, Result<Vec<String>, Malformed>)> {
        let text = |field: Cow<'_, [u8]>| String::from_utf8(field.into_owned()).unwrap();
        Records::new(file.as_bytes(), b',')
            .map(|record| {
                (
                    record.line,
                    record
                        .fields
                        .map(|fields| fields.into_iter().map(text).collect()),
                )
            })
            .collect()
    }

    fn fields<const N: usize>(of: [&str; N]) -> Result<Vec<String>, Malformed> {
        Ok(of.map(str::to_owned).to_vec())
    }

    #[test]
    fn quotes_line_ends_and_empty_lines() {
        assert_eq!(
            read("\u{feff}email,name\r\n\r\na@x.org,\"Ada \"\"the\"\"\nfirst\"\n\n,\nlast,"),
            [
                (1, fields(["email", "name"])),
                (3, fields(["a@x.org", "Ada \"the\"\nfirst"])),
                (6, fields(["", ""])),
                (7, fields(["last", ""])),
            ]
        );
    }

    #[test]
    fn an_open_quote_costs_one_line_not_the_rest_of_the_file() {
        assert_eq!(
            read("a,\"b\nc,d\ne,f\n"),
            [
                (1, Err(Malformed::Quotes)),
                (2, fields(["c", "d"])),
                (3, fields(["e", "f"]))
            ]
        );
        assert_eq!(
            read("\"a\"b,c\nd,\"e\"\n"),
            [(1, Err(Malformed::Quotes)), (2, fields(["d", "e"]))]
        );
    }

    #[test]
    fn a_quote_inside_a_field_is_a_letter() {
        assert_eq!(read("a \"b\" c,d"), [(1, fields(["a \"b\" c", "d"]))]);
    }

    #[test]
    fn a_record_has_a_longest_length() {
        let long = "x".repeat(RECORD_BYTES_MAX + 1);
        assert_eq!(
            read(&format!("{long}\na")),
            [(1, Err(Malformed::TooLong)), (2, fields(["a"]))]
        );
    }

    #[test]
    fn what_a_program_wrote_may_be_longer() {
        let long = format!("\"{}\"", "x".repeat(10 * RECORD_BYTES_MAX));
        let mut records = Records::new(long.as_bytes(), b',');
        records.take_long_ones();
        assert!(records.next().unwrap().fields.is_ok());
        let longer = "x".repeat(LONG_RECORD_BYTES_MAX + 1);
        let mut records = Records::new(longer.as_bytes(), b',');
        records.take_long_ones();
        assert_eq!(records.next().unwrap().fields, Err(Malformed::TooLong));
    }

    proptest! {
        #[test]
        fn what_a_csv_writer_writes_is_read_back(
            records in (1usize..5).prop_flat_map(|width| {
                proptest::collection::vec(proptest::collection::vec("[a\",\r\n é]{0,6}", width), 0..20)
            }),
        ) {
            let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
            for record in &records {
                writer.write_record(record).unwrap();
            }
            let file = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            let back: Vec<Vec<String>> = read(&file).into_iter().map(|(_, fields)| fields.unwrap()).collect();
            prop_assert_eq!(back, records);
        }

        #[test]
        fn no_byte_is_lost_or_read_twice(file in proptest::collection::vec(prop_oneof![Just(b'"'), Just(b','), Just(b'\n'), Just(b'\r'), any::<u8>()], 0..200)) {
            let file = file.strip_prefix(BOM).unwrap_or(&file);
            let mut rest = file;
            for record in Records::new(file, b',') {
                let lines_before = memchr::memchr_iter(b'\n', &file[..file.len() - rest.len()]).count() as u64;
                prop_assert!(record.line > lines_before);
                let skipped = rest.windows(record.raw.len()).position(|window| window == record.raw).unwrap();
                prop_assert!(rest[..skipped].iter().all(|byte| matches!(byte, b'\n' | b'\r')));
                rest = &rest[skipped + record.raw.len()..];
            }
            prop_assert!(rest.iter().all(|byte| matches!(byte, b'\n' | b'\r')));
        }
    }
}
