//! Reads deliveries.

use std::collections::BTreeSet;

use actix_web::{HttpMessage as _, HttpRequest};
use serde::{Deserialize, Serialize};
use tidings_service::Problem;
use tidings_service::auth::{Principal, Role};
use time::OffsetDateTime;
use tokio_postgres::Row;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::explanation::explanation;
use super::{Around, Class, Feedback};
use crate::reader::Reader;

/// One message to one receiver, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Delivery {
    /// Its id.
    pub id: Uuid,
    /// What asked for it.
    pub publication_id: Option<Uuid>,
    /// The way out.
    pub channel_id: Option<Uuid>,
    /// The receiver; null when the whole channel is.
    pub subscriber_id: Option<Uuid>,
    /// Where it counts.
    pub class: Class,
    /// The class once settled; before that what happened last: planned, attempted, deferred, abandoned, in_doubt, reopened.
    #[schema(example = "sent")]
    pub status: String,
    /// Attempts so far.
    pub attempts: i32,
    /// Why, a stable code.
    #[schema(example = "bad_address")]
    pub reason: Option<String>,
    /// Why it was put off last, a stable code; of one that was given up (`gave_up`) before the attempt that was the last. Null: it
    /// never was, since it was planned or had to be tried again.
    #[schema(example = "mailbox_full")]
    pub deferred_reason: Option<String>,
    /// How it was settled, or what it waits for, in words.
    #[schema(
        example = "Waits: the channel “News” takes nothing at the moment (the receiving side can not be connected to); the next try is made at 2026-03-01 10:05:00 UTC at the earliest."
    )]
    pub explanation: String,
    /// What the receiving side answered: SMTP reply or HTTP status.
    pub code: Option<i32>,
    /// Not before; when it is tried again.
    #[serde(with = "time::serde::rfc3339::option")]
    pub due_at: Option<OffsetDateTime>,
    /// When it was planned.
    #[serde(with = "time::serde::rfc3339::option")]
    pub planned_at: Option<OffsetDateTime>,
    /// When it came into its class; null while pending.
    #[serde(with = "time::serde::rfc3339::option")]
    pub settled_at: Option<OffsetDateTime>,
    /// The gravest that the receiving side said afterwards, whatever the class: complained, bounced, delivered.
    pub feedback: Option<Feedback>,
    /// When that happened, as they say.
    #[serde(with = "time::serde::rfc3339::option")]
    pub feedback_at: Option<OffsetDateTime>,
    /// Why it bounced, or what kind of complaint it was; a stable code.
    #[schema(example = "no_such_address")]
    pub feedback_reason: Option<String>,
    /// Of a bounce: `hard` (the address takes no mail, and is suppressed) or `soft`.
    #[schema(example = "hard")]
    pub bounce: Option<String>,
    /// When a person first opened it, as it told itself: by its picture or a link. Null: nothing told so, which is not that nobody
    /// did. Null too for whoever has not the role compliance: what one person did with their mail is nobody else's business.
    #[serde(with = "time::serde::rfc3339::option")]
    pub opened_at: Option<OffsetDateTime>,
    /// When a person first followed a link of it, likewise, and for the role compliance alone.
    #[serde(with = "time::serde::rfc3339::option")]
    pub clicked_at: Option<OffsetDateTime>,
    /// Its version.
    pub version: i32,
    /// Its last event's position.
    #[serde(skip)]
    #[schema(ignore)]
    pub(super) position: i64,
    /// The latest attempt that was in doubt at any time.
    #[serde(skip)]
    #[schema(ignore)]
    pub(super) doubted_attempt: Option<i32>,
}

impl Delivery {
    /// The same as this caller may see it: what one person did with their mail is for compliance officers.
    pub(super) fn seen_by(self, request: &HttpRequest) -> Self {
        let extensions = request.extensions();
        let sees = |principal: &Principal| principal.require(&[Role::Compliance]).is_ok();
        if extensions.get::<Principal>().is_some_and(sees) {
            return self;
        }
        Self {
            opened_at: None,
            clicked_at: None,
            ..self
        }
    }
}

/// Which deliveries.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// Only those of this class.
    pub class: Option<Class>,
    /// `next` of the page before.
    pub cursor: Option<String>,
    /// Rows of a page, 100 unless said otherwise.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// A `Log-Position`: the answer waits for the views to reach it. 503 if they do not in time.
    #[param(minimum = 0)]
    pub at_least: Option<i64>,
}

const SELECT: &str = "select d.delivery_id, d.publication_id, d.channel_id, d.subscriber_id, class, status, attempts, \
     reason, code, due_at, planned_at, settled_at, feedback, feedback_at, feedback_reason, bounce, version, \
     deferred_reason, doubted_attempt, \
     d.position as position, \
     least(first_opened_at, first_clicked_at) as opened_at, first_clicked_at as clicked_at \
     from publishing_delivery_log d left join publishing_delivery_engagement e using (delivery_id)";

/// One delivery.
pub(super) async fn get(
    reader: &Reader,
    id: Uuid,
    now: OffsetDateTime,
) -> Result<Option<Delivery>, Problem> {
    let rows = reader
        .rows(&format!("{SELECT} where delivery_id = $1"), &[&id])
        .await?;
    Ok(explained(reader, &rows, now).await?.pop())
}

/// These deliveries, in the order of their ids. What they wait for is not read: [`Delivery::explanation`] is empty.
pub(crate) async fn many(reader: &Reader, ids: &[Uuid]) -> Result<Vec<Delivery>, Problem> {
    let sql = format!("{SELECT} where delivery_id = any($1) order by delivery_id");
    let rows = reader.rows(&sql, &[&ids]).await?;
    Ok(rows.iter().map(delivery).collect())
}

/// Up to `limit` deliveries of a publication behind an id, in order. No index names the class, so that a
/// delivery's row is updated in place; a rare class is looked for within one publication.
pub(super) async fn of_publication(
    reader: &Reader,
    publication_id: Uuid,
    class: Option<Class>,
    after: Option<Uuid>,
    limit: i64,
    now: OffsetDateTime,
) -> Result<Vec<Delivery>, Problem> {
    let sql = format!(
        "{SELECT} where d.publication_id = $1 and delivery_id > $2 and ($3::text is null or class = $3) \
         order by delivery_id limit $4"
    );
    let (class, after) = (class.map(Class::as_str), after.unwrap_or(Uuid::nil()));
    let rows = reader
        .rows(&sql, &[&publication_id, &after, &class, &limit])
        .await?;
    explained(reader, &rows, now).await
}

/// The deliveries, each with what keeps it waiting.
async fn explained(
    reader: &Reader,
    rows: &[Row],
    now: OffsetDateTime,
) -> Result<Vec<Delivery>, Problem> {
    let mut deliveries: Vec<_> = rows.iter().map(delivery).collect();
    let waiting = || deliveries.iter().filter(|it| it.class == Class::Pending);
    let distinct = |ids: Vec<Uuid>| ids.into_iter().collect::<BTreeSet<_>>();
    let open = |it: &&Delivery| matches!(it.class, Class::Pending | Class::InDoubt);
    let publications = deliveries
        .iter()
        .filter(open)
        .filter_map(|it| it.publication_id);
    let publications = distinct(publications.collect());
    let channels = distinct(waiting().filter_map(|it| it.channel_id).collect());
    let publications: Vec<_> = publications.into_iter().collect();
    let channels: Vec<_> = channels.into_iter().collect();
    let around = Around::read(reader, &publications, &channels).await?;
    for it in &mut deliveries {
        it.explanation = explanation(it, &around, now);
    }
    Ok(deliveries)
}

fn delivery(row: &Row) -> Delivery {
    Delivery {
        id: row.get("delivery_id"),
        publication_id: row.get("publication_id"),
        channel_id: row.get("channel_id"),
        subscriber_id: row.get("subscriber_id"),
        class: Class::parse(row.get("class")).unwrap_or(Class::Pending),
        status: row.get("status"),
        attempts: row.get("attempts"),
        reason: row.get("reason"),
        deferred_reason: row.get("deferred_reason"),
        explanation: String::new(),
        code: row.get("code"),
        due_at: row.get("due_at"),
        planned_at: row.get("planned_at"),
        settled_at: row.get("settled_at"),
        feedback: row
            .get::<_, Option<&str>>("feedback")
            .and_then(Feedback::parse),
        feedback_at: row.get("feedback_at"),
        feedback_reason: row.get("feedback_reason"),
        bounce: row.get("bounce"),
        opened_at: row.get("opened_at"),
        clicked_at: row.get("clicked_at"),
        version: row.get("version"),
        position: row.get("position"),
        doubted_attempt: row.get("doubted_attempt"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn opened() -> Delivery {
        let at = Some(time::macros::datetime!(2026-03-01 12:00 UTC));
        Delivery {
            id: Uuid::from_u128(1),
            publication_id: None,
            channel_id: None,
            subscriber_id: Some(Uuid::from_u128(2)),
            class: Class::Sent,
            status: "sent".to_owned(),
            attempts: 1,
            reason: None,
            deferred_reason: None,
            explanation: String::new(),
            code: Some(250),
            due_at: None,
            planned_at: at,
            settled_at: at,
            feedback: None,
            feedback_at: None,
            feedback_reason: None,
            bounce: None,
            opened_at: at,
            clicked_at: at,
            version: 3,
            position: 9,
            doubted_attempt: None,
        }
    }

    #[test]
    fn what_one_person_did_with_a_mail_is_for_compliance_officers() {
        let seen_by = |roles: &[Role]| {
            let request = TestRequest::get().to_http_request();
            request.extensions_mut().insert(Principal {
                issuer: "tidings".to_owned(),
                subject: "ada".to_owned(),
                roles: roles.to_vec(),
                key: None,
            });
            opened().seen_by(&request)
        };
        let without = Delivery {
            opened_at: None,
            clicked_at: None,
            ..opened()
        };
        assert_eq!(seen_by(&[Role::Editor, Role::Compliance]), opened());
        assert_eq!(seen_by(&[Role::Admin]), opened());
        for role in [Role::Editor, Role::Operator, Role::Service] {
            assert_eq!(seen_by(&[role]), without, "{role:?}");
        }
        let nobody = TestRequest::get().to_http_request();
        assert_eq!(opened().seen_by(&nobody), without);
    }
}
