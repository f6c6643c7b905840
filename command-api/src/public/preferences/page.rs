//! The page as its reader sees it. It shows no address and no name: whoever has the link sees it.

use std::fmt::Write as _;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header;
use tidings_domain::preferences::{Frequency, Preferences, Wrong};
use tidings_domain::schedule::Weekday;
use tidings_domain::subscriber::{Standing, Subscriber};
use tidings_domain::topic::ByDefault;
use tidings_event_store::RETRY_AFTER;
use uuid::Uuid;

use super::entry::Entry;
use crate::html::{escape, page};
use crate::offers::Offer;

/// What is said above the form.
#[derive(Clone, Copy)]
pub(super) enum Word<'a> {
    None,
    /// It is on record.
    Saved,
    /// Nothing is: these can not be taken.
    Wrong(&'a [Wrong]),
}

/// Something that is wanted or not.
pub(super) struct Choice {
    pub(super) id: Uuid,
    name: String,
    description: Option<String>,
    pub(super) wanted: bool,
}

/// What the form shows.
pub(super) struct Shown {
    left_everything: bool,
    pub(super) topics: Vec<Choice>,
    pub(super) channels: Vec<Choice>,
    pub(super) preferences: Preferences,
    fields: Fields,
}

/// The texts in its fields.
struct Fields {
    frequency: String,
    hour: String,
    day: String,
    quiet_from: String,
    quiet_to: String,
    zone: String,
    language: String,
}

impl Shown {
    /// As it is on record.
    pub(super) fn new(state: &Subscriber, offer: &Offer) -> Self {
        let profile = state.profile();
        let choices = profile.map(|it| it.choices.clone()).unwrap_or_default();
        let preferences = profile.and_then(|it| it.preferences.as_ref()?.known().cloned());
        let preferences = preferences.unwrap_or_default();
        let topics = offer.topics.iter().map(|topic| {
            let by_default = match topic.by_default {
                true => ByDefault::In,
                false => ByDefault::Out,
            };
            Choice {
                id: topic.id,
                name: topic.name.clone(),
                description: topic.description.clone(),
                wanted: choices.wants(topic.id, by_default),
            }
        });
        let channels = offer.channels.iter().map(|channel| Choice {
            id: channel.id,
            name: channel.name.clone(),
            description: None,
            wanted: !choices.has_left_channel(channel.id),
        });
        Self {
            left_everything: state.standing() == Standing::Unsubscribed,
            topics: topics.collect(),
            channels: channels.collect(),
            fields: Fields::of(&preferences),
            preferences,
        }
    }

    /// The same with what was entered, so that nobody has to enter it again.
    pub(super) fn with(mut self, entry: &Entry) -> Self {
        for topic in self.topics.iter_mut().filter(|it| entry.saw_topic(it.id)) {
            topic.wanted = entry.wants_topic(topic.id);
        }
        for channel in self
            .channels
            .iter_mut()
            .filter(|it| entry.saw_channel(it.id))
        {
            channel.wanted = entry.wants_channel(channel.id);
        }
        let text = |name: &str| entry.text(name).unwrap_or_default().to_owned();
        self.fields = Fields {
            frequency: text("frequency"),
            hour: text("hour"),
            day: text("day"),
            quiet_from: text("quiet_from"),
            quiet_to: text("quiet_to"),
            zone: text("zone"),
            language: text("language"),
        };
        self
    }
}

impl Fields {
    fn of(preferences: &Preferences) -> Self {
        let (frequency, day, hour) = match preferences.frequency() {
            Frequency::AtOnce => ("at_once", Weekday::Monday, 8),
            Frequency::Daily { hour } => ("daily", Weekday::Monday, hour),
            Frequency::Weekly { day, hour } => ("weekly", day, hour),
        };
        let quiet = preferences.quiet_hours();
        let clock = |time: Option<String>| time.unwrap_or_default();
        Self {
            frequency: frequency.to_owned(),
            hour: hour.to_string(),
            day: day.as_str().to_owned(),
            quiet_from: clock(quiet.map(|it| it.from().to_string())),
            quiet_to: clock(quiet.map(|it| it.to().to_string())),
            zone: preferences
                .zone()
                .map_or_else(String::new, |it| it.name().to_owned()),
            language: preferences
                .language()
                .map_or_else(String::new, |it| it.as_str().to_owned()),
        }
    }
}

const TITLE: &str = "What you get from us";

/// The page.
pub(super) fn show(shown: &Shown, word: Word<'_>) -> HttpResponse {
    let wrong: &[Wrong] = match word {
        Word::Wrong(wrong) => wrong,
        Word::None | Word::Saved => &[],
    };
    let mut body = said(word);
    if shown.left_everything {
        body += "<p>You have left everything: nothing is sent to you. What you choose below counts should you come back.</p>\n";
        body += &button("back", "Come back");
    }
    // Without an action it goes back to the link itself.
    body += "<form method=\"post\">\n<input type=\"hidden\" name=\"do\" value=\"save\">\n";
    body += &choices("Topics", "topic", &shown.topics);
    body += &choices("Ways to you", "channel", &shown.channels);
    body += &how_often(&shown.fields, wrong);
    body += &quiet(&shown.fields, wrong);
    body += &place(&shown.fields, wrong);
    body += "<p><button type=\"submit\">Save</button></p>\n</form>\n";
    if !shown.left_everything {
        body += "<h2>Leave everything</h2>\n<p>Nothing more is sent to you, on no topic. You can come back by this same link.</p>\n";
        body += &button("leave", "Leave everything");
    }
    let status = match word {
        Word::Wrong(_) => StatusCode::UNPROCESSABLE_ENTITY,
        Word::None | Word::Saved => StatusCode::OK,
    };
    page(status, TITLE, &body)
}

fn said(word: Word<'_>) -> String {
    match word {
        Word::None => String::new(),
        Word::Saved => {
            "<p role=\"status\"><strong>Saved.</strong> It counts from the next message on.</p>\n"
                .to_owned()
        }
        Word::Wrong(wrong) => {
            let mut list = "<div role=\"alert\">\n<p><strong>Nothing was saved.</strong> Please look at:</p>\n<ul>\n".to_owned();
            for it in wrong {
                let (id, label) = place_of(&it.field);
                let detail = escape(&it.detail);
                let _ = writeln!(list, "<li><a href=\"#{id}\">{label}</a>: {detail}</li>");
            }
            list + "</ul>\n</div>\n"
        }
    }
}

/// The field that something is wrong with, by its id and its label.
fn place_of(field: &str) -> (&'static str, &'static str) {
    match field {
        "frequency/kind" => ("often-at_once", "How often"),
        "frequency/hour" => ("hour", "At"),
        "frequency/day" => ("day", "On"),
        "quiet_hours/from" => ("quiet_from", "From"),
        "quiet_hours/to" => ("quiet_to", "Until"),
        "zone" => ("zone", "Time zone"),
        _ => ("language", "Language"),
    }
}

/// A form with nothing but a button.
fn button(wish: &str, label: &str) -> String {
    format!(
        "<form method=\"post\">\n<input type=\"hidden\" name=\"do\" value=\"{wish}\">\n\
         <p><button type=\"submit\">{label}</button></p>\n</form>\n"
    )
}

fn choices(legend: &str, name: &str, choices: &[Choice]) -> String {
    if choices.is_empty() {
        return String::new();
    }
    let mut html = format!("<fieldset>\n<legend>{legend}</legend>\n");
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
        let _ = write!(
            html,
            "<input type=\"hidden\" name=\"offered_{name}\" value=\"{id}\">\n\
             <label><input type=\"checkbox\" name=\"{name}\" value=\"{id}\"{checked}{described}>{label}</label>\n{hint}"
        );
    }
    html + "</fieldset>\n"
}

fn how_often(fields: &Fields, wrong: &[Wrong]) -> String {
    let mut html = "<fieldset>\n<legend>How often</legend>\n".to_owned();
    for (value, label) in [
        ("at_once", "At once"),
        ("daily", "Once a day"),
        ("weekly", "Once a week"),
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
        "At, once a day or a week",
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
        "On, once a week",
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

fn quiet(fields: &Fields, wrong: &[Wrong]) -> String {
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

fn place(fields: &Fields, wrong: &[Wrong]) -> String {
    let zone = "Time zone, such as Europe/Berlin";
    let language = "Language, such as de or pt-BR";
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

/// There is nobody any more whose preferences these could be.
pub(super) fn nobody() -> HttpResponse {
    page(
        StatusCode::NOT_FOUND,
        "There is nothing to choose",
        "<p>Nothing is kept about you any more, and nothing is sent to you. Sign up anew to get something.</p>",
    )
}

/// The log is away.
pub(super) fn later() -> HttpResponse {
    let mut response = page(
        StatusCode::SERVICE_UNAVAILABLE,
        "Please try again in a moment",
        "<p>We could not look this up or write it down just now; please use the link again shortly.</p>",
    );
    response.headers_mut().insert(
        header::RETRY_AFTER,
        header::HeaderValue::from(RETRY_AFTER.as_secs()),
    );
    response
}
