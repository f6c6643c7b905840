//! The master key as it is written down, and where it is looked for.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::Secret;

/// Bytes of a master key.
const BYTES: usize = 32;
/// One, and beside it the one that takes its place.
const KEYS_MAX: usize = 2;

/// The 32-byte key that wraps all other keys; prints as `***` and is overwritten when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey(Zeroizing<[u8; BYTES]>);

/// A text that holds no master keys; the message goes on after "it" or a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MasterKeyTextError {
    /// White space only.
    #[error("holds no key")]
    Empty,
    /// Some word is something else.
    #[error("is not base64")]
    NotBase64,
    /// It would be a key of another size.
    #[error("holds {0} bytes in base64 where 32 are needed")]
    WrongSize(usize),
    /// More than a change from one key to another needs.
    #[error("holds {0} keys; one is needed, or two while one takes the other's place")]
    TooMany(usize),
}

impl MasterKey {
    /// Hides `bytes`.
    #[must_use]
    pub fn new(bytes: [u8; BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Reads one key, or two with white space between them: standard base64 of exactly 32 bytes each.
    ///
    /// # Errors
    /// What is wrong with the text; it is not quoted.
    pub fn read_all(text: &str) -> Result<Vec<Self>, MasterKeyTextError> {
        let mut keys = Vec::new();
        for word in text.split_whitespace() {
            let bytes = STANDARD.decode(word);
            let bytes = Zeroizing::new(bytes.map_err(|_| MasterKeyTextError::NotBase64)?);
            let key: Result<[u8; BYTES], _> = bytes.as_slice().try_into();
            keys.push(Self::new(
                key.map_err(|_| MasterKeyTextError::WrongSize(bytes.len()))?,
            ));
        }
        match keys.len() {
            0 => Err(MasterKeyTextError::Empty),
            1..=KEYS_MAX => Ok(keys),
            more => Err(MasterKeyTextError::TooMany(more)),
        }
    }

    /// As [`MasterKey::read_all`] reads it.
    #[must_use]
    pub fn to_base64(&self) -> Secret {
        Secret::new(STANDARD.encode(*self.0))
    }

    /// The key itself; the call sites are the places to review.
    #[must_use]
    pub fn expose(&self) -> &[u8; BYTES] {
        &self.0
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Where the master key is looked for.
#[derive(Clone, Debug)]
pub enum MasterKeySource {
    /// A file in the data folder, made at the first start.
    DataFolder,
    /// The setting itself holds it.
    Setting(Vec<MasterKey>),
    /// A file of yours.
    File(PathBuf),
    /// A program prints it.
    Command(MasterKeyCommand),
}

/// A program that prints the master key, as a cloud's key service does through its command line.
#[derive(Clone, Debug)]
pub struct MasterKeyCommand {
    /// The program and its arguments.
    pub words: Vec<String>,
    /// A file whose bytes the program gets on its standard input; `None`: it gets nothing.
    pub stdin: Option<PathBuf>,
    /// It is ended after this.
    pub timeout: Duration,
}

/// A command line as its words: spaces separate, 'quotes' of either kind keep together, nothing else is special.
/// `None`: it holds no word, or a quote is not closed.
pub(super) fn words(text: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for letter in text.chars() {
        match (quote, letter) {
            (Some(open), _) if open == letter => quote = None,
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, _) if letter.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    let program = words.first().is_some_and(|program| !program.is_empty());
    (quote.is_none() && program).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_key_is_32_bytes_of_base64_and_never_prints() {
        let (one, two) = (MasterKey::new([7; 32]), MasterKey::new([8; 32]));
        assert_eq!(format!("{one:?}"), "***");
        let text = |key: &MasterKey| key.to_base64().expose().to_owned();
        let both = format!(" {}\n{}\n", text(&one), text(&two));
        assert_eq!(MasterKey::read_all(&text(&one)), Ok(vec![one.clone()]));
        assert_eq!(MasterKey::read_all(&both), Ok(vec![one, two]));
    }

    #[test]
    fn what_is_wrong_with_a_text_is_said_without_the_text() {
        let refused = |text: &str| MasterKey::read_all(text).unwrap_err().to_string();
        insta::assert_snapshot!(refused(" \n"), @"holds no key");
        insta::assert_snapshot!(refused("not base64"), @"is not base64");
        insta::assert_snapshot!(refused(&STANDARD.encode([7; 31])), @"holds 31 bytes in base64 where 32 are needed");
        let three = format!("{0} {0} {0}", STANDARD.encode([7; 32]));
        insta::assert_snapshot!(refused(&three), @"holds 3 keys; one is needed, or two while one takes the other's place");
    }

    #[test]
    fn a_command_line_is_split_without_a_shell() {
        let split = |text: &str| words(text).unwrap_or_default();
        assert_eq!(
            split("aws kms decrypt  --query Plaintext"),
            ["aws", "kms", "decrypt", "--query", "Plaintext"]
        );
        assert_eq!(
            split(r#"/a\b 'c  d' "e'f"g '' $HOME|;*"#),
            ["/a\\b", "c  d", "e'fg", "", "$HOME|;*"]
        );
        for wrong in ["", "  ", "a 'b", "a \"b'", "'' a"] {
            assert_eq!(words(wrong), None, "{wrong}");
        }
    }
}
