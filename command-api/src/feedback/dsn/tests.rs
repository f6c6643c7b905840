//! Reports as mail servers write them, and what is none.

use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use tidings_domain::delivery::ComplaintKind;
use tidings_domain::token::LinkKey;
use time::macros::datetime;
use uuid::Uuid;

const POSTFIX: &str = include_str!("samples/postfix.eml");
const EXCHANGE: &str = include_str!("samples/exchange.eml");
const ID: &str = "019b7ca9-8f2e-82b5-9431-964b29091373";
const PATH: &str = "B+Token@bounces.example.org";

fn keys() -> LinkKeys {
    LinkKeys::new(LinkKey::new(1, [7; 32]), vec![])
}

fn link() -> String {
    let link = UnsubscribeLink {
        subscriber_id: Uuid::from_u128(1),
        topic_id: None,
        delivery_id: Uuid::try_parse(ID).ok(),
        address_suppression_id: Uuid::from_u128(2),
        issued: UnsubscribeLink::issued_on(datetime!(2026-03-02 09:00:00 UTC)),
    };
    format!("https://news.example.org/u/{}", link.sign(keys().current()))
}

fn filled(sample: &str) -> String {
    let mail = format!(
        "Subject: The ferry\nMessage-ID: <{{MESSAGE_ID}}>\nList-Unsubscribe: <{}>\n\nIt runs again.",
        link()
    );
    sample
        .replace("{MAIL}", &mail)
        .replace("{TO}", PATH)
        .replace("{LINK}", &link())
        .replace("{READER}", "ada@example.org")
        .replace("{MESSAGE_ID}", &format!("{ID}@news.example.org"))
        .replace('\n', "\r\n")
}

fn read_bytes(mail: &[u8]) -> (Mail, Vec<String>) {
    read(&mime::Mail::parse(mail), &keys())
}

fn failure_of(mail: &str) -> Returned {
    match read_bytes(mail.as_bytes()).0 {
        Mail::Report(returned) => *returned,
        other => panic!("{other:?} in {mail}"),
    }
}

/// A report with these groups of fields.
fn report(groups: &str) -> String {
    format!(
        "Content-Type: multipart/report; report-type=delivery-status; boundary=x\r\n\r\n\
         --x\r\n\r\nIt failed.\r\n--x\r\nContent-Type: message/delivery-status\r\n\r\n\
         Reporting-MTA: dns; mx\r\n\r\n{groups}\r\n--x--\r\n"
    )
}

fn failed(status: &str) -> String {
    format!("Final-Recipient: rfc822; ada@example.org\r\nAction: failed\r\nStatus: {status}\r\n")
}

fn gist(mail: &str) -> Option<(BounceClass, BounceReason, Option<String>)> {
    match read_bytes(mail.as_bytes()).0 {
        Mail::Report(returned) => match returned.what {
            Feedback::Bounced {
                class,
                reason,
                status,
                ..
            } => Some((class, reason, status.map(|it| it.as_str().to_owned()))),
            other => panic!("{other:?}"),
        },
        Mail::Nothing => None,
        Mail::Other => panic!("no report: {mail}"),
    }
}

#[test]
fn reports_of_postfix_and_exchange_are_read() {
    let words = [
        "550 5.1.1 <ada@example.org>: Recipient address rejected: User unknown in local recipient table",
        "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient ada@example.org not found by SMTP address lookup",
    ];
    for (sample, status, words, at, id) in [
        (
            POSTFIX,
            "5.1.1",
            words[0],
            datetime!(2026-03-02 09:15:00 UTC),
            "4Yb2Kx1k2Hz7@mx.example.net",
        ),
        (
            EXCHANGE,
            "5.1.10",
            words[1],
            datetime!(2026-03-02 09:15:02 UTC),
            "1d2c3b4a-0f9e-4d8c-b7a6-95c4d3e2f1a0@AM0PR01MB1234.eurprd01.prod.exchangelabs.com",
        ),
    ] {
        let mail = filled(sample);
        let failure = failure_of(&mail);
        let (class, reason) = (BounceClass::Hard, BounceReason::NoSuchAddress);
        let status = EnhancedStatus::parse(status).ok();
        let what = Feedback::bounced(class, reason, status, Some(words));
        assert_eq!(failure.what, what);
        assert_eq!(
            failure.link.and_then(|it| it.delivery_id),
            Uuid::try_parse(ID).ok()
        );
        let recipients = failure.recipients.unwrap();
        assert!(recipients.iter().all(|it| it.as_str() == "ada@example.org"));
        assert!(!recipients.is_empty());
        assert_eq!(failure.written_at, Some(at));
        assert_eq!(failure.id, id);
        assert!(read_bytes(mail.as_bytes()).1.contains(&PATH.to_owned()));
    }
}

#[test]
fn only_what_lies_in_the_address_is_hard() {
    let table = "\
5.1.1   | hard no_such_address
5.1.10  | hard no_such_address
5.1.8   | soft policy
5.2.1   | hard mailbox_disabled
5.2.2   | soft mailbox_full
5.2.3   | soft message_too_large
5.3.4   | soft message_too_large
5.4.4   | soft other
5.4.7   | soft expired
5.5.0   | soft other
5.0.0   | soft other
5.1.0   | soft other
5.6.1   | soft content_rejected
5.7.1   | soft policy
5.7.26  | soft policy
4.4.1   | soft expired
2.0.0   | soft other
5.1     | soft other
gone    | soft other
5.1.1 (no such user) | hard no_such_address";
    for line in table.lines() {
        let (status, expected) = line.split_once('|').unwrap();
        let (class, reason, _) = gist(&report(&failed(status.trim()))).unwrap();
        assert_eq!(format!("{class} {reason}"), expected.trim(), "{status}");
    }
    // Gmail says so of a mailbox that is disabled, and of one that gets too much at once.
    for (words, expected) in [
        (
            "550 5.2.1 The email account that you tried to reach is disabled",
            "hard mailbox_disabled",
        ),
        (
            "550-5.2.1 The user you are trying to contact is receiving mail at a rate that prevents more",
            "soft policy",
        ),
        (
            "550-5.2.1 The user is receiving mail Too Quickly",
            "soft policy",
        ),
        (
            "550 5.2.1 https://support.google.com/mail/?p=ReceivingRatePerm",
            "soft policy",
        ),
    ] {
        let group = format!("{}Diagnostic-Code: smtp; {words}\r\n", failed("5.2.1"));
        let (class, reason, _) = gist(&report(&group)).unwrap();
        assert_eq!(format!("{class} {reason}"), expected, "{words}");
    }
    let (_, _, status) = gist(&report(&failed("no status"))).unwrap();
    assert_eq!(status, None);
}

#[test]
fn an_address_is_given_up_only_when_nobody_behind_it_was_reached() {
    let group = |action: &str| format!("Action: {action}\r\nStatus: 4.0.0\r\n");
    let hard = failed("5.1.1");
    for (groups, class) in [
        (format!("{hard}\r\n{hard}"), BounceClass::Hard),
        (format!("{hard}\r\n{}", failed("5.2.2")), BounceClass::Soft),
        (
            format!("{}\r\n{hard}", group("delivered")),
            BounceClass::Soft,
        ),
        (format!("{hard}\r\n{}", group("relayed")), BounceClass::Soft),
    ] {
        assert_eq!(gist(&report(&groups)).unwrap().0, class, "{groups}");
    }
    for action in ["delayed", "delivered", "relayed", "expanded", ""] {
        assert_eq!(gist(&report(&group(action))), None, "{action}");
    }
}

#[test]
fn a_report_of_another_kind_is_no_failure() {
    let mail = |kind: &str| filled(POSTFIX).replace("report-type=delivery-status", kind);
    assert_ne!(read_bytes(mail("x-other=1").as_bytes()).0, Mail::Nothing);
    let read_receipt = "Content-Type: multipart/report; report-type=disposition-notification; boundary=x\r\n\r\n\
         --x\r\nContent-Type: message/disposition-notification\r\n\r\nDisposition: displayed\r\n--x--\r\n";
    assert_eq!(read_bytes(read_receipt.as_bytes()).0, Mail::Nothing);
    for other in ["", "Subject: unsubscribe\r\n\r\nhello", "no mail at all"] {
        assert_eq!(read_bytes(other.as_bytes()).0, Mail::Other);
    }
}

#[test]
fn a_status_that_says_nothing_is_looked_for_in_the_words() {
    let said = |words: &str| {
        let group = format!("{}Diagnostic-Code: smtp; {words}\r\n", failed("5.0.0"));
        let (class, reason, status) = gist(&report(&group)).unwrap();
        format!("{class} {reason} {}", status.unwrap_or_default())
    };
    assert_eq!(said("550-5.1.1 no such user"), "hard no_such_address 5.1.1");
    assert_eq!(said("550 SPF check failed"), "soft other 5.0.0");
    assert_eq!(said("550 5.7.1 Relaying denied"), "soft policy 5.7.1");
}

#[test]
fn a_complaint_is_one_unless_it_says_that_it_is_none() {
    let complaint = |kind: &str| {
        format!(
            "Content-Type: multipart/report; report-type=feedback-report; boundary=x\r\n\r\n\
             --x\r\n\r\nA complaint.\r\n--x\r\nContent-Type: message/feedback-report\r\n\r\n\
             Feedback-Type: {kind}\r\nUser-Agent: x/1\r\nOriginal-Mail-From: <{PATH}>\r\n\r\n\
             --x\r\nContent-Type: message/rfc822\r\n\r\nList-Unsubscribe: <{}>\r\n\r\nIt runs.\r\n--x--\r\n",
            link()
        )
    };
    for (said, kind) in [
        ("abuse", ComplaintKind::Abuse),
        ("Fraud", ComplaintKind::Fraud),
        ("opt-out", ComplaintKind::Other),
    ] {
        let returned = failure_of(&complaint(said));
        assert_eq!(returned.what, Feedback::Complained { kind });
        assert_eq!(returned.mail_from.as_deref(), Some(PATH));
        assert_eq!(
            returned.link.and_then(|it| it.delivery_id),
            Uuid::try_parse(ID).ok()
        );
    }
    for none in ["not-spam", "auth-failure"] {
        assert_eq!(read_bytes(complaint(none).as_bytes()).0, Mail::Nothing);
    }
}

#[test]
fn a_report_without_a_name_is_called_after_what_it_says() {
    let mail = |status: &str| failure_of(&report(&failed(status))).id;
    assert_eq!(mail("5.1.1"), mail("5.1.1"));
    assert_ne!(mail("5.1.1"), mail("5.1.2"));
}

#[test]
fn what_is_huge_is_read_in_part() {
    let many = failed("5.1.1") + "\r\n";
    let recipients = failure_of(&report(&many.repeat(2_000))).recipients;
    assert!(recipients.unwrap().len() <= RECIPIENTS_MAX);
    let long = format!(
        "{}Diagnostic-Code: smtp; {}\r\n",
        failed("5.1.1"),
        "x".repeat(500_000)
    );
    let Feedback::Bounced {
        detail: Some(detail),
        ..
    } = failure_of(&report(&long)).what
    else {
        panic!("it has words");
    };
    assert!(detail.known().unwrap().len() <= 1_000);
}

/// The original comes last, and whole.
#[test]
fn a_report_that_quotes_a_long_mail_is_understood() {
    let quoted = |text: &str| failure_of(&filled(POSTFIX).replace("It runs again.", text));
    let long = quoted(&"It runs again.\r\n".repeat((900 << 10) / 16));
    assert_eq!(long, quoted("It runs again."));
    assert!(long.link.is_some());
}

/// A mail within a mail within a mail, up to the longest that is taken: on a thread with as much stack as any other.
#[test]
fn a_report_of_nothing_but_mails_within_mails_is_survived() {
    let levels = "Content-Type:message/rfc822\n\n".repeat(36_000);
    let mail = format!("{levels}Subject: x\n\nhello\n");
    assert_eq!(read_bytes(mail.as_bytes()).0, Mail::Other);
    let within = report(&failed("5.1.1")).replace(
        "--x--",
        &format!("--x\r\nContent-Type: message/rfc822\r\n\r\n{levels}\r\n--x--"),
    );
    let encoded = STANDARD.encode(&levels);
    let encoded = report(&failed("5.1.1")).replace(
        "--x--",
        &format!(
            "--x\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n{encoded}\r\n--x--"
        ),
    );
    for mail in [within, encoded] {
        assert_eq!(failure_of(&mail).recipients.map(|it| it.len()), Some(1));
    }
}

proptest! {
    #[test]
    fn any_mail_is_survived(bytes in prop::collection::vec(any::<u8>(), 0..400), text in "\\PC{0,200}") {
        read_bytes(&bytes);
        read_bytes(report(&text).as_bytes());
    }

    #[test]
    fn a_report_that_was_damaged_on_its_way_is_survived(
        at in any::<prop::sample::Index>(), bytes in prop::collection::vec(any::<u8>(), 0..20), exchange: bool,
    ) {
        let mut mail = filled(if exchange { EXCHANGE } else { POSTFIX }).into_bytes();
        let at = at.index(mail.len());
        let end = (at + bytes.len()).min(mail.len());
        mail.splice(at..end, bytes);
        read_bytes(&mail);
        read_bytes(&mail[..at]);
    }
}
