//! What files of others say against whoever is here: they keep nobody out who said more here, and what they say an operator
//! may put right, but not what readers say themselves.

use super::*;

async fn import(house: &House, file: String) -> Value {
    let request = TestRequest::post().uri("/api/v1/imports");
    let request = request.insert_header((header::CONTENT_TYPE, "text/csv"));
    let (status, answer) = ask(house, commands(house), request.set_payload(file)).await;
    assert_eq!(status, 202, "{answer}");
    house.platform.settle().await;
    let path = format!("/api/v1/imports/{}", answer["id"].as_str().unwrap());
    let (status, import) = ask(house, commands(house), TestRequest::get().uri(&path)).await;
    assert_eq!(status, 200, "{import}");
    import
}

/// Publishes; gives how many mails each of these has got in all.
async fn publish<const N: usize>(house: &House, channel: Uuid, to: [&str; N]) -> [usize; N] {
    house.publish("The ferry", "It runs.", &[channel]).await;
    house.platform.settle().await;
    to.map(|email| mails(house, email).len())
}

#[actix_web::test]
async fn who_has_yet_to_confirm_elsewhere_and_is_here_is_left_alone() {
    let (house, channel) = house().await;
    let (bob, cleo) = ("bob@example.org", "cleo@example.org");
    let ada = house.subscriber(ADA).await;
    // More than a chunk: whoever came with this file has said nothing here.
    let nobody = "nobody,\n".repeat(500);
    let file = format!(
        "email,status\n{ADA},pending\n{bob},Pending\n{cleo},active\n{nobody}{cleo},pending\n"
    );
    let import = import(&house, file).await;
    let count = |key: &str| import[key].as_u64().unwrap();
    let counts = ["accepted", "existing", "suppressed"].map(count);
    assert_eq!(counts, [1, 1, 2]);
    assert_eq!(reasons(&house, ADA).await, []);
    for email in [bob, cleo] {
        assert_eq!(reasons(&house, email).await, [Reason::Unsubscribed]);
    }
    assert_eq!(standing(&house, ada).await, Standing::Active);
    assert_eq!(publish(&house, channel, [ADA, bob, cleo]).await, [1, 0, 0]);
    all_is_well(&house).await;
}

async fn lift(house: &House) -> (u16, Value) {
    let path = format!("/api/v1/suppressions/{}/lift", suppression_id(house, ADA));
    let body = json!({ "reasons": ["unsubscribed"] });
    let request = TestRequest::post().uri(&path).set_json(body);
    let answer = ask(house, commands(house), request).await;
    house.platform.settle().await;
    answer
}

#[actix_web::test]
async fn an_operator_lifts_what_a_file_said_and_not_what_they_said_themselves() {
    let (house, channel) = house().await;
    house.subscriber(ADA).await;
    let file = || format!("email,unsubscribed_at\n{ADA},2021-01-01\n{GRACE},0000-00-00 00:00:00\n");
    let first = import(&house, file()).await;
    assert_eq!(first["suppressed"], json!(1), "{first}");
    assert_eq!(reasons(&house, ADA).await, [Reason::Unsubscribed]);
    assert_eq!(publish(&house, channel, [ADA, GRACE]).await, [0, 1]);
    let (status, lifted) = lift(&house).await;
    assert_eq!(status, 200, "{lifted}");
    assert_eq!(reasons(&house, ADA).await, []);
    assert_eq!(publish(&house, channel, [ADA, GRACE]).await, [1, 2]);

    // They leave by a mail of a subscriber whom the log does not know.
    import(&house, file()).await;
    let gone = UnsubscribeLink {
        subscriber_id: Uuid::from_u128(77),
        topic_id: None,
        delivery_id: None,
        address_suppression_id: suppression_id(&house, ADA),
        issued: UnsubscribeLink::issued_on(house.platform.clock.clock().now()),
    };
    let link = format!("/u/{}", gone.sign(house.link_keys.current()));
    let store = &house.platform.store;
    let version = async || {
        let id = suppression_id(&house, ADA);
        store.load::<Suppression>(id).await.unwrap().version
    };
    let before = version().await;
    for _ in 0..2 {
        assert_eq!(press(&house, &link).await, 200);
        assert_eq!(version().await, before + 1, "said once");
    }
    let (status, refused) = lift(&house).await;
    assert_eq!(
        (status, &refused["errors"][0]["pointer"]),
        (422, &json!("#/reasons/0")),
        "{refused}"
    );
    // Nor is it an end to it that a file says the same.
    import(&house, file()).await;
    assert_eq!(lift(&house).await.0, 422);
    assert_eq!(publish(&house, channel, [ADA, GRACE]).await, [1, 3]);
    joined(&house, ADA).await;
    assert_eq!(press(&house, &last_link(&house, ADA)).await, 200);
    assert_eq!(publish(&house, channel, [ADA, GRACE]).await, [3, 4]);
    all_is_well(&house).await;
}
