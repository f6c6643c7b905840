//! Which attributes a condition compares with something other than a text.

use std::collections::BTreeSet;

use tidings_domain::segment::{AttributeTest, Condition};
use tidings_domain::value::AttributeValue;

/// Their keys, each with what it is compared with: `number`, `boolean` or `date`. A text meets none of these, whatever stands
/// in it.
#[must_use]
pub fn compared(condition: &Condition) -> BTreeSet<(String, &'static str)> {
    let mut asked = BTreeSet::new();
    asks(condition, &mut asked);
    asked
}

fn asks(condition: &Condition, asked: &mut BTreeSet<(String, &'static str)>) {
    match condition {
        Condition::All(several) | Condition::Any(several) => {
            several.iter().for_each(|it| asks(it, asked));
        }
        Condition::Not(condition) => asks(condition, asked),
        Condition::Attribute { key, test } => {
            let with = match test {
                AttributeTest::Compares(_, with) => std::slice::from_ref(with),
                AttributeTest::Is(any) => any,
                AttributeTest::Has | AttributeTest::Contains(_) => &[],
            };
            // Whoever asks for a text too has thought of it.
            let mut texts = with.iter().map(kind).filter(Option::is_none);
            if texts.next().is_none() {
                asked.extend(with.iter().filter_map(kind).map(|it| (key.to_string(), it)));
            }
        }
        Condition::Tag(_) | Condition::Topic { .. } | Condition::State(_) => {}
    }
}

/// None: a text.
fn kind(value: &AttributeValue) -> Option<&'static str> {
    match value {
        AttributeValue::Text(_) => None,
        AttributeValue::Number(_) => Some("number"),
        AttributeValue::YesNo(_) => Some("boolean"),
        AttributeValue::Date(_) => Some("date"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::BTreeMap;

    #[test]
    fn what_asks_for_something_else_than_a_text_is_found_wherever_it_stands() {
        let condition = json!({ "all": [
            { "attribute": "age", "below": 18 },
            { "not": { "any": [{ "attribute": "born", "above": { "date": "2000-01-01" } }] } },
            { "attribute": "member", "is": true },
            { "attribute": "zip", "is": [7, "007"] },
            { "attribute": "city", "is": ["London"] },
            { "attribute": "city", "contains": "7" },
            { "attribute": "seat" },
            { "tag": "vip" },
        ] });
        let condition = Condition::parse(&condition, &BTreeMap::new()).unwrap();
        let asked = compared(&condition);
        let asked: Vec<String> = asked
            .iter()
            .map(|(key, kind)| format!("{key}:{kind}"))
            .collect();
        assert_eq!(asked, ["age:number", "born:date", "member:boolean"]);
    }
}
