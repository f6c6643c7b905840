//! One subscriber in an export, as a row of CSV or a line of JSON. The columns are what `command-api/src/imports/layout.rs`
//! knows as this platform's own.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::Value;
use tidings_service::csv;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio_postgres::Row;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Format;
use crate::subscriber_profile::preferences::ids;
use crate::subscriber_profile::record;

/// The columns of CSV.
const COLUMNS: [&str; 14] = [
    "id",
    "email",
    "name",
    "status",
    "confirmed",
    "suppressed",
    "tags",
    "attributes",
    "topics_left",
    "topics_wanted",
    "channels_left",
    "source",
    "signed_up_at",
    "unsubscribed_at",
];
/// Before a reason that stands against the address's whole domain.
const OF_DOMAIN: &str = "domain:";

/// A subscriber in an export: a line of JSON, or a row of CSV that tells less.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ExportedSubscriber {
    /// Their id.
    pub id: Uuid,
    /// Their address.
    #[schema(example = "ada@example.com")]
    pub email: String,
    /// Their name; null when not given.
    #[schema(example = "Ada")]
    pub name: Option<String>,
    /// active, pending (mail waits for a confirmation) or unsubscribed.
    #[schema(example = "active")]
    pub state: String,
    /// Whether mail may go out without a further word from them, unless they left.
    pub confirmed: bool,
    /// Why nothing may be sent to their address; with `domain:` before it: to any of its domain. Empty: nothing stands
    /// against it.
    #[schema(example = json!(["hard_bounce"]))]
    pub suppressed: Vec<String>,
    /// Their tags.
    #[schema(example = json!(["early_bird"]))]
    pub tags: Vec<String>,
    /// Their attributes by key: texts, numbers, true or false, `{"date": "2026-03-01"}`, or `{"number": "0.1"}` where a JSON
    /// number would lose digits.
    #[schema(value_type = Object)]
    pub attributes: Value,
    /// The topics they left or asked for. Of all others the topic's `default` decides.
    pub topics: Vec<TopicChoice>,
    /// The channels they want nothing by.
    pub left_channel_ids: Vec<Uuid>,
    /// How and when they want to get what they get, as it is set; null: they never said.
    #[schema(value_type = Option<Object>)]
    pub preferences: Option<Value>,
    /// How consent came: api, import or form.
    #[schema(example = "api")]
    pub source: String,
    /// When they signed up.
    #[serde(with = "time::serde::rfc3339")]
    pub signed_up_at: OffsetDateTime,
    /// When they left; null unless unsubscribed.
    #[serde(with = "time::serde::rfc3339::option")]
    pub unsubscribed_at: Option<OffsetDateTime>,
}

/// What somebody said of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct TopicChoice {
    /// The topic.
    pub id: Uuid,
    /// What it is called for good; null where there is no such topic here.
    #[schema(example = "sports")]
    pub slug: Option<String>,
    /// Whether they want it.
    pub wanted: bool,
}

/// What a row of the view says.
pub(super) fn read(row: &Row, slugs: &HashMap<Uuid, String>) -> ExportedSubscriber {
    let json = |column: &str| row.get::<_, Option<Value>>(column);
    let of_domain: Vec<String> = row.get("domain_reasons");
    let of_domain = of_domain.into_iter().map(|it| format!("{OF_DOMAIN}{it}"));
    let mut suppressed: Vec<String> = row.get("address_reasons");
    suppressed.extend(of_domain);
    let topics = ids(row, "topics").into_iter().map(|(id, wanted)| {
        let slug = slugs.get(&id).cloned();
        TopicChoice { id, slug, wanted }
    });
    let left = ids(row, "left_channels").into_iter();
    ExportedSubscriber {
        id: row.get("subscriber_id"),
        email: row.get("email"),
        name: row.get("name"),
        state: row.get("state"),
        confirmed: row.get::<_, Option<bool>>("confirmed").unwrap_or(false),
        suppressed,
        tags: record::shown_tags(json("tags").as_ref()),
        attributes: record::shown_attributes(json("attributes").as_ref())
            .unwrap_or_else(|| Value::Object(serde_json::Map::new())),
        topics: topics.collect(),
        left_channel_ids: left.filter_map(|(id, left)| left.then_some(id)).collect(),
        preferences: json("preferences"),
        source: row.get("source"),
        signed_up_at: row.get("signed_up_at"),
        unsubscribed_at: row.get("unsubscribed_at"),
    }
}

/// What stands before the first line.
pub(super) fn header(format: Format) -> String {
    match format {
        Format::Csv => csv::row(COLUMNS),
        Format::Jsonl => String::new(),
    }
}

/// The line of one, with its end.
pub(super) fn write(format: Format, it: &ExportedSubscriber) -> String {
    match format {
        Format::Csv => csv::row(cells(it).iter().map(String::as_str)),
        Format::Jsonl => {
            let line = serde_json::to_string(it);
            line.expect("a subscriber is made of JSON values") + "\n"
        }
    }
}

fn cells(it: &ExportedSubscriber) -> [String; COLUMNS.len()] {
    let topics = |wanted: bool| {
        let said = it.topics.iter().filter(|topic| topic.wanted == wanted);
        let words = said.filter_map(|topic| match &topic.slug {
            Some(slug) => Some(slug.clone()),
            // There is none of it here. That it was left must not get lost: who reads the id knows that something was.
            None => (!wanted).then(|| topic.id.to_string()),
        });
        words.collect::<Vec<_>>().join(" ")
    };
    let channels = it.left_channel_ids.iter().map(Uuid::to_string);
    let attributes = it.attributes.as_object().filter(|all| !all.is_empty());
    [
        it.id.to_string(),
        it.email.clone(),
        it.name.clone().unwrap_or_default(),
        it.state.clone(),
        it.confirmed.to_string(),
        it.suppressed.join(" "),
        it.tags.join(" "),
        attributes.map_or_else(String::new, |_| it.attributes.to_string()),
        topics(false),
        topics(true),
        channels.collect::<Vec<_>>().join(" "),
        it.source.clone(),
        shown(it.signed_up_at),
        it.unsubscribed_at.map_or_else(String::new, shown),
    ]
}

fn shown(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use time::macros::datetime;

    fn ada() -> ExportedSubscriber {
        let topic = |n: u128, slug: Option<&str>, wanted| TopicChoice {
            id: Uuid::from_u128(n),
            slug: slug.map(str::to_owned),
            wanted,
        };
        ExportedSubscriber {
            id: Uuid::nil(),
            email: "+ada@example.org".to_owned(),
            name: Some(" =cmd|'/c calc'!A1, \"x\"".to_owned()),
            state: "unsubscribed".to_owned(),
            confirmed: false,
            suppressed: vec!["complaint".to_owned(), "domain:manual".to_owned()],
            tags: vec!["early_bird".to_owned(), "vip".to_owned()],
            attributes: json!({ "born": { "date": "1815-12-10" }, "city": "London" }),
            topics: vec![
                topic(1, Some("sports"), false),
                topic(2, Some("opera"), true),
                topic(3, None, true),
                topic(4, None, false),
            ],
            left_channel_ids: vec![Uuid::from_u128(5), Uuid::from_u128(6)],
            preferences: None,
            source: "form".to_owned(),
            signed_up_at: datetime!(2026-03-01 08:00 UTC),
            unsubscribed_at: Some(datetime!(2026-03-02 08:00 UTC)),
        }
    }

    #[test]
    fn a_row_has_a_cell_for_each_column_and_computes_nothing() {
        let ada = write(Format::Csv, &ada());
        let cells = [
            "00000000-0000-0000-0000-000000000000",
            "'+ada@example.org",
            "' =cmd|'/c calc'!A1, \"\"x\"\"",
            "unsubscribed",
            "false",
            "complaint domain:manual",
            "early_bird vip",
            r#"{""born"":{""date"":""1815-12-10""},""city"":""London""}"#,
            "sports 00000000-0000-0000-0000-000000000004",
            "opera",
            "00000000-0000-0000-0000-000000000005 00000000-0000-0000-0000-000000000006",
            "form",
            "2026-03-01T08:00:00Z",
            "2026-03-02T08:00:00Z",
        ];
        assert_eq!(ada, format!("\"{}\"\r\n", cells.join("\",\"")));
        let header = header(Format::Csv);
        assert_eq!(header, format!("\"{}\"\r\n", COLUMNS.join("\",\"")));
    }

    #[test]
    fn a_line_is_one_object_with_its_kinds() {
        let line = write(Format::Jsonl, &ada());
        assert_eq!(line.matches('\n').count(), 1);
        let read: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["attributes"]["born"]["date"], "1815-12-10");
        assert_eq!(read["topics"][0]["slug"], "sports");
        assert_eq!(header(Format::Jsonl), "");
    }
}
