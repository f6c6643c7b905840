//! Reads many subscribers: which, and as little of each as tells them apart.

use serde::{Deserialize, Serialize};
use serde_json::json;
use tidings_event_store::picking::{self, Values};
use tidings_event_store::tokio_postgres::types::ToSql;
use tidings_event_store::view::{AttributeKey, AttributeValue, Tag};
use tidings_service::Problem;
use time::OffsetDateTime;
use tokio_postgres::Row;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::reader::Reader;
use crate::segment_list;

/// A subscriber among others. Nothing in it says who they are: that is one look away, and the look goes on record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ListedSubscriber {
    /// Their id.
    pub id: Uuid,
    /// Their address with all but its first character and its domain left out; null once erased.
    #[schema(example = "a…@example.com")]
    pub email: Option<String>,
    /// active, pending, unsubscribed or erased.
    #[schema(example = "active")]
    pub state: String,
    /// Whether nothing may be sent to their address, or its whole domain.
    pub suppressed: bool,
    /// How consent came: api, import or form.
    #[schema(example = "api")]
    pub source: String,
    /// When they signed up.
    #[serde(with = "time::serde::rfc3339")]
    pub signed_up_at: OffsetDateTime,
}

/// Which subscribers, a page at a time. All that is said counts.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// Only those in this state.
    pub state: Option<State>,
    /// Only those who want this topic, by their own word or by what the topic is without one, whatever their state.
    pub topic: Option<Uuid>,
    /// Only those whom this segment picks.
    pub segment: Option<Uuid>,
    /// Only those with this tag.
    pub tag: Option<String>,
    /// Only those with this attribute: its key, a colon, and its value as text, number, `true` or `false`, or
    /// `2026-03-01`. URLs stand in logs: look for what tells who somebody is by `POST /api/v1/subscribers/find`.
    #[param(example = "city:London")]
    pub attribute: Option<String>,
    /// Only those to whom nothing may be sent, or only the others.
    pub suppressed: Option<bool>,
    /// `next` of the page before.
    pub cursor: Option<String>,
    /// Rows of a page, 100 unless you say otherwise.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// A `Log-Position`: the answer waits for the views to reach it. 503 if they do not in time.
    #[param(minimum = 0)]
    pub at_least: Option<i64>,
}

/// Whether somebody wants mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Mail goes to them.
    Active,
    /// Mail waits for a confirmation.
    Pending,
    /// They left.
    Unsubscribed,
    /// Their data are destroyed, or about to be.
    Erased,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Pending => "pending",
            Self::Unsubscribed => "unsubscribed",
            Self::Erased => "erased",
        }
    }
}

/// Nothing may be sent to them. The list of suppressions is read once, not for each of them.
pub(crate) const SUPPRESSED: &str = "(s.address_suppression_id in (select l.suppression_id from publishing_suppression_list l where l.suppressed) \
     or s.domain_suppression_id in (select l.suppression_id from publishing_suppression_list l where l.suppressed))";

/// A question in the making: conditions are the program's own words, values go beside them.
pub(super) struct Question {
    conditions: Vec<String>,
    values: Values,
}

impl Question {
    fn new() -> Self {
        Self {
            conditions: vec!["s.signed_up_at is not null".to_owned()],
            values: Vec::new(),
        }
    }

    /// Asks for those of whom all holds that is said.
    ///
    /// # Errors
    /// 400 for what can not be asked for.
    pub(super) async fn of(reader: &Reader, which: &Which) -> Result<Self, Problem> {
        let mut question = Self::new();
        if let Some(state) = which.state {
            let place = question.value(state.as_str());
            question.add(format!("s.state = {place}"));
        }
        if let Some(topic_id) = which.topic {
            let by_default = by_default(reader, topic_id).await?;
            question.topic(topic_id, &by_default);
        }
        if let Some(segment_id) = which.segment {
            let condition = segment_list::condition_of(reader, segment_id).await?;
            let unknown = || wrong("segment", "there is no segment with this id");
            let picks = picking::sql(&condition.ok_or_else(unknown)?, &mut question.values);
            question.add(picks);
        }
        if let Some(tag) = &which.tag {
            question.tag(tag)?;
        }
        if let Some(attribute) = &which.attribute {
            question.attribute(attribute)?;
        }
        match which.suppressed {
            Some(true) => question.add(SUPPRESSED.to_owned()),
            Some(false) => question.add(format!("not {SUPPRESSED}")),
            None => {}
        }
        Ok(question)
    }

    /// Up to `limit` rows behind an id, in order: these columns of a row `s` and what is joined to it. It can be asked again.
    pub(super) async fn rows(
        &self,
        reader: &Reader,
        (columns, joined): (&str, &str),
        after: Uuid,
        limit: i64,
    ) -> Result<Vec<Row>, Problem> {
        let mut values = picking::borrowed(&self.values);
        values.extend([&after as &(dyn ToSql + Sync), &limit]);
        let (after, limit) = (values.len() - 1, values.len());
        let sql = format!(
            "select {columns} from publishing_subscriber_profile s {joined} \
             where {} and s.subscriber_id > ${after} order by s.subscriber_id limit ${limit}",
            self.conditions.join(" and ")
        );
        reader.rows_once(&sql, &values).await
    }

    /// The place of a value.
    fn value(&mut self, value: impl ToSql + Sync + Send + 'static) -> String {
        self.values.push(Box::new(value));
        format!("${}", self.values.len())
    }

    pub(super) fn add(&mut self, condition: String) {
        self.conditions.push(condition);
    }

    /// Those whose attribute is any of what a text may mean.
    fn attribute(&mut self, text: &str) -> Result<(), Problem> {
        let Some((key, value)) = text.split_once(':') else {
            return Err(Problem::bad_request(
                "The query parameter `attribute` is a key, a colon and a value, such as `city:London`.",
            ));
        };
        let key =
            AttributeKey::parse_any(key).map_err(|invalid| wrong("attribute", &invalid.detail))?;
        let any = AttributeValue::meanings(value).into_iter().map(|value| {
            let place = self.value(json!({ key.as_str(): value.to_typed() }));
            format!("s.attributes @> {place}")
        });
        let any: Vec<String> = any.collect();
        self.add(format!("({})", any.join(" or ")));
        Ok(())
    }

    fn tag(&mut self, text: &str) -> Result<(), Problem> {
        let tag = Tag::parse(text).map_err(|invalid| wrong("tag", &invalid.detail))?;
        let place = self.value(json!({ tag.as_str(): true }));
        self.add(format!("s.tags @> {place}"));
        Ok(())
    }

    fn topic(&mut self, topic_id: Uuid, by_default: &str) {
        let wants = by_default == "in";
        let place = self.value(json!({ topic_id.to_string(): !wants }));
        self.add(match wants {
            true => format!("(s.topics is null or not s.topics @> {place})"),
            false => format!("s.topics @> {place}"),
        });
    }
}

impl Question {
    async fn read(
        &self,
        reader: &Reader,
        after: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<ListedSubscriber>, Problem> {
        let columns = format!(
            "s.subscriber_id, s.email, s.state, s.source, s.signed_up_at, {SUPPRESSED} as suppressed"
        );
        let after = after.unwrap_or(Uuid::nil());
        let rows = self.rows(reader, (&columns, ""), after, limit).await?;
        Ok(rows.iter().map(listed).collect())
    }
}

fn wrong(parameter: &str, detail: &str) -> Problem {
    Problem::bad_request(format!(
        "The query parameter `{parameter}` is wrong: {detail}."
    ))
}

/// Up to `limit` of them behind an id, in order.
pub(super) async fn list(
    reader: &Reader,
    which: &Which,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<ListedSubscriber>, Problem> {
    let question = Question::of(reader, which).await?;
    question.read(reader, after, limit).await
}

/// The first of those that conditions over a row `s` pick.
pub(crate) async fn picked(
    reader: &Reader,
    picks: &str,
    values: Values,
    limit: i64,
) -> Result<Vec<ListedSubscriber>, Problem> {
    let mut question = Question::new();
    question.values = values;
    question.add("s.state <> 'erased'".to_owned());
    question.add(picks.to_owned());
    question.read(reader, None, limit).await
}

/// Who gets a topic without a word from them.
async fn by_default(reader: &Reader, topic_id: Uuid) -> Result<String, Problem> {
    let sql = "select by_default from publishing_topic_list where topic_id = $1 and by_default is not null";
    let rows = reader.rows(sql, &[&topic_id]).await?;
    let found = rows.first().map(|row| row.get("by_default"));
    found.ok_or_else(|| wrong("topic", "there is no topic with this id"))
}

fn listed(row: &Row) -> ListedSubscriber {
    let email: Option<String> = row.get("email");
    ListedSubscriber {
        id: row.get("subscriber_id"),
        email: email.as_deref().map(masked),
        state: row.get("state"),
        // Of whom nothing is known any more, nobody knows.
        suppressed: row.get::<_, Option<bool>>("suppressed").unwrap_or(false),
        source: row.get("source"),
        signed_up_at: row.get("signed_up_at"),
    }
}

/// The first character of an address and its domain: enough to tell a few apart, too little to write to anybody.
pub(crate) fn masked(email: &str) -> String {
    let (local, domain) = email.split_once('@').unwrap_or((email, ""));
    // Of a single character, nothing would be left out.
    let first = local.chars().next().filter(|_| local.chars().count() > 1);
    let first = first.map_or_else(String::new, String::from);
    format!("{first}…@{domain}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_told_from_others_and_no_more() {
        assert_eq!(masked("ada@example.org"), "a…@example.org");
        assert_eq!(masked("a@example.org"), "…@example.org");
    }

    #[test]
    fn conditions_hold_no_word_of_the_caller() {
        let mut question = Question::new();
        question.attribute("x' or 1=1 --:' or 'a'='a").unwrap();
        question.tag("VIP").unwrap();
        question.topic(Uuid::nil(), "in");
        assert_eq!(
            question.conditions.join(" and "),
            "s.signed_up_at is not null and (s.attributes @> $1) and s.tags @> $2 \
             and (s.topics is null or not s.topics @> $3)"
        );
        assert!(question.attribute("city").is_err() && question.attribute(":London").is_err());
        assert!(question.tag("no tag").is_err());
    }
}
