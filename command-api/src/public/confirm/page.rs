//! What somebody sees who was asked whether they want to be subscribed. Nothing on it is personal: whoever has the link
//! sees it.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use crate::html::page;
use crate::public::page::not_now;

/// The question, with the button that answers it.
pub(super) fn ask() -> HttpResponse {
    // The form has no action: it goes back to the link itself.
    page(
        StatusCode::OK,
        "Subscribe?",
        "<p>Your address was entered to be subscribed. If that was you, confirm it here; if not, you can close this \
         page, and will get no mail.</p>\n\
         <form method=\"post\">\n<button type=\"submit\">Yes, subscribe</button>\n</form>",
    )
}

/// It is done, now or earlier.
pub(super) fn done() -> HttpResponse {
    page(
        StatusCode::OK,
        "You are subscribed",
        "<p>Thank you. You will get what is published from now on. Each mail has a link to leave.</p>",
    )
}

/// The link has had its time.
pub(super) fn too_late() -> HttpResponse {
    page(
        StatusCode::GONE,
        "This link has had its time",
        "<p>It was for a sign-up of a while ago, or from before you had left. If you want mail, please sign up again: you \
         will be sent a new link.</p>",
    )
}

/// Nothing was changed, but will be when the request comes again.
pub(super) fn later() -> HttpResponse {
    not_now("We could not write this down just now. Please use the link again shortly.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::body::to_bytes;

    #[actix_web::test]
    async fn the_page_asks_with_a_button_and_loads_nothing() {
        let bytes = to_bytes(ask().into_body()).await.unwrap();
        let page = std::str::from_utf8(&bytes).unwrap();
        assert!(
            page.contains("<form method=\"post\">") && page.contains("<button type=\"submit\">")
        );
        assert!(!page.contains("<script") && !page.contains("http:") && !page.contains("src="));
    }
}
