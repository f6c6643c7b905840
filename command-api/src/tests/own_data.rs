//! Whoever asks for their own data while the log is away is told to come back, by a page, and promised nothing.

use std::sync::Arc;

use tidings_domain::token::{OwnDataLink, PreferencesLink};
use tidings_service::Problem;
use uuid::Uuid;

use super::*;

#[actix_web::test]
async fn while_the_log_is_away_nothing_is_promised_or_handed_out() {
    let (subscriber_id, delivery_id) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let (address_suppression_id, issued) = (Uuid::from_u128(3), date!(2026 - 03 - 01));
    let keys = link_keys();
    let page = PreferencesLink {
        subscriber_id,
        delivery_id: None,
        address_suppression_id,
        issued,
    };
    let link = OwnDataLink {
        subscriber_id,
        delivery_id,
        address_suppression_id,
        issued,
    };
    let link = format!("/x/{}", link.sign(keys.current()));
    let ask = format!("/p/{}/own-data", page.sign(keys.current()));
    let make: tidings_service::look::MakeExport =
        Arc::new(|_| Box::pin(async { Err(Problem::not_found("Nobody comes here.")) }));
    let app = app!(commands().with_own_data("privacy@example.org".to_owned(), make));
    for (method, path, form) in [
        ("POST", &ask, ""),
        ("GET", &link, ""),
        ("POST", &link, "do=download"),
    ] {
        let request = request(method, path).set_payload(form);
        let response = call_service(&app, request.to_request()).await;
        assert_eq!(response.status(), 503, "{method} {path}");
        assert!(response.headers().contains_key("retry-after"));
        let page = read_body(response).await;
        let page = std::str::from_utf8(&page).unwrap();
        assert!(
            page.contains("<html") && !page.contains("on its way"),
            "{page}"
        );
    }
    // Another kind of link is none of these.
    for path in [
        "/x/no-token",
        &link.replace("/x/", "/p/"),
        &ask.replace("/p/", "/x/"),
    ] {
        let response = call_service(&app, request("POST", path).to_request()).await;
        assert_eq!(response.status(), 404, "{path}");
    }
}
