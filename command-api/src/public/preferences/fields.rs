//! The parts of the form, each with its label and with what is wrong beside it.

use std::fmt::Write as _;

use tidings_domain::preferences::{Preferences, Wrong};
use tidings_domain::schedule::Weekday;

use super::entry::{box_was, on_or_off, was};
use super::matters::Matters;
use super::shown::{Choice, Fields, Weight};
use crate::html::escape;

/// The field that something is wrong with, by its id and its label.
pub(super) fn place_of(field: &str) -> (String, &'static str) {
    if let Some(topic) = field.strip_prefix("topics/") {
        return (
            format!("weight_{}", escape(topic)),
            "How much a topic matters",
        );
    }
    let (id, label) = match field {
        "topics" => ("topics", "Topics"),
        "frequency/kind" => ("often-at_once", "How often"),
        "frequency/hour" => ("hour", "At which hour"),
        "frequency/day" => ("day", "On which day"),
        "quiet_hours/from" => ("quiet_from", "From"),
        "quiet_hours/to" => ("quiet_to", "Until"),
        "zone" => ("zone", "Time zone"),
        "frequency_cap/messages" => ("cap_messages", "Messages at the most"),
        "frequency_cap/per" => ("cap_per", "In a"),
        _ => ("language", "Language"),
    };
    (id.to_owned(), label)
}

/// A form with nothing but a button; `more`: what it tells beside the wish.
pub(super) fn button(wish: &str, more: &str, label: &str) -> String {
    format!(
        "<form method=\"post\">\n{}{more}<p><button type=\"submit\">{label}</button></p>\n</form>\n",
        hidden("do", wish)
    )
}

/// A field that nobody sees or hears.
pub(super) fn hidden(name: &str, value: &str) -> String {
    let value = escape(value);
    format!("<input type=\"hidden\" name=\"{name}\" value=\"{value}\">\n")
}

/// What the texts of the form are by what is on record, so that only what its reader changes is said by it.
pub(super) fn on_record(preferences: &Preferences) -> String {
    let mut fields = Fields::of(preferences);
    let fields = fields.named();
    fields
        .iter()
        .map(|(name, text)| hidden(&was(name), text))
        .collect()
}

pub(super) fn choices(legend: &str, name: &str, choices: &[Choice], wrong: &[Wrong]) -> String {
    if choices.is_empty() {
        return String::new();
    }
    let mut html = format!("<fieldset id=\"{name}s\">\n<legend>{legend}</legend>\n");
    html += &error(&format!("{name}s"), wrong);
    for choice in choices {
        let (id, label) = (choice.id, escape(&choice.name));
        let checked = if choice.wanted { " checked" } else { "" };
        let (described, hint) = match &choice.description {
            None => (String::new(), String::new()),
            Some(text) => (
                format!(" aria-describedby=\"about-{id}\""),
                format!("<p class=\"hint\" id=\"about-{id}\">{}</p>\n", escape(text)),
            ),
        };
        html += &hidden(&format!("offered_{name}"), &id.to_string());
        html += &hidden(&box_was(name, id), on_or_off(choice.on_record));
        let _ = write!(
            html,
            "<label><input type=\"checkbox\" name=\"{name}\" value=\"{id}\"{checked}{described}>{label}</label>\n{hint}"
        );
        if let Some(of_topic) = choice.weight {
            html += &weight(choice, of_topic, wrong);
        }
    }
    html + "</fieldset>\n"
}

/// How much a topic matters to them. Each label names its topic, for whoever hears the page field by field.
fn weight(topic: &Choice, weight: Weight, wrong: &[Wrong]) -> String {
    let name = format!("weight_{}", topic.id);
    let steps = Matters::ALL.map(|it| (it.as_str().to_owned(), it.label().to_owned()));
    let select = select(
        &name,
        &format!("“{}” matters to me", escape(&topic.name)),
        weight.shown.as_str(),
        steps.into_iter(),
        &format!("topics/{}", topic.id),
        wrong,
    );
    let was = hidden(&was(&name), weight.on_record.as_str());
    format!("<div class=\"of\">\n{was}{select}</div>\n")
}

pub(super) fn how_often(fields: &Fields, wrong: &[Wrong]) -> String {
    let mut html = "<fieldset aria-describedby=\"about-often\">\n<legend>How often</legend>\n<p class=\"hint\" id=\"about-often\">What is collected comes at the hour you choose, each \
         message by itself. Urgent news does not wait for it. What waits already comes no sooner if you change this.</p>\n"
        .to_owned();
    for (value, label) in [
        ("at_once", "At once, when it is published"),
        ("daily", "Collected, at one hour of the day"),
        ("weekly", "Collected, at one hour of one day of the week"),
    ] {
        let checked = if fields.frequency == value {
            " checked"
        } else {
            ""
        };
        let _ = writeln!(
            html,
            "<label><input type=\"radio\" name=\"frequency\" id=\"often-{value}\" value=\"{value}\"{checked}>{label}</label>"
        );
    }
    html += &error("frequency/kind", wrong);
    let hours = (0..24).map(|hour| (hour.to_string(), format!("{hour:02}:00")));
    html += &select(
        "hour",
        "At which hour, if collected",
        &fields.hour,
        hours,
        "frequency/hour",
        wrong,
    );
    let days = Weekday::ALL.iter().map(|day| {
        let (first, rest) = day.as_str().split_at(1);
        (
            day.as_str().to_owned(),
            format!("{}{rest}", first.to_uppercase()),
        )
    });
    html += &select(
        "day",
        "On which day, if collected for the week",
        &fields.day,
        days,
        "frequency/day",
        wrong,
    );
    html + "</fieldset>\n"
}

fn select(
    name: &str,
    label: &str,
    chosen: &str,
    options: impl Iterator<Item = (String, String)>,
    field: &str,
    wrong: &[Wrong],
) -> String {
    let marks = marks(name, field, wrong);
    let mut html = format!(
        "<label for=\"{name}\">{label}</label>\n<select name=\"{name}\" id=\"{name}\"{marks}>\n"
    );
    for (value, text) in options {
        let selected = if value == chosen { " selected" } else { "" };
        let _ = writeln!(html, "<option value=\"{value}\"{selected}>{text}</option>");
    }
    html + "</select>\n" + &error(field, wrong)
}

pub(super) fn quiet(fields: &Fields, wrong: &[Wrong]) -> String {
    let mut html = "<fieldset>\n<legend>Quiet hours</legend>\n<p class=\"hint\">Nothing comes between these two. Leave both empty for none.</p>\n".to_owned();
    for (name, label, value) in [
        ("quiet_from", "From", &fields.quiet_from),
        ("quiet_to", "Until", &fields.quiet_to),
    ] {
        let field = name.replace("quiet_", "quiet_hours/");
        html += &input("time", name, label, value, &field, wrong);
    }
    html + "</fieldset>\n"
}

pub(super) fn at_most(fields: &Fields, wrong: &[Wrong]) -> String {
    let per = [("day", "day"), ("week", "week")];
    let per = per.map(|(value, text)| (value.to_owned(), text.to_owned()));
    [
        "<fieldset>\n<legend>How much at the most</legend>\n<p class=\"hint\">More than that waits for a day or a week, what matters \
         more to you goes first, and what there is no room for then is left out. Urgent news comes all the same. Leave it \
         empty for no limit.</p>\n"
            .to_owned(),
        input(
            "number",
            "cap_messages",
            "Messages at the most",
            &fields.cap_messages,
            "frequency_cap/messages",
            wrong,
        ),
        select(
            "cap_per",
            "In a",
            &fields.cap_per,
            per.into_iter(),
            "frequency_cap/per",
            wrong,
        ),
        "</fieldset>\n".to_owned(),
    ]
    .concat()
}

pub(super) fn place(fields: &Fields, wrong: &[Wrong]) -> String {
    let zone = "Time zone, such as Europe/Berlin";
    let language = "Language, such as de or pt-BR: kept for later, and changes nothing yet";
    [
        "<fieldset>\n<legend>Where you are</legend>\n".to_owned(),
        input("text", "zone", zone, &fields.zone, "zone", wrong),
        input(
            "text",
            "language",
            language,
            &fields.language,
            "language",
            wrong,
        ),
        "</fieldset>\n".to_owned(),
    ]
    .concat()
}

fn input(kind: &str, name: &str, label: &str, value: &str, field: &str, wrong: &[Wrong]) -> String {
    let marks = marks(name, field, wrong);
    format!(
        "<label for=\"{name}\">{label}</label>\n\
         <input type=\"{kind}\" name=\"{name}\" id=\"{name}\" value=\"{}\" autocomplete=\"off\"{marks}>\n{}",
        escape(value),
        error(field, wrong)
    )
}

/// Tells programs that read the page aloud what is wrong with a field.
fn marks(name: &str, field: &str, wrong: &[Wrong]) -> String {
    match wrong.iter().any(|it| it.field == field) {
        true => format!(" aria-invalid=\"true\" aria-describedby=\"wrong-{name}\""),
        false => String::new(),
    }
}

/// What is wrong, beside its field.
fn error(field: &str, wrong: &[Wrong]) -> String {
    let (id, _) = place_of(field);
    let found = wrong.iter().filter(|it| it.field == field);
    found.fold(String::new(), |html, it| {
        html + &format!(
            "<p class=\"error\" id=\"wrong-{id}\">This {}.</p>\n",
            escape(&it.detail)
        )
    })
}
