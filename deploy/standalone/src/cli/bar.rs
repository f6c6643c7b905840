//! Progress of long work: a bar on a terminal, nothing elsewhere.

use std::fmt::Write;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::Out;

const REDRAW_EVERY: Duration = Duration::from_millis(200);

/// A bar that is gone once dropped.
pub(crate) struct Bar(ProgressBar);

impl Bar {
    /// A bar for `what`, counted in `unit`; both must be plain words.
    pub(crate) fn new(out: Out, what: &str, unit: &str) -> Self {
        if !out.is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stdout());
        let template = format!(
            "{what:24} {{bar:30}} {{human_pos}} of {{human_len}} {unit}, {{rate}}, {{eta}} left"
        );
        let style = ProgressStyle::with_template(&template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .with_key("rate", rate);
        bar.set_style(style);
        bar.enable_steady_tick(REDRAW_EVERY);
        Self(bar)
    }

    /// Shows how far it is.
    pub(crate) fn set(&self, position: u64, length: u64) {
        self.0.set_length(length);
        self.0.set_position(position);
    }
}

fn rate(state: &ProgressState, text: &mut dyn Write) {
    // Writing to the bar's own text does not fail.
    let _ = write!(text, "{:.0}/s", state.per_sec());
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
