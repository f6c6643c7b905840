//! What readers do with the pages and mails they get: they open, fill in, press, and follow links.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use tidings_sinks::smtp::Message;
use tidings_tests::program::Program;

use super::get;

/// How a browser calls itself.
const BROWSER: &str = "Browser/7";
pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

/// Sends a form as a browser, or a mail program, does; gives all that is answered.
pub(crate) fn post(url: &str, form: &str) -> String {
    send(url, BROWSER, FORM, form)
}

/// Sends a body of this type, as a program that calls itself so; gives all that is answered.
pub(crate) fn send(url: &str, user_agent: &str, content_type: &str, body: &str) -> String {
    String::from_utf8(fetch(url, user_agent, content_type, body)).unwrap()
}

/// The same, whatever is answered: it need not be a text.
pub(crate) fn fetch(url: &str, user_agent: &str, content_type: &str, body: &str) -> Vec<u8> {
    let (address, path) = parts(url);
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: x\r\nUser-Agent: {user_agent}\r\nContent-Type: {content_type}\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}

/// Opens a page; gives all that is answered.
pub(crate) fn open(url: &str) -> String {
    let (address, path) = parts(url);
    get(&format!("http://{address}"), path)
}

/// Where a URL leads, and what is asked for there.
pub(crate) fn parts(url: &str) -> (&str, &str) {
    let rest = url.strip_prefix("http://").unwrap();
    rest.split_at(rest.find('/').unwrap())
}

pub(crate) fn is(answer: &str, status: u16) {
    let line = format!("HTTP/1.1 {status} ");
    assert!(answer.starts_with(&line), "{answer}");
}

/// Every value that the fields of this name have in a page.
pub(crate) fn values<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let field = format!("name=\"{name}\"");
    let tags = page.split('<').filter(|tag| tag.contains(&field));
    let values = tags.map(|tag| tag.split("value=\"").nth(1).unwrap());
    values.map(|it| it.split('"').next().unwrap()).collect()
}

/// A link in a mail, by the beginning of its path.
pub(crate) fn link(program: &Program, mail: &Message, beginning: &str) -> String {
    links(program, mail, beginning).swap_remove(0)
}

/// All links in a mail whose paths begin so; one at least.
pub(crate) fn links(program: &Program, mail: &Message, beginning: &str) -> Vec<String> {
    let text = mail.text().replace("=\r\n", "");
    let begins = format!("{}{beginning}", program.url());
    let of_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let whole = |rest: &str| {
        let end = rest.find(|c| !of_token(c)).unwrap();
        format!("{begins}{}", &rest[..end])
    };
    let links: Vec<String> = text.split(&begins).skip(1).map(whole).collect();
    assert!(!links.is_empty(), "it has no link to {begins}: {text}");
    links
}

/// What a mail program posts to when its reader presses its button to leave.
pub(crate) fn one_click(mail: &Message) -> String {
    let how = mail.header("List-Unsubscribe-Post").unwrap();
    assert_eq!(how, "List-Unsubscribe=One-Click");
    let header = mail.header("List-Unsubscribe").unwrap();
    let (_, rest) = header.split_once("<http").unwrap();
    format!("http{}", rest.split('>').next().unwrap())
}
