//! Signed links to the page where a reader says what they want to get: `/p/TOKEN`. They stand in mails for years, too.

use time::Date;
use uuid::Uuid;

use super::{LinkKey, LinkKeys, Named, TokenError};

const PURPOSE: u8 = b'p';

/// What a link to the preferences says. It has the layout of an unsubscribe link, and no topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PreferencesLink {
    /// Whose preferences.
    pub subscriber_id: Uuid,
    /// The delivery the link was in.
    pub delivery_id: Option<Uuid>,
    /// Id of the address's `suppression` stream: whose mailbox the link was sent to.
    pub address_suppression_id: Uuid,
    /// The day it was made, UTC.
    pub issued: Date,
}

impl PreferencesLink {
    /// The token.
    pub fn sign(&self, key: &LinkKey) -> String {
        let named = Named {
            subscriber_id: self.subscriber_id,
            topic_id: Uuid::nil(),
            delivery_id: self.delivery_id.unwrap_or_default(),
            address_suppression_id: self.address_suppression_id,
            issued: self.issued,
        };
        named.sign(PURPOSE, key)
    }

    /// What a token says, if one of `keys` signed it.
    ///
    /// # Errors
    /// [`TokenError`], worded for the subscriber.
    pub fn verify(token: &str, keys: &LinkKeys) -> Result<Self, TokenError> {
        let named = Named::verify(PURPOSE, token, keys)?;
        Ok(Self {
            subscriber_id: named.subscriber_id,
            delivery_id: super::some(named.delivery_id),
            address_suppression_id: named.address_suppression_id,
            issued: named.issued,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::UnsubscribeLink;
    use time::macros::date;

    #[test]
    fn known_answer_never_changes_and_is_no_link_to_leave() {
        let link = PreferencesLink {
            subscriber_id: Uuid::from_u128(0x0101),
            delivery_id: Some(Uuid::from_u128(0x0202)),
            address_suppression_id: Uuid::from_u128(0x0303),
            issued: date!(2026 - 01 - 02),
        };
        let key = LinkKey::new(1, [7; 32]);
        let token = link.sign(&key);
        assert_eq!(
            token,
            "AXABAAAAAAAAAAAAAAAAAAABAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAICAAAAAAAAAAAAAAAAAAADAwAAT-cCcg0ujkv9L9T4aoYbjSIL"
        );
        let keys = LinkKeys::new(key, vec![]);
        assert_eq!(PreferencesLink::verify(&token, &keys), Ok(link));
        let malformed = Err(TokenError::Malformed);
        assert_eq!(UnsubscribeLink::verify(&token, &keys), malformed);
        let leave = UnsubscribeLink {
            subscriber_id: link.subscriber_id,
            topic_id: None,
            delivery_id: None,
            address_suppression_id: Uuid::nil(),
            issued: link.issued,
        };
        let other = leave.sign(keys.current());
        assert_eq!(
            PreferencesLink::verify(&other, &keys),
            Err(TokenError::Malformed)
        );
    }
}
