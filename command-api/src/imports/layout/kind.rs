//! What kind of value the cells of a column hold: the word behind the last colon of its name, as in `age:number`.

use serde_json::json;
use tidings_domain::value::AttributeValue;

/// A kind of value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::imports) enum Kind {
    /// Whatever stands there; so is what has no kind in its name.
    Text,
    /// A number in plain digits.
    Number,
    /// Yes or no.
    Boolean,
    /// A day as YYYY-MM-DD.
    Date,
}

const YES: [&str; 5] = ["true", "yes", "1", "t", "y"];
const NO: [&str; 5] = ["false", "no", "0", "f", "n"];
/// The most letters of a word that may have been meant for a kind.
const LETTERS_MAX: usize = 12;

impl Kind {
    fn parse(word: &str) -> Option<Self> {
        match word.to_ascii_lowercase().as_str() {
            "text" => Some(Self::Text),
            "number" => Some(Self::Number),
            "boolean" => Some(Self::Boolean),
            "date" => Some(Self::Date),
            _ => None,
        }
    }

    /// What a cell says. White space around it counts only in a text.
    ///
    /// # Errors
    /// A stable code, when it is no value of this kind.
    pub(in crate::imports) fn read(self, cell: &str) -> Result<AttributeValue, &'static str> {
        let trimmed = cell.trim();
        let parsed = |value| AttributeValue::parse(&value).ok();
        let (value, code) = match self {
            Self::Text => (Some(AttributeValue::Text(cell.to_owned())), "not_a_text"),
            Self::Number => (parsed(json!({ "number": trimmed })), "not_a_number"),
            Self::Date => (parsed(json!({ "date": trimmed })), "not_a_date"),
            Self::Boolean => (yes_or_no(trimmed), "not_a_boolean"),
        };
        value.ok_or(code)
    }
}

fn yes_or_no(cell: &str) -> Option<AttributeValue> {
    let is_in = |words: &[&str]| words.iter().any(|word| cell.eq_ignore_ascii_case(word));
    match () {
        () if is_in(&YES) => Some(AttributeValue::YesNo(true)),
        () if is_in(&NO) => Some(AttributeValue::YesNo(false)),
        () => None,
    }
}

/// What a column is called, and the kind of what it holds.
pub(super) fn of(name: &str) -> (&str, Kind) {
    let parts = split(name);
    let known = parts.and_then(|(base, word)| Some((base, Kind::parse(word)?)));
    known.unwrap_or((name, Kind::Text))
}

/// Whether a name ends as if it asked for a kind, which is none: `age:nubmer` as a text would be compared with no number.
pub(super) fn is_misspelt(name: &str) -> bool {
    split(name).is_some_and(|(_, word)| Kind::parse(word).is_none())
}

/// The name before the last colon, and the single word right behind it.
fn split(name: &str) -> Option<(&str, &str)> {
    let (base, word) = name.rsplit_once(':')?;
    let is_word = (1..=LETTERS_MAX).contains(&word.len())
        && word.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_');
    (is_word && !base.trim().is_empty()).then_some((base.trim(), word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_its_cells_are() {
        assert_eq!(of("age:number"), ("age", Kind::Number));
        assert_eq!(of("Born On :DATE"), ("Born On", Kind::Date));
        assert_eq!(of("member:boolean"), ("member", Kind::Boolean));
        assert_eq!(of("a:b:text"), ("a:b", Kind::Text));
        for plain in [
            "age",
            ":number",
            "age:",
            "Your age: number",
            "at 10:30",
            "age:nubmer",
        ] {
            assert_eq!(of(plain), (plain, Kind::Text), "{plain}");
        }
        assert!(is_misspelt("age:nubmer") && is_misspelt("age:int"));
        for other in ["age", "age:number", "at 10:30", "Why: because", "a:b c"] {
            assert!(!is_misspelt(other), "{other}");
        }
    }

    #[test]
    fn a_cell_is_of_its_kind_or_not_taken() {
        let read = |kind: Kind, cell| kind.read(cell).map(|value| value.to_typed());
        assert_eq!(read(Kind::Number, " 36 "), Ok(json!({ "number": "36" })));
        assert_eq!(read(Kind::Number, "-0.10"), Ok(json!({ "number": "-0.1" })));
        for bad in ["1,5", "12 years", "1e3", "NaN", "+1"] {
            assert_eq!(read(Kind::Number, bad), Err("not_a_number"), "{bad}");
        }
        let day = Ok(json!({ "date": "1815-12-10" }));
        assert_eq!(read(Kind::Date, "1815-12-10 "), day);
        for bad in ["10.12.1815", "1815-12-32", "1815-12-10T00:00:00Z", "0"] {
            assert_eq!(read(Kind::Date, bad), Err("not_a_date"), "{bad}");
        }
        for (cell, yes) in [("TRUE", true), ("Yes", true), ("1", true), ("n", false)] {
            assert_eq!(read(Kind::Boolean, cell), Ok(json!({ "yes_no": yes })));
        }
        assert_eq!(read(Kind::Boolean, "maybe"), Err("not_a_boolean"));
        assert_eq!(read(Kind::Text, " 36 "), Ok(json!({ "text": " 36 " })));
    }
}
