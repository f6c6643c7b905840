//! Which elements of a page are open, as far as it takes to know where one ends that has no end tag of its own: the
//! implied end tags of the HTML standard, without what it does to repair tables and overlapping marks.
//!
//! <https://html.spec.whatwg.org/multipage/parsing.html>

use super::UNSEEN;

/// Elements further out than this are not looked for, so that no page takes long; browsers nest no deeper.
const DEPTH_MAX: usize = 512;

/// Open elements, and from which on nothing is shown.
#[derive(Default)]
pub(super) struct Open {
    /// The outermost first.
    elements: Vec<Element>,
    /// How many are open around the one that hides.
    hidden_from: Option<usize>,
}

/// An open element, and what it is to those that look for where they end: found out once, since a page may look past it
/// tens of thousands of times.
struct Element {
    name: String,
    /// No mark within running text.
    is_block: bool,
    /// No end tag reaches out of it.
    is_scope: bool,
    /// A drawing or a formula.
    is_foreign_root: bool,
    /// HTML stands in it, though it is part of one.
    holds_html: bool,
}

impl Element {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            is_block: is_block(name),
            is_scope: SCOPES.contains(&name),
            is_foreign_root: is_foreign_root(name),
            holds_html: HTML_WITHIN.contains(&name),
        }
    }

    fn is(&self, name: &str) -> bool {
        self.name == name
    }

    fn is_any(&self, names: &[&str]) -> bool {
        names.contains(&self.name.as_str())
    }
}

impl Open {
    /// An element begins. `closed`: by a slash, which means something only in drawings and formulas; `hides`: nothing within
    /// is shown. Gives whether the element is.
    pub(super) fn start(&mut self, name: &str, closed: bool, hides: bool) -> bool {
        if self.is_foreign() && LEAVE_FOREIGN.contains(&name) {
            let inner = self.find(|it| it.is_foreign_root, |_| false);
            self.close(inner);
        }
        self.imply_ends(name);
        let is_empty =
            VOID.contains(&name) || (closed && (self.is_foreign() || is_foreign_root(name)));
        let shown = !self.is_hidden() && !hides;
        if !is_empty {
            if hides && !self.is_hidden() {
                self.hidden_from = Some(self.elements.len());
            }
            self.elements.push(Element::new(name));
        }
        shown
    }

    /// An end tag. Gives whether it ends anything that is shown, or nothing at all among what is.
    pub(super) fn end(&mut self, name: &str) -> bool {
        // What follows them still belongs to the page.
        if matches!(name, "body" | "html") {
            return !self.is_hidden();
        }
        let was_hidden_from = self.hidden_from;
        let heading = is_heading(name);
        let ends = |it: &Element| it.is(name) || (heading && is_heading(&it.name));
        let found = match name {
            _ if TABLE_PARTS.contains(&name) || name == "table" => {
                self.find(ends, |it| it.is("table"))
            }
            "li" => self.find(ends, |it| it.is_scope || it.is_any(&["ul", "ol"])),
            "p" => self.find(ends, |it| it.is_scope || it.is("button")),
            _ if UNSEEN.contains(&name) => self.find(ends, |_| false),
            _ if is_block(name) => self.find(ends, |it| it.is_scope),
            // Marks end within the block that they stand in.
            _ => self.find(ends, |it| it.is_block || it.is_scope),
        };
        self.close(found);
        // One that ended what hides is part of it, unless it has ended what stands around it as well.
        match (was_hidden_from, found) {
            (Some(from), Some(at)) => at < from,
            (hidden_from, _) => hidden_from.is_none(),
        }
    }

    pub(super) fn is_hidden(&self) -> bool {
        self.hidden_from.is_some()
    }

    /// Ends what cannot go on when this begins.
    fn imply_ends(&mut self, name: &str) {
        let found = match name {
            "li" => self.find(
                |it| it.is("li"),
                |it| it.is_scope || it.is_any(&["ul", "ol", "menu"]),
            ),
            "dd" | "dt" => self.find(
                |it| it.is_any(&["dd", "dt"]),
                |it| it.is_scope || it.is("dl"),
            ),
            "option" | "optgroup" => self.find(
                |it| it.is("option") || it.is(name),
                |it| it.is("select") || it.is_block || it.is_scope,
            ),
            "a" | "nobr" | "button" => self.find(|it| it.is(name), |it| it.is_scope),
            _ if is_heading(name) => {
                let inner = self.elements.last().is_some_and(|it| is_heading(&it.name));
                inner.then(|| self.elements.len() - 1)
            }
            "td" | "th" => self.table_part(&["td", "th"]),
            "tr" => self.table_part(&["td", "th", "tr"]),
            _ if TABLE_PARTS.contains(&name) => self.table_part(&TABLE_PARTS),
            _ => None,
        };
        self.close(found);
        if CLOSE_P.contains(&name) {
            let inner = self.find(|it| it.is("p"), |it| it.is_scope || it.is("button"));
            self.close(inner);
        }
    }

    /// The outermost of such parts in the innermost table.
    fn table_part(&self, parts: &[&str]) -> Option<usize> {
        let table = self.find(|it| it.is("table"), |_| false)?;
        let within = self.elements.iter().skip(table + 1);
        let outermost = within.take_while(|it| !it.is_any(parts)).count();
        let at = table + 1 + outermost;
        (at < self.elements.len()).then_some(at)
    }

    /// The innermost of such elements that none of the others stands around.
    fn find(
        &self,
        is_it: impl Fn(&Element) -> bool,
        shields: impl Fn(&Element) -> bool,
    ) -> Option<usize> {
        let from = self.elements.len().saturating_sub(DEPTH_MAX);
        let nearest = self.elements[from..]
            .iter()
            .rposition(|it| is_it(it) || shields(it))?;
        let at = from + nearest;
        is_it(&self.elements[at]).then_some(at)
    }

    /// Ends the element at this place, with all within.
    fn close(&mut self, at: Option<usize>) {
        if let Some(at) = at {
            self.elements.truncate(at);
            self.hidden_from = self.hidden_from.filter(|from| *from < at);
        }
    }

    /// Whether what comes next is part of a drawing or a formula, and no HTML that stands in one.
    fn is_foreign(&self) -> bool {
        self.find(|it| it.is_foreign_root, |it| it.holds_html)
            .is_some()
    }
}

fn is_foreign_root(name: &str) -> bool {
    matches!(name, "svg" | "math")
}

fn is_heading(name: &str) -> bool {
    matches!(name, "h1" | "h2" | "h3" | "h4" | "h5" | "h6")
}

/// Whether an element is no mark within running text ("special" in the standard, but for what is in no list here).
fn is_block(name: &str) -> bool {
    name == "li" || matches!(name, "dd" | "dt" | "body") || CLOSE_P.contains(&name)
}

/// Elements that never hold anything, so that they have no end.
const VOID: [&str; 13] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track",
    "wbr",
];

/// No end tag reaches out of these.
const SCOPES: [&str; 8] = [
    "table", "td", "th", "caption", "object", "applet", "marquee", "template",
];

/// What a table is made of.
const TABLE_PARTS: [&str; 8] = [
    "td", "th", "tr", "tbody", "thead", "tfoot", "caption", "colgroup",
];

/// What ends a paragraph by its beginning.
const CLOSE_P: [&str; 41] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "center",
    "dd",
    "details",
    "dialog",
    "dir",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hgroup",
    "hr",
    "li",
    "listing",
    "main",
    "menu",
    "nav",
    "ol",
    "p",
    "plaintext",
    "pre",
    "search",
    "section",
    "summary",
    "table",
    "ul",
    "xmp",
];

/// What is never part of a drawing or a formula, and ends it.
const LEAVE_FOREIGN: [&str; 44] = [
    "b",
    "big",
    "blockquote",
    "body",
    "br",
    "center",
    "code",
    "dd",
    "div",
    "dl",
    "dt",
    "em",
    "embed",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "head",
    "hr",
    "i",
    "img",
    "li",
    "listing",
    "menu",
    "meta",
    "nobr",
    "ol",
    "p",
    "pre",
    "ruby",
    "s",
    "small",
    "span",
    "strike",
    "strong",
    "sub",
    "sup",
    "table",
    "tt",
    "u",
    "ul",
    "var",
];

/// Elements of drawings and formulas in which HTML stands.
const HTML_WITHIN: [&str; 9] = [
    "foreignobject",
    "desc",
    "title",
    "annotation-xml",
    "mi",
    "mo",
    "mn",
    "ms",
    "mtext",
];
