//! The models, one file for each file of `src/primitives/`.

mod mutex;
mod role;
mod semaphore;

use crate::world::Model;

/// Every model that there is.
#[must_use]
pub fn all() -> Vec<Model> {
    [mutex::MODELS, role::MODELS, semaphore::MODELS].concat()
}
