//! The content tree as Markdown (CommonMark and tables), for receivers who want that and content that was none.

use super::document::{Alignment, Block, Cell, Document, Inline, Target};

/// Ends a line that the paragraph goes on after.
const BREAK: &str = "\\\n";

/// Renders a whole document; it ends with a line end.
pub fn source(document: &Document) -> String {
    let mut lines = lines_of(&document.blocks);
    lines.push(String::new());
    lines.join("\n")
}

fn lines_of(blocks: &[Block]) -> Vec<String> {
    let mut lines = Vec::new();
    // Two lists in a row would be one, did they not have other marks.
    let mut other_marks = false;
    let mut before: Option<&Block> = None;
    for block in blocks {
        let both = matches!(
            (before, block),
            (Some(Block::List { .. }), Block::List { .. })
        );
        other_marks = both && !other_marks;
        if before.is_some() {
            lines.push(String::new());
        }
        lines.extend(block_lines(block, other_marks));
        before = Some(block);
    }
    lines
}

fn block_lines(block: &Block, other_marks: bool) -> Vec<String> {
    match block {
        Block::Heading { level, content } => {
            let mark = "#".repeat(usize::from(*level));
            vec![format!("{mark} {}", line_of_words(content))]
        }
        Block::Paragraph(content) => lines_of_words(content),
        Block::List { start, items } => (0..)
            .zip(items)
            .flat_map(|(at, item)| {
                let mark = match (start, other_marks) {
                    (Some(start), false) => format!("{}. ", start.saturating_add(at)),
                    (Some(start), true) => format!("{}) ", start.saturating_add(at)),
                    (None, false) => "- ".to_owned(),
                    (None, true) => "* ".to_owned(),
                };
                hung(&mark, &" ".repeat(mark.len()), lines_of(item))
            })
            .collect(),
        Block::Quote(inner) => hung("> ", "> ", lines_of(inner)),
        Block::Code(text) => {
            let fence = "`".repeat(longest_run(text).max(2) + 1);
            let lines = text.lines().map(str::to_owned);
            [fence.clone()]
                .into_iter()
                .chain(lines)
                .chain([fence])
                .collect()
        }
        Block::Table(table) => {
            let rules = table.alignments.iter().map(|alignment| {
                match alignment {
                    Alignment::Left => "---",
                    Alignment::Center => ":---:",
                    Alignment::Right => "---:",
                }
                .to_owned()
            });
            let mut lines = vec![row(&table.head), cells(rules)];
            lines.extend(table.rows.iter().map(|cells| row(cells)));
            lines
        }
        Block::Rule => vec!["---".to_owned()],
    }
}

/// Puts something before the first line and something before the others.
fn hung(first: &str, next: &str, lines: Vec<String>) -> Vec<String> {
    let lines = match lines.is_empty() {
        true => vec![String::new()],
        false => lines,
    };
    let lead = |(at, line): (usize, String)| {
        let lead = if at == 0 { first } else { next };
        format!("{lead}{line}").trim_end().to_owned()
    };
    lines.into_iter().enumerate().map(lead).collect()
}

fn row(row: &[Cell]) -> String {
    // Even within literal words the mark between cells would be one.
    let plain = |cell: &Cell| line_of_words(cell).replace("\\|", "|").replace('|', "\\|");
    cells(row.iter().map(plain))
}

fn cells(cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<String> = cells.collect();
    format!("| {} |", cells.join(" | "))
}

/// The lines of running text; none begins with what would make it another block.
fn lines_of_words(content: &[Inline]) -> Vec<String> {
    let words = words(content);
    words
        .split('\n')
        .map(|line| plain_start(line.trim()))
        .collect()
}

/// Running text on one line.
fn line_of_words(content: &[Inline]) -> String {
    words(content).replace(BREAK, " ").trim().to_owned()
}

/// Running text; lines end with [`BREAK`].
fn words(content: &[Inline]) -> String {
    let mut text = String::new();
    for inline in content {
        match inline {
            Inline::Text(plain) => text.push_str(&escaped(plain)),
            Inline::Strong(inner) => text.push_str(&marked("**", &words(inner))),
            Inline::Emphasis(inner) => text.push_str(&marked("*", &words(inner))),
            Inline::Strikethrough(inner) => text.push_str(&marked("~~", &words(inner))),
            Inline::Code(literal) => text.push_str(&code(literal)),
            Inline::Link { target, content } => {
                let label = words(content);
                let label = match label.trim() {
                    "" => escaped(target.shown()),
                    label => label.to_owned(),
                };
                text.push_str(&format!("[{label}]({})", address(target)));
            }
            Inline::Image { source, alt } => {
                text.push_str(&format!("![{}]({})", escaped(alt), address(source)));
            }
            Inline::Break => text.push_str(BREAK),
        }
    }
    text
}

/// A mark touches the words it marks: spaces stand outside, and each line is marked apart.
fn marked(mark: &str, words: &str) -> String {
    let lines = words.split(BREAK).map(|line| {
        let core = line.trim();
        if core.is_empty() {
            return line.to_owned();
        }
        let before = &line[..line.len() - line.trim_start().len()];
        let after = &line[line.trim_end().len()..];
        format!("{before}{mark}{core}{mark}{after}")
    });
    lines.collect::<Vec<_>>().join(BREAK)
}

/// Literal words between more backticks than stand in them.
fn code(text: &str) -> String {
    let ticks = "`".repeat(longest_run(text) + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') {
        " "
    } else {
        ""
    };
    format!("{ticks}{pad}{text}{pad}{ticks}")
}

fn longest_run(text: &str) -> usize {
    let runs = text.split(|c| c != '`').map(str::len);
    runs.max().unwrap_or(0)
}

/// A target as it stands between parentheses: it is printable ASCII, without spaces.
fn address(target: &Target) -> String {
    let mut address = String::new();
    for c in target.as_str().chars() {
        if matches!(c, '(' | ')' | '<' | '>' | '\\') {
            address.push('\\');
        }
        address.push(c);
    }
    address
}

/// Words that mean nothing but themselves.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if matches!(
            c,
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '~' | '|' | '&' | '!'
        ) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// A line that begins no list, rule or heading.
fn plain_start(line: &str) -> String {
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    match line.as_bytes().get(digits) {
        Some(b'-' | b'+' | b'=') if digits == 0 => format!("\\{line}"),
        Some(b'.' | b')') if digits > 0 => format!("{}\\{}", &line[..digits], &line[digits..]),
        _ => line.to_owned(),
    }
}
