//! Limits as a gate uses them.

use actix_web::ResponseError as _;
use actix_web::test::TestRequest;
use time::macros::datetime;

use super::*;
use crate::header_of;

fn config() -> LimitsConfig {
    LimitsConfig {
        api_per_minute: 2,
        sign_up_per_minute: 1,
        links_per_minute: 0,
        proxies: 0,
    }
}

fn principal(subject: &str) -> Principal {
    Principal {
        issuer: "tidings".to_owned(),
        subject: subject.to_owned(),
        roles: vec![],
        key: None,
    }
}

fn told(counted: Counted) -> [String; 2] {
    let mut headers = HeaderMap::new();
    counted.tell(&mut headers);
    ["ratelimit-policy", "ratelimit"].map(|name| header_of(&headers, name).to_owned())
}

#[test]
fn each_caller_has_its_own_and_is_told_what_is_left() {
    let manual = Clock::manual(datetime!(2026-03-01 10:00 UTC));
    let limits = Limits::new(&config(), manual.clock());
    let count = |subject| limits.caller(&principal(subject)).unwrap();
    assert_eq!(told(count("ada")), ["\"api\";q=2;w=60", "\"api\";r=1;t=30"]);
    assert_eq!(told(count("ada")), ["\"api\";q=2;w=60", "\"api\";r=0;t=60"]);
    manual.advance(Duration::from_millis(10_500));
    let refused = count("ada");
    assert_eq!(told(refused), ["\"api\";q=2;w=60", "\"api\";r=0;t=50"]);
    let problem = refused.permit().unwrap_err();
    insta::assert_snapshot!(problem.body().detail.unwrap(), @"The limit `api` is 2 requests in 60 s, and all of them are used. Try again in 20 s.");
    let response = problem.error_response();
    assert_eq!(
        (
            response.status().as_u16(),
            header_of(response.headers(), "retry-after")
        ),
        (429, "20")
    );
    assert!(count("eve").permit().is_ok());
    // Another issuer may know another ada.
    let other = Principal {
        issuer: "https://login.example.org".to_owned(),
        ..principal("ada")
    };
    assert!(limits.caller(&other).unwrap().permit().is_ok());
    manual.advance(Duration::from_secs(20));
    assert!(count("ada").permit().is_ok());
}

#[test]
fn addresses_are_counted_apart_and_no_limit_is_none() {
    let limits = Limits::new(
        &config(),
        Clock::manual(datetime!(2026-03-01 10:00 UTC)).clock(),
    );
    let from = |address: &str| {
        let peer = format!("{address}:4711").parse().unwrap();
        TestRequest::default().peer_addr(peer).to_http_request()
    };
    let passes = |address| {
        let counted = limits.anybody(Policy::SignUp, &from(address));
        counted.unwrap().permit().is_ok()
    };
    assert!(passes("192.0.2.1") && !passes("192.0.2.1") && passes("192.0.2.2"));
    assert!(passes("[2001:db8::1]") && !passes("[2001:db8::2]") && passes("[2001:db8:0:1::1]"));
    assert!(!passes("[::ffff:192.0.2.1]"));
    assert_eq!(limits.anybody(Policy::Links, &from("192.0.2.1")), None);
}

#[test]
fn a_proxy_that_nobody_told_of_is_remarked_on_without_an_address() {
    let clock = Clock::manual(datetime!(2026-03-01 10:00 UTC)).clock();
    let limits = |proxies| {
        let config = LimitsConfig {
            proxies,
            ..config()
        };
        Limits::new(&config, clock.clone())
    };
    let from = |peer: &str, forwarded: bool| {
        let request = TestRequest::default().peer_addr(peer.parse().unwrap());
        match forwarded {
            true => request.insert_header(("x-forwarded-for", "198.51.100.7")),
            false => request,
        }
        .to_http_request()
    };
    let told = limits(1);
    let untold = limits(0);
    // Straight from somewhere, or from far away with what anybody can write: that is no proxy of ours.
    for request in [from("10.0.0.1:1", false), from("192.0.2.1:1", true)] {
        assert!(untold.anybody(Policy::SignUp, &request).is_some());
    }
    assert_eq!(untold.remark(), None);
    let through = from("10.0.0.1:1", true);
    assert_eq!(untold.anybody(Policy::SignUp, &through), None);
    let remark = untold.remark().unwrap();
    assert!(remark.contains("http.proxies"), "{remark}");
    assert!(
        !remark.contains("10.0.0.1") && !remark.contains("198.51"),
        "{remark}"
    );
    assert!(told.anybody(Policy::SignUp, &through).is_some());
    assert_eq!(told.remark(), None);
}

#[test]
fn a_mailbox_has_its_share_of_the_day() {
    let manual = Clock::manual(datetime!(2026-03-01 10:00 UTC));
    let limits = Limits::new(&config(), manual.clock());
    let taken = (0..8).filter(|_| limits.may_be_asked(&"ada")).count();
    assert_eq!(taken, 5);
    assert!(limits.may_be_asked(&"eve"));
    manual.advance(Duration::from_secs(5 * 3_600));
    assert!(limits.may_be_asked(&"ada") && !limits.may_be_asked(&"ada"));
    limits.was_not_asked(&"ada");
    assert!(limits.may_be_asked(&"ada") && !limits.may_be_asked(&"ada"));
}

#[test]
fn memory_is_bounded_and_forgets_the_idle_first() {
    let quota = 2;
    let counter = Counter::new(quota, WINDOW).unwrap();
    let busy = |n: usize, now| matches!(counter.take(&n, now), Verdict::Refused { .. });
    let now = Duration::from_secs(1_000);
    for n in 0..REMEMBERED_MAX {
        counter.take(&n, now);
    }
    // All have theirs back but one.
    let later = now + WINDOW;
    counter.take(&0_usize, later);
    counter.take(&0_usize, later);
    counter.take(&REMEMBERED_MAX, later);
    assert_eq!(counter.used.lock().unwrap().len(), 2);
    assert!(busy(0, later));
    for n in 0..2 * REMEMBERED_MAX {
        counter.take(&n, later);
    }
    assert!(counter.used.lock().unwrap().len() <= REMEMBERED_MAX);
}
