//! One custom attribute of a subscriber: its key, and its value of one of four kinds.

use serde_json::{Value, json};
use time::Date;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::{Decimal, Invalid};

/// What an attribute is called: 1 to [`Self::CHARS_MAX`] lower-case letters, digits and underscores, a letter first.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttributeKey(String);

impl AttributeKey {
    /// The most characters one may have.
    pub const CHARS_MAX: usize = 64;

    /// Takes a key such as `first_visit`.
    ///
    /// # Errors
    /// [`Invalid`] when it is not of that shape.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        let letter_first = text.starts_with(|c: char| c.is_ascii_lowercase());
        if letter_first && text.len() <= Self::CHARS_MAX && text.bytes().all(allowed) {
            return Ok(Self(text.to_owned()));
        }
        Err(Invalid::new(format!(
            "an attribute's key has 1 to {} lower-case letters, digits and underscores, a letter first, such as \
             \"first_visit\"",
            Self::CHARS_MAX
        )))
    }

    /// Takes any key that an attribute may have had at a sign-up, where files brought what columns are called: to ask for
    /// it, or to take it away.
    ///
    /// # Errors
    /// [`Invalid`] when it is empty or too long, or has the character U+0000, which no sign-up takes.
    pub fn parse_any(text: &str) -> Result<Self, Invalid> {
        match text.chars().count() {
            1..=Self::CHARS_MAX if !text.contains('\0') => Ok(Self(text.to_owned())),
            1..=Self::CHARS_MAX => Err(Invalid::new("an attribute's key has no character U+0000")),
            _ => Err(Invalid::new(format!(
                "an attribute's key has 1 to {} characters",
                Self::CHARS_MAX
            ))),
        }
    }

    pub(crate) fn recorded(text: String) -> Self {
        Self(text)
    }

    /// The key as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for AttributeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What an attribute says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AttributeValue {
    /// Words, at most [`Self::TEXT_CHARS_MAX`] characters.
    Text(String),
    /// A number.
    Number(Decimal),
    /// Yes or no.
    YesNo(bool),
    /// A day of the calendar, whatever the time zone.
    Date(Date),
}

const TOO_FINE: &str = "a JSON number is a double, which may not hold so large or so fine a number as it was written; write \
    it as a text: {\"number\": \"12345678901234567890123\"}";

const DATE: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");

impl AttributeValue {
    /// The most characters of a text.
    pub const TEXT_CHARS_MAX: usize = 1_000;

    /// Takes a value as requests write it: a string, a number, a boolean, `{"date": "2026-03-01"}`, or, where a JSON number
    /// would lose digits, `{"number": "0.1"}`.
    ///
    /// # Errors
    /// [`Invalid`] when it is none of these.
    pub fn parse(value: &Value) -> Result<Self, Invalid> {
        match value {
            Value::String(text) => Self::text(text),
            Value::Number(number) => {
                let number = Decimal::from_json(number).map(Self::Number);
                number.ok_or_else(|| Invalid::new(TOO_FINE))
            }
            Value::Bool(yes) => Ok(Self::YesNo(*yes)),
            other => match only_field(other) {
                Some(("date", Value::String(date))) => Self::date(date),
                Some(("number", Value::String(number))) => Decimal::parse(number).map(Self::Number),
                _ => Err(Invalid::new(
                    "an attribute is a text, a number, true, false, {\"date\": \"2026-03-01\"} or {\"number\": \"12.5\"}",
                )),
            },
        }
    }

    fn text(text: &str) -> Result<Self, Invalid> {
        let chars = text.chars().count();
        if chars > Self::TEXT_CHARS_MAX {
            return Err(Invalid::new(format!(
                "the text has {chars} characters; at most {} are allowed",
                Self::TEXT_CHARS_MAX
            )));
        }
        let lays_out = |c: char| c == '\n' || c == '\t';
        if text.chars().any(|c| c.is_control() && !lays_out(c)) {
            return Err(Invalid::new(
                "the text holds a control character other than a line break or tab",
            ));
        }
        Ok(Self::Text(text.to_owned()))
    }

    fn date(text: &str) -> Result<Self, Invalid> {
        Self::read_date(text).ok_or_else(|| {
            Invalid::new("a date is a day of the calendar as YYYY-MM-DD, such as \"2026-03-01\"")
        })
    }

    /// A date as it is written here: of four digits each year, so that later dates are greater texts.
    pub(crate) fn read_date(text: &str) -> Option<Self> {
        let date = Date::parse(text, DATE).ok()?;
        (date.year() >= 1 && Self::written_date(date) == text).then_some(Self::Date(date))
    }

    /// YYYY-MM-DD
    pub(crate) fn written_date(date: Date) -> String {
        date.format(DATE).unwrap_or_default()
    }

    /// What a plain JSON value of a sign-up says; `None`: it is none that could be. What a text can not hold is replaced.
    pub fn of_sign_up(value: &Value) -> Option<Self> {
        match value {
            // A database has no place for it.
            Value::String(text) => Some(Self::Text(text.replace('\0', "\u{fffd}"))),
            Value::Number(number) => Some(match Decimal::nearest(number) {
                Some(number) => Self::Number(number),
                None => Self::Text(number.to_string()),
            }),
            Value::Bool(yes) => Some(Self::YesNo(*yes)),
            _ => None,
        }
    }

    /// As requests write it and answers show it.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Text(text) => json!(text),
            Self::Number(number) => match number.to_json() {
                Some(number) => Value::Number(number),
                None => json!({ "number": number.as_str() }),
            },
            Self::YesNo(yes) => json!(yes),
            Self::Date(date) => json!({ "date": Self::written_date(*date) }),
        }
    }

    /// As events and views hold it: an object of one field, named like the kind.
    pub fn to_typed(&self) -> Value {
        match self {
            Self::Text(text) => json!({ "text": text }),
            Self::Number(number) => json!({ "number": number.as_str() }),
            Self::YesNo(yes) => json!({ "yes_no": yes }),
            Self::Date(date) => json!({ "date": Self::written_date(*date) }),
        }
    }

    /// The value in what [`Self::to_typed`] has written; `None`: it is of a kind that a later build knows, or of several.
    pub fn from_typed(value: &Value) -> Option<Self> {
        match only_field(value)? {
            ("yes_no", Value::Bool(yes)) => Some(Self::YesNo(*yes)),
            ("text", Value::String(text)) => Some(Self::Text(text.to_owned())),
            ("number", Value::String(number)) => Decimal::parse(number).ok().map(Self::Number),
            ("date", Value::String(date)) => Self::read_date(date),
            _ => None,
        }
    }

    /// What a text from a URL may mean: the text itself, and whatever else is written so.
    pub fn meanings(text: &str) -> Vec<Self> {
        let number = Decimal::parse(text).ok().map(Self::Number);
        let yes_no = text.parse().ok().map(Self::YesNo);
        let date = Self::read_date(text);
        let others = [number, yes_no, date].into_iter().flatten();
        std::iter::once(Self::Text(text.to_owned()))
            .chain(others)
            .collect()
    }
}

/// Of an object of one field: its name and what it holds.
fn only_field(value: &Value) -> Option<(&str, &Value)> {
    let fields = value.as_object().filter(|fields| fields.len() == 1)?;
    let (name, value) = fields.iter().next()?;
    Some((name.as_str(), value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use time::macros::date;

    fn some_value() -> impl Strategy<Value = AttributeValue> {
        prop_oneof![
            "[ -~\n]{0,20}".prop_map(AttributeValue::Text),
            r"-?[0-9]{1,20}(\.[0-9]{1,10})?"
                .prop_map(|text| AttributeValue::Number(Decimal::parse(&text).unwrap())),
            any::<bool>().prop_map(AttributeValue::YesNo),
            (1..4_000_000_i32).prop_map(|day| {
                let date = Date::from_julian_day(day).unwrap();
                AttributeValue::Date(if date.year() < 1 || date.year() > 9_999 {
                    date!(2026 - 03 - 01)
                } else {
                    date
                })
            }),
        ]
    }

    proptest! {
        #[test]
        fn a_value_is_read_as_it_was_written(value in some_value()) {
            prop_assert_eq!(AttributeValue::parse(&value.to_json()), Ok(value.clone()));
            prop_assert_eq!(AttributeValue::from_typed(&value.to_typed()), Some(value));
        }

        #[test]
        fn any_text_is_survived(text in any::<String>()) {
            let _ = (AttributeKey::parse(&text), AttributeValue::meanings(&text));
            if let Ok(AttributeValue::Text(taken)) = AttributeValue::parse(&json!(text)) {
                prop_assert_eq!(taken, text);
            }
        }
    }

    #[test]
    fn four_kinds_and_no_more() {
        let parse = |value: Value| AttributeValue::parse(&value);
        let number = |text| AttributeValue::Number(Decimal::parse(text).unwrap());
        assert_eq!(
            parse(json!("0.1")),
            Ok(AttributeValue::Text("0.1".to_owned()))
        );
        assert_eq!(parse(json!(0.1)), Ok(number("0.1")));
        assert_eq!(parse(json!({ "number": "0.10" })), Ok(number("0.1")));
        let day = AttributeValue::Date(date!(2024 - 02 - 29));
        assert_eq!(parse(json!({ "date": "2024-02-29" })), Ok(day));
        for bad in [
            json!(null),
            json!([]),
            json!({}),
            json!({ "date": "2023-02-29" }),
            json!({ "date": "2024-2-9" }),
            json!({ "date": "+2026-03-01" }),
            json!({ "date": "-0044-03-15" }),
            json!({ "date": "-044-03-15" }),
            json!({ "date": "0000-02-09" }),
            json!(12345678901234567890123_f64),
            json!(0.12345678901234568),
            json!({ "date": "2024-02-09", "number": "1" }),
            json!({ "number": 1 }),
            json!({ "text": "x" }),
            json!("a\u{0}b"),
            json!("x".repeat(1_001)),
        ] {
            assert!(parse(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_text_may_mean_several_things() {
        let kinds = |text| {
            AttributeValue::meanings(text)
                .iter()
                .map(AttributeValue::to_typed)
                .collect::<Vec<_>>()
        };
        assert_eq!(kinds("Kyiv"), [json!({ "text": "Kyiv" })]);
        assert_eq!(
            kinds("007"),
            [json!({ "text": "007" }), json!({ "number": "7" })]
        );
        assert_eq!(
            kinds("true"),
            [json!({ "text": "true" }), json!({ "yes_no": true })]
        );
        assert_eq!(kinds("+2026-03-01"), [json!({ "text": "+2026-03-01" })]);
        let day = "2026-03-01";
        assert_eq!(kinds(day), [json!({ "text": day }), json!({ "date": day })]);
    }

    #[test]
    fn keys_are_small_words() {
        for good in ["a", "first_visit", "a1", &"a".repeat(64)] {
            assert!(AttributeKey::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "City", "1a", "_a", "a-b", "ä", &"a".repeat(65)] {
            assert!(AttributeKey::parse(bad).is_err(), "{bad}");
        }
        assert!(AttributeKey::parse_any("Lieblingsstadt ä").is_ok());
        assert!(AttributeKey::parse_any("").is_err());
    }
}
