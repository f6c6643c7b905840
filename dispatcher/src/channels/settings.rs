//! Reads a channel's settings and credentials, and names everything wrong with them at once.

use std::{fmt, str::FromStr};

use reqwest::Url;
use serde_json::{Map, Value};

use super::http::acceptable;
use crate::channel::{ConfigError, ConfigProblem, Environment};

/// A reader over one JSON object. Fields nobody asked for are problems too.
pub(super) struct Fields {
    pointer: &'static str,
    values: Map<String, Value>,
    known: Vec<&'static str>,
    problems: Vec<ConfigProblem>,
}

impl Fields {
    /// Reads the settings.
    pub(super) fn settings(settings: &Value) -> Self {
        Self::new("", Ok(settings.clone()))
    }

    /// Reads the credentials; none at all is an empty object.
    pub(super) fn credentials(credentials: Option<&str>) -> Self {
        // The parser's own words could quote the text, which is secret.
        let value = serde_json::from_str(credentials.unwrap_or("{}"));
        Self::new("/credentials", value.map_err(|_| "is not valid JSON"))
    }

    fn new(pointer: &'static str, value: Result<Value, &str>) -> Self {
        let mut fields = Self {
            pointer,
            values: Map::new(),
            known: Vec::new(),
            problems: Vec::new(),
        };
        match value {
            Ok(Value::Object(values)) => fields.values = values,
            Ok(_) => fields.problem_here("must be a JSON object"),
            Err(detail) => fields.problem_here(detail),
        }
        fields
    }

    /// Notes a problem with a field.
    pub(super) fn problem(&mut self, name: &str, detail: &str) {
        let name = name.replace('~', "~0").replace('/', "~1");
        self.problems.push(ConfigProblem {
            pointer: format!("{}/{name}", self.pointer),
            detail: detail.to_owned(),
        });
    }

    fn problem_here(&mut self, detail: &str) {
        self.problems.push(ConfigProblem {
            pointer: self.pointer.to_owned(),
            detail: detail.to_owned(),
        });
    }

    /// A text without control characters, not blank; none when absent.
    pub(super) fn text(&mut self, name: &'static str) -> Option<String> {
        self.text_without(name, char::is_control)
    }

    /// Like [`Fields::text`], of any number of lines.
    pub(super) fn lines(&mut self, name: &'static str) -> Option<String> {
        self.text_without(name, |c| c.is_control() && !matches!(c, '\r' | '\n'))
    }

    fn text_without(&mut self, name: &'static str, banned: fn(char) -> bool) -> Option<String> {
        self.known.push(name);
        match self.values.get(name) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) if text.trim().is_empty() => {
                self.problem(name, "must not be empty");
                None
            }
            Some(Value::String(text)) if text.chars().any(banned) => {
                self.problem(name, "must not hold control characters");
                None
            }
            Some(Value::String(text)) => Some(text.clone()),
            Some(_) => {
                self.problem(name, "must be a text");
                None
            }
        }
    }

    /// Like [`Fields::text`], and absent is a problem.
    pub(super) fn required_text(&mut self, name: &'static str) -> Option<String> {
        self.required(name, |fields| fields.text(name))
    }

    /// Like [`Fields::parsed`], and absent is a problem.
    pub(super) fn required_parsed<T: FromStr>(
        &mut self,
        name: &'static str,
        what: &str,
    ) -> Option<T> {
        self.required(name, |fields| fields.parsed(name, what))
    }

    fn required<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let before = self.problems.len();
        let value = read(self);
        if value.is_none() && self.problems.len() == before {
            self.problem(name, "is required");
        }
        value
    }

    /// A URL that must be there, and that requests may go to.
    pub(super) fn acceptable_url(
        &mut self,
        name: &'static str,
        environment: &Environment,
    ) -> Option<Url> {
        let text = self.required_text(name)?;
        acceptable(&text, environment)
            .map_err(|detail| self.problem(name, detail))
            .ok()
    }

    /// A text that means something; `what` completes "must be …".
    pub(super) fn parsed<T: FromStr>(&mut self, name: &'static str, what: &str) -> Option<T> {
        let text = self.text(name)?;
        let value = text.parse().ok();
        if value.is_none() {
            self.problem(name, &format!("must be {what}"));
        }
        value
    }

    /// A whole number within bounds.
    pub(super) fn number<T>(&mut self, name: &'static str, min: T, max: T) -> Option<T>
    where
        T: TryFrom<u64> + PartialOrd + fmt::Display + Copy,
    {
        self.known.push(name);
        let value = match self.values.get(name) {
            None | Some(Value::Null) => return None,
            Some(value) => value.as_u64().and_then(|number| T::try_from(number).ok()),
        };
        let value = value.filter(|number| (min..=max).contains(number));
        if value.is_none() {
            self.problem(name, &format!("must be a whole number from {min} to {max}"));
        }
        value
    }

    /// Whether nothing is wrong so far.
    pub(super) fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    /// Ends the reading: everything wrong, unknown fields included.
    pub(super) fn finish(mut self) -> Vec<ConfigProblem> {
        let unknown: Vec<String> = self
            .values
            .keys()
            .filter(|name| !self.known.contains(&name.as_str()))
            .cloned()
            .collect();
        for name in unknown {
            self.problem(&name, "is not a setting of this kind of channel");
        }
        self.problems
    }
}

/// Gives the parsed value unless anything is wrong.
pub(super) fn checked<T>(value: Option<T>, readers: [Fields; 2]) -> Result<T, ConfigError> {
    let problems: Vec<ConfigProblem> = readers.into_iter().flat_map(Fields::finish).collect();
    match value {
        Some(value) if problems.is_empty() => Ok(value),
        _ => Err(ConfigError { problems }),
    }
}
