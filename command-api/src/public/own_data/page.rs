//! What somebody sees who asks for, or takes, what is held about them. Nothing on these pages is personal: whoever has the link
//! sees them.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use tidings_domain::access::{Access, LinkRefusal, NotTheirs};

use crate::html::{escape, page};
use crate::own_data::{Asked, Refused};
use crate::public::page::not_now;

/// The field of the button that takes the file, and what it says.
pub(super) const FIELD: &str = "do";
pub(super) const DOWNLOAD: &str = "download";
/// What the file is called: nothing that tells whose it is.
pub(super) const FILE: &str = "your-data.zip";

/// On the page behind a mail's links: how to have it sent.
pub(super) fn section(contact: &str, token: &str) -> String {
    let days = Access::LINK_DAYS;
    format!(
        "<h2>What we hold about you</h2>\n\
         <p>We send a link to it to your address, where you can use it for {days} days. You can also ask whoever answers for \
         your data: {}</p>\n\
         <form method=\"post\" action=\"{token}/own-data\">\n\
         <button type=\"submit\">Send me a link to all you hold about me</button>\n</form>\n",
        escape(contact)
    )
}

/// What came of asking.
pub(super) fn asked(asked: Asked, contact: &str) -> HttpResponse {
    match asked {
        Asked::Sent => page(
            StatusCode::OK,
            "A link is on its way",
            &format!(
                "<p role=\"status\">We send it to the address we write to. Should it not come within the hour, ask whoever \
                 answers for your data: {}</p>",
                escape(contact)
            ),
        ),
        Asked::Lately => refer(
            StatusCode::TOO_MANY_REQUESTS,
            "A link was sent lately",
            "We have sent one already and send no more for now. Please look for that mail.",
            contact,
        ),
        Asked::Suppressed => refer(
            StatusCode::CONFLICT,
            "We do not send it to your address",
            "Nothing may be sent to it at present.",
            contact,
        ),
        Asked::NotTheirs(why) => not_theirs(StatusCode::NOT_FOUND, why, contact),
        Asked::NoWay => {
            tracing::warn!("somebody asks for their data, and no channel can bring them a link");
            not_now("No mail can be sent at the moment, so nothing was. Please ask again later.")
        }
    }
}

/// Why nothing is handed out.
pub(super) fn refused(refused: Refused, contact: &str) -> HttpResponse {
    let used = |title, why| refer(StatusCode::GONE, title, why, contact);
    match refused {
        Refused::Link(LinkRefusal::Expired | LinkRefusal::Unknown) => used(
            "This link has had its time",
            "Ask for a new one on the page behind the links in our mails.",
        ),
        Refused::Link(LinkRefusal::UsedUp) => used(
            "This link was used up",
            "What is held about you was taken by it as often as it may be. Ask for a new one on the page behind the links in \
             our mails; if that was not you, tell us.",
        ),
        Refused::NotTheirs(why) => not_theirs(StatusCode::GONE, why, contact),
    }
}

fn not_theirs(nobody: StatusCode, why: NotTheirs, contact: &str) -> HttpResponse {
    match why {
        NotTheirs::Nobody => refer(
            nobody,
            "There is nothing to hand out",
            "Nothing is kept about you any more, or you have yet to confirm that you want our mails.",
            contact,
        ),
        NotTheirs::Moved => refer(
            StatusCode::GONE,
            "This link came to another address",
            "The address we write to was changed since. Use a link of a newer mail.",
            contact,
        ),
        NotTheirs::Unsure => refer(
            StatusCode::CONFLICT,
            "Please ask us",
            "Your address was changed a short while ago, and not by you on a page of ours. So that nobody else gets what is held \
             about you, it is not handed out by a link.",
            contact,
        ),
    }
}

/// Says whom to ask.
fn refer(status: StatusCode, title: &str, why: &str, contact: &str) -> HttpResponse {
    let contact = escape(contact);
    page(
        status,
        title,
        &format!("<p role=\"alert\">{why}</p>\n<p>Whoever answers for your data: {contact}</p>"),
    )
}

/// What there is to take, with the button that takes it.
pub(super) fn offered() -> HttpResponse {
    // The form has no action: it goes back to the link itself.
    page(
        StatusCode::OK,
        "What we hold about you",
        &format!(
            "<p>This is a file (ZIP) with a page to read, and with tables and proofs for programs. It holds your address and all \
             that you chose: keep it where nobody else looks. It takes a few seconds to be made.</p>\n\
             <form method=\"post\">\n<input type=\"hidden\" name=\"{FIELD}\" value=\"{DOWNLOAD}\">\n\
             <button type=\"submit\">Download</button>\n</form>"
        ),
    )
}

/// Others have the places.
pub(super) fn full() -> HttpResponse {
    not_now(
        "Others are being handed their data just now, or you are already. Please press the button again in a minute.",
    )
}

/// Nothing was sent or handed out, but will be when the request comes again.
pub(super) fn later() -> HttpResponse {
    not_now("We could not do this just now. Nothing is lost; please use the link again shortly.")
}

/// Nothing is handed out by links here.
pub(super) fn closed() -> HttpResponse {
    page(
        StatusCode::NOT_FOUND,
        "There is no such page",
        "<p>What is held about you is not handed out by a link here. Ask whoever sends you the mails.</p>",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::body::to_bytes;

    async fn text(response: HttpResponse) -> (u16, String) {
        let status = response.status().as_u16();
        let bytes = to_bytes(response.into_body()).await.unwrap();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[actix_web::test]
    async fn the_page_offers_a_button_and_loads_nothing() {
        let (status, page) = text(offered()).await;
        assert_eq!(status, 200);
        assert!(
            page.contains("name=\"do\" value=\"download\"")
                && page.contains("<form method=\"post\">")
        );
        assert!(!page.contains("<script") && !page.contains("http:") && !page.contains("src="));
    }

    #[actix_web::test]
    async fn every_refusal_says_whom_to_ask() {
        let contact = "privacy@example.org, 1 <Quay> Street";
        let links = [
            LinkRefusal::Unknown,
            LinkRefusal::Expired,
            LinkRefusal::UsedUp,
        ];
        let persons = [NotTheirs::Nobody, NotTheirs::Moved, NotTheirs::Unsure];
        let links = links.map(|why| refused(Refused::Link(why), contact));
        let taking = persons.map(|why| refused(Refused::NotTheirs(why), contact));
        let asking = persons.map(|why| asked(Asked::NotTheirs(why), contact));
        let others = [Asked::Lately, Asked::Suppressed].map(|it| asked(it, contact));
        let mut statuses = Vec::new();
        for response in links.into_iter().chain(taking).chain(asking).chain(others) {
            let (status, page) = text(response).await;
            assert!(
                page.contains("privacy@example.org, 1 &lt;Quay&gt; Street"),
                "{page}"
            );
            statuses.push(status);
        }
        assert_eq!(
            statuses,
            [410, 410, 410, 410, 410, 409, 404, 410, 409, 429, 409]
        );
    }

    #[actix_web::test]
    async fn what_can_not_be_done_now_says_when_to_come_back() {
        for response in [asked(Asked::NoWay, "x"), full(), later()] {
            assert_eq!(response.status(), 503);
            assert_eq!(response.headers().get("retry-after").unwrap(), "5");
        }
    }
}
