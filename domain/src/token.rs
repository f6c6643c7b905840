//! Signed links: `/u/TOKEN` stands in mails for years, so the token names everything itself and its format never
//! changes. `/c/TOKEN`, `/p/TOKEN` and `/x/TOKEN` have the same layout, each with a letter of its own. The same keys sign return paths; `/t/TOKEN` has others.

mod api_key;
mod confirm;
mod own_data;
mod preferences;
mod return_path;
mod tracking;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use time::{Date, Duration, OffsetDateTime, macros::date};
use uuid::Uuid;

pub use api_key::{ApiKeyToken, ApiKeyTokenError, SECRET_BYTES};
pub use confirm::ConfirmLink;
pub use own_data::OwnDataLink;
pub use preferences::PreferencesLink;
pub use return_path::ReturnPath;
pub use tracking::{Done, TrackingLink};

const FORMAT: u8 = 1;
const PURPOSE: u8 = b'u';
const TAG: &[u8] = b"tidings.link.v1";
const SIGNED_BYTES: usize = 71;
const MAC_BYTES: usize = 16;
const EPOCH: Date = date!(1970 - 01 - 01);

/// A secret that signs links. Its number stands in the token, so that a new one can be taken into
/// use while links of the old ones still work.
#[derive(Clone)]
pub struct LinkKey {
    number: u8,
    secret: [u8; 32],
}

impl LinkKey {
    /// A key of 32 random bytes.
    pub fn new(number: u8, secret: [u8; 32]) -> Self {
        Self { number, secret }
    }

    /// `tag` tells apart what a key signs.
    fn mac(&self, tag: &[u8], signed: &[u8]) -> Hmac<Sha256> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.secret).expect("HMAC takes a key of any length");
        mac.update(tag);
        mac.update(signed);
        mac
    }
}

impl std::fmt::Debug for LinkKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LinkKey({}, ***)", self.number)
    }
}

/// Every key whose links still work: the one that signs, and older ones.
#[derive(Clone, Debug)]
pub struct LinkKeys {
    current: LinkKey,
    older: Vec<LinkKey>,
}

impl LinkKeys {
    /// The key that signs, and those that only verify.
    pub fn new(current: LinkKey, older: Vec<LinkKey>) -> Self {
        Self { current, older }
    }

    /// The key that signs.
    pub fn current(&self) -> &LinkKey {
        &self.current
    }

    fn get(&self, number: u8) -> Option<&LinkKey> {
        std::iter::once(&self.current)
            .chain(&self.older)
            .find(|key| key.number == number)
    }
}

/// What an unsubscribe link says. Ids that are absent are written as zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnsubscribeLink {
    /// Who leaves.
    pub subscriber_id: Uuid,
    /// What they leave; none: everything.
    pub topic_id: Option<Uuid>,
    /// The delivery the link was in.
    pub delivery_id: Option<Uuid>,
    /// Id of the address's `suppression` stream: the link works even for a subscriber the log no
    /// longer knows.
    pub address_suppression_id: Uuid,
    /// The day it was made, UTC.
    pub issued: Date,
}

/// Why a token is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is not a token at all.
    #[error("the link is incomplete; please copy all of it from the mail")]
    Malformed,
    /// It names a key that is not known here.
    #[error("the link was not made by this installation, or its key was withdrawn")]
    UnknownKey,
    /// Its signature does not fit.
    #[error("the link was changed and can not be trusted; please copy it from the mail again")]
    Forged,
}

impl UnsubscribeLink {
    /// Length of a token.
    pub const TOKEN_CHARS: usize = ((SIGNED_BYTES + MAC_BYTES) * 4).div_ceil(3);

    /// The day a link made at `now` is issued on.
    pub fn issued_on(now: OffsetDateTime) -> Date {
        now.to_offset(time::UtcOffset::UTC).date()
    }

    /// The token.
    pub fn sign(&self, key: &LinkKey) -> String {
        let named = Named {
            subscriber_id: self.subscriber_id,
            topic_id: self.topic_id.unwrap_or_default(),
            delivery_id: self.delivery_id.unwrap_or_default(),
            address_suppression_id: self.address_suppression_id,
            issued: self.issued,
        };
        named.sign(PURPOSE, key)
    }

    /// What a token says, if one of `keys` signed it. The comparison takes the same time whatever
    /// the token holds.
    ///
    /// # Errors
    /// [`TokenError`], worded for the subscriber.
    pub fn verify(token: &str, keys: &LinkKeys) -> Result<Self, TokenError> {
        let named = Named::verify(PURPOSE, token, keys)?;
        Ok(Self {
            subscriber_id: named.subscriber_id,
            topic_id: some(named.topic_id),
            delivery_id: some(named.delivery_id),
            address_suppression_id: named.address_suppression_id,
            issued: named.issued,
        })
    }
}

/// What the token of any link names, whatever it is for.
struct Named {
    subscriber_id: Uuid,
    topic_id: Uuid,
    delivery_id: Uuid,
    address_suppression_id: Uuid,
    issued: Date,
}

/// Zeros are absent.
fn some(id: Uuid) -> Option<Uuid> {
    (!id.is_nil()).then_some(id)
}

impl Named {
    /// base64url without padding of 71 signed bytes and 16 bytes of MAC; `purpose` says what the link is for.
    fn sign(&self, purpose: u8, key: &LinkKey) -> String {
        let mut bytes = Vec::with_capacity(SIGNED_BYTES + MAC_BYTES);
        bytes.extend([FORMAT, purpose, key.number]);
        for id in [
            self.subscriber_id,
            self.topic_id,
            self.delivery_id,
            self.address_suppression_id,
        ] {
            bytes.extend(id.as_bytes());
        }
        let days = (self.issued - EPOCH).whole_days();
        bytes.extend(u32::try_from(days).unwrap_or(0).to_be_bytes());
        let mac = key.mac(TAG, &bytes).finalize().into_bytes();
        bytes.extend(&mac[..MAC_BYTES]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn verify(purpose: u8, token: &str, keys: &LinkKeys) -> Result<Self, TokenError> {
        let bytes = URL_SAFE_NO_PAD
            .decode(token)
            .map_err(|_| TokenError::Malformed)?;
        let (signed, mac) = bytes
            .split_at_checked(SIGNED_BYTES)
            .filter(|(_, mac)| mac.len() == MAC_BYTES)
            .ok_or(TokenError::Malformed)?;
        if signed[..2] != [FORMAT, purpose] {
            return Err(TokenError::Malformed);
        }
        let key = keys.get(signed[2]).ok_or(TokenError::UnknownKey)?;
        key.mac(TAG, signed)
            .verify_truncated_left(mac)
            .map_err(|_| TokenError::Forged)?;
        Self::read(&signed[3..]).ok_or(TokenError::Malformed)
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let id = |at: usize| Uuid::from_slice(bytes.get(at..at + 16)?).ok();
        let days = u32::from_be_bytes(bytes.get(64..68)?.try_into().ok()?);
        Some(Self {
            subscriber_id: id(0)?,
            topic_id: id(16)?,
            delivery_id: id(32)?,
            address_suppression_id: id(48)?,
            issued: EPOCH.checked_add(Duration::days(days.into()))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keys() -> LinkKeys {
        LinkKeys::new(LinkKey::new(2, [9; 32]), vec![LinkKey::new(1, [7; 32])])
    }

    fn link() -> UnsubscribeLink {
        UnsubscribeLink {
            subscriber_id: Uuid::from_u128(0x0101),
            topic_id: None,
            delivery_id: Some(Uuid::from_u128(0x0202)),
            address_suppression_id: Uuid::from_u128(0x0303),
            issued: date!(2026 - 01 - 02),
        }
    }

    #[test]
    fn known_answer_never_changes() {
        let token = link().sign(&LinkKey::new(1, [7; 32]));
        assert_eq!(
            token,
            "AXUBAAAAAAAAAAAAAAAAAAABAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAICAAAAAAAAAAAAAAAAAAADAwAAT-cNi_9jgHRjyg0kPi5JNvhK"
        );
        assert_eq!(UnsubscribeLink::verify(&token, &keys()), Ok(link()));
        assert_eq!(token.len(), UnsubscribeLink::TOKEN_CHARS);
    }

    #[test]
    fn old_keys_verify_and_unknown_keys_do_not() {
        let token = link().sign(keys().current());
        assert_eq!(UnsubscribeLink::verify(&token, &keys()), Ok(link()));
        let stranger = link().sign(&LinkKey::new(3, [9; 32]));
        assert_eq!(
            UnsubscribeLink::verify(&stranger, &keys()),
            Err(TokenError::UnknownKey)
        );
        let impostor = link().sign(&LinkKey::new(1, [8; 32]));
        assert_eq!(
            UnsubscribeLink::verify(&impostor, &keys()),
            Err(TokenError::Forged)
        );
    }

    #[test]
    fn what_is_no_token_is_malformed() {
        let token = link().sign(keys().current());
        let padded = format!("{token}=");
        let longer = format!("{token}AAAA");
        for bad in ["", "AAAA", "?", &token[..115], &padded, &longer] {
            assert_eq!(
                UnsubscribeLink::verify(bad, &keys()),
                Err(TokenError::Malformed),
                "{bad}"
            );
        }
    }

    #[test]
    fn the_secret_is_not_shown() {
        assert_eq!(format!("{:?}", LinkKey::new(1, [7; 32])), "LinkKey(1, ***)");
    }

    proptest! {
        #[test]
        fn every_link_round_trips(ids in any::<[u128; 4]>(), days in 0i64..100_000) {
            let some = |id: u128| Some(Uuid::from_u128(id)).filter(|id| !id.is_nil());
            let link = UnsubscribeLink {
                subscriber_id: Uuid::from_u128(ids[0]),
                topic_id: some(ids[1]),
                delivery_id: some(ids[2]),
                address_suppression_id: Uuid::from_u128(ids[3]),
                issued: EPOCH + Duration::days(days),
            };
            let token = link.sign(keys().current());
            prop_assert_eq!(UnsubscribeLink::verify(&token, &keys()), Ok(link));
        }

        #[test]
        fn any_flipped_bit_is_refused(bit in 0usize..(SIGNED_BYTES + MAC_BYTES) * 8) {
            let mut bytes = URL_SAFE_NO_PAD.decode(link().sign(keys().current())).unwrap();
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(UnsubscribeLink::verify(&URL_SAFE_NO_PAD.encode(bytes), &keys()).is_err());
        }

        #[test]
        fn any_text_is_survived(text in any::<String>()) {
            prop_assert!(UnsubscribeLink::verify(&text, &keys()).is_err());
        }
    }
}
