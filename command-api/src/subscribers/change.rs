//! `PATCH /api/v1/subscribers/{id}`: what is known of somebody is other than before: their address, name, attributes, tags.
//! All of it in one commit. Only a changed address moves the stream that sends are guarded on.

mod contact;
mod wanted;

use actix_web::web;
use tidings_domain::aggregate::Aggregate as _;
use tidings_domain::id::nth_event;
use tidings_domain::record::{self, Record};
use tidings_domain::stream_id;
use tidings_domain::subscriber::{self, Subscriber};
use tidings_event_store::{CommitError, Committed, Context, Loaded, Past};
use tidings_service::Problem;
use tidings_service::auth::Role;
use tidings_service::http::Json;
use tidings_service::problem::ProblemBody;
use uuid::Uuid;

pub(super) use wanted::{attributes, tags};

use crate::answer::{Answer, Changed, same_body};
use crate::commands::Commands;
use crate::refusal;
use crate::request::Call;
use tidings_service::access::{Access, Route};
use wanted::{SubscriberPatch, Wanted};

pub(crate) const ROUTE: Route = (
    "PATCH",
    "/api/v1/subscribers/{id}",
    Access::Roles(&[Role::Editor, Role::Compliance, Role::Service]),
);

/// Times it is decided anew because others were faster.
const ATTEMPTS_MAX: u32 = 5;
/// Events that one request leads to, at most: a changed address gives six, seven where it was moved from before.
const EVENTS_MAX: u32 = 8;

/// Change what is known of somebody
///
/// A JSON merge patch (RFC 7396): what is left out stays as it is, `null` takes away. Two who write different attributes do
/// not undo each other's. A new address is theirs from here on: nothing more goes to the old one, links in mails that went
/// there only leave, and whether they want mail stays as it is, since you answer for the new address.
#[utoipa::path(
    patch, path = "/api/v1/subscribers/{id}", tag = "subscribers", security(("bearer" = [])),
    params(
        ("id" = Uuid, Path, description = "The subscriber"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the request safe to repeat"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` you have seen"),
    ),
    request_body = SubscriberPatch,
    responses(
        (status = 200, description = "On record, or it was so already", body = Changed,
            headers(("ETag" = String, description = "Their version and that of their record"))),
        (status = 404, description = "No such subscriber", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 409, description = "The address belongs to another subscriber; or nothing may be sent to it, or to the one \
            they have; or they have moved too often; or they were erased; or they would have too many attributes or tags", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 412, description = "It has changed since", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 422, description = "Some values are not acceptable", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn change(
    commands: web::Data<Commands>,
    id: web::Path<Uuid>,
    call: Call,
    body: Json<SubscriberPatch>,
) -> Result<Answer, Problem> {
    let wanted = body.value.judge()?;
    let seen = (call.if_match, call.if_match_record);
    let request = call.begin(&commands, &body.raw).await?;
    let mut attempts = 0;
    loop {
        let on_record = OnRecord::load(&commands, *id).await?;
        let context = &request.context;
        if let Some(past) = on_record.repeated(context) {
            same_body(past, context)?;
            return Ok(on_record.as_of(context));
        }
        on_record.check(seen)?;
        attempts += 1;
        match on_record.carry_out(&commands, context, &wanted).await? {
            Ok(answer) => return Ok(answer),
            Err(error) if error.may_be_decided_anew() && attempts < ATTEMPTS_MAX => {}
            Err(error) => return Err(refusal::commit(&error)),
        }
    }
}

/// The subscriber and their record.
struct OnRecord {
    subscriber: Loaded<Subscriber>,
    record: Loaded<Record>,
}

impl OnRecord {
    async fn load(commands: &Commands, id: Uuid) -> Result<Self, Problem> {
        let subscriber = commands.store.load::<Subscriber>(id).await;
        let record = commands.store.load::<Record>(stream_id::record(id)).await;
        Ok(Self {
            subscriber: subscriber.map_err(|error| refusal::load(&error))?,
            record: record.map_err(|error| refusal::load(&error))?,
        })
    }

    /// The event that the request led to before, in whichever stream its first one stands.
    fn repeated(&self, context: &Context) -> Option<&Past> {
        let past = self.subscriber.repeated(context.intent);
        past.or_else(|| self.record.repeated(context.intent))
    }

    fn check(&self, (version, record): (Option<i32>, Option<i32>)) -> Result<(), Problem> {
        let actual = (self.subscriber.version, self.record.version);
        let is_other = |seen: Option<i32>, actual: i32| seen.is_some_and(|seen| seen != actual);
        if actual.0 > 0 && (is_other(version, actual.0) || is_other(record, actual.1)) {
            let (version, record) = actual;
            return Err(Problem::precondition_failed(format!(
                "It is at version {version}.{record} now."
            ))
            .extension("version", version)
            .extension("record_version", record));
        }
        Ok(())
    }

    /// Where both stood once the request was carried out.
    fn as_of(&self, context: &Context) -> Answer {
        let own = |past: &&Past| {
            (0..EVENTS_MAX).any(|nth| past.event_id == nth_event(context.intent, nth))
        };
        let all = self.subscriber.history.iter().chain(&self.record.history);
        let position = all.filter(own).map(|past| past.position).max();
        let position = position.unwrap_or(0);
        let version = |history: &[Past]| {
            let up_to = history.iter().filter(|past| past.position <= position);
            up_to.map(|past| past.version).max().unwrap_or(0)
        };
        Answer::of_record(
            self.subscriber.id,
            version(&self.subscriber.history),
            version(&self.record.history),
            position,
        )
    }

    /// Where both stand.
    fn as_is(&self) -> Answer {
        let last = |history: &[Past]| history.last().map_or(0, |past| past.position);
        let position = last(&self.subscriber.history).max(last(&self.record.history));
        let (version, record) = (self.subscriber.version, self.record.version);
        Answer::of_record(self.subscriber.id, version, record, position)
    }

    async fn carry_out(
        self,
        commands: &Commands,
        context: &Context,
        wanted: &Wanted,
    ) -> Result<Result<Answer, CommitError>, Problem> {
        let Some(profile) = self.subscriber.state.profile().cloned() else {
            return Err(refusal::refused(&subscriber::Refusal::NotFound));
        };
        if let Subscriber::Erasing(_) | Subscriber::Erased(_) = self.subscriber.state {
            return Err(refusal::refused(&subscriber::Refusal::Erased));
        }
        let id = self.subscriber.id;
        let moved = match &wanted.email {
            Some(email) => {
                let command = contact::command(commands, email.clone());
                let decided = self.subscriber.state.decide(command);
                decided.map_err(|refused| {
                    refusal::refused(&refused).error("#/email", "The address can not be changed.")
                })?
            }
            None => vec![],
        };
        let command = wanted.record(id, profile.clone());
        let noted = self.record.state.decide(command);
        let noted = noted.map_err(|refused| refusal::refused(&refused))?;
        if moved.is_empty() && noted.is_empty() {
            return Ok(Ok(self.as_is()));
        }
        let mut draft = commands.store.draft(context);
        // First in the commit: a repeat of the request looks for its event in this stream before the other. Where the
        // address stays, it guards that they are not erased meanwhile.
        let has_moved = !moved.is_empty();
        let is_noted = !noted.is_empty();
        let subscriber = draft.append(self.subscriber, moved);
        if has_moved {
            contact::claim(commands, &mut draft, &subscriber, &profile).await?;
        }
        let record = draft.append_for(self.record, noted, id, Some(id));
        let (version, record) = (subscriber.version, record.version);
        // The last event of the two streams, as a repeat finds it: the record's is the last of all, the subscriber's the first.
        let position = |done: Committed| match is_noted {
            true => done.last_position,
            false => done.first_position,
        };
        let done = draft.commit().await;
        Ok(done.map(|done| Answer::of_record(id, version, record, position(done))))
    }
}

impl refusal::Refused for record::Refusal {
    /// Everybody has a record, if an empty one.
    fn is_unknown(&self) -> bool {
        false
    }
}
