//! Signed links of what a mail tells about itself: `/t/TOKEN`. A mail is opened and its links are followed for years, and the answer needs
//! nothing but the token: so the format never changes. Keys of their own sign them, so that these can be withdrawn without those by which
//! readers leave.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::Mac as _;
use time::{Date, Duration};
use uuid::Uuid;

use super::{EPOCH, FORMAT, LinkKey, LinkKeys, MAC_BYTES, TokenError};
use crate::delivery::Cause;

const TAG: &[u8] = b"tidings.track.v1";
/// Format, letter, key number; subscriber, cause, delivery, channel; day and version of the content.
const HEAD_BYTES: usize = 3 + 4 * 16 + 2 * 4;

/// What was done with a mail, as its token says. The letter of each says what the mail was about, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// `o`: the picture of a publication's mail was fetched.
    Opened,
    /// `k`: a link of a publication's mail was followed.
    Clicked {
        /// Which one ([`crate::stream_id::engagement_link`]).
        link_id: Uuid,
        /// Where it leads: http or https, printable ASCII, 1 to [`TrackingLink::URL_BYTES_MAX`] bytes.
        url: String,
    },
}

/// What a link says that tells about a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackingLink {
    /// Who the mail was for.
    pub subscriber_id: Uuid,
    /// The publication.
    pub publication_id: Uuid,
    /// The delivery.
    pub delivery_id: Uuid,
    /// The channel it was sent on.
    pub channel_id: Uuid,
    /// The day the delivery was planned, UTC.
    pub issued: Date,
    /// Stream version of the event whose content it had.
    pub content_version: i32,
    /// What was done.
    pub done: Done,
}

impl TrackingLink {
    /// The longest address that is taken.
    pub const URL_BYTES_MAX: usize = 2_000;
    const LINK_BYTES: usize = 16;

    /// What asked for the mail.
    pub fn cause(&self) -> Cause {
        Cause::Publication(self.publication_id)
    }

    /// The token: base64url without padding of what is signed and 16 bytes of MAC.
    pub fn sign(&self, key: &LinkKey) -> String {
        let letter = match self.done {
            Done::Opened => b'o',
            Done::Clicked { .. } => b'k',
        };
        let mut bytes = vec![FORMAT, letter, key.number];
        for id in [
            self.subscriber_id,
            self.publication_id,
            self.delivery_id,
            self.channel_id,
        ] {
            bytes.extend(id.as_bytes());
        }
        let days = (self.issued - EPOCH).whole_days();
        bytes.extend(u32::try_from(days).unwrap_or(0).to_be_bytes());
        bytes.extend(self.content_version.to_be_bytes());
        if let Done::Clicked { link_id, url } = &self.done {
            bytes.extend(link_id.as_bytes());
            bytes.extend(url.as_bytes());
        }
        let mac = key.mac(TAG, &bytes).finalize().into_bytes();
        bytes.extend(&mac[..MAC_BYTES]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// What a token says, if one of `keys` signed it. The comparison takes the same time whatever the token holds.
    ///
    /// # Errors
    /// [`TokenError`], worded for the reader.
    pub fn verify(token: &str, keys: &LinkKeys) -> Result<Self, TokenError> {
        let malformed = TokenError::Malformed;
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| malformed)?;
        let length = bytes.len().checked_sub(MAC_BYTES).ok_or(malformed)?;
        let (signed, mac) = bytes.split_at(length);
        let (head, tail) = signed.split_at_checked(HEAD_BYTES).ok_or(malformed)?;
        if head[0] != FORMAT || !matches!(head[1], b'o' | b'k') {
            return Err(malformed);
        }
        let key = keys.get(head[2]).ok_or(TokenError::UnknownKey)?;
        let right = key.mac(TAG, signed).verify_truncated_left(mac);
        right.map_err(|_| TokenError::Forged)?;
        Self::read(head, tail).ok_or(malformed)
    }

    fn read(head: &[u8], tail: &[u8]) -> Option<Self> {
        let id = |at: usize| Uuid::from_slice(head.get(at..at + 16)?).ok();
        let four = |at: usize| head.get(at..at + 4)?.try_into().ok();
        let days = u32::from_be_bytes(four(67)?);
        let done = match head[1] {
            b'k' => {
                let (link_id, url) = tail.split_at_checked(Self::LINK_BYTES)?;
                let url = std::str::from_utf8(url).ok()?;
                Done::Clicked {
                    link_id: Uuid::from_slice(link_id).ok()?,
                    url: Some(url).filter(|url| is_web(url))?.to_owned(),
                }
            }
            _ if tail.is_empty() => Done::Opened,
            _ => return None,
        };
        Some(Self {
            subscriber_id: id(3)?,
            publication_id: id(19)?,
            delivery_id: id(35)?,
            channel_id: id(51)?,
            issued: EPOCH.checked_add(Duration::days(days.into()))?,
            content_version: i32::from_be_bytes(four(71)?),
            done,
        })
    }
}

/// Whether it may stand in a `Location`.
fn is_web(url: &str) -> bool {
    let web = url.starts_with("https://") || url.starts_with("http://");
    let plain = url.bytes().all(|byte| matches!(byte, b'!'..=b'~'));
    web && plain && url.len() <= TrackingLink::URL_BYTES_MAX
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::date;

    use super::*;
    use crate::token::UnsubscribeLink;

    fn keys() -> LinkKeys {
        LinkKeys::new(LinkKey::new(1, [7; 32]), vec![])
    }

    fn link(done: Done) -> TrackingLink {
        TrackingLink {
            subscriber_id: Uuid::from_u128(0x0101),
            publication_id: Uuid::from_u128(0x0202),
            delivery_id: Uuid::from_u128(0x0303),
            channel_id: Uuid::from_u128(0x0404),
            issued: date!(2026 - 01 - 02),
            content_version: 5,
            done,
        }
    }

    fn clicked(url: &str) -> TrackingLink {
        link(Done::Clicked {
            link_id: Uuid::from_u128(0x0606),
            url: url.to_owned(),
        })
    }

    #[test]
    fn known_answers_never_change() {
        let opened = link(Done::Opened);
        let token = opened.sign(keys().current());
        assert_eq!(
            token,
            "AW8BAAAAAAAAAAAAAAAAAAABAQAAAAAAAAAAAAAAAAAAAgIAAAAAAAAAAAAAAAAAAAMDAAAAAAAAAAAAAAAAAAAEBAAAT-cAAAAFsphZNYCAzbG3uG96xFXYfw"
        );
        assert_eq!(TrackingLink::verify(&token, &keys()), Ok(opened));
        let clicked = clicked("https://example.org/a?b=c");
        let token = clicked.sign(keys().current());
        assert_eq!(
            token,
            "AWsBAAAAAAAAAAAAAAAAAAABAQAAAAAAAAAAAAAAAAAAAgIAAAAAAAAAAAAAAAAAAAMDAAAAAAAAAAAAAAAAAAAEBAAAT-cAAAAFAAAAAAAAAAAAAAAAAAAGBmh0dHBzOi8vZXhhbXBsZS5vcmcvYT9iPWMDEv0GoM2bmZRuFlRPlMaz"
        );
        assert_eq!(TrackingLink::verify(&token, &keys()), Ok(clicked));
    }

    #[test]
    fn it_leads_nowhere_but_to_the_web() {
        let long = format!("https://example.org/{}", "a".repeat(2_000));
        for bad in [
            "",
            "javascript:alert(1)",
            "//example.org",
            "https://a b",
            "https://a\r\nX: y",
            &long,
        ] {
            let token = clicked(bad).sign(keys().current());
            let read = TrackingLink::verify(&token, &keys());
            assert_eq!(read, Err(TokenError::Malformed), "{bad}");
        }
    }

    #[test]
    fn no_link_of_another_kind_is_taken_for_one() {
        let unsubscribe = UnsubscribeLink {
            subscriber_id: Uuid::from_u128(1),
            topic_id: None,
            delivery_id: None,
            address_suppression_id: Uuid::from_u128(2),
            issued: date!(2026 - 01 - 02),
        };
        let token = unsubscribe.sign(keys().current());
        assert!(TrackingLink::verify(&token, &keys()).is_err());
        let token = link(Done::Opened).sign(keys().current());
        assert!(UnsubscribeLink::verify(&token, &keys()).is_err());
    }

    proptest! {
        #[test]
        fn every_link_round_trips(ids in any::<[u128; 5]>(), days in 0i64..100_000, version in 0i32.., path in "[!-~]{0,1900}") {
            let made = TrackingLink {
                subscriber_id: Uuid::from_u128(ids[0]),
                publication_id: Uuid::from_u128(ids[1]),
                delivery_id: Uuid::from_u128(ids[2]),
                channel_id: Uuid::from_u128(ids[3]),
                issued: EPOCH + Duration::days(days),
                content_version: version,
                done: Done::Clicked {
                    link_id: Uuid::from_u128(ids[4]),
                    url: format!("http://{path}"),
                },
            };
            let token = made.sign(keys().current());
            prop_assert_eq!(TrackingLink::verify(&token, &keys()), Ok(made));
        }

        #[test]
        fn any_flipped_bit_is_refused(bit in 0usize..(HEAD_BYTES + 16 + 20 + MAC_BYTES) * 8) {
            let mut bytes = URL_SAFE_NO_PAD.decode(clicked("https://example.org/").sign(keys().current())).unwrap();
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(TrackingLink::verify(&URL_SAFE_NO_PAD.encode(bytes), &keys()).is_err());
        }

        #[test]
        fn any_text_is_survived(text in any::<String>()) {
            prop_assert!(TrackingLink::verify(&text, &keys()).is_err());
        }
    }
}
