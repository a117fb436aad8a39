//! How far a long run is, and how long it will take: a bar on a terminal, now and then a line elsewhere.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal as _, stderr};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Time between two lines where there is no terminal.
const BETWEEN_LINES: Duration = Duration::from_secs(30);

/// A run of so many parts.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
    what: &'static str,
    said: Option<Mutex<Instant>>,
}

impl Progress {
    /// Nothing is done yet of `length` parts.
    pub(super) fn new(length: usize, what: &'static str) -> Self {
        let bar = ProgressBar::new(u64::try_from(length).unwrap_or(u64::MAX)).with_prefix(what);
        if let Ok(style) =
            ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len} {elapsed} (about {eta} left) {msg}")
        {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        let said = (!stderr().is_terminal()).then(|| Mutex::new(Instant::now()));
        Self { bar, what, said }
    }

    /// One part more is done.
    pub(super) fn done(&self, part: &str) {
        self.bar.set_message(part.to_owned());
        self.bar.inc(1);
        let Some(Ok(mut said)) = self.said.as_ref().map(Mutex::lock) else { return };
        if said.elapsed() >= BETWEEN_LINES {
            *said = Instant::now();
            eprintln!("{}", self.line());
        }
    }

    fn line(&self) -> String {
        let (done, all) = (self.bar.position(), self.bar.length().unwrap_or(0));
        let left = match u32::try_from(all.saturating_sub(done)) {
            Ok(left) if done > 0 => self.bar.elapsed() * left / u32::try_from(done).unwrap_or(u32::MAX),
            _ => Duration::ZERO,
        };
        format!("{}: {done} of {all}, {} s, about {} s left", self.what, self.bar.elapsed().as_secs(), left.as_secs())
    }

    /// All is done.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
