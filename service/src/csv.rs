//! Rows of CSV (RFC 4180) that no spreadsheet takes for formulas, and cells as they were before that.

use std::borrow::Cow;

/// What a spreadsheet takes for the start of a formula, after white space too.
const FORMULA_STARTS: [char; 4] = ['=', '+', '-', '@'];
/// White space that some take for one.
const ODD_STARTS: [char; 2] = ['\t', '\r'];

/// A row with its line end, each cell in quotes and guarded.
#[must_use]
pub fn row<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    let quoted = |text: &str| format!("\"{}\"", guarded(text).replace('"', "\"\""));
    let cells: Vec<String> = cells.into_iter().map(quoted).collect();
    cells.join(",") + "\r\n"
}

/// A cell with an apostrophe in front, if a spreadsheet would compute it.
#[must_use]
pub fn guarded(text: &str) -> Cow<'_, str> {
    match is_computed(text) {
        true => Cow::Owned(format!("'{text}")),
        false => Cow::Borrowed(text),
    }
}

/// The cell that [`guarded`] made this of.
#[must_use]
pub fn without_guard(text: &str) -> &str {
    text.strip_prefix('\'')
        .filter(|rest| is_computed(rest))
        .unwrap_or(text)
}

/// A text that begins as a guarded one does counts too, so that taking the guard away always gives back what was there.
fn is_computed(text: &str) -> bool {
    let text = text.trim_start_matches('\'');
    text.starts_with(ODD_STARTS) || text.trim_start().starts_with(FORMULA_STARTS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_cell_is_quoted_and_never_a_formula() {
        assert_eq!(
            row(["a", "say \"x\", y", ""]),
            "\"a\",\"say \"\"x\"\", y\",\"\"\r\n"
        );
        for formula in [
            "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "\u{a0}@x", "'=1",
        ] {
            let cell = row([formula]);
            assert_eq!(cell, format!("\"'{formula}\"\r\n"), "{formula:?}");
        }
        assert_eq!(row(["2026-03-01"]), "\"2026-03-01\"\r\n");
    }

    proptest! {
        #[test]
        fn what_is_guarded_comes_back_and_grows_by_no_more_than_one(text in "[=+@a'\t\n -]{0,6}|\\PC{0,8}") {
            let cell = guarded(&text);
            prop_assert_eq!(without_guard(&cell), text.as_str());
            prop_assert!(cell.len() <= text.len() + 1);
            let first = cell.trim_start().chars().next();
            prop_assert!(!first.is_some_and(|c| FORMULA_STARTS.contains(&c)), "{:?}", cell);
        }

        #[test]
        fn a_cell_of_anybody_is_read_without_a_guard_or_as_it_is(text in "[=+@a'\t -]{0,6}") {
            let read = without_guard(&text);
            prop_assert!(read == text || text == guarded(read));
        }
    }
}
