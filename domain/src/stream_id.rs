//! The ids of streams and events that follow from what is already on record. Part of the contract:
//! none of these derivations ever changes.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::access::NoticeKind;
use crate::delivery::Cause;
use crate::id::{IdKey, derive, derive_from};
use crate::value::{EmailAddress, Month, Slug};

/// The `log` stream: the same in every installation, since a database holds one log.
pub fn log() -> Uuid {
    derive(OffsetDateTime::UNIX_EPOCH, "log", &[])
}

/// The `address` stream of an address.
pub fn address(key: &IdKey, email: &EmailAddress) -> Uuid {
    key.derive("address", &[email.normalized().as_bytes()])
}

/// The `suppression` stream of an address.
pub fn address_suppression(key: &IdKey, email: &EmailAddress) -> Uuid {
    key.derive("suppression.address", &[email.normalized().as_bytes()])
}

/// The `suppression` stream of a domain, given in lower-case ASCII ([`EmailAddress::domain`]).
pub fn domain_suppression(key: &IdKey, domain: &str) -> Uuid {
    key.derive("suppression.domain", &[domain.as_bytes()])
}

/// The `topic` stream of a slug.
pub fn topic(key: &IdKey, slug: &Slug) -> Uuid {
    key.derive("topic", &[slug.as_str().as_bytes()])
}

/// The `segment` stream of a slug.
pub fn segment(key: &IdKey, slug: &Slug) -> Uuid {
    key.derive("segment", &[slug.as_str().as_bytes()])
}

/// The `access` stream of a subscriber.
pub fn access(subscriber_id: Uuid) -> Uuid {
    derive_from(subscriber_id, "access", &[])
}

/// The `record` stream of a subscriber.
pub fn record(subscriber_id: Uuid) -> Uuid {
    derive_from(subscriber_id, "record", &[])
}

/// The `engagement` stream of a delivery.
pub fn engagement(delivery_id: Uuid) -> Uuid {
    derive_from(delivery_id, "engagement", &[])
}

/// The `engagement_period` stream of a month, and the key of its evidence: the same in every installation.
pub fn engagement_period(month: Month) -> Uuid {
    derive(month.start(), "engagement_period", &[])
}

/// A link of a text, by the address as it stands in it.
pub fn engagement_link(key: &IdKey, cause: Cause, url: &str) -> Uuid {
    let (kind, id) = (cause.kind().as_bytes(), cause.id());
    key.derive("engagement.link", &[kind, id.as_bytes(), url.as_bytes()])
}

/// The `delivery` stream of a notice, from the intent of the command that issues it, and what it says.
pub fn notice_delivery(
    intent: Uuid,
    kind: NoticeKind,
    channel_id: Uuid,
    subscriber_id: Uuid,
) -> Uuid {
    let parts: [&[u8]; 3] = [
        kind.as_str().as_bytes(),
        channel_id.as_bytes(),
        subscriber_id.as_bytes(),
    ];
    derive_from(intent, "delivery.notice", &parts)
}

/// Who a delivery goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiverId {
    /// A subscriber, on an addressed channel.
    Subscriber(Uuid),
    /// The channel itself, on a broadcast one.
    Channel(Uuid),
}

/// The `delivery` stream of one receiver on one channel, from the `AudienceFrozen` event that
/// decided on it.
pub fn delivery(
    frozen_at: OffsetDateTime,
    frozen_event_id: Uuid,
    channel_id: Uuid,
    receiver: ReceiverId,
) -> Uuid {
    let (kind, receiver_id) = match receiver {
        ReceiverId::Subscriber(id) => ("subscriber", id),
        ReceiverId::Channel(id) => ("channel", id),
    };
    derive(
        frozen_at,
        "delivery",
        &[
            frozen_event_id.as_bytes(),
            channel_id.as_bytes(),
            kind.as_bytes(),
            receiver_id.as_bytes(),
            // The round: a later feature may send to the same audience again.
            &0u32.to_be_bytes(),
        ],
    )
}

/// The `subscriber` stream of an imported address, from the import's `Started` event.
pub fn imported_subscriber(started_at: OffsetDateTime, import_id: Uuid, address_id: Uuid) -> Uuid {
    derive(
        started_at,
        "subscriber_import.subscriber",
        &[import_id.as_bytes(), address_id.as_bytes()],
    )
}

/// A request that carried an `Idempotency-Key`: the same request gives the same ids.
#[derive(Clone, Copy, Debug)]
pub struct KeyedRequest<'a> {
    /// The actor string.
    pub actor: &'a str,
    /// The HTTP method, in capitals.
    pub method: &'a str,
    /// The path with ids in canonical writing, without a query.
    pub path: &'a str,
    /// The idempotency key.
    pub key: &'a str,
}

impl KeyedRequest<'_> {
    /// The id of the n-th new stream of a noun the request makes.
    pub fn stream(&self, key: &IdKey, noun: &str, ordinal: u32) -> Uuid {
        let [actor, method, path, request_key] = self.parts();
        key.derive(
            "request.stream",
            &[
                actor,
                method,
                path,
                request_key,
                noun.as_bytes(),
                &ordinal.to_be_bytes(),
            ],
        )
    }

    /// The id of the request's intent, and so of its first event; the others follow by
    /// [`crate::id::nth_event`].
    pub fn intent(&self, key: &IdKey) -> Uuid {
        key.derive("request.event", &self.parts())
    }

    fn parts(&self) -> [&[u8]; 4] {
        [
            self.actor.as_bytes(),
            self.method.as_bytes(),
            self.path.as_bytes(),
            self.key.as_bytes(),
        ]
    }
}

/// The id of a reaction's intent: the event that caused it, what the reaction is called, and what
/// tells two reactions of one name to one event apart.
pub fn reaction(
    caused_at: OffsetDateTime,
    name: &str,
    cause_event_id: Uuid,
    parts: &[&[u8]],
) -> Uuid {
    let all: Vec<&[u8]> = std::iter::once(cause_event_id.as_bytes().as_slice())
        .chain(parts.iter().copied())
        .collect();
    derive(caused_at, &format!("reaction.{name}"), &all)
}

/// The id a person has in actor strings, from the issuer and subject of their token.
pub fn principal(key: &IdKey, issuer: &str, subject: &str) -> Uuid {
    key.derive("principal", &[issuer.as_bytes(), subject.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const AT: OffsetDateTime = datetime!(2026-01-02 03:04:05.678 UTC);

    fn key() -> IdKey {
        IdKey::new([7; 32])
    }

    #[test]
    fn known_answers_never_change() {
        let email = EmailAddress::parse("Ada@Example.org").unwrap();
        let [a, b, c] = [1, 2, 3].map(Uuid::from_u128);
        let request = KeyedRequest {
            actor: "user:1",
            method: "POST",
            path: "/api/v1/publications",
            key: "k",
        };
        let derived = [
            ("log", log()),
            ("address", address(&key(), &email)),
            ("address_suppression", address_suppression(&key(), &email)),
            (
                "domain_suppression",
                domain_suppression(&key(), email.domain()),
            ),
            ("access", access(a)),
            (
                "notice",
                notice_delivery(a, NoticeKind::ConfirmSignUp, b, c),
            ),
            (
                "notice of own data",
                notice_delivery(a, NoticeKind::OwnData, b, c),
            ),
            ("addressed", delivery(AT, a, b, ReceiverId::Subscriber(c))),
            ("broadcast", delivery(AT, a, b, ReceiverId::Channel(b))),
            ("imported", imported_subscriber(AT, a, b)),
            ("stream", request.stream(&key(), "publication", 0)),
            ("intent", request.intent(&key())),
            ("reaction", reaction(AT, "freeze", a, &[b"x"])),
            ("principal", principal(&key(), "https://issuer", "ada")),
            ("topic", topic(&key(), &Slug::parse("markets").unwrap())),
            ("record", record(a)),
            ("segment", segment(&key(), &Slug::parse("readers").unwrap())),
            ("engagement", engagement(a)),
            (
                "engagement_period",
                engagement_period(Month::parse("2026-09").unwrap()),
            ),
            (
                "engagement_link",
                engagement_link(&key(), Cause::Publication(b), "https://example.org/a"),
            ),
        ];
        let known = [
            "00000000-0000-879e-b02c-7855edda16c4",
            "45bcf259-d225-85b3-aaef-9eb925c652cc",
            "2ea9833c-7d26-8016-b92c-575cde98db94",
            "068786b7-9f28-8eaf-aeba-3b2e79d78d57",
            "00000000-0000-835a-ab78-b7fbdae94cc3",
            "00000000-0000-8132-b275-642c2caa590e",
            "00000000-0000-8c1d-b7a4-88c9c44c6018",
            "019b7ca9-8f2e-82b5-9431-964b29091373",
            "019b7ca9-8f2e-8940-8d49-01a90afa5bbb",
            "019b7ca9-8f2e-8f19-8b8a-fefb0956bcc2",
            "789c8d2f-69f2-8b8b-9cfb-7e2ff7abc416",
            "678fe584-6cd4-8cd1-8c9b-41743e541c85",
            "019b7ca9-8f2e-80b4-bc36-42b79004dcff",
            "b65e46d9-6b67-8297-ba29-39257ecd780d",
            "9e582dfa-4715-8bd5-80cc-0660926b53e1",
            "00000000-0000-8780-8d70-41a58192af8c",
            "769b7911-30a0-8720-8236-58f9ccfe7eb5",
            "00000000-0000-8a0e-a908-b9d2d5b27bd0",
            "01a05a43-fc00-83b5-a956-378874aed76a",
            "042a7739-e5a8-8ad0-80b9-97d72b8b01a5",
        ];
        for ((name, id), known) in derived.iter().zip(known) {
            assert_eq!(id.to_string(), known, "{name}");
        }
    }

    #[test]
    fn addresses_that_differ_in_case_alone_are_one() {
        let id = |text: &str| address(&key(), &EmailAddress::parse(text).unwrap());
        assert_eq!(id("Ada@EXAMPLE.org"), id("ada@example.org"));
        assert_eq!(id("post@Bücher.example"), id("post@xn--bcher-kva.example"));
        assert_ne!(id("ada@example.org"), id("a.da@example.org"));
        assert_ne!(id("ada@example.org"), id("ada+x@example.org"));
    }
}
