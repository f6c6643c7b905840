//! The content tree as HTML that mail clients render well: styles inline, nothing that needs escaping left raw.

use std::fmt::Write as _;

use super::document::{Alignment, Block, Cell, Document, Inline, Table, plain_text};

const PARAGRAPH: &str = "margin:0 0 16px";
const LINK: &str = "color:#1d4ed8";
const CODE: &str = "font-family:Consolas,Menlo,monospace;font-size:14px;background:#f3f4f6;border-radius:3px;padding:1px 4px";
const CODE_BLOCK: &str = "font-family:Consolas,Menlo,monospace;font-size:14px;line-height:20px;background:#f3f4f6;border-radius:4px;padding:12px;margin:0 0 16px;white-space:pre-wrap;word-break:break-word";
const QUOTE: &str =
    "margin:0 0 16px;padding:0 0 0 16px;border-left:3px solid #d1d5db;color:#4b5563";
const LIST: &str = "margin:0 0 16px;padding:0 0 0 24px";
const TABLE: &str = "border-collapse:collapse;width:100%;margin:0 0 16px;font-size:15px";
const CELL: &str = "border:1px solid #d1d5db;padding:6px 10px;vertical-align:top";
const RULE: &str = "border:0;border-top:1px solid #d1d5db;margin:24px 0";
const IMAGE: &str = "max-width:100%;height:auto;border:0";

/// Renders the blocks of a document as the inside of an article. Each block ends its line.
/// The classes are those the dark style in `mail.html` speaks of.
pub fn article(document: &Document) -> String {
    let mut html = String::new();
    blocks(&document.blocks, &mut html);
    html
}

/// Escapes text for an element's content or a double-quoted attribute.
pub fn escape(text: &str, html: &mut String) {
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
}

/// What [`escape`] was given.
pub(super) fn unescape(html: &str) -> String {
    // The ampersand last: what it stood before is no entity.
    html.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
}

/// How many bytes [`escape`] makes of a text.
pub(super) fn escaped_size(text: &str) -> usize {
    let size = |c: char| match c {
        '&' | '\'' => 5,
        '<' | '>' => 4,
        '"' => 6,
        c => c.len_utf8(),
    };
    text.chars().map(size).sum()
}

fn blocks(blocks: &[Block], html: &mut String) {
    for one in blocks {
        block(one, html);
    }
}

fn block(block: &Block, html: &mut String) {
    match block {
        Block::Heading { level, content } => heading(*level, content, html),
        Block::Paragraph(content) => {
            open("p", PARAGRAPH, "", html);
            inlines(content, html);
            html.push_str("</p>\n");
        }
        Block::List { start, items } => list(*start, items, html),
        Block::Quote(inner) => {
            open("blockquote", QUOTE, "quiet", html);
            html.push('\n');
            blocks(inner, html);
            html.push_str("</blockquote>\n");
        }
        Block::Code(text) => {
            open("pre", CODE_BLOCK, "code", html);
            escape(text, html);
            html.push_str("</pre>\n");
        }
        Block::Table(inner) => table(inner, html),
        Block::Rule => {
            open("hr", RULE, "", html);
            html.push('\n');
        }
    }
}

fn heading(level: u8, content: &[Inline], html: &mut String) {
    // The title is the mail's only h1.
    let tag = ["h2", "h2", "h3", "h4", "h5", "h6"][usize::from(level.clamp(1, 6)) - 1];
    let size = match level {
        0..=1 => "24px;line-height:32px",
        2 => "20px;line-height:28px",
        3 => "18px;line-height:26px",
        _ => "16px;line-height:24px",
    };
    open(
        tag,
        &format!("margin:24px 0 8px;font-size:{size}"),
        "",
        html,
    );
    inlines(content, html);
    let _ = writeln!(html, "</{tag}>");
}

fn list(start: Option<u64>, items: &[Vec<Block>], html: &mut String) {
    match start {
        Some(first) if first != 1 => {
            let _ = writeln!(html, r#"<ol start="{first}" style="{LIST}">"#);
        }
        Some(_) => {
            let _ = writeln!(html, r#"<ol style="{LIST}">"#);
        }
        None => {
            let _ = writeln!(html, r#"<ul style="{LIST}">"#);
        }
    }
    for item in items {
        open("li", "margin:0 0 6px", "", html);
        match item.as_slice() {
            [Block::Paragraph(content), rest @ ..] => {
                inlines(content, html);
                if !rest.is_empty() {
                    html.push('\n');
                    blocks(rest, html);
                }
            }
            other => blocks(other, html),
        }
        html.push_str("</li>\n");
    }
    html.push_str(if start.is_some() {
        "</ol>\n"
    } else {
        "</ul>\n"
    });
}

fn table(table: &Table, html: &mut String) {
    open("table", TABLE, "", html);
    html.push('\n');
    if table.has_head() {
        row("th", &table.head, &table.alignments, html);
    }
    for cells in &table.rows {
        row("td", cells, &table.alignments, html);
    }
    html.push_str("</table>\n");
}

fn row(tag: &str, cells: &[Cell], alignments: &[Alignment], html: &mut String) {
    html.push_str("<tr>");
    for (index, cell) in cells.iter().enumerate() {
        let side = match alignments.get(index).copied().unwrap_or_default() {
            Alignment::Left => "left",
            Alignment::Center => "center",
            Alignment::Right => "right",
        };
        open(tag, &format!("{CELL};text-align:{side}"), "line", html);
        inlines(cell, html);
        let _ = write!(html, "</{tag}>");
    }
    html.push_str("</tr>\n");
}

fn inlines(content: &[Inline], html: &mut String) {
    for one in content {
        inline(one, html);
    }
}

fn inline(inline: &Inline, html: &mut String) {
    match inline {
        Inline::Text(text) => escape(text, html),
        Inline::Strong(inner) => wrapped("strong", inner, html),
        Inline::Emphasis(inner) => wrapped("em", inner, html),
        Inline::Strikethrough(inner) => wrapped("s", inner, html),
        Inline::Code(text) => {
            open("code", CODE, "code", html);
            escape(text, html);
            html.push_str("</code>");
        }
        Inline::Link { target, content } => {
            html.push_str("<a href=\"");
            escape(target.as_str(), html);
            let _ = write!(html, r#"" class="link" style="{LINK}">"#);
            let silent = plain_text(content).trim().is_empty();
            inlines(content, html);
            if silent && !holds_image(content) {
                escape(target.shown(), html);
            }
            html.push_str("</a>");
        }
        Inline::Image { source, alt } => {
            html.push_str("<img src=\"");
            escape(source.as_str(), html);
            html.push_str("\" alt=\"");
            escape(alt, html);
            let _ = write!(html, r#"" style="{IMAGE}">"#);
        }
        Inline::Break => html.push_str("<br>\n"),
    }
}

fn wrapped(tag: &str, content: &[Inline], html: &mut String) {
    let _ = write!(html, "<{tag}>");
    inlines(content, html);
    let _ = write!(html, "</{tag}>");
}

fn holds_image(content: &[Inline]) -> bool {
    content.iter().any(|inline| match inline {
        Inline::Image { .. } => true,
        Inline::Strong(inner)
        | Inline::Emphasis(inner)
        | Inline::Strikethrough(inner)
        | Inline::Link { content: inner, .. } => holds_image(inner),
        Inline::Text(_) | Inline::Code(_) | Inline::Break => false,
    })
}

fn open(tag: &str, style: &str, class: &str, html: &mut String) {
    let _ = if class.is_empty() {
        write!(html, r#"<{tag} style="{style}">"#)
    } else {
        write!(html, r#"<{tag} class="{class}" style="{style}">"#)
    };
}
