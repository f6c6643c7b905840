//! Tags as Mailchimp writes them: each in quotes, with commas between, in whatever words its owner has chosen.

use tidings_domain::value::Tag;

/// What a cell says: tags as they are written here, and what of it can be none, as it stands.
pub(in crate::imports) fn read(cell: &str) -> (Vec<String>, Vec<String>) {
    let (mut tags, mut others) = (Vec::new(), Vec::new());
    for name in names(cell) {
        match tag(&name) {
            Some(tag) if tags.contains(&tag) => {}
            Some(tag) => tags.push(tag),
            None => others.push(name),
        }
    }
    (tags, others)
}

/// The names in a cell: what stands between commas that are in no quotes. A quote within one is written twice.
fn names(cell: &str) -> Vec<String> {
    let (mut names, mut name, mut quoted) = (Vec::new(), String::new(), false);
    let mut chars = cell.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => name.extend(chars.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => names.push(std::mem::take(&mut name)),
            c => name.push(c),
        }
    }
    names.push(name);
    let trimmed = names.iter().map(|name| name.trim().to_owned());
    trimmed.filter(|name| !name.is_empty()).collect()
}

/// `Early Bird!` is `early_bird`. Letters that a tag does not have are not left out: another word would come of it.
fn tag(name: &str) -> Option<String> {
    let plain = name.is_ascii().then(|| name.to_ascii_lowercase())?;
    let words = plain.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'));
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    Tag::parse(&words.join("_")).ok().map(|tag| tag.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_a_tag_is_one_and_the_rest_is_not_lost() {
        let said = |cell| {
            let (tags, others) = read(cell);
            (tags.join(" "), others.join("|"))
        };
        let both = |tags: &str, others: &str| (tags.to_owned(), others.to_owned());
        assert_eq!(said(r#""vip","Early Bird!""#), both("vip early_bird", ""));
        assert_eq!(said(r#""a, b","say ""x""""#), both("a_b say_x", ""));
        assert_eq!(said("vip, VIP ,,"), both("vip", ""));
        assert_eq!(said(r#""Zürich","2024","!!""#), both("2024", "Zürich|!!"));
        assert_eq!(said(""), both("", ""));
        let long = "x".repeat(65);
        assert_eq!(said(&long), both("", &long));
    }
}
