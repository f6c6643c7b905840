//! What the erasure of a subscriber means for the addresses they had.

use uuid::Uuid;

use crate::address::{self, Address};
use crate::aggregate::Aggregate as _;
use crate::suppression::{self, Reason, Scope, Suppression};

/// The address belongs to nobody any more, and nothing is sent to it: no file brings back who was erased, only a
/// sign-up of their own. Nothing if somebody else has the address by now, or they gave it up before.
pub fn give_up(
    subscriber_id: Uuid,
    address: &Address,
    suppression: &Suppression,
) -> (Vec<address::Event>, Vec<suppression::Event>) {
    if address.holder() != Some(subscriber_id) {
        return Default::default();
    }
    let released = address.decide(address::Command::Release { subscriber_id });
    (released.unwrap_or_default(), suppressed(suppression))
}

/// The same for an address that they gave up for another before: nobody has it now.
pub fn forget(address: &Address, suppression: &Suppression) -> Vec<suppression::Event> {
    match address.holder() {
        None => suppressed(suppression),
        Some(_) => vec![],
    }
}

fn suppressed(suppression: &Suppression) -> Vec<suppression::Event> {
    let Ok(added) = suppression.decide(suppression::Command::Add {
        scope: Scope::Address,
        reason: Reason::Erased,
        delivery_id: None,
        // The address itself is what is erased.
        value: None,
    });
    added
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::fold;

    const ADA: Uuid = Uuid::from_u128(1);
    const BOB: Uuid = Uuid::from_u128(2);

    #[test]
    fn an_address_is_given_up_by_whoever_has_it() {
        let held = fold::<Address>(&[address::Event::Claimed { subscriber_id: ADA }]);
        let (released, added) = give_up(ADA, &held, &Suppression::Clear);
        assert_eq!(released, [address::Event::Released { subscriber_id: ADA }]);
        assert_eq!(fold::<Suppression>(&added).reasons(), [Reason::Erased]);
        let (_, added_twice) = give_up(ADA, &held, &fold::<Suppression>(&added));
        assert_eq!(added_twice, []);
    }

    #[test]
    fn who_has_the_address_by_now_is_not_suppressed() {
        let held = fold::<Address>(&[address::Event::Claimed { subscriber_id: BOB }]);
        for address in [held, Address::default()] {
            assert_eq!(
                give_up(ADA, &address, &Suppression::Clear),
                (vec![], vec![])
            );
        }
    }

    #[test]
    fn a_former_address_is_suppressed_unless_somebody_has_it() {
        let added = forget(&Address::default(), &Suppression::Clear);
        assert_eq!(fold::<Suppression>(&added).reasons(), [Reason::Erased]);
        let held = fold::<Address>(&[address::Event::Claimed { subscriber_id: BOB }]);
        assert_eq!(forget(&held, &Suppression::Clear), []);
    }
}
