//! Mails as they are written, and mails that are written to bring their reader down.

use super::*;

fn texts(mail: &str) -> Vec<String> {
    let mail = Mail::parse(mail.as_bytes());
    mail.parts().iter().map(Part::text).collect()
}

#[test]
fn a_list_is_read_part_by_part_also_within_a_list() {
    let mail = "Subject: Hello\r\nContent-Type: multipart/mixed; boundary=\"x\"\r\n\r\npreamble --x\r\n\
         --x\r\n\r\none\r\n\r\n--xy\r\n--x \t\r\n\
         Content-Type: multipart/alternative;\r\n boundary=x-inner\r\n\r\n\
         --x-inner\r\nContent-Type: text/html; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
         caf=E9=\r\n!\r\n--x-inner--\r\nafter\r\n\
         --x\nContent-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogYQ0KDQpi\n\
         --x--\r\nepilogue\r\n--x\r\n\r\nmore\r\n";
    let parsed = Mail::parse(mail.as_bytes());
    assert_eq!(parsed.whole().subject(), Some("Hello"));
    let [_, one, _, html, returned] = &texts(mail)[..] else {
        panic!("{:?}", texts(mail));
    };
    assert_eq!(one, "one\r\n\r\n--xy");
    assert_eq!(html, "café!");
    assert_eq!(returned, "Subject: a\r\n\r\nb");
}

#[test]
fn what_is_cut_or_damaged_is_read_as_far_as_it_goes() {
    let cut = "Content-Type: multipart/report; boundary=x\n\n--x\n\none\n--x\nContent-Type: text/plain\n\ntw";
    assert_eq!(texts(cut)[1..], ["one", "tw"]);
    let damaged = "Content-Transfer-Encoding: base64\n\n%%%";
    assert_eq!(texts(damaged), ["%%%"]);
    for none in [
        "no mail at all",
        "",
        "\r\n",
        "Content-Type: multipart/mixed\n\n--\n\na",
    ] {
        assert_eq!(texts(none).len(), 1, "{none}");
    }
}

/// As many levels as there is room for in the longest mail that is taken; on a thread with the stack of any other.
#[test]
fn a_mail_within_a_mail_within_a_mail_stays_one_part() {
    for kind in [
        "Content-Type:message/rfc822\n\n",
        "content-type:\n message / (a comment) global\n\n",
    ] {
        let mail = kind.repeat((1 << 20) / kind.len()) + "Subject: x\n\nhello\n";
        let mail = Mail::parse(mail.as_bytes());
        assert_eq!(mail.parts().len(), 1, "{kind}");
    }
}

#[test]
fn lists_within_lists_and_endless_lists_are_read_in_part() {
    let level = "Content-Type:multipart/digest;boundary=x\n\n--x\n";
    let deep = level.repeat((1 << 20) / level.len());
    assert!(Mail::parse(deep.as_bytes()).parts().len() <= PARTS_MAX);
    let distinct: String = (0..20_000)
        .map(|it| format!("Content-Type:multipart/mixed;boundary={it}\n\n--{it}\n"))
        .collect();
    assert_eq!(
        Mail::parse(distinct.as_bytes()).parts().len(),
        1 + DEPTH_MAX
    );
    let long = format!(
        "Content-Type: multipart/mixed; boundary=x\n\n{}",
        "--x\n\na\n".repeat(100_000)
    );
    assert_eq!(Mail::parse(long.as_bytes()).parts().len(), PARTS_MAX);
}

#[test]
fn headers_of_any_depth_are_survived() {
    let open = "(".repeat(500_000);
    for name in ["To", "Date", "Content-Type", "Received", "Message-ID"] {
        let mail = format!("{name}: {open}\n\nhello");
        assert_eq!(texts(&mail), ["hello"], "{name}");
    }
}
