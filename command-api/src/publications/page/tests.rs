//! Pages as editors save them, and what is said of those that can not be used.

use proptest::prelude::*;

use super::*;

const ID: &str = "019b7cba-7a2e-8000-9c5e-0d8f6f2f3b11";

fn said(file: &str) -> String {
    let body = read(file).map(|_| ()).unwrap_err().body();
    let errors = body.errors.iter();
    let errors = errors.map(|error| format!("{}: {}", error.pointer, error.detail));
    format!("{} {}", body.status, errors.collect::<Vec<_>>().join("\n"))
}

#[test]
fn title_and_channels_are_those_of_the_head_and_the_text_is_the_page() {
    for (file, title, channels) in [
        (
            format!(
                "<!doctype html>\n<html><head><meta charset=utf-8><title> The\n ferry &amp; co </title>\
                 <META NAME='tidings:channels' CONTENT='{ID}, {ID}'></head><body><p>It runs.</body></html>"
            ),
            "The ferry & co",
            2,
        ),
        (
            format!(
                "<meta name=\"tidings:title\" content=\"Shown\"><title>Not shown</title>\
                 <meta name=\"tidings:channels\" content=\"{ID}\"><meta name=description content=x><svg><title>no</title></svg>"
            ),
            "Shown",
            1,
        ),
    ] {
        let content = read(&file).map_err(|problem| problem.body()).unwrap();
        assert_eq!(
            (content.title.as_str(), content.channels.len()),
            (title, channels)
        );
        assert_eq!((content.html, content.markdown), (Some(file), None));
    }
}

#[test]
fn where_it_is_on_the_web_is_said_by_the_page_or_by_us() {
    let page = |head: &str| {
        let file =
            format!("<title>T</title><meta name=tidings:channels content='{ID}'>{head}<p>It runs.");
        read(&file).map_err(|problem| problem.body()).unwrap().url
    };
    let canonical = "<link rel='alternate Canonical' href='https://example.org/ferry'>";
    let other = "<link rel=canonical href='https://example.org/other'>";
    let ours = "<meta name=tidings:url content='https://example.org/ours'>";
    for (head, url) in [
        (canonical.to_owned(), Some("https://example.org/ferry")),
        (
            format!("{canonical}{other}"),
            Some("https://example.org/ferry"),
        ),
        (
            format!("{canonical}{ours}"),
            Some("https://example.org/ours"),
        ),
        // Ours is judged like any other value; what was written for others is only of use or not.
        (
            "<meta name=tidings:url content=/ferry>".to_owned(),
            Some("/ferry"),
        ),
        ("<link rel=canonical href=/ferry>".to_owned(), None),
        (
            "<link rel=stylesheet href='https://example.org/a.css'>".to_owned(),
            None,
        ),
    ] {
        assert_eq!(page(&head).as_deref(), url, "{head}");
    }
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    let told = [
        "<p>x",
        "<title>T</title><p>x",
        "<title>T</title>\n<meta name=tidings:topcs content=a>",
        "<title>T</title>\n\n<meta name=tidings:channels content='x'>",
        "<title>T</title>\n<meta name=tidings:html content='x'>",
        "<meta name=tidings:title content=A>\n<meta name=tidings:title content=B>",
    ]
    .map(|file| format!("{file:?}\n  {}", said(file)));
    insta::assert_snapshot!(told.join("\n"));
}

proptest! {
    #[test]
    fn any_file_is_read_or_refused(file in "(<(title|/title|meta name='tidings:[a-z]{0,9}' content=|p)>?|\\PC{0,6}){0,12}") {
        drop(read(&file));
    }
}
