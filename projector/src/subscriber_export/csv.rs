//! Rows of CSV (RFC 4180) that no spreadsheet takes for formulas.

/// A row with its line end. A cell that a spreadsheet would compute gets an apostrophe in front.
pub(super) fn row<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    let cells: Vec<String> = cells.into_iter().map(cell).collect();
    cells.join(",") + "\r\n"
}

fn cell(text: &str) -> String {
    let computed = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    let apostrophe = if computed { "'" } else { "" };
    format!("\"{apostrophe}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_quoted_and_never_a_formula() {
        assert_eq!(
            row(["a", "say \"x\", y", ""]),
            "\"a\",\"say \"\"x\"\", y\",\"\"\r\n"
        );
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"] {
            assert!(row([formula]).starts_with("\"'"), "{formula:?}");
        }
        assert_eq!(row(["2026-03-01"]), "\"2026-03-01\"\r\n");
    }
}
