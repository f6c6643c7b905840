//! Which part of a list that is newest first, and all of it page by page.

use clap::Args;
use serde_json::{Value, json};
use tidings_projector::cursor_before;

use super::api::Answer;
use super::{ApiError, CliError};

/// The most rows of a page.
const LIMIT_MAX: u32 = 1_000;

/// How much of a list.
#[derive(Args, Debug)]
pub(super) struct Paging {
    /// How many, at most 1000
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = limit)]
    limit: u32,
    /// Only what stands before this position of the log
    #[arg(long, value_name = "POSITION", value_parser = position)]
    before: Option<i64>,
    /// All of it, however much that is
    #[arg(long, conflicts_with = "limit")]
    all: bool,
}

/// How many rows, as arguments give it.
pub(super) fn limit(text: &str) -> Result<u32, String> {
    let number = text.parse().ok();
    let number = number.filter(|number| (1..=LIMIT_MAX).contains(number));
    number.ok_or_else(|| format!("it must be a whole number from 1 to {LIMIT_MAX}"))
}

/// A position of the log, as arguments give it.
pub(super) fn position(text: &str) -> Result<i64, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| "it must be a position of the log, 1 or more, such as 4711".to_owned())
}

impl Paging {
    /// Reads a page, or all of them one after the other, and shows each row as it comes. `read`: a page of so many rows behind
    /// a cursor. Gives what was read as one page.
    ///
    /// # Errors
    /// When one cannot be read.
    pub(super) async fn read(
        &self,
        read: impl AsyncFn(String, Option<String>) -> Result<Answer, ApiError>,
        show: impl Fn(&Value),
    ) -> Result<Value, CliError> {
        let limit = if self.all { LIMIT_MAX } else { self.limit }.to_string();
        let mut cursor = self.before.map(cursor_before);
        let mut items = Vec::new();
        loop {
            let mut page = read(limit.clone(), cursor).await?.body;
            if let Some(Value::Array(rows)) = page.get_mut("items").map(Value::take) {
                rows.iter().for_each(&show);
                items.extend(rows);
            }
            cursor = page["next"].as_str().map(str::to_owned);
            if cursor.is_none() || !self.all {
                return Ok(json!({ "items": items, "next": cursor }));
            }
        }
    }
}

/// What to ask for to see what stands before a page, if anything does.
pub(super) fn more(page: &Value) -> Option<String> {
    page["next"].as_str()?;
    let last = page["items"].as_array()?.last()?;
    Some(format!(
        "… and more before that: --before {} shows it, --all everything",
        last["position"]
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use std::cell::RefCell;

    #[derive(Parser)]
    struct Parsed {
        #[command(flatten)]
        paging: Paging,
    }

    fn parsed(arguments: &[&str]) -> Result<Paging, String> {
        let arguments = ["x"].iter().chain(arguments);
        let parsed = Parsed::try_parse_from(arguments);
        parsed
            .map(|it| it.paging)
            .map_err(|error| error.to_string())
    }

    /// Positions 5 to 1, in pages of `limit`.
    async fn shown(arguments: &[&str], limit_of_server: usize) -> (Vec<i64>, Value) {
        let shown = RefCell::new(Vec::new());
        let read = async |limit: String, cursor: Option<String>| {
            let before = cursor.map_or(6, |it| (1..9).find(|n| cursor_before(*n) == it).unwrap());
            let limit = limit.parse::<usize>().unwrap().min(limit_of_server);
            let rows: Vec<i64> = (1..before).rev().take(limit).collect();
            let next = rows
                .last()
                .filter(|it| **it > 1)
                .copied()
                .map(cursor_before);
            let items: Vec<Value> = rows.iter().map(|it| json!({ "position": it })).collect();
            Ok(Answer {
                position: 0,
                body: json!({ "items": items, "next": next }),
                raw: String::new(),
            })
        };
        let paging = parsed(arguments).unwrap();
        let page = paging.read(read, |row| {
            shown.borrow_mut().push(row["position"].as_i64().unwrap());
        });
        let page = page.await.unwrap();
        (shown.into_inner(), page)
    }

    #[tokio::test]
    async fn a_list_is_shown_from_where_one_says_or_to_its_end() {
        let (rows, page) = shown(&["--limit", "2"], 1_000).await;
        assert_eq!(rows, [5, 4]);
        insta::assert_snapshot!(more(&page).unwrap(), @"… and more before that: --before 4 shows it, --all everything");
        let (rows, _) = shown(&["--limit", "2", "--before", "4"], 1_000).await;
        assert_eq!(rows, [3, 2]);
        let (rows, page) = shown(&["--all"], 2).await;
        assert_eq!(
            (rows.len(), page["items"].as_array().unwrap().len()),
            (5, 5)
        );
        assert_eq!(more(&page), None);
    }

    #[test]
    fn what_is_no_number_is_said_in_a_sentence() {
        for (wrong, words) in [
            (["--limit", "x"], "it must be a whole number from 1 to 1000"),
            (["--limit", "0"], "it must be a whole number from 1 to 1000"),
            (
                ["--limit", "1001"],
                "it must be a whole number from 1 to 1000",
            ),
            (
                ["--before", "x"],
                "it must be a position of the log, 1 or more, such as 4711",
            ),
        ] {
            let said = parsed(&wrong).err().unwrap();
            assert!(said.contains(words), "{said}");
        }
        assert!(parsed(&["--all", "--limit", "7"]).is_err());
    }
}
