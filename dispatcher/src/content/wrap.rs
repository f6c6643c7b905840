//! Lines of text: wrapping by words, and tables set in a fixed-width face.

use super::document::{Alignment, Inline, Table};

/// Fewest characters that a line has room for, whatever stands before it.
pub(super) const ROOM_MIN: usize = 20;

/// Wraps `text` (each `\n` is a forced line end) to `width` characters. The first line starts with
/// `first`, the others with `next`. A word longer than a line stays whole: it may be a URL.
pub(super) fn wrap(text: &str, width: usize, first: &str, next: &str, lines: &mut Vec<String>) {
    let mut prefix = first;
    let width = width.max(next.chars().count() + ROOM_MIN);
    for forced in text.split('\n') {
        let mut line = prefix.to_owned();
        let mut length = line.chars().count();
        let mut bare = true;
        for word in forced.split_whitespace() {
            let word_length = word.chars().count();
            if !bare && length + 1 + word_length > width {
                lines.push(std::mem::replace(&mut line, next.to_owned()));
                length = next.chars().count();
                bare = true;
            }
            if !bare {
                line.push(' ');
                length += 1;
            }
            line.push_str(word);
            length += word_length;
            bare = false;
        }
        lines.push(line.trim_end().to_owned());
        prefix = next;
    }
}

/// Sets a table in columns; none when it is wider than `width`. `words`: those of a cell, on one line.
pub(super) fn columns(
    table: &Table,
    width: usize,
    mut words: impl FnMut(&[Inline]) -> String,
) -> Option<Vec<String>> {
    let head = table.has_head().then_some(&table.head);
    let rows: Vec<Vec<String>> = head
        .into_iter()
        .chain(&table.rows)
        .map(|row| {
            row.iter()
                .map(|cell| words(cell).trim().to_owned())
                .collect()
        })
        .collect();
    let widths: Vec<usize> = (0..table.head.len())
        .map(|column| {
            rows.iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let total = widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1);
    if total > width {
        return None;
    }
    let mut lines = Vec::with_capacity(rows.len() + 1);
    for (index, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, width))| set(cell, *width, table.alignments.get(column).copied()))
            .collect();
        lines.push(cells.join("  ").trim_end().to_owned());
        if index == 0 && head.is_some() {
            let rules: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
            lines.push(rules.join("  "));
        }
    }
    Some(lines)
}

/// A table too wide for columns, row by row: `Head: cell` lines, an empty line between rows. `words`: those of a cell, on
/// one line.
pub(super) fn records(table: &Table, mut words: impl FnMut(&[Inline]) -> String) -> Vec<String> {
    let heads: Vec<String> = table.head.iter().map(|cell| words(cell)).collect();
    let mut lines = Vec::new();
    for row in &table.rows {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        for (head, cell) in heads.iter().zip(row) {
            let cell = words(cell);
            lines.push(match head.trim() {
                "" => cell.trim().to_owned(),
                head => format!("{head}: {}", cell.trim()),
            });
        }
    }
    lines
}

fn set(cell: &str, width: usize, alignment: Option<Alignment>) -> String {
    match alignment.unwrap_or_default() {
        Alignment::Left => format!("{cell:<width$}"),
        Alignment::Center => format!("{cell:^width$}"),
        Alignment::Right => format!("{cell:>width$}"),
    }
}
