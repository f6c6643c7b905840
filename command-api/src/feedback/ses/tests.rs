//! Events in the shapes of SES's own documentation.

use serde_json::{Value, json};
use tidings_domain::delivery::ComplaintKind;
use time::macros::datetime;

use super::*;

const ID: &str = "0192f3a4-0000-7000-8000-000000000001";

fn mail() -> Value {
    json!({
        "timestamp": "2026-03-01T09:40:02.012Z",
        "source": "Town Crier <crier@news.example.org>",
        "messageId": "0102017c191be45-e9aedb9a-02f9-4d12-a87d-dd0099a07f8a-000000",
        "destination": ["ada@example.org"],
        "headersTruncated": false,
        "tags": {
            "ses:configuration-set": ["news"],
            "tidings-delivery": [ID],
            "tidings-attempt": ["2"],
        },
    })
}

fn bounce_of(bounce_type: &str, sub_type: &str) -> Value {
    json!({
        "eventType": "Bounce",
        "mail": mail(),
        "bounce": {
            "bounceType": bounce_type,
            "bounceSubType": sub_type,
            "bouncedRecipients": [{
                "emailAddress": "ada@example.org",
                "action": "failed",
                "status": "5.1.1",
                "diagnosticCode": "smtp; 550 5.1.1 user unknown",
            }],
            "timestamp": "2026-03-01T09:41:02.669Z",
            "feedbackId": "01000157c44f053b-61b59c11-9236-11e6-8f96-7be8aexample-000000",
            "reportingMTA": "dsn; mta.example.com",
        },
    })
}

fn complaint_of(kind: Option<&str>) -> Value {
    let mut event = json!({
        "eventType": "Complaint",
        "mail": mail(),
        "complaint": {
            "complainedRecipients": [{ "emailAddress": "ada@example.org" }],
            "timestamp": "2026-03-01T09:41:02.669Z",
            "feedbackId": "01000157c44f053b-c",
            "complaintSubType": null,
        },
    });
    if let Some(kind) = kind {
        event["complaint"]["complaintFeedbackType"] = json!(kind);
    }
    event
}

fn told(event: &Value) -> Told {
    read(&event.to_string()).unwrap()
}

fn only(event: &Value) -> Said {
    let mut said = told(event).said;
    assert_eq!(said.len(), 1);
    said.remove(0)
}

#[test]
fn an_event_names_its_delivery_by_the_tags_of_the_mail() {
    let event = bounce_of("Permanent", "NoEmail");
    let found = told(&event);
    assert_eq!(found.delivery_id, Uuid::try_parse(ID).ok());
    assert_eq!(found.attempt, Some(2));
    assert_eq!(found.at, Some(datetime!(2026-03-01 09:41:02.669 UTC)));
    let (class, reason) = (BounceClass::Hard, BounceReason::NoSuchAddress);
    let status = EnhancedStatus::parse("5.1.1").ok();
    let words = Some("550 5.1.1 user unknown");
    let what = Feedback::bounced(class, reason, status, words);
    assert_eq!(only(&event).what, what);

    let mut untagged = event.clone();
    untagged["mail"].as_object_mut().unwrap().remove("tags");
    assert_eq!(told(&untagged).delivery_id, None);
    for tag in [json!(["no id"]), json!([]), json!([ID, ID])] {
        let mut odd = event.clone();
        odd["mail"]["tags"]["tidings-delivery"] = tag;
        assert_eq!(told(&odd).delivery_id, None);
    }
    let mut odd = event;
    odd["mail"]["tags"]["tidings-attempt"] = json!(["-1"]);
    assert_eq!(told(&odd).attempt, None);
}

/// A mail that SES took and never sent is none that arrived.
#[test]
fn what_ses_throws_away_did_not_arrive_and_is_not_held_against_the_address() {
    let event = json!({
        "eventType": "Reject",
        "mail": mail(),
        "reject": { "reason": "Bad content" },
    });
    let (class, reason) = (BounceClass::Soft, BounceReason::ContentRejected);
    let said = only(&event);
    assert_eq!(
        said.what,
        Feedback::bounced(class, reason, None, Some("Bad content"))
    );
    assert_eq!(said.recipient, "ada@example.org");
    let found = told(&event);
    assert_eq!(found.delivery_id, Uuid::try_parse(ID).ok());
    assert_eq!(found.at, Some(datetime!(2026-03-01 09:40:02.012 UTC)));
}

#[test]
fn only_what_ses_holds_against_the_address_is_hard() {
    let table = "\
Permanent    | General                  | hard no_such_address
Permanent    | NoEmail                  | hard no_such_address
Permanent    | Suppressed               | hard suppressed_by_provider
Permanent    | OnAccountSuppressionList | hard suppressed_by_provider
Permanent    | SomethingNew             | soft no_such_address
Permanent    |                          | soft no_such_address
Transient    | General                  | soft no_such_address
Transient    | MailboxFull              | soft mailbox_full
Transient    | MessageTooLarge          | soft message_too_large
Transient    | ContentRejected          | soft content_rejected
Transient    | AttachmentRejected       | soft content_rejected
Transient    | NoEmail                  | soft no_such_address
Undetermined | Undetermined             | soft no_such_address
Other        | NoEmail                  | soft no_such_address";
    for line in table.lines() {
        let [bounce_type, sub_type, meant] = line
            .split('|')
            .map(str::trim)
            .collect::<Vec<_>>()
            .try_into()
            .unwrap();
        let Feedback::Bounced { class, reason, .. } = only(&bounce_of(bounce_type, sub_type)).what
        else {
            panic!("{line}");
        };
        assert_eq!(format!("{class} {reason}"), meant, "{line}");
    }
    // Without a code of the receiver's own, SES's word is all there is.
    let mut bare = bounce_of("Permanent", "General");
    bare["bounce"]["bouncedRecipients"] = json!([{ "emailAddress": "ada@example.org" }]);
    let what = Feedback::bounced(BounceClass::Hard, BounceReason::Other, None, None);
    assert_eq!(only(&bare).what, what);
}

#[test]
fn a_complaint_is_one_unless_it_says_that_it_is_none() {
    for (said, kind) in [
        (Some("abuse"), Some(ComplaintKind::Abuse)),
        (Some("fraud"), Some(ComplaintKind::Fraud)),
        (Some("virus"), Some(ComplaintKind::Virus)),
        (Some("other"), Some(ComplaintKind::Other)),
        (None, Some(ComplaintKind::Other)),
        (Some("rude"), Some(ComplaintKind::Other)),
        (Some("not-spam"), None),
        (Some("auth-failure"), None),
    ] {
        let found = read(&complaint_of(said).to_string());
        let Some(kind) = kind else {
            assert_eq!(found, Err(Unread::Ignored("nothing")));
            continue;
        };
        assert_eq!(found.unwrap().said[0].what, Feedback::Complained { kind });
    }
}

#[test]
fn a_plain_notification_says_the_same() {
    for event in [
        bounce_of("Permanent", "NoEmail"),
        complaint_of(Some("abuse")),
    ] {
        let mut plain = event.clone();
        let name = plain.as_object_mut().unwrap().remove("eventType").unwrap();
        plain["notificationType"] = name;
        assert_eq!(told(&plain), told(&event));
    }
}

#[test]
fn each_receiver_has_a_report_with_a_name_of_its_own() {
    let mut event = bounce_of("Permanent", "General");
    event["bounce"]["bouncedRecipients"] = json!([
        { "emailAddress": "ADA@example.org", "status": "5.1.1" },
        { "emailAddress": "grace@example.org", "status": "4.2.2" },
    ]);
    let said = told(&event).said;
    let feedback_id = "01000157c44f053b-61b59c11-9236-11e6-8f96-7be8aexample-000000";
    assert_eq!(
        said[0].event_id,
        format!("bounce\n{feedback_id}\nada@example.org")
    );
    assert_eq!(
        said[1].event_id,
        format!("bounce\n{feedback_id}\ngrace@example.org")
    );
    assert_eq!(said[0].recipient, "ADA@example.org");

    // An arrival has no name of its own; the mail has.
    let arrived = json!({
        "eventType": "Delivery",
        "mail": mail(),
        "delivery": {
            "timestamp": "2026-03-01T09:40:03.214Z",
            "processingTimeMillis": 1202,
            "recipients": ["ada@example.org"],
            "smtpResponse": "250 ok",
        },
    });
    let said = only(&arrived);
    assert_eq!(said.what, Feedback::Delivered);
    let message_id = "0102017c191be45-e9aedb9a-02f9-4d12-a87d-dd0099a07f8a-000000";
    assert_eq!(
        said.event_id,
        format!("delivery\n{message_id}\nada@example.org")
    );
}

#[test]
fn what_is_no_report_is_passed_over_and_a_report_that_cannot_be_read_is_not() {
    let other = [
        "Successfully validated SNS topic for Amazon SES event publishing.".to_owned(),
        String::new(),
        "[]".to_owned(),
        "{}".to_owned(),
        json!({ "eventType": "Send", "mail": mail(), "send": {} }).to_string(),
        json!({ "eventType": "Rendering Failure" }).to_string(),
    ];
    for text in other {
        assert_eq!(read(&text), Err(Unread::Ignored("other")), "{text}");
    }
    let mut nameless = bounce_of("Permanent", "NoEmail");
    nameless["bounce"]
        .as_object_mut()
        .unwrap()
        .remove("feedbackId");
    let mut homeless = complaint_of(None);
    homeless.as_object_mut().unwrap().remove("mail");
    let without = json!({ "eventType": "Delivery", "mail": mail() });
    for event in [nameless, homeless, without] {
        assert_eq!(read(&event.to_string()), Err(Unread::Malformed), "{event}");
    }
}

#[test]
fn an_address_is_read_with_a_name_before_it_too() {
    for text in [
        "ada@example.org",
        " ada@example.org ",
        "<ada@example.org>",
        "Ada <ada@example.org>",
        "\"Ada <3\" <ada@example.org>",
    ] {
        assert_eq!(address(text), EmailAddress::parse("ada@example.org").ok());
    }
    assert_eq!(address("nobody"), None);
}

#[test]
fn whatever_keeps_a_report_from_the_log_lets_sns_try_again() {
    let unreadable = Problem::internal(&std::io::Error::other("unreadable"));
    for problem in [Problem::conflict("Others were faster."), unreadable] {
        assert_eq!(come_again(&problem).kind().status, 503);
    }
}
