//! The words on record are those that whoever signed up was shown, whatever became of the settings meanwhile.

use super::*;

/// What a form of before the change sends.
fn form(consent: &str) -> TestRequest {
    TestRequest::post()
        .uri("/join")
        .insert_header((header::CONTENT_TYPE, "application/x-www-form-urlencoded"))
        .set_payload(format!("email=ada%40example.org&consent={consent}"))
}

async fn head(house: &House) -> i64 {
    house.platform.store.log().head().await.unwrap().position
}

#[actix_web::test]
async fn a_form_that_shows_other_words_of_the_same_version_signs_nobody_up() {
    const CHANGED: &str = "I want to get the news, and offers of partners.";
    let (house, _) = house().await;
    let before = head(&house).await;
    // The words were edited, and what they are called was not.
    let now = || commands_with(&house, CHANGED);
    let (status, told) = page(&house, now(), form(&mark())).await;
    assert_eq!(status, 422);
    assert!(
        told.contains(CHANGED) && told.contains("Please read what there is"),
        "{told}"
    );
    let json = json!({ "email": ADA, "consent": mark() });
    let (status, problem) = ask(
        &house,
        now(),
        TestRequest::post().uri("/join").set_json(json),
    )
    .await;
    assert_eq!(
        (status, &problem["errors"][0]["pointer"]),
        (422, &json!("#/consent"))
    );
    // Nor is what it is called any words.
    assert_eq!(ask(&house, now(), form("1")).await.0, 422);
    assert_eq!(head(&house).await, before, "nothing is on record");

    // The form for other sites has what does.
    let (status, snippet) = page(&house, now(), TestRequest::get().uri("/join/snippet")).await;
    assert_eq!(status, 200);
    assert!(
        snippet.contains(CHANGED) && snippet.contains("https://news.example.org/join"),
        "{snippet}"
    );
    let (_, rest) = snippet.split_once("type=\"checkbox\" value=\"").unwrap();
    let (shown, _) = rest.split_once('"').unwrap();
    assert_eq!(ask(&house, now(), form(shown)).await.0, 200);
    assert!(head(&house).await > before);
}

#[actix_web::test]
async fn whoever_is_asked_reads_what_they_agree_to_by_saying_yes() {
    const CHANGED: &str = "I want to get the news, and offers of partners.";
    let (house, _) = house().await;
    joined(&house, ADA).await;
    assert!(
        mails(&house, ADA)[0].contains(WORDING),
        "{:?}",
        mails(&house, ADA)
    );
    // Asked again, with what there is to agree to by then; before, the first mail stays what it was.
    let again = json!({ "email": ADA, "consent": consent(CHANGED).mark() });
    let again = TestRequest::post().uri("/join").set_json(again);
    assert_eq!(
        ask(&house, commands_with(&house, CHANGED), again).await.0,
        202
    );
    house.platform.settle().await;
    let asked = mails(&house, ADA);
    assert_eq!(asked.len(), 2);
    assert!(
        asked[1].contains(CHANGED) && !asked[1].contains(WORDING),
        "{}",
        asked[1]
    );

    // Through the API it may be said, or not.
    let sign_up = async |email: &str, consent: Option<&str>| {
        let mut body = json!({ "email": email, "confirmation": "required" });
        if let Some(wording) = consent {
            body["consent"] = json!({ "wording": wording, "version": "shop-7" });
        }
        let request = TestRequest::post()
            .uri("/api/v1/subscribers")
            .set_json(body);
        let (status, answer) = ask(&house, commands(&house), request).await;
        assert_eq!(status, 201, "{answer}");
        house.platform.settle().await;
        mails(&house, email).remove(0)
    };
    let said = sign_up(GRACE, Some("At the till, for <b>news</b>.")).await;
    assert!(
        said.contains("At the till, for &lt;b&gt;news&lt;/b&gt;."),
        "{said}"
    );
    assert!(!said.contains(WORDING), "{said}");
    let silent = sign_up("eve@example.org", None).await;
    assert!(
        !silent.contains("agreed to this") && !silent.contains(WORDING),
        "{silent}"
    );
}
