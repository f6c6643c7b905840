//! What a reader sees when leaving. Nothing on it is personal but what the link stands for: whoever has the link sees it.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, ResponseError as _};
use tidings_domain::token::{LinkKey, PreferencesLink, TokenError, UnsubscribeLink};
use tidings_event_store::RETRY_AFTER;
use tidings_service::Problem;

use super::form;
use crate::html::{escape, page};
use crate::offers::Offers;

/// All there is, as it stands after "no more".
pub(super) const EVERYTHING: &str = "mail from us";
/// A topic whose name is not asked for, or not known in time.
pub(super) const THIS_LIST: &str = "mail from this list";
/// A name is waited for no longer: whoever wants to leave must not wait for it.
pub(super) const TOLD_WITHIN: Duration = Duration::from_secs(1);

/// What a link takes its reader off, as it stands after "no more": all of it, or a topic by its name. A name that can not be read
/// now keeps nobody from leaving.
pub(super) async fn what(link: &UnsubscribeLink, offers: &Offers) -> String {
    let Some(topic_id) = link.topic_id else {
        return EVERYTHING.to_owned();
    };
    let Ok(Ok(offer)) = tokio::time::timeout(TOLD_WITHIN, offers()).await else {
        return THIS_LIST.to_owned();
    };
    let topic = offer.topics.iter().find(|topic| topic.id == topic_id);
    topic.map_or_else(
        || THIS_LIST.to_owned(),
        |topic| format!("mail about “{}”", escape(&topic.name)),
    )
}

/// The question, with the button that answers it.
pub(super) fn ask(what: &str, preferences: Option<&str>) -> HttpResponse {
    // The form has no action: it goes back to the link itself.
    let button = format!(
        "<p>You will get no more {what}.</p>\n<form method=\"post\">\n\
         <input type=\"hidden\" name=\"{}\" value=\"{}\">\n<button type=\"submit\">Unsubscribe</button>\n</form>\n{}",
        form::FIELD,
        form::BUTTON,
        preferences.map_or_else(String::new, |preferences| format!(
            "<p><a href=\"{preferences}\">Choose what you get instead</a></p>"
        )),
    );
    page(StatusCode::OK, "Unsubscribe?", &button)
}

/// The way to what else they get.
pub(super) fn see_else(preferences: &str) -> String {
    format!("<p><a href=\"{preferences}\">See what else you get, or come back</a></p>")
}

/// The way back of somebody of whom nothing is kept.
pub(super) const SIGN_UP_AGAIN: &str = "<p><a href=\"../join\">Sign up again</a></p>";

/// It is done, now or earlier; `way`: where they may go from there.
pub(super) fn done(what: &str, way: &str) -> HttpResponse {
    page(
        StatusCode::OK,
        "You are unsubscribed",
        &format!(
            "<p>You will get no more {what}. A mail that was already on its way may still arrive.</p>\n{way}"
        ),
    )
}

/// Where the reader of a link says what they want to get; from the link's own page.
pub(super) fn preferences(link: &UnsubscribeLink, key: &LinkKey) -> String {
    let link = PreferencesLink {
        subscriber_id: link.subscriber_id,
        delivery_id: link.delivery_id,
        address_suppression_id: link.address_suppression_id,
        issued: link.issued,
    };
    format!("../p/{}", link.sign(key))
}

/// The link can not be used.
pub(super) fn bad_link(error: &TokenError) -> HttpResponse {
    let why = escape(&error.to_string());
    page(
        StatusCode::NOT_FOUND,
        "This link does not work",
        &format!("<p>We could not use it: {why}.</p>"),
    )
}

/// Nothing was changed, but will be when the request comes again.
pub(super) fn later() -> HttpResponse {
    not_now(
        "We could not write this down just now. You are still subscribed; please use the link again shortly.",
    )
}

/// One request too many from where they are.
pub(in crate::public) fn too_many(_: &HttpRequest, problem: &Problem) -> HttpResponse {
    let mut response = page(
        StatusCode::TOO_MANY_REQUESTS,
        "Please try again in a moment",
        "<p>Too many have come from your network just now. Nothing is lost: please do it again in a minute.</p>",
    );
    let of_problem = problem.error_response();
    if let Some(after) = of_problem.headers().get(header::RETRY_AFTER) {
        let after = after.clone();
        response.headers_mut().insert(header::RETRY_AFTER, after);
    }
    response
}

/// The log is away; `why` says what to do.
pub(in crate::public) fn not_now(why: &str) -> HttpResponse {
    let mut response = page(
        StatusCode::SERVICE_UNAVAILABLE,
        "Please try again in a moment",
        &format!("<p>{why}</p>"),
    );
    response.headers_mut().insert(
        header::RETRY_AFTER,
        header::HeaderValue::from(RETRY_AFTER.as_secs()),
    );
    response
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::offers::{Offer, OfferedTopic};
    use actix_web::body::to_bytes;

    async fn text(response: HttpResponse) -> String {
        String::from_utf8(to_bytes(response.into_body()).await.unwrap().to_vec()).unwrap()
    }

    #[actix_web::test]
    async fn one_too_many_is_told_in_words_and_when_to_come_back() {
        let request = actix_web::test::TestRequest::default().to_http_request();
        let refused = too_many(&request, &Problem::too_many_requests(7));
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(refused.headers().get(header::RETRY_AFTER).unwrap(), "7");
        assert!(text(refused).await.contains("in a minute"));
    }

    #[actix_web::test]
    async fn the_page_names_the_topic_that_is_left_if_it_can() {
        let [markets, unknown] = [1, 2].map(uuid::Uuid::from_u128);
        let offer = Offer {
            topics: vec![OfferedTopic {
                id: markets,
                name: "Markets & <Trade>".to_owned(),
                description: None,
                by_default: true,
            }],
            channels: Vec::new(),
        };
        let offers: Offers = Arc::new(move || Box::pin(std::future::ready(Ok(offer.clone()))));
        let away: Offers = Arc::new(|| {
            Box::pin(std::future::ready(Err(Problem::unavailable(
                "Away.", 5, None,
            ))))
        });
        let hung: Offers = Arc::new(|| Box::pin(std::future::pending()));
        let link = |topic_id| UnsubscribeLink {
            subscriber_id: markets,
            delivery_id: None,
            topic_id,
            address_suppression_id: markets,
            issued: time::OffsetDateTime::UNIX_EPOCH.date(),
        };
        for (topic_id, offers, expected) in [
            (None, &offers, "mail from us"),
            (
                Some(markets),
                &offers,
                "mail about “Markets &amp; &lt;Trade&gt;”",
            ),
            (Some(unknown), &offers, "mail from this list"),
            (Some(markets), &away, "mail from this list"),
            (Some(markets), &hung, "mail from this list"),
        ] {
            assert_eq!(what(&link(topic_id), offers).await, expected);
        }
    }

    #[actix_web::test]
    async fn the_page_asks_with_a_button_and_loads_nothing() {
        let page = text(ask("mail about “News”", Some("../p/TOKEN"))).await;
        let (_, body) = page.split_once("<main>").unwrap();
        insta::assert_snapshot!(body, @r#"

        <h1>Unsubscribe?</h1>
        <p>You will get no more mail about “News”.</p>
        <form method="post">
        <input type="hidden" name="List-Unsubscribe" value="Page">
        <button type="submit">Unsubscribe</button>
        </form>
        <p><a href="../p/TOKEN">Choose what you get instead</a></p>
        </main>
        </body>
        </html>
        "#);
        assert!(!page.contains("<script") && !page.contains("http:") && !page.contains("src="));
        assert!(page.contains("color-scheme:light dark") && page.contains("<html lang=\"en\">"));
    }

    #[actix_web::test]
    async fn a_log_that_is_away_says_when_to_come_back() {
        let response = later();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers().get("retry-after").unwrap(), "5");
    }
}
