//! Which pictures Slack can download.

use serde_json::Value;

/// Slack downloads what an image block shows, from wherever everybody can reach, and refuses the whole message if it can
/// not. Nothing is fetched here: hosts under a name that leads nowhere (RFC 2606, RFC 6761) are those it can not have.
pub(super) fn downloaded(block: &Value) -> Result<(), String> {
    let Some(url) = block["image_url"]
        .as_str()
        .filter(|_| block["type"] == "image")
    else {
        return Ok(());
    };
    let failed = || Err("downloading image failed".to_owned());
    let Some((_, rest)) = url.split_once("://") else {
        return failed();
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = host.split(':').next().unwrap_or_default();
    let last = host.rsplit('.').next().unwrap_or_default();
    let leads_nowhere = ["invalid", "localhost", "internal", "test"].contains(&last);
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit());
    let path = rest[authority.len()..].split(['?', '#']).next();
    let name = path
        .and_then(|path| path.rsplit('/').next())
        .unwrap_or_default();
    let other = ["webp", "svg", "avif", "heic", "bmp", "tif", "tiff", "ico"];
    let ending = name
        .rsplit_once('.')
        .map(|(_, ending)| ending.to_ascii_lowercase());
    let is_other = ending.is_some_and(|ending| other.contains(&ending.as_str()));
    if !host.contains('.') || leads_nowhere || is_number || is_other || authority.contains('@') {
        return failed();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::slack::blocks::check;

    #[test]
    fn pictures_that_slack_can_not_have_cost_the_message() {
        for (url, expected) in [
            ("https://x.example/a.png", "ok"),
            ("http://x.example/a.JPG?size=2.webp", "ok"),
            ("https://x.example/picture", "ok"),
            ("https://x.example", "ok"),
            ("https://x.example/a.webp", "invalid_blocks"),
            ("https://x.example/a.svg#b", "invalid_blocks"),
            ("https://pictures.invalid/a.png", "invalid_blocks"),
            ("https://a.localhost:8080/a.png", "invalid_blocks"),
            ("https://intranet/a.png", "invalid_blocks"),
            ("https://10.0.0.1/a.png", "invalid_blocks"),
            ("https://u:p@x.example/a.png", "invalid_blocks"),
        ] {
            let image = json!({"type": "image", "alt_text": "a", "image_url": url});
            let refusal = check(&json!({"blocks": [image]})).err();
            assert_eq!(refusal.map_or("ok", |it| it.word), expected, "{url}");
        }
    }
}
