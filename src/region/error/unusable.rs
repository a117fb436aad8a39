//! Why a handle that was good is so no longer.

use std::error::Error;
use std::fmt;

/// Why a handle that was good is so no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unusable {
    /// This process is a forked child; the handle belongs to its parent.
    ForkedChild,
    /// The others were told that this process is dead, and it may not act against what they did then.
    FencedOff,
    /// Somebody overwrote the region's header or its last word, by a hole punched into the file for instance.
    Overwritten,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ForkedChild => "used in a forked child, which has to attach by itself",
            Self::FencedOff => "this process was announced dead to the others and is fenced off",
            Self::Overwritten => "the shared memory was overwritten",
        })
    }
}

impl Error for Unusable {}
