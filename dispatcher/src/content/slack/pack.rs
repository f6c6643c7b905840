//! Packs lines into section texts, none too long, never cutting a link or an entity in two.

use super::{SECTION_LENGTH_MAX, mrkdwn::escaped};
use crate::content::chat::{FENCE, Line, length, unfenced};

/// Packs lines into as few section texts as keep them in order. Blank sections are left out.
pub(super) fn sections(lines: &[Line]) -> Vec<String> {
    let pieces = lines.iter().flat_map(|line| {
        let room = SECTION_LENGTH_MAX
            .saturating_sub(length(&line.prefix))
            .max(1);
        pieces(&line.text, room)
            .into_iter()
            .map(|piece| format!("{}{piece}", line.prefix).trim_end().to_owned())
    });
    join(pieces, SECTION_LENGTH_MAX)
}

/// Packs literal lines into fenced section texts.
pub(super) fn code_sections<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
    let room = SECTION_LENGTH_MAX - 2 * (FENCE.len() + 1);
    let pieces = lines.flat_map(|line| pieces(&escaped(&unfenced(line)), room));
    join(pieces, room)
        .into_iter()
        .map(|text| format!("{FENCE}\n{text}\n{FENCE}"))
        .collect()
}

fn join(lines: impl Iterator<Item = String>, length_max: usize) -> Vec<String> {
    let mut done = Vec::new();
    let mut text = String::new();
    let mut text_length = 0;
    for line in lines {
        let line_length = length(&line);
        if text_length > 0 && text_length + 1 + line_length > length_max {
            done.push(std::mem::take(&mut text));
            text_length = 0;
        }
        if text_length > 0 {
            text.push('\n');
            text_length += 1;
        } else if line.trim().is_empty() {
            continue;
        }
        text.push_str(&line);
        text_length += line_length;
    }
    if !text.is_empty() {
        done.push(text);
    }
    done
}

/// Breaks one line into pieces of at most `length_max`, after a space where there is one.
fn pieces(line: &str, length_max: usize) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut rest = line;
    while let Some(cut) = cut_at(rest, length_max) {
        pieces.push(rest[..cut].trim_end().to_owned());
        rest = rest[cut..].trim_start();
    }
    pieces.push(rest.to_owned());
    pieces
}

/// Where to break a line that is too long; none when it fits.
fn cut_at(line: &str, length_max: usize) -> Option<usize> {
    let mut last_space = None;
    let mut last_safe = None;
    let mut taken = 0;
    let mut inside = None;
    for (at, c) in line.char_indices() {
        if inside.is_none() && at > 0 {
            last_safe = Some(at);
            if c == ' ' {
                last_space = Some(at);
            }
        }
        taken += c.len_utf16();
        if taken > length_max {
            // Links and entities are shorter than any section, so a safe place exists.
            return Some(last_space.or(last_safe).unwrap_or(at.max(1)));
        }
        inside = match (inside, c) {
            (None, '<') => Some('>'),
            (None, '&') => Some(';'),
            (Some(end), c) if c == end => None,
            (state, _) => state,
        };
    }
    None
}
