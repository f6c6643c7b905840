//! Conditions of segments as SQL over the view `subscriber_profile`: the words are the program's own, whatever a condition
//! says goes beside them as values. Each part is true or false and never null, as in `Condition::holds`.

mod compared;

pub use compared::compared;

use serde_json::json;
use tidings_domain::segment::{AttributeTest, Condition, Ordering};
use tidings_domain::topic::ByDefault;
use tidings_domain::value::{AttributeKey, AttributeValue};
use tokio_postgres::types::ToSql;

/// Values of a query, in the order of their places.
pub type Values = Vec<Box<dyn ToSql + Sync + Send>>;

/// The condition over a row `s` of `publishing_subscriber_profile`. Its values are added to those that a query has already.
#[must_use]
pub fn sql(condition: &Condition, values: &mut Values) -> String {
    Words { values }.of(condition)
}

/// Values as a query takes them.
#[must_use]
pub fn borrowed(values: &[Box<dyn ToSql + Sync + Send>]) -> Vec<&(dyn ToSql + Sync)> {
    values
        .iter()
        .map(|value| value.as_ref() as &(dyn ToSql + Sync))
        .collect()
}

struct Words<'a> {
    values: &'a mut Values,
}

impl Words<'_> {
    /// The place of a value.
    fn value(&mut self, value: impl ToSql + Sync + Send + 'static) -> String {
        self.values.push(Box::new(value));
        format!("${}", self.values.len())
    }

    fn of(&mut self, condition: &Condition) -> String {
        match condition {
            Condition::All(all) => self.several(all, " and ", "true"),
            Condition::Any(any) => self.several(any, " or ", "false"),
            Condition::Not(condition) => format!("not {}", self.of(condition)),
            Condition::Attribute { key, test } => self.attribute(key, test),
            Condition::Tag(tag) => {
                let place = self.value(json!({ tag.as_str(): true }));
                format!("(s.tags is not null and s.tags @> {place})")
            }
            Condition::Topic {
                topic_id,
                by_default,
            } => {
                let asked = *by_default == ByDefault::Out;
                let place = self.value(json!({ topic_id.to_string(): asked }));
                match asked {
                    true => format!("(s.topics is not null and s.topics @> {place})"),
                    false => format!("(s.topics is null or not s.topics @> {place})"),
                }
            }
            Condition::State(standing) => {
                let place = self.value(standing.as_str());
                format!("(s.state is not null and s.state = {place})")
            }
        }
    }

    fn several(&mut self, all: &[Condition], between: &str, of_none: &str) -> String {
        if all.is_empty() {
            return of_none.to_owned();
        }
        let all: Vec<String> = all.iter().map(|condition| self.of(condition)).collect();
        format!("({})", all.join(between))
    }

    fn attribute(&mut self, key: &AttributeKey, test: &AttributeTest) -> String {
        match test {
            AttributeTest::Is(any) => {
                let any = any.iter().map(|value| {
                    let place = self.value(json!({ key.as_str(): value.to_typed() }));
                    format!("s.attributes @> {place}")
                });
                let any: Vec<String> = any.collect();
                format!("(s.attributes is not null and ({}))", any.join(" or "))
            }
            // What was taken away stands there as null.
            AttributeTest::Has => {
                let key = self.value(key.to_string());
                format!("(jsonb_typeof(s.attributes -> {key}) is not distinct from 'object')")
            }
            AttributeTest::Contains(part) => {
                let (key, part) = (self.value(key.to_string()), self.value(part.clone()));
                format!("coalesce(strpos(s.attributes -> {key} ->> 'text', {part}) > 0, false)")
            }
            AttributeTest::Compares(how, with) => self.compares(key, *how, with),
        }
    }

    fn compares(&mut self, key: &AttributeKey, how: Ordering, with: &AttributeValue) -> String {
        let how = match how {
            Ordering::Below => "<",
            Ordering::AtMost => "<=",
            Ordering::Above => ">",
            Ordering::AtLeast => ">=",
        };
        let typed = with.to_typed();
        let key = self.value(key.to_string());
        let mut text = |kind: &str| self.value(typed[kind].as_str().unwrap_or_default().to_owned());
        match with {
            AttributeValue::Number(_) => {
                let with = text("number");
                let number = format!("(s.attributes -> {key} ->> 'number')::numeric");
                format!("coalesce({number} {how} {with}::text::numeric, false)")
            }
            // Written so that later dates are greater texts.
            AttributeValue::Date(_) => {
                let with = text("date");
                let date = format!("(s.attributes -> {key} ->> 'date') collate \"C\"");
                format!("coalesce({date} {how} {with}, false)")
            }
            AttributeValue::Text(_) | AttributeValue::YesNo(_) => "false".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn no_word_of_a_condition_is_a_word_of_the_query() {
        let quote = "x' or true or 'x";
        let condition = json!({ "all": [
            { "attribute": quote, "is": [quote, 7] },
            { "not": { "attribute": quote, "contains": quote } },
            { "any": [{ "attribute": quote, "above": 7 }, { "attribute": quote }, { "tag": "vip" }] },
        ] });
        let condition = Condition::parse(&condition, &BTreeMap::new()).unwrap();
        let mut values: Values = vec![Box::new(1_i64)];
        let sql = sql(&condition, &mut values);
        assert_eq!(
            sql,
            "((s.attributes is not null and (s.attributes @> $2 or s.attributes @> $3)) \
             and not coalesce(strpos(s.attributes -> $4 ->> 'text', $5) > 0, false) \
             and (coalesce((s.attributes -> $6 ->> 'number')::numeric > $7::text::numeric, false) \
             or (jsonb_typeof(s.attributes -> $8) is not distinct from 'object') \
             or (s.tags is not null and s.tags @> $9)))"
        );
        assert_eq!(values.len(), 9);
    }
}
