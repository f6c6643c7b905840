//! Which way somebody leaves, told from the body: a mail program's one click (RFC 8058) or our button.

use actix_web::web::Query;
use memchr::memmem;

/// The field of both; RFC 8058 names it.
pub(super) const FIELD: &str = "List-Unsubscribe";
/// What our button says in it.
pub(super) const BUTTON: &str = "Page";
const ONE_CLICK: &str = "One-Click";

/// Whether the body is the one a mail program sends: `List-Unsubscribe=One-Click`, as a form of either
/// encoding. The content type is not asked: some programs send the form under a wrong one.
pub(super) fn is_one_click(body: &[u8]) -> bool {
    holds(body, FIELD, ONE_CLICK) || is_multipart(body)
}

/// Whether an urlencoded form has a field of this name with this value.
pub(super) fn holds(body: &[u8], field: &str, wanted: &str) -> bool {
    let Ok(text) = std::str::from_utf8(body) else {
        return false;
    };
    Query::<Vec<(String, String)>>::from_query(text.trim()).is_ok_and(|fields| {
        fields
            .iter()
            .any(|(name, value)| name == field && value.trim() == wanted)
    })
}

fn is_multipart(body: &[u8]) -> bool {
    let name = [format!("name=\"{FIELD}\""), format!("name={FIELD}")];
    let after_name = name
        .iter()
        .find_map(|name| memmem::find(body, name.as_bytes()).map(|at| &body[at + name.len()..]));
    let Some(part) = after_name else {
        return false;
    };
    // The value stands after the empty line that ends the part's head, up to the next boundary.
    let value = memmem::find(part, b"\r\n\r\n").map(|at| &part[at + 4..]);
    value.is_some_and(|value| {
        value
            .strip_prefix(ONE_CLICK.as_bytes())
            .is_some_and(|rest| rest.starts_with(b"\r\n"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_encodings_of_one_click() {
        assert!(is_one_click(b"List-Unsubscribe=One-Click"));
        assert!(is_one_click(b"a=b&List-Unsubscribe=One-Click\r\n"));
        assert!(is_one_click(b"List%2DUnsubscribe=One%2DClick"));
        let multipart = b"--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x--\r\n";
        assert!(is_one_click(multipart));
    }

    #[test]
    fn everything_else_is_our_page() {
        let button = format!("{FIELD}={BUTTON}");
        let multipart = "--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nPage\r\n--x--\r\n";
        for body in [
            "",
            "List-Unsubscribe=",
            &button,
            "One-Click",
            "\u{0}\u{1}",
            multipart,
        ] {
            assert!(!is_one_click(body.as_bytes()), "{body:?}");
        }
        assert!(!is_one_click(b"\xff\xfe"));
    }
}
