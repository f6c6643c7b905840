//! Reads segments.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use tidings_event_store::view::{ByDefault, Condition};
use tidings_service::Problem;
use tokio_postgres::Row;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::reader::Reader;

/// Conditions that pick subscribers.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Segment {
    /// Its id.
    pub id: Uuid,
    /// How editors name it.
    #[schema(example = "london-members")]
    pub slug: String,
    /// What they see it called.
    #[schema(example = "Members in London")]
    pub name: String,
    /// One line about it.
    pub description: Option<String>,
    /// Whom it picks.
    #[schema(value_type = Object, example = json!({ "attribute": "city", "is": "London" }))]
    pub conditions: Value,
    /// Whether nothing new can use it.
    pub archived: bool,
    /// Its version.
    pub version: i32,
}

const SELECT: &str = "select segment_id, slug, name, description, conditions, archived, version \
     from publishing_segment_list where slug is not null";

/// One segment.
pub(super) async fn get(reader: &Reader, id: Uuid) -> Result<Option<Segment>, Problem> {
    let sql = format!("{SELECT} and segment_id = $1");
    let rows = reader.rows(&sql, &[&id]).await?;
    Ok(rows.first().map(segment))
}

/// Whom a segment picks, if it exists.
///
/// # Errors
/// 503 when the views can not be read.
pub(crate) async fn condition_of(reader: &Reader, id: Uuid) -> Result<Option<Condition>, Problem> {
    match get(reader, id).await? {
        Some(segment) => condition(reader, &segment.conditions, "").await.map(Some),
        None => Ok(None),
    }
}

/// Up to `limit` segments behind an id, in order.
pub(super) async fn list(
    reader: &Reader,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Segment>, Problem> {
    let sql = format!("{SELECT} and segment_id > $1 order by segment_id limit $2");
    let after = after.unwrap_or(Uuid::nil());
    let rows = reader.rows(&sql, &[&after, &limit]).await?;
    Ok(rows.iter().map(segment).collect())
}

fn segment(row: &Row) -> Segment {
    let text = |column: &str| row.get::<_, Option<String>>(column);
    Segment {
        id: row.get("segment_id"),
        slug: row.get("slug"),
        name: text("name").unwrap_or_default(),
        description: text("description").filter(|text| !text.is_empty()),
        conditions: row
            .get::<_, Option<Value>>("conditions")
            .unwrap_or_default(),
        archived: row.get("archived"),
        version: row.get("version"),
    }
}

/// Conditions as a request or a row has them. `pointer`: where they stand in the request.
///
/// # Errors
/// 422 with all that is wrong with them.
pub(super) async fn condition(
    reader: &Reader,
    conditions: &Value,
    pointer: &str,
) -> Result<Condition, Problem> {
    let named = Condition::topics_named_in(conditions);
    let sql = "select topic_id, by_default from publishing_topic_list \
               where topic_id = any($1) and by_default is not null";
    let rows = reader.rows(sql, &[&named]).await?;
    let topic = |row: &Row| {
        let by_default = ByDefault::parse(row.get("by_default")).ok()?;
        Some((row.get("topic_id"), by_default))
    };
    let topics: BTreeMap<Uuid, ByDefault> = rows.iter().filter_map(topic).collect();
    Condition::parse(conditions, &topics).map_err(|wrong| {
        let problem = Problem::validation();
        wrong.into_iter().fold(problem, |problem, wrong| {
            problem.error(format!("{pointer}{}", wrong.pointer), wrong.detail)
        })
    })
}
