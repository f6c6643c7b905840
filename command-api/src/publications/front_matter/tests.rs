//! Files as editors write them, and what is said of those that can not be used.

use proptest::prelude::*;

use super::*;

const ID: &str = "019b7cba-7a2e-8000-9c5e-0d8f6f2f3b11";

fn taken(file: &str) -> (String, String, usize) {
    let content = read(file).map_err(|problem| problem.body()).unwrap();
    assert_eq!(content.html, None);
    let text = content.markdown.unwrap();
    (content.title, text, content.channels.len())
}

/// Status, and what is said of it.
fn said(file: &str) -> String {
    let problem = read(file).map(|_| ()).unwrap_err();
    let body = problem.body();
    let errors = body.errors.iter();
    let errors = errors.map(|error| format!("{}: {}", error.pointer, error.detail));
    let lines: Vec<String> = body.detail.into_iter().chain(errors).collect();
    format!("{} {}", body.status, lines.join("\n"))
}

#[test]
fn front_matter_says_where_it_is_on_the_web() {
    let file = format!("---\ntitle: T\nurl: https://example.org/a\nchannels: [{ID}]\n---\nx\n");
    let content = read(&file).map_err(|problem| problem.body()).unwrap();
    assert_eq!(content.url.as_deref(), Some("https://example.org/a"));
}

#[test]
fn yaml_and_toml_say_the_same() {
    let text = "# The ferry\n\nIt runs.\n";
    for file in [
        format!("---\ntitle: The ferry\nchannels:\n  - {ID}\n---\n{text}"),
        format!("--- \r\ntitle: 'The ferry' # so\r\nchannels: [{ID}]\r\n...\r\n{text}"),
        format!("---\nchannels: &all [{ID}]\ntitle: >-\n  The\n  ferry\n---\n{text}"),
        format!("+++\ntitle = \"The ferry\"\nchannels = [\n  \"{ID}\",\n]\n+++\n{text}"),
    ] {
        assert_eq!(
            taken(&file),
            ("The ferry".to_owned(), text.to_owned(), 1),
            "{file}"
        );
    }
}

#[test]
fn only_a_fence_on_the_first_line_begins_front_matter_and_the_text_may_have_rules() {
    let file = format!("---\ntitle: T\nchannels: [{ID}]\n---\n---\n\n+++\n");
    assert_eq!(taken(&file).1, "---\n\n+++\n");
    for file in ["", "\n---\ntitle: T\n---\n", "----\ntitle: T\n----\n"] {
        insta::allow_duplicates! {
            insta::assert_snapshot!(said(file), @"422 #/title: missing field `title`");
        }
    }
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    let told = told(&[
        "---\ntitle: T\ntopcs: [a]\nchannels: []\n---\nx",
        "+++\ntitle = \"T\"\ntopcs = 1\n+++\nx",
        "---\n# a comment\ntitle: [a, b]\n---\nx",
        "---\ntitle: 2026\nchannels: []\n---\nx",
        "---\ntitle: T\nchannels:\n  - not-an-id\n---\nx",
        "---\ntitle: T\nmarkdown: here\nchannels: []\n---\nx",
        "---\ntitle: T\n---\nx",
        "---\n---\nx",
        "---\n- a\n- b\n---\nx",
        "---\nwords\n---\nx",
        "+++\ntitle = 2026-01-02\nchannels = []\n+++\nx",
    ]);
    insta::assert_snapshot!(told);
}

#[test]
fn what_can_not_be_read_is_told_with_line_and_column() {
    let told = told(&[
        "---\ntitle: T\n",
        "+++\ntitle = \"T\"\n---\n",
        "---\ntitle: \"T\nchannels: []\n---\nx",
        "---\ntitle: T\n  channels: []\n---\nx",
        "---\ntitle: a\ntitle: b\n---\nx",
        "---\ntitle: *unknown\n---\nx",
        "+++\ntitle = T\n+++\nx",
        "+++\ntitle = \"a\"\ntitle = \"b\"\n+++\nx",
    ]);
    insta::assert_snapshot!(told);
}

/// Each file, and what is said of it.
fn told(files: &[&str]) -> String {
    let each = files
        .iter()
        .map(|file| format!("{file:?}\n  {}", said(file)));
    each.collect::<Vec<_>>().join("\n")
}

#[test]
fn aliases_that_stand_for_ever_more_are_refused_at_once() {
    let mut file = "---\na: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (name, before) in ["b", "c", "d", "e", "f", "g", "h", "i"]
        .iter()
        .zip(["a", "b", "c", "d", "e", "f", "g", "h"])
    {
        let aliases = vec![format!("*{before}"); 9].join(", ");
        file.push_str(&format!("{name}: &{name} [{aliases}]\n"));
    }
    file.push_str("title: T\nchannels: []\n---\nx");
    let said = said(&file);
    assert!(
        said.starts_with("400 The front matter is not valid YAML"),
        "{said}"
    );
}

#[test]
fn front_matter_has_a_bound() {
    let file = format!("---\ntitle: {}\n---\nx", "a".repeat(SIZE_BYTES_MAX));
    assert!(said(&file).starts_with("400 The front matter has 16392 bytes"));
    let deep = format!("---\ntitle: {}\n---\nx", "[".repeat(10_000));
    assert!(said(&deep).starts_with("400"));
}

proptest! {
    #[test]
    fn any_file_is_read_or_refused(
        file in "(---|\\+\\+\\+)\n(\\PC{0,12}|[a-z:=\\[\\]{}&*!\"' \n-]{0,60}){0,4}\n(---|\\+\\+\\+)\n\\PC{0,20}"
    ) {
        drop(read(&file));
    }

    #[test]
    fn a_title_in_quotes_is_taken_as_it_is(title in "[^\\p{Cc}\u{2028}\u{2029}\u{feff}\u{fffe}\u{ffff}]{1,40}") {
        let quoted = title.replace('\\', "\\\\").replace('"', "\\\"");
        for file in [
            format!("---\ntitle: \"{quoted}\"\nchannels: []\n---\nx"),
            format!("+++\ntitle = \"{quoted}\"\nchannels = []\n+++\nx"),
        ] {
            prop_assert_eq!(taken(&file).0, title.clone());
        }
    }
}
