//! The small pages people see: self-contained, without scripts, readable in the dark and by ear.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header;

/// Nothing is loaded and nothing runs; a form may only go back here.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const STYLE: &str = ":root{color-scheme:light dark}\
body{font:1.125rem/1.6 system-ui,sans-serif;max-width:36rem;margin:12vh auto;padding:0 1.25rem}\
h1{font-size:1.6rem;line-height:1.25}\
button{font:inherit;font-weight:600;padding:.6rem 1.4rem;border:2px solid;border-radius:.5rem;cursor:pointer}\
button:focus-visible,input:focus-visible,select:focus-visible,a:focus-visible{outline:3px solid Highlight;outline-offset:3px}\
h2{font-size:1.25rem;margin-top:2.5rem}\
fieldset{border:1px solid;border-radius:.5rem;margin:1.25rem 0;padding:.5rem 1rem 1rem}\
legend{font-weight:600;padding:0 .4rem}\
label{display:block;padding:.4rem 0}\
.of{margin:0 0 .6rem 1.95rem}\
.of label{padding:0 0 .2rem}\
input,select{font:inherit;max-width:100%;box-sizing:border-box;padding:.35rem}\
input[type=text],input[type=email]{width:100%;padding:.5rem;border:1px solid;border-radius:.4rem}\
input[type=checkbox],input[type=radio]{width:1.25rem;height:1.25rem;margin:0 .7rem 0 0;vertical-align:-.2rem}\
input[aria-invalid],select[aria-invalid]{border:2px solid}\
.hint{margin:0 0 .5rem;font-size:1rem;opacity:.8}\
.error{margin:.25rem 0;font-weight:600}\
code{font-size:.95em}";

/// A page; `title` and `body` are HTML already.
pub(crate) fn page(status: StatusCode, title: &str, body: &str) -> HttpResponse {
    HttpResponse::build(status)
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .body(format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"robots\" content=\"noindex\">\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n\
             <body>\n<main>\n<h1>{title}</h1>\n{body}\n</main>\n</body>\n</html>\n"
        ))
}

/// Text that may stand in HTML.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
