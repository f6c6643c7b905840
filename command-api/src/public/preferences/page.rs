//! The page as its reader sees it. It shows no address and no name: whoever has the link sees it.

use std::fmt::Write as _;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header;
use tidings_domain::preferences::Wrong;
use tidings_event_store::RETRY_AFTER;

use super::fields::{
    at_most, button, choices, hidden, how_often, on_record, place, place_of, quiet,
};
use super::held::Held;
use super::shown::Shown;
use crate::html::{escape, page};

/// What is said above the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word<'a> {
    None,
    /// What they chose is on record.
    Saved,
    /// That they left everything, or came back, is.
    Said,
    /// Nothing is: by so old a link nobody comes back.
    TooOld,
    /// All is but what they would come back to: by so old a link they do not.
    OnlyLeaves,
    /// All is but what they have left and may not have asked for again.
    StaysLeft,
    /// Nothing is: they have left everything after the page with the button to come back was made.
    LeftSince,
    /// Only what they left is: the link came to an address they have given up.
    Former,
    /// Nothing is: what was asked for is nothing that the page offers.
    Unknown,
    /// Nothing is: these can not be taken.
    Wrong(&'a [Wrong]),
}

const TITLE: &str = "What you get from us";

/// The page; `own_data` is what it says of all that is held about them, HTML already.
pub(super) fn show(shown: &Shown, word: Word<'_>, own_data: &str) -> HttpResponse {
    let wrong: &[Wrong] = match word {
        Word::Wrong(wrong) => wrong,
        _ => &[],
    };
    let mut body = said(word, &shown.held);
    body += &nothing_comes(&shown.held);
    if shown.left_everything {
        body += "<p>You have left everything: nothing is sent to you. What you choose below counts should you come back.</p>\n";
        // It would change nothing.
        if shown.held == Held::No {
            let departures = hidden("departures", &shown.departures.to_string());
            body += &button("back", &departures, "Come back");
        }
    }
    // Without an action it goes back to the link itself. No browser fills in by itself what was ticked the last time.
    body += "<form method=\"post\" autocomplete=\"off\">\n";
    body += &hidden("do", "save");
    body += &hidden("version", &shown.version.to_string());
    body += &on_record(&shown.preferences);
    body += &choices("Topics", "topic", &shown.topics, wrong);
    body += &choices("Ways to you", "channel", &shown.channels, wrong);
    body += &how_often(&shown.fields, wrong);
    body += &at_most(&shown.fields, wrong);
    body += &quiet(&shown.fields, wrong);
    body += &place(&shown.fields, wrong);
    body += "<p><button type=\"submit\">Save</button></p>\n</form>\n";
    if !shown.left_everything {
        body += "<h2>Leave everything</h2>\n<p>Nothing more is sent to you, on no topic. You can come back by this same link.</p>\n";
        body += &button("leave", "", "Leave everything");
    }
    body += own_data;
    page(status(word), TITLE, &body)
}

/// The page for whoever has a link that came to an address which its reader has given up: it is the same whatever they chose,
/// and whether they have left already.
pub(super) fn leave_only(word: Word<'_>) -> HttpResponse {
    let mut body = said(word, &Held::No);
    if !matches!(word, Word::Saved | Word::Said) {
        body += "<h2>Leave everything</h2>\n<p>Nothing more is sent to you, on no topic. To see or change what you get, use a link of a newer mail.</p>\n";
        body += &button("leave", "", "Leave everything");
    }
    page(status(word), TITLE, &body)
}

fn status(word: Word<'_>) -> StatusCode {
    match word {
        Word::Wrong(_) | Word::Unknown => StatusCode::UNPROCESSABLE_ENTITY,
        Word::TooOld | Word::OnlyLeaves | Word::Former => StatusCode::GONE,
        Word::StaysLeft | Word::LeftSince => StatusCode::CONFLICT,
        Word::None | Word::Saved | Word::Said => StatusCode::OK,
    }
}

/// That nothing is sent whatever is chosen, and what ends that. Not why: whoever has the link sees it.
fn nothing_comes(held: &Held) -> String {
    let how = match held {
        Held::No => return String::new(),
        // From the link's own page.
        Held::UntilSignUp => {
            "Your address is among those that want no mail. To get something again, \
             <a href=\"../join\">sign up with it</a> and confirm that by the mail we send you."
                .to_owned()
        }
        Held::Ask(whom) => {
            let whom = whom
                .as_deref()
                .map_or_else(|| "whoever sends you our mails".to_owned(), escape);
            format!("To have that changed, ask {whom}.")
        }
    };
    format!(
        "<p><strong>Nothing is sent to your address at present</strong>, whatever you choose here. {how}</p>\n"
    )
}

fn said(word: Word<'_>, held: &Held) -> String {
    match word {
        Word::None => String::new(),
        Word::Saved if *held != Held::No => {
            "<p role=\"status\"><strong>Saved</strong>, for when something is sent to you again.</p>\n".to_owned()
        }
        Word::Said if *held != Held::No => {
            "<p role=\"status\"><strong>Saved.</strong></p>\n".to_owned()
        }
        Word::Saved | Word::Said => {
            "<p role=\"status\"><strong>Saved.</strong> It counts from the next message on.</p>\n"
                .to_owned()
        }
        Word::TooOld => {
            "<p role=\"alert\"><strong>Nothing was changed.</strong> This link is older than 30 days: by it you can leave, but not come back. Use one of a newer mail, or sign up anew.</p>\n"
                .to_owned()
        }
        Word::OnlyLeaves => {
            "<p role=\"alert\"><strong>Not all was changed.</strong> This link is older than 30 days: by it you can leave, but not come back to a topic or to a way to you. Use one of a newer mail.</p>\n"
                .to_owned()
        }
        Word::StaysLeft => {
            "<p role=\"alert\"><strong>Not all was changed.</strong> What you have left stays left: the page you sent was made before you left it, or does not tell whether you asked for it again. Please tick it below if you want it, and save again.</p>\n"
                .to_owned()
        }
        Word::LeftSince => {
            "<p role=\"alert\"><strong>Nothing was changed.</strong> You have left everything after the page you sent was made, or it does not tell when that was. What is on record stands below.</p>\n"
                .to_owned()
        }
        Word::Former => {
            "<p role=\"alert\"><strong>Not all was changed.</strong> This link came to an address that has been changed since: by it you can leave, and nothing else. Use one of a newer mail.</p>\n"
                .to_owned()
        }
        Word::Unknown => {
            "<p role=\"alert\"><strong>Nothing was changed.</strong> What was sent asks for something that this page does not offer. Please choose below.</p>\n"
                .to_owned()
        }
        Word::Wrong(wrong) => {
            let mut list = "<div role=\"alert\">\n<p><strong>Nothing was saved.</strong> Please look at:</p>\n<ul>\n".to_owned();
            for it in wrong {
                let (id, label) = place_of(&it.field);
                let detail = escape(&it.detail);
                let _ = writeln!(list, "<li><a href=\"#{id}\">{label}</a>: {detail}</li>");
            }
            list + "</ul>\n</div>\n"
        }
    }
}

/// There is nobody any more whose preferences these could be.
pub(super) fn nobody() -> HttpResponse {
    page(
        StatusCode::NOT_FOUND,
        "There is nothing to choose",
        "<p>Nothing is kept about you any more, and nothing is sent to you. Sign up anew to get something.</p>",
    )
}

/// What came is no form of ours: too large, too slow, or cut off.
pub(super) fn not_taken(status: StatusCode) -> HttpResponse {
    page(
        status,
        "This could not be saved",
        "<p>What your browser has sent is not what our page sends, or has not come whole. Nothing was changed: please open \
         the link again and choose there.</p>",
    )
}

/// The log is away.
pub(super) fn later() -> HttpResponse {
    let mut response = page(
        StatusCode::SERVICE_UNAVAILABLE,
        "Please try again in a moment",
        "<p>We could not look this up or write it down just now; please use the link again shortly.</p>",
    );
    response.headers_mut().insert(
        header::RETRY_AFTER,
        header::HeaderValue::from(RETRY_AFTER.as_secs()),
    );
    response
}
