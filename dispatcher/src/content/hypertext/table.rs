//! Tables, and what only looks like one.

use crate::content::document::{Alignment, Block, Cell, Table};

/// Rows are made as long as the longest: a table with more cells than this is no table, so that a short page cannot
/// become a huge one.
const CELLS_MAX: usize = 10_000;

/// A finished cell.
pub(super) struct Field {
    pub(super) head: bool,
    pub(super) alignment: Alignment,
    pub(super) blocks: Vec<Block>,
}

/// A table as such if it is one; what only lays out its content is that content.
pub(super) fn laid_out(rows: Vec<Vec<Field>>, is_layout: bool) -> Vec<Block> {
    let fields = || rows.iter().flatten();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let has_head = fields().any(|field| field.head);
    let is_data = !is_layout
        && columns > 1
        && rows.len().saturating_mul(columns) <= CELLS_MAX
        && (has_head || rows.len() > 1)
        && fields().all(|field| matches!(field.blocks.as_slice(), [] | [Block::Paragraph(_)]));
    if !is_data {
        let blocks = rows.into_iter().flatten().flat_map(|field| field.blocks);
        return blocks.collect();
    }
    let alignments = (0..columns)
        .map(|column| rows.iter().rev().find_map(|row| row.get(column)))
        .map(|field| field.map(|field| field.alignment).unwrap_or_default())
        .collect();
    let mut rows = rows.into_iter().filter(|row| !row.is_empty()).peekable();
    let first_is_head = |row: &Vec<Field>| row.iter().all(|field| field.head);
    let head = rows.next_if(first_is_head).unwrap_or_default();
    let cells = |row: Vec<Field>| {
        let mut cells: Vec<Cell> = row.into_iter().map(words).collect();
        cells.resize_with(columns, Cell::new);
        cells
    };
    vec![Block::Table(Table {
        alignments,
        head: cells(head),
        rows: rows.map(cells).collect(),
    })]
}

fn words(field: Field) -> Cell {
    match field.blocks.into_iter().next() {
        Some(Block::Paragraph(words)) => words,
        _ => Cell::new(),
    }
}
