//! The Amazon SES sink over raw HTTP: what it says to who is not known to it. Mails that are signed as they should be
//! come from the channel's own tests, in another room.

use serde_json::Value;
use tidings_sinks::ses::{self, Account, Handle, Options};

use crate::http::{JSON, body_of, header, request, status};

async fn started() -> Handle {
    let account = Account {
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: "secret".to_owned(),
        session_token: None,
        region: "eu-west-1".to_owned(),
        identities: vec!["example.org".to_owned()],
        configuration_sets: Vec::new(),
    };
    ses::start(Options::default(), account).await.unwrap()
}

#[tokio::test]
async fn nobody_sends_who_does_not_sign() {
    let sink = started().await;
    let mails = format!("{}/v2/email/outbound-emails", sink.base_url());
    let account = format!("{}/v2/email/account", sink.base_url());
    let other = "Authorization: AWS4-HMAC-SHA256 Credential=AKIDOTHER/20260102/eu-west-1/ses/aws4_request, \
        SignedHeaders=content-type;host;x-amz-date, Signature=00";
    for (method, url, headers, expected) in [
        (
            "POST",
            &mails,
            &[JSON][..],
            (403, "MissingAuthenticationTokenException"),
        ),
        (
            "POST",
            &mails,
            &[JSON, other][..],
            (403, "UnrecognizedClientException"),
        ),
        (
            "GET",
            &account,
            &[JSON][..],
            (404, "UnknownOperationException"),
        ),
    ] {
        let answer = request(sink.addr(), method, url, headers, "{}").await;
        let kind = header(&answer, "x-amzn-errortype").unwrap_or_default();
        let kind = kind.split(':').next().unwrap_or_default();
        assert_eq!((status(&answer), kind), expected, "{answer}");
        let body: Value = serde_json::from_str(body_of(&answer)).unwrap();
        assert!(body["message"].is_string(), "{answer}");
    }
    assert_eq!(sink.count(), 0);
}
