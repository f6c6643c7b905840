//! What somebody sees who signs up.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError as _};
use tidings_domain::value::ConsentWording;
use tidings_service::Problem;

use crate::commands::SignUpForm;
use crate::html::{escape, page};
use crate::public::page::not_now;

pub(super) const CLOSED: &str = "Nobody can sign up by themselves here.";

/// The form; with what was wrong with what was filled in before. That is not filled in again: a page that shows what
/// somebody posts shows it to whoever made them post it.
pub(super) fn form(form: &SignUpForm, wrong: Option<&Problem>) -> HttpResponse {
    let wording = form.consent.wording.known();
    let wording = escape(wording.map_or("", ConsentWording::as_str));
    let version = escape(form.consent.version.as_str());
    let wrong_with: String = wrong
        .map(|problem| {
            let errors = problem.errors().iter();
            let items: String = errors
                .map(|error| format!("<li>{}</li>\n", escape(&error.detail)))
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
             <p><label for=\"consent\"><input id=\"consent\" name=\"consent\" type=\"checkbox\" value=\"{version}\" required> \
             {wording}</label></p>\n\
             <button type=\"submit\">Sign up</button>\n</form>"
        ),
    )
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

    #[actix_web::test]
    async fn the_form_shows_the_words_to_agree_to_and_loads_nothing() {
        let site = SignUpForm {
            organisation: "Crier & Sons".to_owned(),
            consent: Consent::to(
                ConsentWording::parse("I want \"news\" <daily>.").unwrap(),
                ConsentVersion::parse("2026-03").unwrap(),
            ),
            return_pages: vec![],
        };
        let bytes = to_bytes(form(&site, None).into_body()).await.unwrap();
        let page = std::str::from_utf8(&bytes).unwrap();
        let (_, body) = page.split_once("<main>").unwrap();
        insta::assert_snapshot!(body);
        assert!(!page.contains("<script") && !page.contains("http:") && !page.contains("src="));
    }
}
