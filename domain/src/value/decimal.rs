//! Decimal numbers that lose no digit.

use std::cmp::Ordering;

use serde_json::Number;

use super::Invalid;

/// A decimal number, exactly: a double can not hold 0.1, nor twenty digits. Written in one way only, in plain digits
/// without leading zeros, and without trailing ones behind the point, so that equal numbers are equal texts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Decimal(String);

impl Decimal {
    /// The most digits, before and behind the point together.
    pub const DIGITS_MAX: usize = 38;

    /// Takes a number such as `-12.50`.
    ///
    /// # Errors
    /// [`Invalid`] when it is not of that shape, or has too many digits.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        Self::read(text).ok_or_else(|| {
            Invalid::new(format!(
                "a number has 1 to {} digits with at most one point between them, such as \"-12.5\"; no exponent",
                Self::DIGITS_MAX
            ))
        })
    }

    fn read(text: &str) -> Option<Self> {
        let (sign, digits) = match text.strip_prefix('-') {
            Some(rest) => ("-", rest),
            None => ("", text),
        };
        let (whole, fraction) = match digits.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
            Some(_) => return None,
            None => (digits, ""),
        };
        let are_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !are_digits(whole) || !are_digits(fraction) {
            return None;
        }
        let whole = whole.trim_start_matches('0');
        let fraction = fraction.trim_end_matches('0');
        if whole.len() + fraction.len() > Self::DIGITS_MAX {
            return None;
        }
        let whole = if whole.is_empty() { "0" } else { whole };
        Some(Self(match (whole, fraction) {
            ("0", "") => "0".to_owned(),
            (whole, "") => format!("{sign}{whole}"),
            (whole, fraction) => format!("{sign}{whole}.{fraction}"),
        }))
    }

    /// The number that a JSON number is: of a fraction, the shortest one that is the same double. `None`: it has too many
    /// digits.
    pub fn from_json(number: &Number) -> Option<Self> {
        if number.is_i64() || number.is_u64() {
            return Self::read(&number.to_string());
        }
        // Unlike JSON's own writing, this one has no exponent.
        Self::read(&number.as_f64()?.to_string())
    }

    /// The JSON number that reads back as this one; `None`: a double would lose digits.
    pub fn to_json(&self) -> Option<Number> {
        let number: Number = match self.0.contains('.') {
            true => Number::from_f64(self.0.parse().ok()?)?,
            false => self.0.parse::<i64>().ok()?.into(),
        };
        (Self::from_json(&number).as_ref() == Some(self)).then_some(number)
    }

    /// In plain digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let is_negative = |it: &Self| it.0.starts_with('-');
        match (is_negative(self), is_negative(other)) {
            (false, false) => self.size(other),
            (true, true) => other.size(self),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Decimal {
    /// Which is greater without its sign: there are no zeros that say nothing, so a longer whole part is.
    fn size(&self, other: &Self) -> Ordering {
        let parts = |it: &'_ Self| -> (usize, String, String) {
            let digits = it.0.trim_start_matches('-');
            let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
            (whole.len(), whole.to_owned(), fraction.to_owned())
        };
        parts(self).cmp(&parts(other))
    }
}

impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn equal_numbers_are_equal_texts() {
        let same = [
            ("0.10", "0.1"),
            ("007", "7"),
            ("-0", "0"),
            ("-0.0", "0"),
            ("10", "10"),
            ("1.0", "1"),
            ("-12.50", "-12.5"),
            ("0.05", "0.05"),
        ];
        for (given, written) in same {
            assert_eq!(Decimal::parse(given).unwrap().as_str(), written, "{given}");
        }
        for bad in [
            "", "-", ".5", "5.", "1e3", "+1", " 1", "1,5", "٣", "1.2.3", "NaN",
        ] {
            assert!(Decimal::parse(bad).is_err(), "{bad:?}");
        }
        assert!(Decimal::parse(&"9".repeat(38)).is_ok());
        assert!(Decimal::parse(&"9".repeat(39)).is_err());
    }

    #[test]
    fn a_json_number_is_what_it_looks_like() {
        let number = |text: &str| Decimal::from_json(&serde_json::from_str(text).unwrap());
        for (given, written) in [
            ("0.1", "0.1"),
            ("1e3", "1000"),
            ("-5", "-5"),
            ("1.50", "1.5"),
        ] {
            assert_eq!(number(given).unwrap().as_str(), written, "{given}");
        }
        assert_eq!(number("1e300"), None);
    }

    proptest! {
        #[test]
        fn what_is_shown_parses_to_itself(text in r"-?[0-9]{1,25}(\.[0-9]{1,14})?") {
            if let Ok(decimal) = Decimal::parse(&text) {
                prop_assert_eq!(Decimal::parse(decimal.as_str()), Ok(decimal.clone()));
                if let Some(number) = decimal.to_json() {
                    prop_assert_eq!(Decimal::from_json(&number), Some(decimal));
                }
            }
        }

        #[test]
        fn numbers_are_ordered_as_numbers(a in -5_000_i64..5_000, b in -5_000_i64..5_000, places in 0_u32..4) {
            let scaled = |n: i64| {
                let (sign, n, by) = (if n < 0 { "-" } else { "" }, n.unsigned_abs(), 10_u64.pow(places));
                let digits = usize::try_from(places).unwrap();
                match places {
                    0 => format!("{sign}{n}"),
                    _ => format!("{sign}{}.{:0digits$}", n / by, n % by),
                }
            };
            let [x, y] = [a, b].map(|n| Decimal::parse(&scaled(n)).unwrap());
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
        }

        #[test]
        fn any_text_is_survived(text in any::<String>()) {
            let _ = Decimal::parse(&text);
        }
    }
}
