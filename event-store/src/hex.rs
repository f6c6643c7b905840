//! Bytes as files and answers show them: lower-case hexadecimal digits.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::stream::hex;

/// Bytes that read and write themselves as hexadecimal digits, two a byte.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hex<T>(pub T);

/// A SHA-256 value: 64 digits.
pub type Hash = Hex<[u8; 32]>;

/// The text is not that many bytes in hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the expected number of hexadecimal digits")]
pub struct NotHex;

impl<T: TryFrom<Vec<u8>>> FromStr for Hex<T> {
    type Err = NotHex;

    fn from_str(text: &str) -> Result<Self, NotHex> {
        // Upper case would be another spelling of the same bytes: one spelling is enough.
        let digit = |digit: u8| match digit {
            b'0'..=b'9' => Ok(digit - b'0'),
            b'a'..=b'f' => Ok(digit - b'a' + 10),
            _ => Err(NotHex),
        };
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
            return Err(NotHex);
        };
        let bytes = pairs
            .iter()
            .map(|[high, low]| Ok(digit(*high)? << 4 | digit(*low)?))
            .collect::<Result<Vec<u8>, NotHex>>()?;
        T::try_from(bytes).map(Self).map_err(|_| NotHex)
    }
}

impl<T: AsRef<[u8]>> fmt::Display for Hex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(self.0.as_ref()))
    }
}

impl<T: AsRef<[u8]>> fmt::Debug for Hex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<T: AsRef<[u8]>> Serialize for Hex<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, T: TryFrom<Vec<u8>>> Deserialize<'de> for Hex<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_as_they_are_written_and_in_no_other_way() {
        let bytes = Hex([0_u8, 0x7f, 0xff]);
        assert_eq!(bytes.to_string(), "007fff");
        assert_eq!("007fff".parse(), Ok(bytes));
        for wrong in ["007ff", "007fff00", "007FFF", "007fxf", "", "+07fff"] {
            assert_eq!(wrong.parse::<Hex<[u8; 3]>>(), Err(NotHex), "{wrong}");
        }
    }
}
