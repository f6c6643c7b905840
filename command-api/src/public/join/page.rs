//! What somebody sees who signs up.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError as _};
use tidings_domain::value::ConsentWording;
use tidings_service::Problem;
use tidings_service::problem::FieldError;

use super::form::CONSENT;
use crate::commands::SignUpForm;
use crate::html::{escape, page};
use crate::public::page::not_now;

pub(super) const CLOSED: &str = "Nobody can sign up by themselves here.";

/// The form; with what was wrong with what was filled in before. That is not filled in again: a page that shows what
/// somebody posts shows it to whoever made them post it.
pub(super) fn form(form: &SignUpForm, wrong: Option<&Problem>) -> HttpResponse {
    let wording = form.consent.wording.known();
    let wording = escape(wording.map_or("", ConsentWording::as_str));
    let mark = escape(&form.consent.mark().unwrap_or_default());
    let wrong_with: String = wrong
        .map(|problem| {
            let errors = problem.errors().iter();
            let items: String = errors
                .map(|error| format!("<li>{}</li>\n", in_words(error)))
                .collect();
            format!("<div role=\"alert\">\n<p>Please look at this again:</p>\n<ul>\n{items}</ul>\n</div>\n")
        })
        .unwrap_or_default();
    let status = match wrong {
        Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
        None => StatusCode::OK,
    };
    page(
        status,
        &format!("Mails from {}", escape(&form.organisation)),
        &format!(
            "{wrong_with}<form method=\"post\" action=\"join\">\n\
             <p><label for=\"email\">Your e-mail address</label>\n\
             <input id=\"email\" name=\"email\" type=\"email\" autocomplete=\"email\" required></p>\n\
             <p><label for=\"name\">Your name, if you like</label>\n\
             <input id=\"name\" name=\"name\" type=\"text\" autocomplete=\"name\" maxlength=\"200\"></p>\n\
             <p hidden><label for=\"website\">Leave this empty</label>\n\
             <input id=\"website\" name=\"website\" tabindex=\"-1\" autocomplete=\"off\"></p>\n\
             <p><label for=\"consent\"><input id=\"consent\" name=\"consent\" type=\"checkbox\" value=\"{mark}\" required> \
             {wording}</label></p>\n\
             <button type=\"submit\">Sign up</button>\n</form>"
        ),
    )
}

/// What is wrong, for whoever filled in the form: they know nothing of marks.
fn in_words(error: &FieldError) -> String {
    match error.pointer.as_str() {
        CONSENT => {
            "Please read what there is to agree to: it was changed, or not agreed to.".to_owned()
        }
        _ => escape(&error.detail),
    }
}

/// A form for any other site, as text to be copied, or put there by a script.
pub(super) fn snippet(form: &SignUpForm) -> HttpResponse {
    let wording = form.consent.wording.known();
    let wording = escape(wording.map_or("", ConsentWording::as_str));
    let mark = escape(&form.consent.mark().unwrap_or_default());
    let url = escape(&form.url);
    let back = form.return_pages.first().map_or_else(String::new, |page| {
        format!(
            "  <input name=\"return\" type=\"hidden\" value=\"{}\">\n",
            escape(page)
        )
    });
    HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .body(format!(
            "<form method=\"post\" action=\"{url}\">\n\
             \x20 <label>Your e-mail address <input name=\"email\" type=\"email\" autocomplete=\"email\" required></label>\n\
             \x20 <input name=\"website\" hidden>\n\
             \x20 <label><input name=\"consent\" type=\"checkbox\" value=\"{mark}\" required> {wording}</label>\n\
             {back}  <button>Sign up</button>\n</form>\n"
        ))
}

/// The same for everybody.
pub(super) fn asked() -> HttpResponse {
    page(
        StatusCode::OK,
        "Please look for a mail",
        "<p>If you do not get our mails yet, you will be sent one with a link. Nothing else is sent before you have \
         confirmed by it that it was you.</p>",
    )
}

/// There is no form.
pub(super) fn closed() -> HttpResponse {
    page(
        StatusCode::NOT_FOUND,
        "There is no such page",
        &format!("<p>{CLOSED}</p>"),
    )
}

/// It was not taken.
pub(super) fn failed(problem: &Problem) -> HttpResponse {
    if problem.status_code().is_server_error() {
        return not_now(
            "We could not write this down just now. Please send the form again shortly.",
        );
    }
    page(
        problem.status_code(),
        "This did not work",
        "<p>The form could not be read. Please go back and try it again.</p>",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::body::to_bytes;
    use tidings_domain::subscriber::Consent;
    use tidings_domain::value::ConsentVersion;

    fn site() -> SignUpForm {
        SignUpForm {
            organisation: "Crier & Sons".to_owned(),
            consent: Consent::to(
                ConsentWording::parse("I want \"news\" <daily>.").unwrap(),
                ConsentVersion::parse("2026-03").unwrap(),
            ),
            url: "https://news.example.org/join".to_owned(),
            return_pages: vec!["https://example.org/thanks?a&b".to_owned()],
        }
    }

    async fn text(response: HttpResponse) -> String {
        String::from_utf8(to_bytes(response.into_body()).await.unwrap().to_vec()).unwrap()
    }

    #[actix_web::test]
    async fn a_form_for_other_sites_shows_the_words_with_their_mark() {
        let response = snippet(&site());
        // Shown as it is, not as a form of ours.
        let kind = response.headers().get(header::CONTENT_TYPE).unwrap();
        assert_eq!(kind, "text/plain; charset=utf-8");
        insta::assert_snapshot!(text(response).await);
    }

    #[actix_web::test]
    async fn who_was_shown_other_words_is_told_so_above_those_of_today() {
        let wrong = Problem::validation().error(CONSENT, "a word on marks");
        let response = form(&site(), Some(&wrong));
        assert_eq!(response.status(), 422);
        let page = text(response).await;
        assert!(page.contains("Please read what there is to agree to") && !page.contains("marks"));
        assert!(
            page.contains("I want &quot;news&quot; &lt;daily&gt;."),
            "{page}"
        );
    }

    #[actix_web::test]
    async fn the_form_shows_the_words_to_agree_to_and_loads_nothing() {
        let page = text(form(&site(), None)).await;
        let (_, body) = page.split_once("<main>").unwrap();
        insta::assert_snapshot!(body);
        assert!(!page.contains("<script") && !page.contains("http:") && !page.contains("src="));
    }
}
