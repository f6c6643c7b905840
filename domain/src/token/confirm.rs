//! Signed links by which somebody confirms that they want mail: `/c/TOKEN`.

use time::{Date, Duration};
use uuid::Uuid;

use super::{LinkKey, LinkKeys, Named, TokenError};

const PURPOSE: u8 = b'c';

/// What a link to confirm says. Its token has the layout of an unsubscribe link's, with a letter of its own and no topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfirmLink {
    /// Who confirms.
    pub subscriber_id: Uuid,
    /// The delivery the link is in.
    pub delivery_id: Uuid,
    /// Id of the address's `suppression` stream.
    pub address_suppression_id: Uuid,
    /// The day it was made, UTC.
    pub issued: Date,
}

impl ConfirmLink {
    /// How long after the day it was made a link works.
    pub const DAYS_MAX: i64 = 30;

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
        Ok(Self {
            subscriber_id: named.subscriber_id,
            delivery_id: super::some(named.delivery_id).ok_or(TokenError::Malformed)?,
            address_suppression_id: named.address_suppression_id,
            issued: named.issued,
        })
    }

    /// Whether it has had its time, on this day.
    pub fn is_expired(&self, today: Date) -> bool {
        Self::has_had_its_time(self.issued, today)
    }

    /// Whether a link of one day says nothing any more, on another, of who wants mail.
    pub fn has_had_its_time(issued: Date, today: Date) -> bool {
        today - issued > Duration::days(Self::DAYS_MAX)
    }
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;
    use crate::token::UnsubscribeLink;

    fn link() -> ConfirmLink {
        ConfirmLink {
            subscriber_id: Uuid::from_u128(0x0101),
            delivery_id: Uuid::from_u128(0x0202),
            address_suppression_id: Uuid::from_u128(0x0303),
            issued: date!(2026 - 01 - 02),
        }
    }

    #[test]
    fn known_answer_never_changes() {
        let keys = LinkKeys::new(LinkKey::new(1, [7; 32]), vec![]);
        let token = link().sign(keys.current());
        assert_eq!(
            token,
            "AWMBAAAAAAAAAAAAAAAAAAABAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAICAAAAAAAAAAAAAAAAAAADAwAAT-dV0ZkWV9Rok5RFyIypyv7y"
        );
        assert_eq!(ConfirmLink::verify(&token, &keys), Ok(link()));
        assert_eq!(token.len(), UnsubscribeLink::TOKEN_CHARS);
    }

    #[test]
    fn a_link_to_leave_confirms_nothing_and_the_other_way_round() {
        let keys = LinkKeys::new(LinkKey::new(1, [7; 32]), vec![]);
        let token = link().sign(keys.current());
        let malformed = Err(TokenError::Malformed);
        assert_eq!(UnsubscribeLink::verify(&token, &keys), malformed);
        let leave = UnsubscribeLink {
            subscriber_id: link().subscriber_id,
            topic_id: None,
            delivery_id: Some(link().delivery_id),
            address_suppression_id: link().address_suppression_id,
            issued: link().issued,
        };
        let token = leave.sign(keys.current());
        assert_eq!(
            ConfirmLink::verify(&token, &keys),
            Err(TokenError::Malformed)
        );
    }

    #[test]
    fn it_works_for_thirty_days() {
        assert!(!link().is_expired(date!(2026 - 02 - 01)));
        assert!(link().is_expired(date!(2026 - 02 - 02)));
    }
}
