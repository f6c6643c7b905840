//! Tokens of API keys: `tdk_…` in an `Authorization` header. The format never changes; it can be told from a typo, and
//! found by whoever looks for secrets that leaked, without a database.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

const FORMAT: u8 = 1;
const SECRET_TAG: &[u8] = b"tidings.api-key.v1";
const CHECK_TAG: &[u8] = b"tidings.api-key.check.v1";
const NAMED_BYTES: usize = 1 + 16;
const CHECKED_BYTES: usize = NAMED_BYTES + SECRET_BYTES;
const CHECK_BYTES: usize = 4;
/// Whole characters of base64 that hold nothing but format and id.
const PREFIX_CHARS: usize = NAMED_BYTES * 8 / 6;

/// Random bytes of a secret: too many to guess, so a plain hash of them is as good as a slow one.
pub const SECRET_BYTES: usize = 32;

/// What a token says: which key it is of, and a secret of it.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKeyToken {
    /// The key's stream.
    pub key_id: Uuid,
    secret: [u8; SECRET_BYTES],
}

/// Why a token is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiKeyTokenError {
    /// It has another length, or other characters.
    #[error("the API key is incomplete: copy all of it")]
    Incomplete,
    /// A later version made it.
    #[error("the API key is of a kind that is not known here")]
    OtherFormat,
    /// Its last characters do not fit the others.
    #[error("a character of the API key is wrong: copy it again")]
    Mistyped,
}

impl ApiKeyToken {
    /// What every token begins with; no JWT does.
    pub const MARK: &'static str = "tdk_";
    /// Length of a token.
    pub const CHARS: usize = Self::MARK.len() + ((CHECKED_BYTES + CHECK_BYTES) * 8).div_ceil(6);

    /// The token of a key with a secret of 32 random bytes.
    pub fn new(key_id: Uuid, secret: [u8; SECRET_BYTES]) -> Self {
        Self { key_id, secret }
    }

    /// The text of it: whoever has it gets in.
    pub fn reveal(&self) -> String {
        let mut bytes = self.named().to_vec();
        bytes.extend_from_slice(&self.secret);
        let check = check(&bytes);
        bytes.extend_from_slice(&check);
        format!("{}{}", Self::MARK, URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Reads a token. That it is well made says nothing about whether it opens anything.
    ///
    /// # Errors
    /// [`ApiKeyTokenError`], worded for whoever sent it; it repeats nothing of the token.
    pub fn parse(text: &str) -> Result<Self, ApiKeyTokenError> {
        let rest = text
            .strip_prefix(Self::MARK)
            .filter(|_| text.len() == Self::CHARS)
            .ok_or(ApiKeyTokenError::Incomplete)?;
        let bytes = URL_SAFE_NO_PAD
            .decode(rest)
            .map_err(|_| ApiKeyTokenError::Mistyped)?;
        let (checked, found) = bytes
            .split_at_checked(CHECKED_BYTES)
            .ok_or(ApiKeyTokenError::Incomplete)?;
        if found != check(checked) {
            return Err(ApiKeyTokenError::Mistyped);
        }
        let (named, secret) = checked.split_at(NAMED_BYTES);
        if named[0] != FORMAT {
            return Err(ApiKeyTokenError::OtherFormat);
        }
        Ok(Self {
            key_id: Uuid::from_slice(&named[1..]).map_err(|_| ApiKeyTokenError::Incomplete)?,
            secret: secret
                .try_into()
                .map_err(|_| ApiKeyTokenError::Incomplete)?,
        })
    }

    /// What the log keeps of the secret.
    pub fn hash(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(SECRET_TAG);
        hash.update(self.key_id.as_bytes());
        hash.update(self.secret);
        hash.finalize().into()
    }

    /// What every token of the same key begins with.
    pub fn prefix(&self) -> String {
        let named = URL_SAFE_NO_PAD.encode(self.named());
        format!("{}{}", Self::MARK, &named[..PREFIX_CHARS])
    }

    fn named(&self) -> [u8; NAMED_BYTES] {
        let mut named = [FORMAT; NAMED_BYTES];
        named[1..].copy_from_slice(self.key_id.as_bytes());
        named
    }
}

impl std::fmt::Debug for ApiKeyToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ApiKeyToken({}, ***)", self.key_id)
    }
}

fn check(bytes: &[u8]) -> [u8; CHECK_BYTES] {
    let mut hash = Sha256::new();
    hash.update(CHECK_TAG);
    hash.update(bytes);
    let whole: [u8; 32] = hash.finalize().into();
    [whole[0], whole[1], whole[2], whole[3]]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn token() -> ApiKeyToken {
        ApiKeyToken::new(
            Uuid::from_u128(0x0192_f3a4_0000_7000_8000_0000_0000_0001),
            [7; 32],
        )
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn known_answers_never_change() {
        insta::assert_snapshot!(token().reveal(), @"tdk_AQGS86QAAHAAgAAAAAAAAAEHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHB3cs0bU");
        insta::assert_snapshot!(token().prefix(), @"tdk_AQGS86QAAHAAgAAAAAAAAA");
        insta::assert_snapshot!(hex(&token().hash()), @"a40c1cfffc46b8ceb4ea802b02eb01ae4e3cb242cbf9fe09201691835ea4f3ed");
        assert_eq!(token().reveal().len(), ApiKeyToken::CHARS);
        let shown = format!("{:?}", token());
        assert_eq!(
            shown,
            "ApiKeyToken(0192f3a4-0000-7000-8000-000000000001, ***)"
        );
    }

    #[test]
    fn what_is_no_token_is_said_without_repeating_it() {
        let whole = token().reveal();
        let cut = &whole[..whole.len() - 1];
        for text in [
            "",
            "tdk_",
            cut,
            &format!("{whole}A"),
            &whole.replace("tdk_", "tdx_"),
        ] {
            assert_eq!(ApiKeyToken::parse(text), Err(ApiKeyTokenError::Incomplete));
        }
        let mut later = token().named().to_vec();
        later[0] = 2;
        later.extend([7; SECRET_BYTES]);
        later.extend(check(&later.clone()));
        let later = format!("tdk_{}", URL_SAFE_NO_PAD.encode(later));
        assert_eq!(
            ApiKeyToken::parse(&later),
            Err(ApiKeyTokenError::OtherFormat)
        );
    }

    proptest! {
        #[test]
        fn what_is_shown_parses_to_itself(id: u128, secret: [u8; 32]) {
            let token = ApiKeyToken::new(Uuid::from_u128(id), secret);
            let text = token.reveal();
            prop_assert!(text.starts_with(&token.prefix()));
            prop_assert_eq!(ApiKeyToken::parse(&text), Ok(token));
        }

        #[test]
        fn one_wrong_character_is_noticed(place in 4..ApiKeyToken::CHARS, other in "[A-Za-z0-9_-]") {
            let mut text = token().reveal();
            prop_assume!(text[place..=place] != other);
            text.replace_range(place..=place, &other);
            prop_assert_eq!(ApiKeyToken::parse(&text), Err(ApiKeyTokenError::Mistyped));
        }

        #[test]
        fn another_key_or_secret_has_another_hash(id: u128, secret: [u8; 32]) {
            let other = ApiKeyToken::new(Uuid::from_u128(id), secret);
            prop_assume!(other != token());
            prop_assert_ne!(other.hash(), token().hash());
        }
    }
}
