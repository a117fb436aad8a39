//! What an object is to do, one operation after the other.

use core::fmt::{Debug, Display};
use core::hash::Hash;

/// An operation with the thread that calls it.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a, O> {
    /// The thread, by a number of the history's own.
    pub thread: usize,
    /// What it calls.
    pub operation: &'a O,
}

/// A result that an operation can have, and the state after it.
pub type Effect<S> = (<S as Specification>::Outcome, <S as Specification>::State);

/// The sequential specification of an object.
pub trait Specification {
    /// What can be called.
    type Operation: Clone + Debug + Display;
    /// What comes of it.
    type Outcome: Clone + Debug + Display + PartialEq;
    /// What the object is.
    type State: Clone + Debug + Eq + Hash;

    /// The object before the first operation.
    fn initial(&self) -> Self::State;

    /// What the operation can do in `state`, alone. Nothing: it has to wait.
    fn apply(&self, state: &Self::State, call: Call<'_, Self::Operation>) -> Vec<Effect<Self>>;

    /// What two operations can do in `state` in one step, the first result of the first one. The search asks for both
    /// orders of two.
    fn apply_both(
        &self,
        _state: &Self::State,
        _first: Call<'_, Self::Operation>,
        _second: Call<'_, Self::Operation>,
    ) -> Vec<(Self::Outcome, Self::Outcome, Self::State)> {
        Vec::new()
    }

    /// Whether what was done before the call of `earlier` has to happen before the return of `later`, if they take effect in
    /// this order, or at once.
    fn publishes(
        &self,
        _earlier: (&Self::Operation, &Self::Outcome),
        _later: (&Self::Operation, &Self::Outcome),
    ) -> bool {
        false
    }
}
