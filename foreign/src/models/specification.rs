//! What a stack is, one operation after the other; and how the clients that are enumerated use the real one.

use crate::stack::Stack;
use core::fmt;
use selvedge_models::clients::Object;
use selvedge_models::scene::{Dead, Repair, Scene};
use selvedge_models::witness::{Call, Effect, Specification};

/// Last in, first out.
#[derive(Clone, Copy, Debug)]
pub struct LastInFirstOut;

/// What can be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Puts a node on top.
    Push(u32),
    /// Takes the node on top.
    Pop,
}

/// What comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The node is on top.
    Pushed,
    /// This node was taken.
    Popped(u32),
    /// There was none.
    Empty,
}

impl Specification for LastInFirstOut {
    type Operation = Operation;
    type Outcome = Outcome;
    type State = Vec<u32>;

    fn initial(&self) -> Vec<u32> {
        Vec::new()
    }

    fn apply(&self, nodes: &Vec<u32>, call: Call<'_, Operation>) -> Vec<Effect<Self>> {
        let mut nodes = nodes.clone();
        let outcome = match *call.operation {
            Operation::Push(node) => {
                nodes.push(node);
                Outcome::Pushed
            }
            Operation::Pop => nodes.pop().map_or(Outcome::Empty, Outcome::Popped),
        };
        vec![(outcome, nodes)]
    }

    /// Who pops a node knows what was done before it was pushed.
    fn publishes(&self, earlier: (&Operation, &Outcome), later: (&Operation, &Outcome)) -> bool {
        matches!((earlier.0, later.1), (Operation::Push(pushed), Outcome::Popped(popped)) if pushed == popped)
    }
}

impl Object for Stack {
    type Spec = LastInFirstOut;
    const NAME: &'static str = "stack";

    fn specification(_threads: usize) -> LastInFirstOut {
        LastInFirstOut
    }

    fn letters(_kills: bool) -> Vec<fn(u32) -> Operation> {
        vec![Operation::Push, |_| Operation::Pop]
    }

    fn new(program: &[Vec<Operation>]) -> Self {
        // Each operation has a number of its own, from 1, which is the node that it pushes.
        let operations: usize = program.iter().map(Vec::len).sum();
        Self::new(u32::try_from(operations).expect("few") + 1)
    }

    fn perform(scene: &Scene<Self>, _lane: usize, operation: Operation) -> Outcome {
        match operation {
            Operation::Push(node) => {
                scene.object.push(node);
                Outcome::Pushed
            }
            Operation::Pop => scene.object.pop().map_or(Outcome::Empty, Outcome::Popped),
        }
    }
}

/// Nothing is left half done, and nobody sleeps.
impl Repair for Stack {
    fn bury(&self, _dead: &Dead<'_>) {}

    fn wake_all(&self) {}
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Push(node) => write!(f, "push {node}"),
            Self::Pop => f.write_str("pop"),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pushed => f.write_str("pushed"),
            Self::Popped(node) => write!(f, "popped {node}"),
            Self::Empty => f.write_str("empty"),
        }
    }
}
