//! Which requests are counted, and by whom.

use tidings_domain::token::PreferencesLink;
use time::macros::date;
use uuid::Uuid;

use super::*;

/// The statuses of three requests in a row where two are allowed, and whether they tell what is left.
async fn three(method: &str, path: &str, role: Option<Role>) -> (Vec<u16>, bool) {
    let commands = commands();
    let verify = commands.key_verifier();
    let app = app!(commands, verify, limits(2));
    let mut statuses = Vec::new();
    let mut told = true;
    for _ in 0..3 {
        let request = request(method, path);
        let request = match role {
            Some(role) => as_role(request, role),
            None => request,
        };
        let response = call_service(&app, request.to_request()).await;
        let headers = response.headers();
        told &= headers.contains_key("ratelimit") && headers.contains_key("ratelimit-policy");
        statuses.push(response.status().as_u16());
    }
    (statuses, told)
}

#[actix_web::test]
async fn leaving_and_reports_are_never_refused_for_coming_often_and_all_else_is_counted() {
    let never = ["/u/{token}", "/t/{token}", "/hooks/mail", "/hooks/ses"];
    for (method, path, access) in ROUTES {
        // The forms are the same for everybody, and no more than a page.
        let is_form = path.starts_with("/join") && *method != "POST";
        let is_never = never.contains(path) || is_form;
        let role = (*access != Access::Public).then_some(Role::Admin);
        let (statuses, told) = three(method, path, role).await;
        assert_ne!(statuses[1], 429, "{method} {path}");
        assert_eq!(statuses[2] == 429, !is_never, "{method} {path}");
        assert_eq!(told, !is_never, "{method} {path}");
    }
}

#[actix_web::test]
async fn what_a_role_does_not_allow_counts_too_and_a_stranger_counts_for_nobody() {
    let path = "/api/v1/topics";
    let (statuses, told) = three("POST", path, Some(Role::Compliance)).await;
    assert_eq!((statuses, told), (vec![403, 403, 429], true));
    let (statuses, told) = three("POST", path, None).await;
    assert_eq!((statuses, told), (vec![401, 401, 401], false));
}

/// The page of somebody's preferences.
fn page() -> String {
    let link = PreferencesLink {
        subscriber_id: Uuid::from_u128(1),
        delivery_id: None,
        address_suppression_id: Uuid::from_u128(2),
        issued: date!(2026 - 03 - 01),
    };
    format!("/p/{}", link.sign(link_keys().current()))
}

#[actix_web::test]
async fn a_form_that_is_far_too_large_is_refused_on_a_page_that_does_not_say_to_send_it_again() {
    let app = app!();
    let large = format!("do=save&zone={}", "x".repeat(64 * 1024));
    let request = request("POST", &page()).set_payload(large);
    let response = call_service(&app, request.to_request()).await;
    assert_eq!(response.status(), 413);
    assert!(!response.headers().contains_key(header::RETRY_AFTER));
    let page = read_body(response).await;
    let page = std::str::from_utf8(&page).unwrap();
    assert!(page.contains("<h1>This could not be saved</h1>"), "{page}");
    assert!(!page.contains("in a moment"), "{page}");
}

#[actix_web::test]
async fn who_leaves_on_the_page_is_never_refused_for_coming_often() {
    let path = page();
    let commands = commands();
    let verify = commands.key_verifier();
    let app = app!(commands, verify, limits(2));
    let mut statuses = Vec::new();
    for form in ["leave", "leave", "leave", "save", "save", "save", "leave"] {
        let request = request("POST", &path).set_payload(format!("do={form}"));
        let response = call_service(&app, request.to_request()).await;
        let told = response.headers().contains_key("ratelimit");
        assert_eq!(told, form != "leave", "{form}");
        statuses.push(response.status().as_u16());
        // Whatever is said, a reader's browser shows it.
        assert_eq!(
            response.headers().get(header::CONTENT_TYPE).unwrap(),
            "text/html; charset=utf-8"
        );
        let again = response.headers().contains_key(header::RETRY_AFTER);
        assert!(again, "{form}: when to try again");
    }
    // The log of this test is away.
    assert_eq!(statuses, [503, 503, 503, 503, 503, 429, 503]);
}
