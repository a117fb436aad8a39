//! Absolute deadlines on the monotonic clock.

use core::time::Duration;

/// An absolute instant of `CLOCK_MONOTONIC`, in nanoseconds: what every timed call waits until.
///
/// The clock is the same for all processes of a machine, does not jump, and stands still while the machine sleeps.
/// Under `--cfg loom` there is no clock; whether a deadline passes is a choice of the model.
///
/// ```
/// use selvedge::Deadline;
/// use std::time::Duration;
///
/// let deadline = Deadline::after(Duration::from_millis(5));
/// assert!(deadline.remaining() <= Duration::from_millis(5));
/// assert!(Deadline::after(Duration::ZERO).has_passed());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline {
    ns: u64,
}

impl Deadline {
    /// The deadline that lies `timeout` from now. A timeout beyond 584 years is as good as none.
    #[must_use]
    pub fn after(timeout: Duration) -> Self {
        let timeout = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
        Self { ns: now_ns().saturating_add(timeout) }
    }

    /// The deadline at `ns` nanoseconds of `CLOCK_MONOTONIC`.
    #[must_use]
    pub const fn at_monotonic_ns(ns: u64) -> Self {
        Self { ns }
    }

    /// Nanoseconds of `CLOCK_MONOTONIC`.
    #[must_use]
    pub const fn monotonic_ns(self) -> u64 {
        self.ns
    }

    /// Whether the clock has reached the deadline.
    #[must_use]
    pub fn has_passed(self) -> bool {
        now_ns() >= self.ns
    }

    /// The time that is left; zero once the deadline has passed.
    #[must_use]
    pub fn remaining(self) -> Duration {
        Duration::from_nanos(self.ns.saturating_sub(now_ns()))
    }

    /// The earlier of two deadlines, where either may be absent.
    #[must_use]
    pub fn earliest(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }
}

use super::native::now_ns;
