//! Running text as it comes, piece by piece with its marks, and as it ends up in the tree.

use super::element::Mark;
use crate::content::document::{Inline, Target};

/// How the words that come next are marked. Elements that overlap, end twice or never end do no harm.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Marks {
    /// Where they lead.
    pub(super) link: Option<Target>,
    strong: u32,
    emphasis: u32,
    strikethrough: u32,
    code: u32,
}

impl Marks {
    pub(super) fn more(&mut self, mark: Mark) {
        let count = self.count(mark);
        *count = count.saturating_add(1);
    }

    pub(super) fn less(&mut self, mark: Mark) {
        let count = self.count(mark);
        *count = count.saturating_sub(1);
    }

    fn count(&mut self, mark: Mark) -> &mut u32 {
        match mark {
            Mark::Strong => &mut self.strong,
            Mark::Emphasis => &mut self.emphasis,
            Mark::Strikethrough => &mut self.strikethrough,
            Mark::Code => &mut self.code,
        }
    }
}

/// A piece of running text and how it is marked.
pub(super) struct Run {
    pub(super) marks: Marks,
    pub(super) inline: Inline,
}

/// The paragraphs that some runs make: white space counts once, and two new lines in a row begin a paragraph.
pub(super) fn paragraphs(runs: Vec<Run>) -> Vec<Vec<Inline>> {
    let mut done = vec![Line::default()];
    let mut breaks = 0;
    for run in runs {
        if run.inline == Inline::Break {
            breaks += 1;
            continue;
        }
        let line = done.last_mut().expect("there is always a line");
        let blank = matches!(&run.inline, Inline::Text(text) if text.trim().is_empty());
        if breaks > 0 && blank {
            continue;
        }
        match breaks {
            0 => line.take(run),
            1 => {
                line.end_line();
                line.take(run);
            }
            _ => {
                let mut next = Line::default();
                next.take(run);
                done.push(next);
            }
        }
        breaks = 0;
    }
    done.into_iter().filter_map(Line::finish).collect()
}

/// The runs of a paragraph with as little white space as it takes.
struct Line {
    runs: Vec<Run>,
    /// Whether a space would stand at the start of a line or after another one.
    spaced: bool,
}

impl Default for Line {
    fn default() -> Self {
        Self {
            runs: Vec::new(),
            spaced: true,
        }
    }
}

impl Line {
    fn take(&mut self, run: Run) {
        let Inline::Text(text) = &run.inline else {
            self.spaced = false;
            self.runs.push(run);
            return;
        };
        let mut kept = String::with_capacity(text.len());
        for c in text.chars() {
            // A no-break space is there on purpose.
            let space = c.is_ascii_whitespace();
            if !(space && self.spaced) {
                kept.push(if space { ' ' } else { c });
            }
            self.spaced = space;
        }
        if !kept.is_empty() {
            self.runs.push(Run {
                marks: run.marks,
                inline: Inline::Text(kept),
            });
        }
    }

    fn end_line(&mut self) {
        self.trim_end();
        if !self.runs.is_empty() {
            self.runs.push(Run {
                marks: Marks::default(),
                inline: Inline::Break,
            });
        }
        self.spaced = true;
    }

    fn trim_end(&mut self) {
        while let Some(Run {
            inline: Inline::Text(text),
            ..
        }) = self.runs.last_mut()
        {
            text.truncate(text.trim_end().len());
            if !text.is_empty() {
                break;
            }
            self.runs.pop();
        }
    }

    /// The paragraph; none where there is nothing to see.
    fn finish(mut self) -> Option<Vec<Inline>> {
        self.trim_end();
        let seen = self.runs.iter().any(|run| match &run.inline {
            Inline::Text(text) => !text.trim().is_empty(),
            inline => *inline != Inline::Break,
        });
        seen.then(|| links(self.runs))
    }
}

/// Neighbours of one kind, in order.
fn groups<K: PartialEq>(runs: Vec<Run>, kind: impl Fn(&Marks) -> K) -> Vec<(K, Vec<Run>)> {
    let mut groups: Vec<(K, Vec<Run>)> = Vec::new();
    for run in runs {
        let key = kind(&run.marks);
        match groups.last_mut() {
            Some((last, group)) if *last == key => group.push(run),
            _ => groups.push((key, vec![run])),
        }
    }
    groups
}

fn links(runs: Vec<Run>) -> Vec<Inline> {
    let mut inlines = Vec::new();
    for (target, group) in groups(runs, |marks| marks.link.clone()) {
        let content = strong(group);
        match target {
            Some(target) => inlines.push(Inline::Link { target, content }),
            None => inlines.extend(content),
        }
    }
    inlines
}

fn strong(runs: Vec<Run>) -> Vec<Inline> {
    marked(runs, |marks| marks.strong > 0, Inline::Strong, emphasis)
}

fn emphasis(runs: Vec<Run>) -> Vec<Inline> {
    marked(
        runs,
        |marks| marks.emphasis > 0,
        Inline::Emphasis,
        strikethrough,
    )
}

fn strikethrough(runs: Vec<Run>) -> Vec<Inline> {
    marked(
        runs,
        |marks| marks.strikethrough > 0,
        Inline::Strikethrough,
        words,
    )
}

/// Puts runs that are marked into an element each, and orders what is within by `inner`.
fn marked(
    runs: Vec<Run>,
    is_marked: impl Fn(&Marks) -> bool,
    element: impl Fn(Vec<Inline>) -> Inline,
    inner: impl Fn(Vec<Run>) -> Vec<Inline>,
) -> Vec<Inline> {
    let mut inlines = Vec::new();
    for (is_marked, group) in groups(runs, is_marked) {
        if is_marked {
            inlines.push(element(inner(group)));
        } else {
            inlines.extend(inner(group));
        }
    }
    inlines
}

/// Neighbouring words of one kind are one text.
fn words(runs: Vec<Run>) -> Vec<Inline> {
    let mut inlines: Vec<Inline> = Vec::new();
    for run in runs {
        let inline = match run.inline {
            Inline::Text(text) if run.marks.code > 0 => Inline::Code(text),
            inline => inline,
        };
        match (inlines.last_mut(), inline) {
            (Some(Inline::Text(before)), Inline::Text(text))
            | (Some(Inline::Code(before)), Inline::Code(text)) => before.push_str(&text),
            (_, inline) => inlines.push(inline),
        }
    }
    inlines
}
