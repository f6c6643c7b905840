//! Calls that are refused, with what they were about in every part of them. What they are told is theirs to read; what is
//! written down of them is not to hold any of it.

use serde_json::{Value, json};
use tidings_tests::program::Program;

use super::life::TOPIC;
use super::{AGENT, CURRENT, FORMER, MAIL, NAME, TOWN, WHY};
use crate::browser::{FORM, send};
use crate::{ask_with, get_with};

const SUBSCRIBERS: &str = "/api/v1/subscribers";

/// Makes them, by whatever way there is; `who`: the path of the one it is about.
pub(super) fn calls_are_made(program: &Program, who: &str) {
    let url = program.url();
    let token = program.run(&["token", "--role", "admin"], None).stdout;
    let token = String::from_utf8(token).unwrap();
    let headers = format!(
        "Authorization: Bearer {}\r\nUser-Agent: {AGENT}\r\nIdempotency-Key: {CURRENT}\r\nX-Request-Id: {CURRENT}\r\n\
         traceparent: 00-{CURRENT}-01\r\nReferer: http://x/?of={CURRENT}\r\nX-Forwarded-For: {CURRENT}\r\n",
        token.trim()
    );
    without_a_body(url, &headers);
    with_a_body(url, &headers, who);
    let lunch = format!("From: {NAME} <{CURRENT}>\r\nSubject: {TOWN}\r\n\r\n{WHY}\r\n");
    refused(&send(&format!("{url}/hooks/mail"), AGENT, MAIL, &lunch));
    let form = format!("email={NAME}&consent=0");
    refused(&send(&format!("{url}/join"), AGENT, FORM, &form));
    for verb in [
        &["subscribers", "set", CURRENT, "--email", NAME][..],
        &["subscribers", "show", NAME, "--reason", WHY],
        &["erase", "subscriber", "nobody@example.org", CURRENT],
        &["import", "subscribers", CURRENT],
    ] {
        program.refuses(verb);
    }
}

fn refused(answer: &str) {
    let status = answer.split(' ').nth(1).unwrap_or_default();
    assert!(status.starts_with('4'), "{answer}");
}

fn without_a_body(url: &str, headers: &str) {
    for path in [
        format!("{SUBSCRIBERS}?email={CURRENT}"),
        format!("{SUBSCRIBERS}/{CURRENT}"),
        format!("{SUBSCRIBERS}/{CURRENT}/timeline"),
        format!("/api/v1/{CURRENT}"),
        format!("/u/{CURRENT}"),
        format!("/p/{CURRENT}"),
        format!("/c/{CURRENT}"),
        format!("/x/{CURRENT}"),
        format!("/t/{CURRENT}"),
        format!("/{FORMER}"),
    ] {
        refused(&get_with(url, &path, headers));
        refused(&ask_with(url, "POST", &path, headers, ""));
    }
}

fn with_a_body(url: &str, headers: &str, who: &str) {
    let call = |method: &str, path: &str, body: &Value| {
        let body = body.to_string();
        let length = body.len();
        let headers =
            format!("{headers}Content-Type: application/json\r\nContent-Length: {length}\r\n");
        refused(&ask_with(url, method, path, &headers, &body));
    };
    let taken = json!({ "email": CURRENT, "name": NAME });
    let no_address = json!({ "email": format!("{NAME} at example.org") });
    let unknown = json!({ "email": CURRENT, CURRENT: TOWN });
    for body in [&taken, &no_address, &unknown, &json!(CURRENT)] {
        call("POST", SUBSCRIBERS, body);
        call("PUT", "/api/v1/suppressions", body);
    }
    for body in [&no_address, &unknown] {
        call("POST", &format!("{SUBSCRIBERS}/find"), body);
    }
    let wrong = json!({ "name": { "is": NAME }, "attributes": { TOWN: [TOWN] } });
    call("PATCH", who, &wrong);
    let wrong = json!({ "zone": NAME, "language": TOWN });
    call("PUT", &format!("{who}/preferences"), &wrong);
    let unsigned = json!({ "Type": "Notification", "TopicArn": TOPIC, "Message": CURRENT });
    call("POST", "/hooks/ses", &unsigned);
}
