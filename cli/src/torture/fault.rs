//! What the oracle found.

use std::fmt;

/// A promise that was not kept, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault(String);

/// What a part of the torture comes to.
pub(crate) type Outcome<T = ()> = Result<T, Fault>;

impl Fault {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }

    /// A call failed in a way that nothing in the torture explains.
    pub(crate) fn refused(call: &str, error: impl fmt::Display) -> Self {
        Self(format!("{call} failed: {error}"))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
