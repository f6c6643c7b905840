//! What this platform's own export says of somebody beside their address and name. Pure, as all that judges a file.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tidings_domain::suppression::Reason;
use tidings_domain::value::{AttributeKey, AttributeValue, Attributes, Slug, Tag};
use tidings_service::csv;
use uuid::Uuid;

use super::layout::{Column, Own, consent};

/// What stands before a reason that is one against the address's whole domain.
const OF_DOMAIN: &str = "domain:";

/// All of it; every value passed its parser.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Carried {
    /// They have yet to confirm.
    pub(super) unconfirmed: bool,
    /// They left everything.
    pub(super) left: bool,
    /// Reasons of suppressions.
    pub(super) suppressed: BTreeSet<String>,
    /// What they are called among editors.
    pub(super) tags: Vec<String>,
    /// JSON object of typed attributes, as requests write them.
    pub(super) attributes: Option<String>,
    /// Slugs; ids, where the platform that wrote them did not know what a topic is called.
    pub(super) topics_left: BTreeSet<String>,
    /// Slugs.
    pub(super) topics_wanted: BTreeSet<String>,
    /// Ids on the platform that wrote them.
    pub(super) channels_left: BTreeSet<Uuid>,
}

impl Carried {
    /// Topics and channels of one record: what they say is one commit.
    pub(super) const CHOICES_MAX: usize = 200;

    /// How many topics and channels it names.
    pub(super) fn choices(&self) -> usize {
        self.topics_left.len() + self.topics_wanted.len() + self.channels_left.len()
    }

    /// Takes a cell.
    ///
    /// # Errors
    /// A stable code.
    pub(super) fn take(&mut self, column: Own, cell: &str) -> Result<(), &'static str> {
        let words = cell.split_whitespace();
        match column {
            // Spreadsheets write TRUE for true.
            Own::Status => match cell.trim().to_ascii_lowercase().as_str() {
                "active" => {}
                "pending" | "" => self.unconfirmed = true,
                "unsubscribed" => self.left = true,
                _ => return Err("unknown_status"),
            },
            Own::Confirmed => match cell.trim().to_ascii_lowercase().as_str() {
                "true" => {}
                "false" | "" => self.unconfirmed = true,
                _ => return Err("unknown_status"),
            },
            Own::Suppressed => {
                let reasons = reasons(cell).map(|reason| reason.to_string());
                self.suppressed = reasons.collect();
            }
            Own::Tags => self.tags = all(words, |it| text(Tag::parse(it)), "invalid_tags")?,
            Own::Attributes => {
                typed(cell).ok_or("invalid_attributes")?;
                self.attributes = Some(cell.to_owned());
            }
            Own::TopicsLeft => self.topics_left = slugs(words)?,
            Own::TopicsWanted => self.topics_wanted = slugs(words)?,
            Own::ChannelsLeft => {
                self.channels_left = all(words, |id| id.parse().ok(), "invalid_channels")?;
            }
        }
        Ok(())
    }
}

fn slugs<'a>(words: impl Iterator<Item = &'a str>) -> Result<BTreeSet<String>, &'static str> {
    all(words, |slug| text(Slug::parse(slug)), "invalid_topics")
}

fn text<T: ToString, E>(parsed: Result<T, E>) -> Option<String> {
    parsed.ok().map(|it| it.to_string())
}

fn all<'a, T, C: FromIterator<T>>(
    words: impl Iterator<Item = &'a str>,
    parse: impl Fn(&str) -> Option<T>,
    code: &'static str,
) -> Result<C, &'static str> {
    words.map(|word| parse(word).ok_or(code)).collect()
}

/// The attributes of a cell by key; none: it is no object of them.
pub(super) fn typed(cell: &str) -> Option<BTreeMap<AttributeKey, AttributeValue>> {
    let Ok(Value::Object(object)) = serde_json::from_str(cell) else {
        return None;
    };
    let each = object.into_iter().map(|(key, value)| {
        // Files of others have brought what their columns are called, and longer texts than a request may.
        let key = AttributeKey::parse_any(&key).ok()?;
        let plain = || Attributes::parse(serde_json::json!({ key.as_str(): value })).ok();
        let value = match AttributeValue::parse(&value) {
            Ok(value) => value,
            Err(_) => AttributeValue::of_sign_up(plain()?.as_map().get(key.as_str())?)?,
        };
        Some((key, value))
    });
    each.collect()
}

/// What is known of somebody besides, as it is kept: in the sign-up itself, and, where that has no place for it, in a record
/// of its own. `columns`: a JSON object of what other columns say. None: it is none of both.
pub(super) fn attributes(
    columns: Option<&str>,
    carried: Option<&str>,
) -> Option<(Option<Attributes>, BTreeMap<AttributeKey, AttributeValue>)> {
    let columns = columns.map(Attributes::parse_text).transpose().ok()?;
    let Some(cell) = carried else {
        return Some((columns, BTreeMap::new()));
    };
    let mut plain = columns
        .as_ref()
        .map_or_else(Map::new, |it| it.as_map().clone());
    let (mut noted, all) = (BTreeMap::new(), typed(cell)?);
    for (key, value) in &all {
        match value.to_json() {
            Value::Object(_) => drop(noted.insert(key.clone(), value.clone())),
            said => drop(plain.insert(key.to_string(), said)),
        }
    }
    match Attributes::parse(Value::Object(plain)) {
        Ok(plain) => Some((Some(plain).filter(|it| !it.is_empty()), noted)),
        // A record has room for more.
        Err(_) => Some((columns, all)),
    }
}

/// The reasons that a cell names. What can not be read as one is a reason all the same, and what only a sign-up of their own
/// ends does not keep somebody from being signed up who was so elsewhere.
fn reasons(cell: &str) -> impl Iterator<Item = Reason> {
    let words = cell.split_whitespace();
    let words = words.filter(|word| !consent::is_no(word));
    words.map(|word| {
        let reason = Reason::parse(word.strip_prefix(OF_DOMAIN).unwrap_or(word));
        match reason {
            Ok(Reason::Erased | Reason::Moved) | Err(_) => Reason::Import,
            Ok(reason) => reason,
        }
    })
}

/// Why a record says that nothing may be sent to them, whatever else is wrong with it, and in which column.
pub(super) fn refusal(columns: &[Column], fields: &[Cow<'_, [u8]>]) -> Option<(Reason, usize)> {
    let cells = columns.iter().zip(fields).enumerate();
    let cells = cells.filter_map(|(at, (column, field))| {
        let Column::Own(own) = column else {
            return None;
        };
        let text = std::str::from_utf8(field).ok()?;
        Some((at, *own, csv::without_guard(text)))
    });
    let found = cells.filter_map(|(at, column, cell)| {
        let reason = match column {
            Own::Status => consent::refusal(cell),
            Own::Suppressed => consent::strongest(reasons(cell)),
            _ => None,
        };
        reason.map(|reason| (reason, at))
    });
    consent::strongest_of(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carried(cells: &[(Own, &str)]) -> Result<Carried, &'static str> {
        let mut carried = Carried::default();
        for (column, cell) in cells {
            carried.take(*column, cell)?;
        }
        Ok(carried)
    }

    #[test]
    fn whatever_may_keep_mail_from_going_out_does() {
        for cells in [
            [(Own::Status, "pending"), (Own::Confirmed, "true")],
            [(Own::Status, "active"), (Own::Confirmed, "false")],
            [(Own::Status, "Active"), (Own::Confirmed, "FALSE")],
            [(Own::Status, "active"), (Own::Confirmed, " ")],
            [(Own::Status, ""), (Own::Confirmed, "true")],
        ] {
            assert!(carried(&cells).unwrap().unconfirmed, "{cells:?}");
        }
        let left = carried(&[(Own::Status, "unsubscribed"), (Own::Confirmed, "true")]).unwrap();
        assert!(left.left && !left.unconfirmed);
        let spreadsheet = carried(&[(Own::Status, "ACTIVE"), (Own::Confirmed, "TRUE")]);
        assert_eq!(spreadsheet, Ok(Carried::default()));
        assert_eq!(carried(&[(Own::Status, "on")]), Err("unknown_status"));
        let named = |cell: &str| {
            let suppressed = carried(&[(Own::Suppressed, cell)]).unwrap().suppressed;
            suppressed.into_iter().collect::<Vec<_>>()
        };
        assert_eq!(named("complaint domain:manual"), ["complaint", "manual"]);
        assert_eq!(named("moved erased yes"), ["import"]);
        assert_eq!(
            named(&"complaint x ".repeat(5_000)),
            ["complaint", "import"]
        );
        assert!(named("false").is_empty());
    }

    #[test]
    fn what_their_own_sign_up_does_not_end_counts_wherever_it_stands() {
        let columns = [Own::Status, Own::Suppressed].map(Column::Own);
        let why = |status: &'static str, suppressed: &'static str| {
            refusal(
                &columns,
                &[status, suppressed].map(|it| it.as_bytes().into()),
            )
            .map(|(reason, _)| reason)
        };
        assert_eq!(why("unsubscribed", "complaint"), Some(Reason::Complaint));
        assert_eq!(why("active", "unsubscribed manual"), Some(Reason::Manual));
        assert_eq!(why("active", "manual unsubscribed"), Some(Reason::Manual));
        assert_eq!(why("unsubscribed", ""), Some(Reason::Unsubscribed));
        assert_eq!(why("active", ""), None);
    }

    #[test]
    fn what_can_not_be_used_is_said() {
        let tags = carried(&[(Own::Tags, "early_bird VIP")]).unwrap().tags;
        assert_eq!(tags, ["early_bird", "vip"]);
        assert_eq!(carried(&[(Own::Tags, "ä")]), Err("invalid_tags"));
        assert_eq!(carried(&[(Own::TopicsLeft, "S p!")]), Err("invalid_topics"));
        let channels = carried(&[(Own::ChannelsLeft, "sports")]);
        assert_eq!(channels, Err("invalid_channels"));
        for bad in ["[]", "{\"a\":[1]}", "{\"\":1}", "{\"a\\u0000b\":1}", "x"] {
            let taken = carried(&[(Own::Attributes, bad)]);
            assert_eq!(taken, Err("invalid_attributes"), "{bad}");
        }
        let attributes =
            typed(r#"{"born":{"date":"1815-12-10"},"City Name":"x","n":{"number":"0.1"}}"#);
        assert_eq!(attributes.unwrap().len(), 3);
    }
}
