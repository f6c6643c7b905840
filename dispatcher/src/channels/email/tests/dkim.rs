//! Signatures by DKIM, checked by a verifier of its own that is held to the sample of RFC 8463.

use aws_lc_rs::{
    digest,
    encoding::{AsDer as _, Pkcs8V1Der},
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{
        ED25519, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
    },
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

use super::{support, *};

/// Whether the topmost signature of a message holds under this key. Reads text, and joins lines before it looks at
/// words: it shares nothing with what signs.
fn verify(message: &str, public_key: &[u8]) -> Result<(), String> {
    let (header, body) = message.split_once("\r\n\r\n").ok_or("no body")?;
    let unfolded = header.replace("\r\n ", " ").replace("\r\n\t", "\t");
    let fields: Vec<(String, String)> = unfolded
        .split("\r\n")
        .map(|line| {
            let (name, value) = line.split_once(':').unwrap();
            let words: Vec<&str> = value.split_whitespace().collect();
            (name.trim().to_lowercase(), words.join(" "))
        })
        .collect();
    let (_, signature) = fields
        .iter()
        .find(|(name, _)| name == "dkim-signature")
        .ok_or("no signature")?;
    let tag = |wanted: &str| {
        let tags = signature.split(';').filter_map(|tag| tag.split_once('='));
        let mut found = tags.filter(|(name, _)| name.trim() == wanted);
        found
            .next()
            .map(|(_, value)| value.replace(' ', ""))
            .unwrap()
    };
    assert_eq!(
        (tag("v").as_str(), tag("c").as_str()),
        ("1", "relaxed/relaxed")
    );

    let lines: Vec<String> = body
        .split("\r\n")
        .map(|line| {
            let words: Vec<&str> = line.split([' ', '\t']).filter(|w| !w.is_empty()).collect();
            let gap = if line.starts_with([' ', '\t']) && !words.is_empty() {
                " "
            } else {
                ""
            };
            format!("{gap}{}", words.join(" "))
        })
        .collect();
    let body = format!("{}\r\n", lines.join("\r\n").trim_end_matches("\r\n"));
    let body_hash = STANDARD.encode(digest::digest(&digest::SHA256, body.as_bytes()));
    if body_hash != tag("bh") {
        return Err("the body was changed".to_owned());
    }

    let mut left = fields.clone();
    let mut signed = String::new();
    for name in tag("h").split(':') {
        if let Some(at) = left
            .iter()
            .rposition(|(have, _)| have.eq_ignore_ascii_case(name))
        {
            let (name, value) = left.remove(at);
            signed.push_str(&format!("{name}:{value}\r\n"));
        }
    }
    let start = signature.find("; b=").unwrap() + 2;
    signed.push_str(&format!("dkim-signature:{}b=", &signature[..start]));
    let signature = STANDARD.decode(tag("b")).unwrap();
    let held = match tag("a").as_str() {
        "ed25519-sha256" => {
            let digest = digest::digest(&digest::SHA256, signed.as_bytes());
            UnparsedPublicKey::new(&ED25519, public_key).verify(digest.as_ref(), &signature)
        }
        "rsa-sha256" => UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public_key)
            .verify(signed.as_bytes(), &signature),
        other => return Err(format!("unknown algorithm {other}")),
    };
    held.map_err(|_| "the signature does not hold".to_owned())
}

/// RFC 8463, A.3.
const SAMPLE: &str = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
";
const SAMPLE_KEY: &str = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

fn pem(label: &str, der: &[u8]) -> String {
    let encoded = STANDARD.encode(der);
    let lines: Vec<&str> = encoded
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    let lines = lines.join("\n");
    format!("-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n")
}

/// A private key in PEM, and its public half as it stands in the DNS.
fn ed25519() -> (String, Vec<u8>) {
    let key = Ed25519KeyPair::generate().unwrap();
    let private = pem("PRIVATE KEY", key.to_pkcs8v1().unwrap().as_ref());
    (private, key.public_key().as_ref().to_vec())
}

fn rsa() -> (String, Vec<u8>) {
    let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let private: Pkcs8V1Der<'_> = key.as_der().unwrap();
    let private = pem("PRIVATE KEY", private.as_ref());
    (private, key.public_key().as_ref().to_vec())
}

/// The sample mail, signed with this key.
fn signed(private_key: &str) -> String {
    let settings = json!({"host": "127.0.0.1", "encryption": "none", "reply_to": "desk@example.org",
        "from": "The Daily Tide <tide@example.org>", "list_id": "Tide <tide.example.org>",
        "dkim_selector": "Spring", "dkim_domain": "example.org"});
    let credentials = json!({"dkim_private_key": private_key}).to_string();
    let config = Config::parse(&settings, Some(&credentials)).unwrap();
    let channel = EmailChannel::new(config, &support::environment("/nowhere".as_ref()));
    assert!(!format!("{channel:?}").contains("PRIVATE"), "{channel:?}");
    String::from_utf8(mail(&channel, "ada@example.org").body).unwrap()
}

#[test]
fn the_sample_of_the_standard_is_verified() {
    let sample = SAMPLE.replace('\n', "\r\n");
    let key = STANDARD.decode(SAMPLE_KEY).unwrap();
    assert_eq!(verify(&sample, &key), Ok(()));
    let changed = sample.replace("dinner", "supper");
    assert!(verify(&changed, &key).is_err());
}

#[test]
fn a_signature_holds_and_covers_what_a_reader_acts_on() {
    for (private, public) in [ed25519(), rsa()] {
        let text = signed(&private);
        assert_eq!(verify(&text, &public), Ok(()), "{text}");
        assert!(
            text.split("\r\n")
                .take_while(|line| !line.is_empty())
                .all(|line| line.len() < 200)
        );
        for (from, to) in [
            ("From: \"The Daily Tide\"", "From: \"The Nightly Tide\""),
            ("To: Ada", "To: Bob"),
            ("Subject: Tide tables", "Subject: Tide fables"),
            ("Date: Fri", "Date: Thu"),
            ("Message-ID: <0", "Message-ID: <1"),
            ("Reply-To: desk", "Reply-To: disk"),
            ("List-Id: Tide", "List-Id: Tight"),
            (
                "List-Unsubscribe: <https://news",
                "List-Unsubscribe: <https://olds",
            ),
            ("List-Unsubscribe=One-Click", "List-Unsubscribe=Two-Click"),
            ("MIME-Version: 1.0", "MIME-Version: 1.1"),
            ("multipart/alternative", "multipart/mixed"),
            ("High water", "Low water"),
            // Another one, above or below.
            (
                "Subject: Tide tables",
                "Subject: Tide tables\r\nSubject: Win",
            ),
            ("From: \"The", "From: eve@example.net\r\nFrom: \"The"),
        ] {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text, "{from}");
            assert!(verify(&changed, &public).is_err(), "{to}");
        }
        // What happens on the way does no harm.
        let folded = text
            .replacen("Subject: Tide tables", "subject:  Tide\r\n\ttables ", 1)
            .replacen("High water", "High  water", 1);
        assert_eq!(
            verify(&format!("Received: by x\r\n{folded}\r\n\r\n"), &public),
            Ok(())
        );
    }
}

#[test]
fn what_receivers_look_for_is_the_public_half_of_the_key() {
    for (algorithm, (private, public)) in [("ed25519", ed25519()), ("rsa", rsa())] {
        let settings = json!({"host": "smtp.example.net", "from": "Tide <tide@News.example.org>",
            "return_path_domain": "bounces.example.org", "dkim_selector": "Spring", "dkim_domain": "example.org"});
        let credentials = json!({"dkim_private_key": private}).to_string();
        let config = Config::parse(&settings, Some(&credentials)).unwrap();
        let sender = config.sender(&tidings_domain::topic::Sender::default());
        assert_eq!(
            (
                sender.from_domain.as_str(),
                sender.return_path_domain.as_deref()
            ),
            ("news.example.org", Some("bounces.example.org"))
        );
        assert_eq!(sender.relay.as_deref(), Some("smtp.example.net"));
        let signer = sender.signer.unwrap();
        assert_eq!(
            (signer.domain, signer.selector),
            ("example.org".to_owned(), "spring".to_owned())
        );
        assert_eq!(signer.algorithm, algorithm);
        // RSA keys stand there within an envelope that names their kind (RFC 6376, 3.6.1).
        let published = STANDARD.decode(&signer.public_key).unwrap();
        assert!(published.ends_with(&public), "{algorithm}");
        assert_eq!(
            published.len() - public.len(),
            if algorithm == "rsa" { 24 } else { 0 }
        );
    }
}

#[test]
fn a_key_that_cannot_sign_is_named_and_not_shown() {
    let settings = |selector: &str, domain: &str| {
        json!({"host": "127.0.0.1", "encryption": "none", "from": "tide@example.org",
            "dkim_selector": selector, "dkim_domain": domain})
    };
    let (good, _) = ed25519();
    let small = format!("-----BEGIN PRIVATE KEY-----\n{SMALL}\n-----END PRIVATE KEY-----\n");
    let half = good.replace("-----END", "----END");
    let problem = |settings: &Value, key: &str| {
        let credentials = json!({"dkim_private_key": key}).to_string();
        let error = Config::parse(settings, Some(&credentials)).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("MII"), "{error}");
        error.problems[0].pointer.clone()
    };
    for key in [
        small.as_str(),
        half.as_str(),
        "MII",
        &good.replace("MC", "MD"),
    ] {
        let pointer = problem(&settings("spring", "example.org"), key);
        assert_eq!(pointer, "/credentials/dkim_private_key", "{key}");
    }
    for (selector, domain, pointer) in [
        ("spring;", "example.org", "/dkim_selector"),
        ("-spring", "example.org", "/dkim_selector"),
        ("spring", "example", "/dkim_domain"),
        ("spring", "bücher.example", "/dkim_domain"),
        ("spring", "example..org", "/dkim_domain"),
    ] {
        assert_eq!(problem(&settings(selector, domain), &good), pointer);
    }
    let bare = json!({"host": "127.0.0.1", "from": "tide@example.org"});
    assert_eq!(problem(&bare, &good), "/dkim_selector");
    let error = Config::parse(&settings("spring", "example.org"), None).unwrap_err();
    assert_eq!(error.problems[0].pointer, "/credentials/dkim_private_key");
}

/// An RSA key of 1,024 bits, in PKCS #8.
const SMALL: &str = "MIICdgIBADANBgkqhkiG9w0BAQEFAASCAmAwggJcAgEAAoGBALgdaTB6xLrGAxzQOduMvIlzfIiSAmnwg3Q/pul+0ZDSLn0dLtQ9OrZxl7JGN0xY+q5qDQUxdKy35iPyMTWCP90zWR5k7WGFHkdLd7W2K9st4gxtnDu+5ugyR1Y2m7TWw95OmqtoQ/xoR0Ab3H09M7xb5nz3YeFruspLZZ0EHZTRAgMBAAECgYBSRiJJXbMn23BsocgZCgz+RzMxPD4D5Ux42DDYSqmPU70ef7n7cdkYyi4FpkbzwRdUdWOYHH+M5yjai1HeHXQ3vKoHjUeEFI8dJulwrSYBLMky8QRy10bZ2tCjUWZAx9e/qr8uVt+3H9Zli8MXvN7bl5Z+STAACANQplU+tJa7uQJBAN+rCkpqxLAVJgvf1sVNlthpL3wRbmiioKW4kM0k5Yi8/ihJaJ9ncapEVpr94codzta9FEecuzNd3SsU0l1sjlMCQQDSuq6EbcvXt7KeB6jBtha25nb/6xkt+L58tsm62Z7pZDhl9vhuErQcP2PvClGIZFV8eNoHtLRxOP5Qmpg/80PLAkBWWF08pUMRBtkNNHhg6rcVDGY8ay5ITp/d2gZsa5YA15T2UICHKRQEOyWD6AbGVAOJeqzdiG/sQIwlGYCseD/pAkAX97+ttEdBC9W2/6wEDE/dEa1rQjQk9GvGB4w+Qk4+wXVgs4xiCKKPq+4T3BqV5sOKWryBr93uGstiI5M5gtOtAkEAmYYV2NEzw99W06zfmAjzapB2U8rrhwZZwskn0gM6YsmK+0MeEq+oBm85jsxpenI9YQjNOKWpkhdOaHvSoRXbeQ==";
