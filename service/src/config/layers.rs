//! Built-in defaults < `tidings.toml` < environment, merged key by key with the place each value came from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::error::{ConfigError, Origin};

/// Every key with its built-in value; also the list of keys there are, and of their types.
pub const DEFAULTS: &str = include_str!("defaults.toml");
const VARIABLE_PREFIX: &str = "TIDINGS_";
const FILE_SUFFIX: &str = "_FILE";
const SERVERS: &str = "TIDINGS_SERVERS";
/// Variables that are no settings of the platform: where its private servers are found.
const NOT_SETTINGS: [&str; 4] = [
    "TIDINGS_NATS_SERVER_BIN",
    "TIDINGS_POSTGRES_BIN",
    SERVERS,
    "TIDINGS_STATE_DIR",
];
/// Those of test runs begin so.
const OF_TEST_RUNS: [&str; 2] = ["TIDINGS_TEST_", "TIDINGS_BENCH_"];

/// Which `tidings.toml` to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigFile {
    /// None at all.
    Skip,
    /// This one, if it exists.
    IfPresent(PathBuf),
    /// This one; an error if it does not exist.
    Required(PathBuf),
}

#[derive(Clone, Debug, PartialEq)]
enum Value {
    Text(String),
    Number(i64),
    Switch(bool),
}

impl Value {
    fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Number(_) => "a whole number",
            Self::Switch(_) => "true or false",
        }
    }
}

#[derive(Debug)]
struct Entry {
    value: Value,
    origin: Origin,
}

/// The merged settings by dotted key, such as `http.body_limit_bytes`.
#[derive(Debug)]
pub(super) struct Layers(BTreeMap<String, Entry>);

impl Layers {
    pub(super) fn load(
        file: &ConfigFile,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut layers = Self(BTreeMap::new());
        for (key, value) in flatten(parse(DEFAULTS, Path::new("defaults.toml"))?) {
            let origin = Origin::Defaults;
            let value = plain(&key, value, &origin)?;
            layers.0.insert(key, Entry { value, origin });
        }
        layers.add_file(file)?;
        layers.add_variables(variables)?;
        Ok(layers)
    }

    fn add_file(&mut self, file: &ConfigFile) -> Result<(), ConfigError> {
        let (path, required) = match file {
            ConfigFile::Skip => return Ok(()),
            ConfigFile::IfPresent(path) => (path, false),
            ConfigFile::Required(path) => (path, true),
        };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && !required => return Ok(()),
            Err(source) => {
                return Err(ConfigError::Unreadable {
                    path: path.clone(),
                    source,
                });
            }
        };
        for (key, value) in flatten(parse(&text, path)?) {
            let origin = Origin::File(path.clone());
            self.known(&key, &key, &origin)?;
            let value = plain(&key, value, &origin)?;
            self.replace(key, value, origin)?;
        }
        Ok(())
    }

    fn add_variables(
        &mut self,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(), ConfigError> {
        let mut ours: BTreeMap<String, String> = variables
            .into_iter()
            .filter(|(name, _)| name.starts_with(VARIABLE_PREFIX))
            .filter(|(name, _)| !OF_TEST_RUNS.iter().any(|other| name.starts_with(other)))
            .collect();
        which_servers(&ours)?;
        ours.retain(|name, _| !NOT_SETTINGS.contains(&name.as_str()));
        for (name, text) in &ours {
            let origin = Origin::Variable(name.clone());
            let (key, text) = match name.strip_suffix(FILE_SUFFIX) {
                Some(stem) if !self.0.contains_key(&key_of(name)) => {
                    if ours.contains_key(stem) {
                        return Err(ConfigError::SetTwice(stem.to_owned()));
                    }
                    self.known(&key_of(stem), stem, &origin)?;
                    (key_of(stem), read_secret_file(text)?)
                }
                _ => (key_of(name), text.clone()),
            };
            self.known(&key, name, &origin)?;
            let value = self.read_as_declared(&key, text, &origin)?;
            self.replace(key, value, origin)?;
        }
        Ok(())
    }

    /// Refuses a key that the defaults do not have. `shown` is the key as its author wrote it.
    fn known(&self, key: &str, shown: &str, origin: &Origin) -> Result<(), ConfigError> {
        if self.0.contains_key(key) {
            return Ok(());
        }
        let known: Vec<String> = match origin {
            Origin::Variable(_) => {
                let others = NOT_SETTINGS.iter().map(|name| (*name).to_owned());
                self.0
                    .keys()
                    .map(|key| variable_of(key))
                    .chain(others)
                    .collect()
            }
            _ => self.0.keys().cloned().collect(),
        };
        let nearest = known
            .into_iter()
            .min_by_key(|known| edit_distance(shown, known));
        Err(ConfigError::UnknownKey {
            key: shown.to_owned(),
            nearest: nearest.unwrap_or_default(),
            origin: origin.clone(),
        })
    }

    fn read_as_declared(
        &self,
        key: &str,
        text: String,
        origin: &Origin,
    ) -> Result<Value, ConfigError> {
        let declared = &self.0[key].value;
        let read = match declared {
            Value::Text(_) => Some(Value::Text(text)),
            Value::Number(_) => text.trim().parse().ok().map(Value::Number),
            Value::Switch(_) => text.trim().parse().ok().map(Value::Switch),
        };
        read.ok_or_else(|| invalid(key, origin, format!("must be {}", declared.kind())))
    }

    fn replace(&mut self, key: String, value: Value, origin: Origin) -> Result<(), ConfigError> {
        let declared = self.0[&key].value.kind();
        if declared != value.kind() {
            let problem = format!("must be {declared}, not {}", value.kind());
            return Err(invalid(&key, &origin, problem));
        }
        self.0.insert(key, Entry { value, origin });
        Ok(())
    }

    /// The text at `key`; `None` when empty, which stands for "not set".
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match &self.0[key].value {
            Value::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    pub(super) fn switch(&self, key: &str) -> bool {
        self.0[key].value == Value::Switch(true)
    }

    /// The number at `key`, refused outside `least..=most`.
    pub(super) fn number(&self, key: &str, least: u32, most: u32) -> Result<u32, ConfigError> {
        match self.0[key].value {
            Value::Number(n) => u32::try_from(n)
                .ok()
                .filter(|n| (least..=most).contains(n))
                .ok_or_else(|| self.invalid(key, &format!("must lie between {least} and {most}"))),
            _ => Err(self.invalid(key, "must be a whole number")),
        }
    }

    /// An error about the value at `key`, naming where it came from.
    pub(super) fn invalid(&self, key: &str, problem: &str) -> ConfigError {
        invalid(key, &self.0[key].origin, problem.to_owned())
    }
}

fn invalid(key: &str, origin: &Origin, problem: String) -> ConfigError {
    ConfigError::Invalid {
        key: key.to_owned(),
        origin: origin.clone(),
        problem,
    }
}

/// What stands in the one variable beside the settings that is no path.
fn which_servers(variables: &BTreeMap<String, String>) -> Result<(), ConfigError> {
    match variables.get(SERVERS).map(String::as_str) {
        None | Some("" | "fetched") => Ok(()),
        Some(_) => {
            let problem = "must be `fetched` or not set".to_owned();
            Err(invalid(
                "servers",
                &Origin::Variable(SERVERS.to_owned()),
                problem,
            ))
        }
    }
}

/// `TIDINGS_HTTP__BODY_LIMIT_BYTES` → `http.body_limit_bytes`.
fn key_of(variable: &str) -> String {
    variable
        .strip_prefix(VARIABLE_PREFIX)
        .unwrap_or(variable)
        .to_ascii_lowercase()
        .replace("__", ".")
}

fn variable_of(key: &str) -> String {
    format!(
        "{VARIABLE_PREFIX}{}",
        key.to_ascii_uppercase().replace('.', "__")
    )
}

fn read_secret_file(path: &str) -> Result<String, ConfigError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text.trim_end_matches(['\r', '\n']).to_owned()),
        Err(source) => Err(ConfigError::Unreadable {
            path: path.into(),
            source,
        }),
    }
}

fn parse(text: &str, path: &Path) -> Result<toml::Table, ConfigError> {
    text.parse().map_err(|source: toml::de::Error| {
        let before = source.span().map_or(0, |span| span.start).min(text.len());
        ConfigError::Syntax {
            path: path.to_owned(),
            line: 1 + text.as_bytes()[..before]
                .iter()
                .filter(|byte| **byte == b'\n')
                .count(),
            source: Box::new(source),
        }
    })
}

/// Sections and keys as dotted keys; one level of sections, which is all there is.
fn flatten(table: toml::Table) -> Vec<(String, toml::Value)> {
    let mut flat = Vec::new();
    for (key, value) in table {
        match value {
            toml::Value::Table(section) => {
                let inner = section.into_iter();
                flat.extend(inner.map(|(name, value)| (format!("{key}.{name}"), value)));
            }
            value => flat.push((key, value)),
        }
    }
    flat
}

fn plain(key: &str, value: toml::Value, origin: &Origin) -> Result<Value, ConfigError> {
    match value {
        toml::Value::String(text) => Ok(Value::Text(text)),
        toml::Value::Integer(n) => Ok(Value::Number(n)),
        toml::Value::Boolean(on) => Ok(Value::Switch(on)),
        _ => Err(invalid(
            key,
            origin,
            "must be a text, a whole number, true or false".to_owned(),
        )),
    }
}

/// Levenshtein distance in bytes: how many letters must change.
fn edit_distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
