//! Deliberately wrong variants of the algorithms, each with the model that must fail on it.
//!
//! Most are bugs that real systems had. A file holds a faithful copy of one algorithm whose steps can be replaced one
//! by one, and the mutants that replace them; the copy without a replacement must pass the same models, so it is the
//! mutation, and not the copying, that they catch.

pub mod known;
mod mutex;
mod semaphore;

use crate::clients::{Clients, Size};
use crate::world::{Bounds, Model};

/// A wrong variant.
#[derive(Clone, Copy, Debug)]
pub struct Mutant {
    /// Its name.
    pub name: &'static str,
    /// What is wrong, and where that was seen.
    pub bug: &'static str,
    /// What its model's failure says.
    pub fails_with: &'static str,
    /// The model that must fail, planted with it.
    pub planted: Model,
    /// The same model of the faithful copy, which must pass.
    pub control: Model,
    /// Small clients that must fail, too, if there are any so small.
    pub clients: Option<Caught>,
}

/// By which clients a mutant is caught.
#[derive(Clone, Copy, Debug)]
pub struct Caught {
    /// Those of the mutant.
    pub planted: Clients,
    /// Those of the faithful copy, which must pass.
    pub control: Clients,
    /// As far as is needed.
    pub size: Size,
    /// With or without kills.
    pub kills: bool,
}

impl Caught {
    fn by(planted: Clients, control: Clients, (threads, operations, kills): (usize, usize, bool)) -> Self {
        Self { planted, control, size: Size { threads, operations }, kills }
    }
}

/// Every mutant.
#[must_use]
pub fn all() -> Vec<Mutant> {
    let mut all = mutex::all();
    all.extend(semaphore::all());
    all
}

/// The model of that name, as far as it is explored for a mutant to be noticed.
fn planted(models: &[Model], name: &str) -> Model {
    Model { bounds: Bounds { plain: Some(2), faulty: Some(1) }, ..find(models, name) }
}

/// The model of that name, no further than that, and no further than the real primitive's.
fn control(models: &[Model], name: &str) -> Model {
    let model = find(models, name);
    let at_most = |bound: Option<usize>, most: usize| Some(bound.map_or(most, |bound| bound.min(most)));
    let bounds = Bounds { plain: at_most(model.bounds.plain, 2), faulty: at_most(model.bounds.faulty, 1) };
    Model { bounds, ..model }
}

fn find(models: &[Model], name: &str) -> Model {
    *models.iter().find(|model| model.name == name).expect("a model of that name")
}
