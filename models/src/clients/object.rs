//! What an object is to the clients: its letters, what they do, and its specification.

use crate::scene::Scene;
use selvedge::primitives::undertaker::Repair;
use selvedge_witness::Specification;
use std::fmt::Debug;
use std::hash::Hash;

/// The operations of an object.
pub type Operation<O> = <<O as Object>::Spec as Specification>::Operation;
/// Their results.
pub type Outcome<O> = <<O as Object>::Spec as Specification>::Outcome;
/// What a thread has called so far, and what came of it.
pub type Past<O> = [(Operation<O>, Outcome<O>)];

/// An object that clients are made for.
pub trait Object: Repair + Sized + Send + Sync + 'static {
    /// What it is to do.
    type Spec: Specification<
            Operation: Copy + Debug + Eq + Hash + Send + Sync,
            Outcome: Copy + Debug + Eq + Hash + Send + Sync,
        >;

    /// Its name, with what it is at first.
    const NAME: &'static str;

    /// The specification of what [`new`](Self::new) makes for so many threads.
    fn specification(threads: usize) -> Self::Spec;

    /// What a thread can call; with kills there may be more to call than without. A letter that sends a message sends the one
    /// with the given number: no other has it, for nobody looks into messages.
    fn letters(kills: bool) -> Vec<fn(u32) -> Operation<Self>>;

    /// The object for these threads, before the first operation.
    fn new(program: &[Vec<Operation<Self>>]) -> Self;

    /// Makes ready what no operation is about.
    fn prepare(_scene: &Scene<Self>, _program: &[Vec<Operation<Self>>]) {}

    /// Carries out an operation.
    fn perform(scene: &Scene<Self>, lane: usize, operation: Operation<Self>) -> Outcome<Self>;

    /// Whether a thread that has done that may call this; what it may not call it leaves out.
    fn may(_past: &Past<Self>, _operation: Operation<Self>) -> bool {
        true
    }

    /// Whether there is an execution in which a thread may call the last of these letters, as far as the others tell.
    fn can(_word: &[Operation<Self>]) -> bool {
        true
    }

    /// What a death does to the object, if the survivors can tell.
    fn death() -> Option<(Operation<Self>, Outcome<Self>)> {
        None
    }
}

/// The operations with these numbers in the alphabet, as far as a thread alone matters; meetings are none.
pub(super) fn spell_word<O: Object>(word: &[usize], kills: bool) -> Vec<Operation<O>> {
    let letters = O::letters(kills);
    word.iter().filter_map(|letter| letters.get(*letter)).map(|letter| letter(0)).collect()
}
