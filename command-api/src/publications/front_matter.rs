//! A Markdown file with front matter: YAML between lines of `---`, or TOML between lines of `+++`. Its keys are those of
//! the JSON body; what follows is the text.

#[cfg(test)]
mod tests;

use serde_json::{Map, Value};
use serde_saphyr::UserMessageFormatter;
use serde_saphyr::options::DuplicateKeyPolicy;
use tidings_service::{Problem, problem};

use super::body::with_lines;
use super::content::PublicationContent;

/// Most bytes of front matter.
const SIZE_BYTES_MAX: usize = 16_384;
/// Most nodes that the aliases of a YAML text may stand for together.
const ALIASED_NODES_MAX: usize = 1_000;

/// The keys of the text, which stands below the front matter and not in it; the first is that of Markdown.
const TEXT_KEYS: [&str; 2] = ["markdown", "html"];

/// Reads a file.
///
/// # Errors
/// 400 with line and column when the front matter is no YAML or TOML; 422 with pointer and line when it has a key of no
/// use, lacks one or holds another kind of value.
pub(super) fn read(file: &str) -> Result<PublicationContent, Problem> {
    let (matter, text) = split(file)?;
    let mut keys = match &matter {
        Some(matter) => matter.parse()?,
        None => Map::new(),
    };
    let line_of = |key: &str| matter.as_ref()?.line_of(key);
    if let Some(key) = TEXT_KEYS.iter().find(|key| keys.contains_key(**key)) {
        let detail = "the text stands below the front matter, not in it";
        let problem = Problem::validation().error(format!("#/{key}"), detail);
        return Err(with_lines(&problem, line_of));
    }
    keys.insert(TEXT_KEYS[0].to_owned(), text.into());
    problem::from_value(Value::Object(keys))
        .map_err(|problem| with_lines(&in_quotes(&problem), line_of))
}

/// The front matter as it is written.
struct Matter<'a> {
    format: Format,
    /// Begins at the second line of the file.
    source: &'a str,
}

#[derive(Clone, Copy, PartialEq)]
enum Format {
    Yaml,
    Toml,
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Self::Yaml => "YAML",
            Self::Toml => "TOML",
        }
    }

    /// Whether the line ends front matter; YAML has a mark of its own for the end of a document.
    fn ends_at(self, line: &str) -> bool {
        match self {
            Self::Yaml => matches!(line.trim_end(), "---" | "..."),
            Self::Toml => line.trim_end() == "+++",
        }
    }
}

/// Parts the front matter, if there is any, from the text below.
fn split(file: &str) -> Result<(Option<Matter<'_>>, &str), Problem> {
    let (first, rest) = file.split_once('\n').unwrap_or((file, ""));
    let format = match first.trim_end() {
        "---" => Format::Yaml,
        "+++" => Format::Toml,
        _ => return Ok((None, file)),
    };
    let mut length = 0;
    for line in rest.split_inclusive('\n') {
        if format.ends_at(line) {
            let source = &rest[..length];
            if source.len() > SIZE_BYTES_MAX {
                return Err(Problem::bad_request(format!(
                    "The front matter has {} bytes; at most {SIZE_BYTES_MAX} are allowed.",
                    source.len()
                )));
            }
            return Ok((
                Some(Matter { format, source }),
                &rest[length + line.len()..],
            ));
        }
        length += line.len();
    }
    Err(Problem::bad_request(format!(
        "The front matter that begins at line 1 has no end: put `{}` on a line of its own below it.",
        first.trim_end()
    )))
}

impl Matter<'_> {
    fn parse(&self) -> Result<Map<String, Value>, Problem> {
        let parsed = match self.format {
            Format::Yaml => self.parse_yaml(),
            Format::Toml => self.parse_toml(),
        };
        match parsed? {
            Value::Object(keys) => Ok(keys),
            Value::Null => Ok(Map::new()),
            _ => {
                Err(Problem::validation().error("#", "The front matter must be keys with values."))
            }
        }
    }

    fn parse_yaml(&self) -> Result<Value, Problem> {
        // Only comments and blank lines.
        let bare = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
        if self.source.lines().all(bare) {
            return Ok(Value::Null);
        }
        let options = serde_saphyr::options! {
            duplicate_keys: DuplicateKeyPolicy::Error,
            with_snippet: false,
            strict_booleans: true,
            alias_limits: serde_saphyr::alias_limits! {
                max_total_replayed_events: ALIASED_NODES_MAX,
            },
        };
        serde_saphyr::from_str_with_options(self.source, options).map_err(|error| {
            let place = error.location().map(|at| (at.line(), at.column()));
            let mut message = error.render_with_formatter(&UserMessageFormatter);
            if let Some((line, column)) = place {
                // It counts from the fence on; we say it ourselves.
                let told = format!(" at line {line}, column {column}");
                message.truncate(message.strip_suffix(&told).unwrap_or(&message).len());
            }
            self.malformed(&message, place)
        })
    }

    fn parse_toml(&self) -> Result<Value, Problem> {
        toml::from_str(self.source).map_err(|error: toml::de::Error| {
            let place = error.span().map(|span| {
                let before = self.source.get(..span.start).unwrap_or_default();
                let line = before.rsplit('\n').next().unwrap_or_default();
                let lines = before.matches('\n').count() + 1;
                (lines as u64, line.chars().count() as u64 + 1)
            });
            self.malformed(error.message(), place)
        })
    }

    /// `place`: line and column within the front matter, from 1.
    fn malformed(&self, message: &str, place: Option<(u64, u64)>) -> Problem {
        let message = message.lines().next().unwrap_or_default();
        let place = place.map_or_else(String::new, |(line, column)| {
            format!(" at line {}, column {column}", line + 1)
        });
        let format = self.format.name();
        Problem::bad_request(format!(
            "The front matter is not valid {format}: {message}{place}."
        ))
    }

    /// The line of the file that a key of the top level stands in.
    fn line_of(&self, key: &str) -> Option<usize> {
        let sign = match self.format {
            Format::Yaml => ':',
            Format::Toml => '=',
        };
        let names = |line: &str| {
            let written = line.split_once(sign).map(|(key, _)| key.trim());
            written.map(|written| written.trim_matches(['"', '\''])) == Some(key)
        };
        let at = self.source.lines().position(names)?;
        Some(at + 2)
    }
}

/// A value that YAML or TOML takes for something else than words.
fn in_quotes(problem: &Problem) -> Problem {
    let errors = problem.errors().iter();
    errors.fold(Problem::validation(), |all, error| {
        let is_bare = ["integer", "boolean", "floating point"]
            .iter()
            .any(|kind| error.detail.starts_with(&format!("invalid type: {kind}")));
        let hint = if is_bare && error.detail.ends_with("a string") {
            "; put it in quotes"
        } else {
            ""
        };
        all.error(&error.pointer, format!("{}{hint}", error.detail))
    })
}
