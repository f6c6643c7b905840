//! The edge as a caller meets it.

use std::time::Duration;

use actix_web::middleware::from_fn;
use actix_web::test::{TestRequest, call_service, init_service, read_body_json};
use actix_web::{App, HttpResponse};
use serde::{Deserialize, Serialize};
use time::macros::datetime;

use super::*;
use crate::header_of;
use crate::problem::{Problem, ProblemBody};
use crate::trace;

const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn edge() -> Edge {
    Edge {
        clock: Clock::manual(datetime!(2026-03-01 10:00 UTC)).clock(),
        ids: Ids::seeded(1),
        metrics: Metrics::new().unwrap(),
        limits: HttpConfig {
            body_limit_bytes: 64,
            import_limit_bytes: 64,
            body_timeout: Duration::from_secs(10),
        },
    }
}

macro_rules! app {
    ($edge:expr) => {
        init_service(
            App::new()
                .configure(configure($edge))
                .wrap(from_fn(security_headers))
                .wrap(from_fn(body_deadline))
                .wrap(from_fn(request_context))
                .route("/echo/{n}", web::get().to(echo))
                .route("/refuse", web::get().to(refuse))
                .route("/notes", web::post().to(note)),
        )
        .await
    };
}

#[derive(Serialize, Deserialize)]
struct Echo {
    correlation_id: String,
    traceparent: String,
    current: Option<String>,
}

async fn echo(context: RequestContext) -> HttpResponse {
    assert_eq!(
        trace::current().unwrap().correlation_id,
        context.correlation_id
    );
    HttpResponse::Ok().json(Echo {
        correlation_id: context.correlation_id.to_string(),
        traceparent: context.traceparent.to_string(),
        current: trace::current().map(|scope| scope.traceparent.to_string()),
    })
}

async fn refuse() -> Result<HttpResponse, Problem> {
    Err(Problem::conflict("It is sent already."))
}

#[derive(Deserialize)]
struct Note {
    text: String,
}

async fn note(body: Json<Note>) -> HttpResponse {
    HttpResponse::Ok().json((body.value.text, body.raw.len()))
}

#[actix_web::test]
async fn a_callers_ids_are_carried_and_echoed() {
    let app = app!(edge());
    let id = "0192f3a4-0000-7000-8000-000000000001";
    let request = TestRequest::get()
        .uri("/echo/1")
        .insert_header(("x-correlation-id", id))
        .insert_header(("traceparent", format!("00-{TRACE_ID}-00f067aa0ba902b7-01")));
    let response = call_service(&app, request.to_request()).await;
    assert_eq!(header_of(response.headers(), "x-correlation-id"), id);
    let traceparent = header_of(response.headers(), "traceparent").to_owned();
    assert!(traceparent.contains(TRACE_ID) && !traceparent.contains("00f067aa0ba902b7"));
    let echo: Echo = read_body_json(response).await;
    assert_eq!(echo.correlation_id, id);
    assert_eq!(echo.traceparent, traceparent);
    assert_eq!(echo.current, Some(traceparent));
}

#[actix_web::test]
async fn a_bad_or_absent_id_is_replaced() {
    let app = app!(edge());
    for bad in [
        None,
        Some("not a uuid"),
        Some("00000000-0000-0000-0000-000000000000"),
    ] {
        let mut request = TestRequest::get().uri("/echo/1");
        if let Some(bad) = bad {
            request = request.insert_header(("x-correlation-id", bad));
        }
        let response = call_service(&app, request.to_request()).await;
        let id = header_of(response.headers(), "x-correlation-id");
        assert_eq!(uuid::Uuid::parse_str(id).unwrap().get_version_num(), 7);
        assert_eq!(header_of(response.headers(), "traceparent").len(), 55);
    }
}

#[actix_web::test]
async fn problems_carry_the_correlation_id_and_answers_the_security_headers() {
    let app = app!(edge());
    let response = call_service(&app, TestRequest::get().uri("/refuse").to_request()).await;
    assert_eq!(response.status(), 409);
    let headers = response.headers().clone();
    assert_eq!(header_of(&headers, "x-content-type-options"), "nosniff");
    assert_eq!(header_of(&headers, "referrer-policy"), "no-referrer");
    assert_eq!(header_of(&headers, "cache-control"), "no-store");
    let id = header_of(&headers, "x-correlation-id");
    let body: ProblemBody = read_body_json(response).await;
    assert_eq!(body.instance.unwrap(), format!("urn:uuid:{id}"));
}

#[actix_web::test]
async fn requests_are_counted_by_pattern_and_known_method() {
    let edge = edge();
    let app = app!(edge.clone());
    call_service(&app, TestRequest::get().uri("/echo/1").to_request()).await;
    call_service(&app, TestRequest::get().uri("/echo/2").to_request()).await;
    let odd = TestRequest::with_uri("/no/such/path").method("BREW".parse().unwrap());
    assert_eq!(call_service(&app, odd.to_request()).await.status(), 404);
    let text = edge.metrics.encode().unwrap();
    for line in [
        "tidings_http_requests_total{method=\"GET\",route=\"/echo/{n}\",status=\"200\"} 2",
        "tidings_http_requests_total{method=\"OTHER\",route=\"unmatched\",status=\"404\"} 1",
        "tidings_http_request_seconds_count{route=\"/echo/{n}\"} 2",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[actix_web::test]
async fn json_is_read_within_its_limits() {
    let app = app!(edge());
    let post = |kind: &'static str, body: String| {
        TestRequest::post()
            .uri("/notes")
            .insert_header(("content-type", kind))
            .set_payload(body)
            .to_request()
    };
    let read = call_service(&app, post("application/json", r#"{"text":"hi"}"#.into())).await;
    let (text, length): (String, usize) = read_body_json(read).await;
    assert_eq!((text.as_str(), length), ("hi", 13));
    let cases = [
        (
            "application/merge-patch+json; charset=utf-8",
            r#"{"text":"hi"}"#.into(),
            200,
        ),
        ("text/plain", r#"{"text":"hi"}"#.into(), 415),
        ("application/json", "{".into(), 400),
        ("application/json", "{}".into(), 422),
        (
            "application/json",
            format!(r#"{{"text":"{}"}}"#, "x".repeat(64)),
            413,
        ),
    ];
    for (kind, body, status) in cases {
        let response = call_service(&app, post(kind, body)).await;
        assert_eq!(response.status().as_u16(), status);
    }
}

#[actix_web::test]
async fn a_body_that_never_ends_is_cut_off_after_its_deadline() {
    tokio::time::pause();
    let app = app!(edge());
    let mut request = TestRequest::post()
        .uri("/notes")
        .insert_header(("content-type", "application/json"))
        .to_srv_request();
    request.set_payload(actix_web::dev::Payload::Stream {
        payload: Box::pin(futures_util::stream::pending()),
    });
    let (head, body) = request.into_parts();
    drop(head);
    let request = {
        let mut request = TestRequest::post()
            .uri("/notes")
            .insert_header(("content-type", "application/json"))
            .to_request();
        *request.payload() = body;
        request
    };
    let before = tokio::time::Instant::now();
    let response = call_service(&app, request).await;
    assert_eq!(response.status(), 408);
    assert_eq!(header_of(response.headers(), "connection"), "close");
    assert_eq!(before.elapsed().as_secs(), 10);
}

#[test]
fn a_large_body_gets_more_time_as_it_comes_in() {
    let timeout = Duration::from_secs(10);
    assert_eq!(body_time(timeout, 0), timeout);
    assert_eq!(body_time(timeout, 10 << 20), Duration::from_secs(170));
}
