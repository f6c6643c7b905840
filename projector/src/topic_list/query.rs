//! Reads topics.

use serde::Serialize;
use tidings_service::Problem;
use tokio_postgres::Row;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::reader::Reader;

/// Something readers can ask for and leave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Topic {
    /// Its id.
    pub id: Uuid,
    /// How publications name it.
    #[schema(example = "markets")]
    pub slug: String,
    /// in (everybody gets it until they leave it) or out (only who asked for it does).
    #[schema(example = "out")]
    pub default: String,
    /// What readers see it called.
    #[schema(example = "Markets")]
    pub name: String,
    /// One line about it for them.
    pub description: Option<String>,
    /// Who its mails come from; null: the channel says so.
    pub from: Option<String>,
    /// Where an answer goes; null: the channel says so.
    pub reply_to: Option<String>,
    /// What mail programs know the list by; null: the channel says so.
    pub list_id: Option<String>,
    /// Whether no new publication can name it.
    pub archived: bool,
    /// Its version.
    pub version: i32,
}

const SELECT: &str = "select topic_id, slug, by_default, name, description, sender ->> 'from' as sender_from, \
     sender ->> 'reply_to' as reply_to, sender ->> 'list_id' as list_id, archived, version \
     from publishing_topic_list where slug is not null";

/// One topic.
pub(super) async fn get(reader: &Reader, id: Uuid) -> Result<Option<Topic>, Problem> {
    let rows = reader
        .rows(&format!("{SELECT} and topic_id = $1"), &[&id])
        .await?;
    Ok(rows.first().map(topic))
}

/// Up to `limit` topics behind an id, in order.
pub(super) async fn list(
    reader: &Reader,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Topic>, Problem> {
    let sql = format!("{SELECT} and topic_id > $1 order by topic_id limit $2");
    let rows = reader
        .rows(&sql, &[&after.unwrap_or(Uuid::nil()), &limit])
        .await?;
    Ok(rows.iter().map(topic).collect())
}

/// What readers are offered, by name: at most so many.
///
/// # Errors
/// 503 when the view can not be read.
pub async fn offered(reader: &Reader, limit: i64) -> Result<Vec<Topic>, Problem> {
    let sql = format!("{SELECT} and not archived order by name, slug limit $1");
    let rows = reader.rows(&sql, &[&limit]).await?;
    Ok(rows.iter().map(topic).collect())
}

fn topic(row: &Row) -> Topic {
    let text = |column: &str| row.get::<_, Option<String>>(column);
    let given = |column| text(column).filter(|text| !text.is_empty());
    Topic {
        id: row.get("topic_id"),
        slug: row.get("slug"),
        default: text("by_default").unwrap_or_default(),
        name: text("name").unwrap_or_default(),
        description: given("description"),
        from: given("sender_from"),
        reply_to: given("reply_to"),
        list_id: given("list_id"),
        archived: row.get("archived"),
        version: row.get("version"),
    }
}
