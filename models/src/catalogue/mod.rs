//! The models, one file for each file of `src/primitives/`.

mod mutex;
mod semaphore;

use crate::world::Model;

/// Every model that there is.
#[must_use]
pub fn all() -> Vec<Model> {
    [mutex::MODELS, semaphore::MODELS].concat()
}
