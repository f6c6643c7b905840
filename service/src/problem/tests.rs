//! Problems as they go over the wire.

use actix_web::body::to_bytes;
use actix_web::test::{TestRequest, call_service, init_service, read_body_json};
use actix_web::{App, HttpResponse, web};
use insta::assert_snapshot;
use serde::Deserialize;
use uuid::Uuid;

use super::*;
use crate::header_of;
use crate::ids::Ids;
use crate::trace::{Scope, TraceParent, in_scope};

async fn wire(problem: Problem) -> String {
    let response = problem.error_response();
    let mut text = format!("{}\n", response.status());
    let mut headers: Vec<String> = response
        .headers()
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    headers.sort();
    text.push_str(&headers.join("\n"));
    let body = to_bytes(response.into_body()).await.unwrap();
    let json: Value = serde_json::from_slice(&body).unwrap();
    text + "\n" + &serde_json::to_string_pretty(&json).unwrap()
}

#[actix_web::test]
async fn a_validation_problem_lists_each_value() {
    let scope = Scope {
        correlation_id: Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0001),
        traceparent: TraceParent::root(&Ids::seeded(1)),
    };
    let problem = Problem::validation()
        .error("#/subject", "must not be empty")
        .error("#/topics/0", "is unknown");
    assert_snapshot!(in_scope(scope, wire(problem)).await, @r##"
    422 Unprocessable Entity
    content-type: application/problem+json
    {
      "errors": [
        {
          "detail": "must not be empty",
          "pointer": "#/subject"
        },
        {
          "detail": "is unknown",
          "pointer": "#/topics/0"
        }
      ],
      "instance": "urn:uuid:01920000-0000-7000-8000-000000000001",
      "status": 422,
      "title": "Some values are not acceptable",
      "type": "/problems/validation-failed"
    }
    "##);
}

#[actix_web::test]
async fn a_lagging_view_says_how_far_it_is() {
    let problem = Problem::unavailable("The view has not reached 42 yet.", 1, Some(40));
    assert_snapshot!(wire(problem).await, @r#"
    503 Service Unavailable
    content-type: application/problem+json
    retry-after: 1
    view-position: 40
    {
      "detail": "The view has not reached 42 yet.",
      "status": 503,
      "title": "Not available at the moment",
      "type": "/problems/unavailable",
      "view_position": 40
    }
    "#);
}

#[actix_web::test]
async fn a_refused_token_gets_a_challenge_without_quotes_in_it() {
    let problem = Problem::unauthorized(Some("invalid_token"), "The \"token\" has\nexpired.");
    assert_snapshot!(wire(problem).await, @r#"
    401 Unauthorized
    content-type: application/problem+json
    www-authenticate: Bearer error="invalid_token", error_description="The token has expired."
    {
      "detail": "The \"token\" has\nexpired.",
      "status": 401,
      "title": "A valid token is needed",
      "type": "/problems/unauthorized"
    }
    "#);
}

#[actix_web::test]
async fn an_internal_problem_keeps_its_cause_to_itself() {
    let cause = std::io::Error::other("password of the database is hunter2");
    let text = wire(Problem::internal(&cause)).await;
    assert!(!text.contains("hunter2"), "{text}");
    assert!(text.contains("/problems/internal"));
}

#[derive(Debug, Deserialize)]
struct Draft {
    #[expect(dead_code, reason = "only its reading matters")]
    subject: String,
    #[expect(dead_code, reason = "only its reading matters")]
    tags: Vec<u8>,
}

fn read(body: &str) -> ProblemBody {
    from_json::<Draft>(body.as_bytes()).unwrap_err().body()
}

#[test]
fn text_that_is_no_json_is_placed_by_line_and_column() {
    let problem = read("{\n  \"subject\": oops}");
    assert_eq!(problem.status, 400);
    assert_snapshot!(problem.detail.unwrap(), @"The body is not valid JSON: expected value at line 2, column 14.");
    assert_eq!(read("").status, 400);
    assert_eq!(read(r#"{"subject":"a","tags":[]} x"#).status, 400);
}

#[test]
fn a_wrong_value_is_placed_by_pointer() {
    let problem = read(r#"{"subject": "a", "tags": [1, "two"]}"#);
    assert_eq!(problem.status, 422);
    assert_eq!(problem.errors[0].pointer, "#/tags/1");
    let missing = read(r#"{"tags": []}"#);
    assert_eq!(missing.errors[0].pointer, "#/subject");
    assert_eq!(missing.errors[0].detail, "missing field `subject`");
    // In the order of the fields, it would be one to serde.
    let list = read(r#"["a", [1]]"#);
    assert_eq!((list.status, list.errors[0].pointer.as_str()), (422, "#"));
    assert_eq!(list.errors[0].detail, "it is a list, and must be an object");
    assert_eq!(read("[").status, 400);
}

#[actix_web::test]
async fn actixs_own_errors_become_problems() {
    async fn number(_: web::Path<u32>) -> HttpResponse {
        HttpResponse::Ok().finish()
    }
    async fn form(_: web::Form<Vec<(String, String)>>) -> HttpResponse {
        HttpResponse::Ok().finish()
    }
    let app = init_service(
        App::new()
            .configure(configure(16))
            .route("/numbers/{n}", web::get().to(number))
            .route("/form", web::post().to(form)),
    )
    .await;
    let cases = [
        (TestRequest::get().uri("/nowhere"), 404),
        (TestRequest::delete().uri("/numbers/1"), 405),
        (TestRequest::get().uri("/numbers/one"), 400),
        (TestRequest::post().uri("/form").set_payload("a=b"), 415),
        (
            TestRequest::post()
                .uri("/form")
                .insert_header(("content-type", "application/x-www-form-urlencoded"))
                .set_payload("a=bcdefghijklmnopqrstuvwxyz"),
            413,
        ),
    ];
    for (request, status) in cases {
        let response = call_service(&app, request.to_request()).await;
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(header_of(response.headers(), "content-type"), MEDIA_TYPE);
        let body: ProblemBody = read_body_json(response).await;
        assert_eq!(body.status, status);
        assert!(body.detail.is_some());
    }
}
