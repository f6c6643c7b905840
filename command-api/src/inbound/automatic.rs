//! What a machine answers: that somebody is away, that a mail could not be delivered. It quotes the mail it answers,
//! and with it the link to leave, but nobody asked to.

use super::tokens;
use crate::mime::Mail;

/// Who writes in the name of a mail server. A postmaster may be somebody who reads mail, and wants to leave.
const SERVER: &str = "mailer-daemon";

/// Whether a machine answers of its own accord (RFC 3834, and what was usual before it). A mail in which a mail program
/// asks to leave for its reader is none, though it may call itself one: Apple's says `Auto-Submitted: auto-replied`.
/// Its subject is what the `mailto:` of `List-Unsubscribe` says; an answer has that of a mail, and puts words before it.
pub(super) fn is_answer(mail: &Mail<'_>) -> bool {
    let whole = mail.whole();
    let has = |name: &str| whole.headers(name).next().is_some();
    let says = |name: &str, machine: fn(&str) -> bool| {
        let mut values = whole.headers(name);
        values.any(|it| machine(first_word(it)))
    };
    let by_machine = says("Auto-Submitted", |it| !it.eq_ignore_ascii_case("no"))
        || says("Precedence", |it| it.eq_ignore_ascii_case("auto_reply"))
        || has("X-Autoreply")
        || has("X-Autorespond")
        || whole.headers("Return-Path").any(|it| it == "<>")
        || whole.senders().any(is_server)
        || mail.parts().iter().any(|part| {
            part.is("multipart", &["report"]) || part.is("message", &["delivery-status"])
        });
    by_machine && !asks_to_leave(whole.subject())
}

/// `unsubscribe TOKEN`, as it stands in the `mailto:`.
fn asks_to_leave(subject: Option<&str>) -> bool {
    subject.is_some_and(|subject| {
        let word = subject.split_whitespace().next().unwrap_or_default();
        word.eq_ignore_ascii_case("unsubscribe") && tokens(subject.as_bytes()).next().is_some()
    })
}

/// What stands before parameters and comments.
fn first_word(value: &str) -> &str {
    let ends = |c: char| c.is_whitespace() || matches!(c, ';' | '(');
    value.split(ends).next().unwrap_or_default()
}

fn is_server(address: &str) -> bool {
    let local_part = address.split('@').next().unwrap_or_default();
    SERVER.eq_ignore_ascii_case(local_part.trim())
}

#[cfg(test)]
mod tests;
