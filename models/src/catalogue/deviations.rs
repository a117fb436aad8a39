//! How far treadle explores models that have too many executions for a change to wait for.
//!
//! A deviation is an older value read, a write put before another one, a write that comes first after all, a wait that
//! runs out. Without a bound every execution is explored; so are most models.

/// How many deviations an execution may have; `None` is no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deviations {
    /// Without faults.
    pub plain: Option<u32>,
    /// With one planned fault.
    pub faulty: Option<u32>,
}

/// The bounds of the model with this name.
#[must_use]
pub fn deviations(name: &str) -> Deviations {
    match BOUNDED.iter().find(|(model, ..)| *model == name) {
        Some(&(_, plain, faulty)) => Deviations { plain, faulty },
        None => Deviations::default(),
    }
}

/// Models, with their bounds without and with a planned fault.
const BOUNDED: &[(&str, Option<u32>, Option<u32>)] = &[];
