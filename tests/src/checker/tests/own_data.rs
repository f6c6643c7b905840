//! A link to what is held about somebody goes to who gets mail or has left, and past nothing that stands against their address.

use tidings_proto::access;

use super::*;

const ACCESS: Uuid = Uuid::from_u128(30);

impl Story {
    fn asks_for_their_data(self, reader: Uuid) -> Self {
        let issued = access::NoticeIssued {
            kind: "own_data".to_owned(),
            delivery_id: uuid_bytes(DELIVERY),
            ..access::NoticeIssued::default()
        };
        let planned = delivery::Planned {
            cause_kind: "notice".to_owned(),
            cause_id: uuid_bytes(ACCESS),
            channel_id: uuid_bytes(CHANNEL),
            subscriber_id: uuid_bytes(reader),
            ..delivery::Planned::default()
        };
        self.then(ACCESS, &issued).then(DELIVERY, &planned)
    }
}

#[test]
fn who_has_left_is_sent_it() {
    let story = Story::default().signs_up(READER).leaves(READER);
    story
        .asks_for_their_data(READER)
        .attempted(1)
        .sent(1)
        .folded();
}

#[test]
#[should_panic(expected = "attempted although it was forbidden (not_confirmed)")]
fn an_attempt_for_who_has_yet_to_confirm_is_noticed() {
    let signed_up = subscriber::SignedUp {
        address_suppression_id: uuid_bytes(stream_of(MAILBOX)),
        domain_suppression_id: uuid_bytes(Uuid::from_u128(6)),
        confirmation: "required".to_owned(),
        ..subscriber::SignedUp::default()
    };
    let story = Story::default().then(READER, &signed_up);
    story.asks_for_their_data(READER).attempted(1).folded();
}

#[test]
#[should_panic(expected = "attempted although it was forbidden (suppressed)")]
fn an_attempt_past_what_only_their_own_word_could_end_is_noticed() {
    let added = suppression::Added {
        reason: "moved".to_owned(),
        ..suppression::Added::default()
    };
    let story = Story::default()
        .signs_up(READER)
        .then(stream_of(MAILBOX), &added);
    story.asks_for_their_data(READER).attempted(1).folded();
}
