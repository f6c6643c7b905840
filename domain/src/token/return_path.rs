//! Return paths: the envelope sender of a mail names the delivery and the attempt, so that a report about it
//! (RFC 3464) says by the address it comes to what it is about. Mails are answered for years: the format never changes.

use hmac::Mac as _;
use uuid::Uuid;

use super::{LinkKey, LinkKeys, TokenError};

const TAG: &[u8] = b"tidings.return-path.v1";
const FORMAT: u8 = 1;
const SIGNED_BYTES: usize = 22;
const MAC_BYTES: usize = 16;
const BYTES: usize = SIGNED_BYTES + MAC_BYTES;
/// RFC 4648 in lower case: servers on the way may fold the case of an address.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// What a return path says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReturnPath {
    /// The delivery the mail is a copy of.
    pub delivery_id: Uuid,
    /// The attempt that sent it; 0: not known.
    pub attempt: u32,
}

impl ReturnPath {
    /// Length of a token.
    pub const TOKEN_CHARS: usize = (BYTES * 8).div_ceil(5);
    /// What stands before the token in an address.
    pub const PREFIX: &'static str = "b+";

    /// The part of the address before the `@`: [`Self::PREFIX`] and the token, base32 without padding of 22 signed
    /// bytes (format, key number, delivery, attempt as uint32) and 16 bytes of MAC. 63 characters; 64 are allowed.
    pub fn local_part(&self, key: &LinkKey) -> String {
        let mut bytes = [0; BYTES];
        bytes[0] = FORMAT;
        bytes[1] = key.number;
        bytes[2..18].copy_from_slice(self.delivery_id.as_bytes());
        bytes[18..SIGNED_BYTES].copy_from_slice(&self.attempt.to_be_bytes());
        let mac = key.mac(TAG, &bytes[..SIGNED_BYTES]);
        bytes[SIGNED_BYTES..].copy_from_slice(&mac.finalize().into_bytes()[..MAC_BYTES]);
        format!("{}{}", Self::PREFIX, encode(&bytes))
    }

    /// What an address says, if one of `keys` signed it. The domain is not looked at: whoever hands a mail over says
    /// that it came to us. The comparison takes the same time whatever the token holds.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn verify(address: &str, keys: &LinkKeys) -> Result<Self, TokenError> {
        let local = address.split('@').next().unwrap_or_default();
        let (prefix, token) = local
            .split_at_checked(Self::PREFIX.len())
            .ok_or(TokenError::Malformed)?;
        if !prefix.eq_ignore_ascii_case(Self::PREFIX) {
            return Err(TokenError::Malformed);
        }
        let bytes = decode(token).ok_or(TokenError::Malformed)?;
        let (signed, mac) = bytes.split_at(SIGNED_BYTES);
        if signed[0] != FORMAT {
            return Err(TokenError::Malformed);
        }
        let key = keys.get(signed[1]).ok_or(TokenError::UnknownKey)?;
        key.mac(TAG, signed)
            .verify_truncated_left(mac)
            .map_err(|_| TokenError::Forged)?;
        let delivery_id = Uuid::from_slice(&signed[2..18]).map_err(|_| TokenError::Malformed)?;
        let mut attempt = [0; 4];
        attempt.copy_from_slice(&signed[18..]);
        Ok(Self {
            delivery_id,
            attempt: u32::from_be_bytes(attempt),
        })
    }
}

fn encode(bytes: &[u8; BYTES]) -> String {
    let bit = |n: usize| bytes.get(n / 8).map_or(0, |byte| byte >> (7 - n % 8) & 1);
    (0..ReturnPath::TOKEN_CHARS)
        .map(|at| {
            let value = (0..5).fold(0, |value, n| value << 1 | bit(at * 5 + n));
            char::from(ALPHABET[usize::from(value)])
        })
        .collect()
}

/// One text for each value, but for the case: the bit that is left over is 0.
fn decode(token: &str) -> Option<[u8; BYTES]> {
    if token.len() != ReturnPath::TOKEN_CHARS {
        return None;
    }
    let mut bytes = [0; BYTES];
    for (at, letter) in token.bytes().enumerate() {
        let letter = letter.to_ascii_lowercase();
        let value = ALPHABET.iter().position(|known| *known == letter)?;
        for n in (0..5).filter(|n| value >> (4 - n) & 1 == 1) {
            let bit = at * 5 + n;
            *bytes.get_mut(bit / 8)? |= 1 << (7 - bit % 8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keys() -> LinkKeys {
        LinkKeys::new(LinkKey::new(2, [9; 32]), vec![LinkKey::new(1, [7; 32])])
    }

    fn path() -> ReturnPath {
        ReturnPath {
            delivery_id: Uuid::from_u128(0x0202),
            attempt: 3,
        }
    }

    #[test]
    fn known_answer_never_changes() {
        let local = path().local_part(&LinkKey::new(1, [7; 32]));
        assert_eq!(
            local,
            "b+aeaqaaaaaaaaaaaaaaaaaaaaaabaeaaaaabymcpuhrswib557varhzukauuw4"
        );
        assert_eq!(local.len(), ReturnPath::TOKEN_CHARS + 2);
        assert!(local.len() <= 64);
        for address in [
            format!("{local}@bounces.example.org"),
            local.to_uppercase(),
            format!("{}@BOUNCES", local.to_uppercase()),
        ] {
            assert_eq!(ReturnPath::verify(&address, &keys()), Ok(path()));
        }
    }

    #[test]
    fn old_keys_verify_and_unknown_keys_do_not() {
        let local = path().local_part(&LinkKey::new(3, [9; 32]));
        assert_eq!(
            ReturnPath::verify(&local, &keys()),
            Err(TokenError::UnknownKey)
        );
        let impostor = path().local_part(&LinkKey::new(1, [8; 32]));
        assert_eq!(
            ReturnPath::verify(&impostor, &keys()),
            Err(TokenError::Forged)
        );
    }

    #[test]
    fn what_is_no_token_is_malformed() {
        let local = path().local_part(keys().current());
        let shorter = &local[..local.len() - 1];
        let longer = format!("{local}a");
        let last_bit = format!("{shorter}b");
        for bad in [
            "",
            "b",
            "b+",
            "@",
            "ü",
            "bü+",
            shorter,
            &longer,
            &last_bit,
            &local[2..],
        ] {
            assert_eq!(
                ReturnPath::verify(bad, &keys()),
                Err(TokenError::Malformed),
                "{bad}"
            );
        }
    }

    proptest! {
        #[test]
        fn every_path_round_trips(id in any::<u128>(), attempt in any::<u32>()) {
            let path = ReturnPath { delivery_id: Uuid::from_u128(id), attempt };
            let local = path.local_part(keys().current());
            prop_assert_eq!(ReturnPath::verify(&local, &keys()), Ok(path));
        }

        #[test]
        fn any_other_letter_is_refused(at in 2usize..63, letter in "[a-z2-7]") {
            let mut local = path().local_part(keys().current());
            prop_assume!(local[at..=at] != letter);
            local.replace_range(at..=at, &letter);
            prop_assert!(ReturnPath::verify(&local, &keys()).is_err());
        }

        #[test]
        fn any_text_is_survived(text in any::<String>(), token in "b\\+\\PC{61}") {
            prop_assert!(ReturnPath::verify(&text, &keys()).is_err());
            prop_assert!(ReturnPath::verify(&token, &keys()).is_err());
        }
    }
}
