//! Values that the log holds as JSON, as people say them.

use std::collections::HashMap;

use serde_json::{Map, Value};
use uuid::Uuid;

/// What the request was like by which somebody said something. None: it is no such JSON.
pub(super) fn evidence(text: &str) -> Option<String> {
    let each = object(text)?.into_iter().map(|(name, value)| {
        let said = plain(&value);
        match name.as_str() {
            "user_agent" if said.is_empty() => {
                "by a program that does not say what it is".to_owned()
            }
            "user_agent" => format!("by the program “{said}”"),
            "url" => format!("to “{said}”"),
            "note" => format!("“{said}”"),
            other => format!("{} “{said}”", words(other)),
        }
    });
    said(each, ", ")
}

/// What is known of somebody, by their attributes, with or without their kinds. None: it is no such JSON.
pub(crate) fn attributes(text: &str) -> Option<String> {
    let each = object(text)?.into_iter().map(|(name, value)| {
        // Each is an object of one member, which says what kind it is; none was taken away.
        let kept = value.as_object().and_then(|it| it.values().next());
        match kept.unwrap_or(&value) {
            Value::Null => format!("{name}: nothing any more"),
            Value::Bool(yes) => format!("{name}: {}", if *yes { "yes" } else { "no" }),
            other => format!("{name}: “{}”", plain(other)),
        }
    });
    said(each, ", ")
}

/// How and when somebody wants to get what they get. None: it is no such JSON.
pub(super) fn preferences(text: &str, topics: &HashMap<Uuid, String>) -> Option<String> {
    let all = object(text)?;
    let when = all.get("frequency").map_or_else(
        || "at once".to_owned(),
        |frequency| {
            let hour = plain(&frequency["hour"]);
            match frequency["day"].as_str() {
                Some(day) => format!("collected, each {day} at {hour}:00"),
                None => format!("collected, each day at {hour}:00"),
            }
        },
    );
    let others = all.iter().filter_map(|(name, value)| {
        Some(match name.as_str() {
            "frequency" => return None,
            "frequency_cap" => {
                let (messages, per) = (plain(&value["messages"]), plain(&value["per"]));
                format!("at most {messages} messages a {per}")
            }
            "quiet_hours" => {
                let (from, to) = (plain(&value["from"]), plain(&value["to"]));
                format!("nothing from {from} to {to}")
            }
            "zone" => format!("by the clocks of {}", plain(value)),
            "language" => format!("in the language “{}”", plain(value)),
            "topics" => weights(value, topics),
            other => format!("{} “{}”", words(other), plain(value)),
        })
    });
    said([when].into_iter().chain(others), "; ")
}

/// The topics that preferences give a weight.
pub(super) fn weighted(text: &str) -> Vec<Uuid> {
    let topics = object(text).and_then(|mut all| all.remove("topics"));
    let topics = topics.as_ref().and_then(Value::as_object);
    let ids = topics.into_iter().flat_map(Map::keys);
    ids.filter_map(|id| Uuid::try_parse(id).ok()).collect()
}

/// 0 to 10: how much each matters to them; 5 where nothing is said.
fn weights(value: &Value, topics: &HashMap<Uuid, String>) -> String {
    let each = value.as_object().into_iter().flatten().map(|(id, weight)| {
        let name = Uuid::try_parse(id).ok().and_then(|id| topics.get(&id));
        let name = name.map_or_else(|| format!("the topic {id}"), |name| format!("“{name}”"));
        format!("{name} matters {weight} of 10")
    });
    said(each, ", ").unwrap_or_default()
}

fn object(text: &str) -> Option<Map<String, Value>> {
    match serde_json::from_str(text) {
        Ok(Value::Object(all)) => Some(all),
        _ => None,
    }
}

fn said(each: impl Iterator<Item = String>, between: &str) -> Option<String> {
    let all: Vec<String> = each.collect();
    (!all.is_empty()).then(|| all.join(between))
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn words(name: &str) -> String {
    name.replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_said_as_people_say_them() {
        let (known, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let topics = HashMap::from([(known, "Markets".to_owned())]);
        let preferences = |text: &str| preferences(text, &topics).unwrap();
        assert_eq!(preferences("{}"), "at once");
        let all = format!(
            r#"{{"frequency":{{"day":"friday","hour":8,"kind":"weekly"}},"frequency_cap":{{"messages":3,"per":"week"}},
               "language":"de","quiet_hours":{{"from":"22:00","to":"07:00"}},"topics":{{"{known}":8,"{other}":2}},
               "zone":"Europe/Berlin"}}"#
        );
        assert_eq!(weighted(&all), [known, other]);
        assert_eq!(
            preferences(&all),
            format!(
                "collected, each friday at 8:00; at most 3 messages a week; in the language “de”; nothing from 22:00 to 07:00; \
                 “Markets” matters 8 of 10, the topic {other} matters 2 of 10; by the clocks of Europe/Berlin"
            )
        );
        let daily = r#"{"frequency":{"hour":7,"kind":"daily"},"later":"x"}"#;
        assert_eq!(preferences(daily), "collected, each day at 7:00; later “x”");
        let evidence = |text| evidence(text).unwrap();
        assert_eq!(
            evidence(r#"{"user_agent":"Browser/7"}"#),
            "by the program “Browser/7”"
        );
        assert_eq!(
            evidence(r#"{"user_agent":""}"#),
            "by a program that does not say what it is"
        );
        assert_eq!(evidence(r#"{"note":"by phone"}"#), "“by phone”");
        let given =
            r#"{"age":{"number":36},"city":{"text":"Porto"},"member":{"yes_no":true},"old":null}"#;
        assert_eq!(
            attributes(given).unwrap(),
            "age: “36”, city: “Porto”, member: yes, old: nothing any more"
        );
        let as_profiles_have_them = r#"{"city":"Porto","member":false}"#;
        assert_eq!(
            attributes(as_profiles_have_them).unwrap(),
            "city: “Porto”, member: no"
        );
    }

    #[test]
    fn what_is_no_such_json_is_left_as_it_is() {
        for text in ["", "the evidence", "[1]", "7"] {
            assert_eq!(evidence(text), None, "{text}");
            assert_eq!(preferences(text, &HashMap::new()), None, "{text}");
            assert_eq!(attributes(text), None, "{text}");
            assert_eq!(weighted(text), [] as [Uuid; 0], "{text}");
        }
    }
}
