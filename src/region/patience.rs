//! How long a call may wait.

use crate::sync::Deadline;

/// How long a claim or a call may wait.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Patience {
    None,
    Until(Deadline),
    Forever,
}

impl Patience {
    pub(crate) fn deadline(self) -> Option<Deadline> {
        match self {
            Self::Until(deadline) => Some(deadline),
            Self::None | Self::Forever => None,
        }
    }
}
