//! Nobody gets more than a few mails because somebody types their address, however fast, often, and in whatever way it is written.

use std::time::Duration;

use actix_web::web;
use futures_util::future::join_all;
use tidings_service::limits::Limits;
use tidings_tests::api::{ask_all, config};

use super::*;

#[actix_web::test]
async fn nobody_is_flooded_however_often_and_fast_their_address_is_typed() {
    let (house, _) = house().await;
    let all = join_all((0..6).map(|_| join(&house, ADA))).await;
    for (status, answer) in all {
        // Whoever was too slow again and again may try once more; the others are told the same.
        assert!(matches!(status, 202 | 409 | 503), "{status} {answer}");
    }
    for _ in 0..3 {
        joined(&house, ADA).await;
    }
    assert_eq!(mails(&house, ADA).len(), 3);
    let ada = holder(&house, ADA).await;
    assert_eq!(standing(&house, ada).await, Standing::Pending);
    // Tomorrow is another day.
    house
        .platform
        .clock
        .advance(Duration::from_secs(25 * 3_600));
    joined(&house, ADA).await;
    assert_eq!(mails(&house, ADA).len(), 4);
    all_is_well(&house).await;
}

/// As many as there are ways to write it would be asked for it three times each.
#[actix_web::test]
async fn nobody_is_flooded_by_ever_other_ways_to_write_their_address() {
    let (house, _) = house().await;
    let written = |n: usize| match n % 3 {
        0 => format!("ada+{n}@example.org"),
        1 => format!("ad.a+{n}@Example.org"),
        _ => format!("ADA+{n}@example.org"),
    };
    let requests = (0..12).map(|n| {
        let body = json!({ "email": written(n), "consent": mark() });
        TestRequest::post().uri("/join").set_json(body)
    });
    let limits = Limits::new(&config().limits, house.platform.clock.clock());
    let state = web::Data::new(commands(&house));
    let rooms = move |cfg: &mut web::ServiceConfig| {
        cfg.app_data(state).app_data(web::Data::new(limits));
        tidings_command_api::routes(cfg);
    };
    let answers = ask_all(&house.platform, rooms, requests.collect()).await;
    let asked = (202, json!({ "status": "asked" }));
    assert!(answers.iter().all(|it| *it == asked), "{answers:?}");
    house.platform.settle().await;
    let all = house.smtp.messages();
    assert_eq!(
        all.len(),
        5,
        "{:?}",
        all.iter().map(|it| &it.to).collect::<Vec<_>>()
    );
    all_is_well(&house).await;
}

/// Whoever was told to try again has not been asked: that does not count against them.
#[actix_web::test]
async fn who_tries_again_as_they_were_told_is_asked_in_the_end() {
    let house = House::start().await;
    let limits = Limits::new(&config().limits, house.platform.clock.clock());
    let limits = web::Data::new(limits);
    let tries = async |count: usize| {
        let requests = (0..count).map(|_| {
            let body = json!({ "email": ADA, "consent": mark() });
            TestRequest::post().uri("/join").set_json(body)
        });
        let (limits, state) = (limits.clone(), web::Data::new(commands(&house)));
        let rooms = move |cfg: &mut web::ServiceConfig| {
            cfg.app_data(state).app_data(limits);
            tidings_command_api::routes(cfg);
        };
        let answers = ask_all(&house.platform, rooms, requests.collect()).await;
        house.platform.settle().await;
        answers.into_iter().map(|(status, _)| status)
    };
    assert!(
        tries(6).await.all(|status| status == 503),
        "nothing to ask by"
    );
    house.email_channel().await;
    house.platform.settle().await;
    assert!(tries(1).await.all(|status| status == 202));
    assert_eq!(mails(&house, ADA).len(), 1);
    all_is_well(&house).await;
}
