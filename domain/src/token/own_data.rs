//! Signed links to all that is held about somebody: `/x/TOKEN`. How long one works stands in the log, not in it.

use time::Date;
use uuid::Uuid;

use super::{LinkKey, LinkKeys, Named, TokenError};

const PURPOSE: u8 = b'x';

/// What a link to somebody's data says. Its token has the layout of an unsubscribe link's, with a letter of its own and no topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnDataLink {
    /// Whose data.
    pub subscriber_id: Uuid,
    /// The delivery the link is in.
    pub delivery_id: Uuid,
    /// Id of the address's `suppression` stream: whose mailbox the link was sent to.
    pub address_suppression_id: Uuid,
    /// The day it was planned, UTC. Nothing is decided by it: when the notice was issued is on record.
    pub issued: Date,
}

impl OwnDataLink {
    /// The token.
    pub fn sign(&self, key: &LinkKey) -> String {
        let named = Named {
            subscriber_id: self.subscriber_id,
            topic_id: Uuid::nil(),
            delivery_id: self.delivery_id,
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
        match (super::some(named.topic_id), super::some(named.delivery_id)) {
            (None, Some(delivery_id)) => Ok(Self {
                subscriber_id: named.subscriber_id,
                delivery_id,
                address_suppression_id: named.address_suppression_id,
                issued: named.issued,
            }),
            _ => Err(TokenError::Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;
    use crate::token::{ConfirmLink, PreferencesLink, UnsubscribeLink};

    const MALFORMED: TokenError = TokenError::Malformed;

    fn keys() -> LinkKeys {
        LinkKeys::new(LinkKey::new(1, [7; 32]), vec![])
    }

    fn named() -> Named {
        Named {
            subscriber_id: Uuid::from_u128(0x0101),
            topic_id: Uuid::nil(),
            delivery_id: Uuid::from_u128(0x0202),
            address_suppression_id: Uuid::from_u128(0x0303),
            issued: date!(2026 - 01 - 02),
        }
    }

    #[test]
    fn known_answer_never_changes() {
        let link = OwnDataLink {
            subscriber_id: Uuid::from_u128(0x0101),
            delivery_id: Uuid::from_u128(0x0202),
            address_suppression_id: Uuid::from_u128(0x0303),
            issued: date!(2026 - 01 - 02),
        };
        let token = link.sign(keys().current());
        assert_eq!(
            token,
            "AXgBAAAAAAAAAAAAAAAAAAABAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAICAAAAAAAAAAAAAAAAAAADAwAAT-fnBL8wiZTk1wSNpA7McQR_"
        );
        assert_eq!(OwnDataLink::verify(&token, &keys()), Ok(link));
        assert_eq!(token.len(), UnsubscribeLink::TOKEN_CHARS);
    }

    #[test]
    fn no_link_is_taken_for_another_kind_of_link() {
        for (nth, letter) in [b'u', b'c', b'p', b'x'].into_iter().enumerate() {
            let token = named().sign(letter, keys().current());
            let taken = [
                UnsubscribeLink::verify(&token, &keys()).err(),
                ConfirmLink::verify(&token, &keys()).err(),
                PreferencesLink::verify(&token, &keys()).err(),
                OwnDataLink::verify(&token, &keys()).err(),
            ];
            let mut expected = [Some(MALFORMED); 4];
            expected[nth] = None;
            assert_eq!(taken, expected, "{}", char::from(letter));
        }
    }

    #[test]
    fn it_names_a_delivery_and_no_topic() {
        let of_a_topic = Named {
            topic_id: Uuid::from_u128(1),
            ..named()
        };
        let of_no_delivery = Named {
            delivery_id: Uuid::nil(),
            ..named()
        };
        for wrong in [of_a_topic, of_no_delivery] {
            let token = wrong.sign(PURPOSE, keys().current());
            assert_eq!(OwnDataLink::verify(&token, &keys()), Err(MALFORMED));
        }
    }
}
