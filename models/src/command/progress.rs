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
    /// Parts that an earlier run had done: they took no time of this one.
    before: u64,
    said: Option<Mutex<Instant>>,
}

impl Progress {
    /// Of `length` parts, so many were done `before`.
    pub(super) fn new(length: usize, before: usize, what: &'static str) -> Self {
        let [length, before] = [length, before].map(|parts| u64::try_from(parts).unwrap_or(u64::MAX));
        let bar = ProgressBar::new(length).with_prefix(what).with_position(before);
        bar.reset_eta();
        if let Ok(style) =
            ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len} {elapsed} (about {eta} left) {msg}")
        {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        let said = (!stderr().is_terminal()).then(|| Mutex::new(Instant::now()));
        Self { bar, what, before, said }
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
        let (done, all, elapsed) = (self.bar.position(), self.bar.length().unwrap_or(0), self.bar.elapsed());
        let left = left(self.before, done, all, elapsed);
        let left = left.map_or_else(String::new, |left| format!(", about {} s left", left.as_secs()));
        format!("{}: {done} of {all}, {} s{left}", self.what, elapsed.as_secs())
    }

    /// All is done.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// How long the rest takes if it goes on like what this run has done; that nobody knows before it has done something.
fn left(before: u64, done: u64, all: u64, elapsed: Duration) -> Option<Duration> {
    let [mine, rest] = [done.saturating_sub(before), all.saturating_sub(done)].map(u32::try_from);
    match (mine, rest) {
        (Ok(mine @ 1..), Ok(rest)) => Some(elapsed * rest / mine),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_before_tells_nothing_of_the_speed() {
        let ten = Duration::from_secs(10);
        assert_eq!(left(0, 5, 20, ten), Some(Duration::from_secs(30)));
        assert_eq!(left(90, 95, 110, ten), Some(Duration::from_secs(30)));
        assert_eq!(left(90, 90, 110, ten), None);
        assert_eq!(left(90, 110, 110, ten), Some(Duration::ZERO));
    }

    #[test]
    fn a_run_that_goes_on_begins_where_the_other_was() {
        let progress = Progress::new(10, 4, "models");
        assert!(progress.line().starts_with("models: 4 of 10, 0 s"), "{}", progress.line());
        assert!(!progress.line().contains("left"), "{}", progress.line());
        progress.done("a/b");
        assert_eq!(progress.line(), "models: 5 of 10, 0 s, about 0 s left");
    }
}
