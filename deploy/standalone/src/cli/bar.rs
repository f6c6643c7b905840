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
            "{what:20} {{bar:24}} {{human_pos}} of {{human_len}} {unit}, {{rate}}, {{eta}} left {{msg}}"
        );
        let style = ProgressStyle::with_template(&template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .with_key("rate", rate);
        bar.set_style(style);
        bar.enable_steady_tick(REDRAW_EVERY);
        Self(bar)
    }

    /// It goes on from there: what came before took no time of its own.
    pub(crate) fn start_from(&self, position: u64) {
        if self.0.position() == 0 && position > 0 {
            self.0.set_position(position);
            self.0.reset_eta();
        }
    }

    /// Shows what it is doing.
    pub(crate) fn say(&self, what: &str) {
        self.0.set_message(what.to_owned());
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
