//! Shows a mail as its reader's program does in text mode: some headers, and the text part decoded.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Headers worth showing, in this order.
const SHOWN: [&str; 7] = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
];

/// A mail as text.
pub(super) fn as_text(raw: &str) -> String {
    let headers: Vec<String> = SHOWN
        .iter()
        .filter_map(|name| header(raw, name).map(|value| format!("{name}: {}", words(&value))))
        .collect();
    format!("{}\n\n{}", headers.join("\n"), text_part(raw))
}

/// A header's value, unfolded.
pub(super) fn header(raw: &str, name: &str) -> Option<String> {
    let mut value: Option<String> = None;
    for line in raw.lines().take_while(|line| !line.is_empty()) {
        let folded = line.starts_with([' ', '\t']);
        if let Some(value) = value.as_mut().filter(|_| folded) {
            value.push(' ');
            value.push_str(line.trim());
        } else if value.is_some() {
            break;
        } else if let Some((key, rest)) = line.split_once(':')
            && key.eq_ignore_ascii_case(name)
        {
            value = Some(rest.trim().to_owned());
        }
    }
    value
}

/// A header's value with its encoded words (RFC 2047) decoded.
fn words(value: &str) -> String {
    let mut text = String::new();
    let mut rest = value;
    while let Some((before, found)) = rest.split_once("=?") {
        let mut parts = found.splitn(4, '?');
        let (_charset, encoding, word, after) =
            (parts.next(), parts.next(), parts.next(), parts.next());
        let decoded = encoding
            .zip(word)
            .and_then(|(encoding, word)| decoded_word(encoding, word));
        let (Some(decoded), Some(after)) = (decoded, after.and_then(|it| it.strip_prefix('=')))
        else {
            text.push_str(before);
            text.push_str("=?");
            rest = found;
            continue;
        };
        // The space between two encoded words belongs to neither.
        if text.is_empty() || !before.trim().is_empty() {
            text.push_str(before);
        }
        text.push_str(&decoded);
        rest = after;
    }
    text.push_str(rest);
    text
}

fn decoded_word(encoding: &str, word: &str) -> Option<String> {
    match encoding {
        "b" | "B" => {
            let bytes = STANDARD.decode(word).ok()?;
            Some(String::from_utf8_lossy(&bytes).into_owned())
        }
        "q" | "Q" => Some(quoted_printable(&word.replace('_', " "))),
        _ => None,
    }
}

/// The URL in the List-Unsubscribe header.
pub(super) fn unsubscribe_url(raw: &str) -> Option<String> {
    let value = header(raw, "List-Unsubscribe")?;
    let urls = value
        .split(',')
        .map(|url| url.trim().trim_matches(['<', '>']));
    // A folded header has spaces where its lines met; a URL has none.
    let mut urls = urls.map(|url| url.replace(' ', ""));
    urls.find(|url| url.starts_with("http"))
}

fn text_part(raw: &str) -> String {
    let Some((_, body)) = blank_line(raw) else {
        return String::new();
    };
    let Some(boundary) = boundary(raw) else {
        return decode(raw, body);
    };
    let delimiter = format!("--{boundary}");
    let mut parts = body.split(delimiter.as_str());
    let text = parts.find_map(|part| {
        let part = part.trim_start();
        let kind = header(part, "Content-Type")?;
        let (_, body) = blank_line(part)?;
        kind.starts_with("text/plain").then(|| decode(part, body))
    });
    text.unwrap_or_default()
}

fn boundary(raw: &str) -> Option<String> {
    let kind = header(raw, "Content-Type")?;
    let (_, rest) = kind.split_once("boundary=")?;
    let end = rest.find(';').unwrap_or(rest.len());
    Some(rest[..end].trim().trim_matches('"').to_owned())
}

fn blank_line(raw: &str) -> Option<(&str, &str)> {
    raw.split_once("\r\n\r\n")
        .or_else(|| raw.split_once("\n\n"))
}

fn decode(headers: &str, body: &str) -> String {
    let encoding = header(headers, "Content-Transfer-Encoding").unwrap_or_default();
    if encoding.eq_ignore_ascii_case("quoted-printable") {
        quoted_printable(body).trim().to_owned()
    } else {
        body.replace("\r\n", "\n").trim().to_owned()
    }
}

/// Quoted-printable (RFC 2045, 6.7).
fn quoted_printable(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace("=\n", "");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = (*first == b'=').then(|| tail.get(..2)).flatten();
        let code = code.and_then(|digits| std::str::from_utf8(digits).ok());
        let code = code.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIL: &str = "From: News <news@example.org>\r\nTo: ada@example.org\r\nSubject: Hello\r\n\
        List-Unsubscribe: <http://127.0.0.1:8080/u/\r\n AbC>, <mailto:leave@example.org>\r\n\
        Content-Type: multipart/alternative;\r\n boundary=\"b1\"\r\n\r\n\
        --b1\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
        Gr=C3=BC=C3=9Fe, a long li=\r\nne =3D one.\r\n\r\n--b1\r\nContent-Type: text/html\r\n\r\n<p>no</p>\r\n--b1--\r\n";

    #[test]
    fn a_reader_sees_headers_and_the_text_part() {
        insta::assert_snapshot!(as_text(MAIL), @r"
        From: News <news@example.org>
        To: ada@example.org
        Subject: Hello
        List-Unsubscribe: <http://127.0.0.1:8080/u/ AbC>, <mailto:leave@example.org>

        Grüße, a long line = one.
        ");
    }

    #[test]
    fn a_folded_link_is_put_together_again() {
        let url = unsubscribe_url(MAIL);
        assert_eq!(url.as_deref(), Some("http://127.0.0.1:8080/u/AbC"));
        assert_eq!(unsubscribe_url("Subject: x\r\n\r\nbody"), None);
    }

    #[test]
    fn encoded_words_are_read() {
        let word = "the repair =?utf-8?b?Y2Fmw6k=?= =?utf-8?q?_at_=C3=A9ight?= and so";
        assert_eq!(words(word), "the repair café at éight and so");
        assert_eq!(words("a =?broken"), "a =?broken");
    }

    #[test]
    fn broken_codes_are_left_as_they_are() {
        assert_eq!(quoted_printable("100=% =ZZ ="), "100=% =ZZ =");
    }
}
