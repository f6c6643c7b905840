//! `POST /hooks/ses`: what became of mails that went through Amazon SES, told by Amazon SNS.

use actix_web::web;
use actix_web::{HttpRequest, HttpResponse};
use tidings_domain::delivery::FeedbackSource;
use tidings_event_store::RETRY_AFTER;
use tidings_service::Problem;
use tidings_service::access::{Access, Route};
use tidings_service::http::{RequestContext, read_body};
use tidings_service::problem::ProblemBody;

use crate::commands::Commands;
use crate::feedback;
use crate::sns::Refused;

pub(crate) const ROUTE: Route = ("POST", "/hooks/ses", Access::Public);

/// SNS takes 256 KiB to publish; as a text inside JSON, with every quote escaped, it can be twice that, and there are
/// signature and URLs beside it.
const BODY_BYTES_MAX: usize = (2 * 256 + 64) * 1024;

/// Take what Amazon SES reports
///
/// For a subscription by HTTPS, without raw message delivery, of a topic that `ses.topics` names; it confirms itself.
/// Takes what Amazon SNS posts, with signature version 1 or 2. A bounce, complaint or delivery of a mail of ours goes on
/// record with its delivery, once; all else that the topic says is passed over.
#[utoipa::path(
    post, path = "/hooks/ses", tag = "public",
    request_body(content = String, content_type = "text/plain", description = "JSON as Amazon SNS posts it"),
    responses(
        (status = 200, description = "Taken, now or earlier; or there is nothing in it to take"),
        (status = 400, description = "No message of Amazon SNS, or a report that cannot be read", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 403, description = "Not signed by one of the topics", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 404, description = "No topics are configured", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 413, description = "Larger than 576 KiB", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 503, description = "Not written down, or its signature could not be verified at the moment; SNS tries \
            again", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn receive(
    commands: web::Data<Commands>,
    request: HttpRequest,
    origin: RequestContext,
    body: web::Payload,
) -> Result<HttpResponse, Problem> {
    let sns = commands.sns.as_ref();
    let sns = sns.ok_or_else(|| Problem::not_found("No topics of Amazon SNS are configured."))?;
    let body = read_body(&request, &mut body.into_inner(), BODY_BYTES_MAX).await?;
    match sns.receive(&body, commands.clock.now()).await {
        Ok(Some(text)) => feedback::ses::take(&commands, &(&origin).into(), &text).await?,
        Ok(None) => {}
        Err(refused) => {
            let result = match refused {
                Refused::Malformed(_) | Refused::Unverified(_) => "refused",
                Refused::Away(_) => "away",
            };
            commands.count_feedback(FeedbackSource::Ses, result);
            tracing::info!(?refused, "a message to the hook of SNS is not taken");
            return Err(problem(refused));
        }
    }
    Ok(HttpResponse::Ok().finish())
}

const UNVERIFIED: &str = "nothing shows that a topic of `ses.topics` has signed it";

fn problem(refused: Refused) -> Problem {
    let sentence = |why: &str| format!("The message was not taken: {why}.");
    match refused {
        Refused::Malformed(why) => Problem::bad_request(sentence(why)),
        // Which it was is for the log.
        Refused::Unverified(_) => Problem::unverified(sentence(UNVERIFIED)),
        Refused::Away(why) => Problem::unavailable(sentence(why), RETRY_AFTER.as_secs(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_is_not_told_why_and_whoever_can_try_again_is_told_when() {
        let told = |why| {
            let body = problem(Refused::Unverified(why)).body();
            (body.status, body.detail)
        };
        assert_eq!(
            told("its topic is none of ours"),
            told("its signature is wrong")
        );
        let away = problem(Refused::Away("its certificate cannot be had at the moment"));
        let answer = actix_web::ResponseError::error_response(&away);
        assert_eq!(answer.status(), 503);
        assert!(answer.headers().contains_key("Retry-After"));
    }
}
