//! The models, and all that the harness is to know of this crate.

mod seqlock;
mod specification;
mod stack;

use selvedge_models::clients::Clients;
use selvedge_models::command::Project;
use selvedge_models::properties::Property;

/// What the models check.
const PROPERTIES: &[Property] = &[
    Property { id: "W", what: "values that are read are those of one write" },
    Property { id: "O", what: "who reads twice does not see older values the second time" },
    Property { id: "D", what: "nobody hangs, and nothing is wrong, wherever somebody else was killed" },
    Property { id: "N", what: "each node is in the stack once, or somebody has it" },
];

/// This crate.
#[must_use]
pub fn project() -> Project {
    Project {
        models: [seqlock::MODELS, stack::MODELS].concat(),
        clients: vec![Clients::of::<crate::stack::Stack>()],
        properties: PROPERTIES.to_vec(),
        ..selvedge_models::project!("foreign structures")
    }
}
