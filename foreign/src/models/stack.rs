//! Models of the stack.

use crate::stack::Stack;
use selvedge_models::scene::Notes;
use selvedge_models::{Bounds, Faults, Model, World, verify, verify_eq};
use std::sync::Arc;

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "stack/pushed_while_popped",
        properties: "N",
        client: "1 process × push, 1 × 2 pops; a node is there before",
        build: pushed_while_popped,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(2), faulty: Some(1) },
    },
    Model {
        name: "stack/node_comes_back",
        properties: "N",
        client: "1 process × pop, 1 × (pop, pop, push what it popped first); two nodes are there before",
        build: node_comes_back,
        faults: Faults::NONE,
        bounds: Bounds { plain: Some(2), faulty: Some(1) },
    },
    Model {
        name: "stack/one_dies_the_other_goes_on",
        properties: "N D",
        client: "1 process × (pop, push it again), killed anywhere, 1 × (pop, push another one); two nodes are there before",
        build: one_dies,
        faults: Faults { victims: &[0], ..Faults::NONE },
        bounds: Bounds { plain: Some(2), faulty: Some(1) },
    },
];

/// A stack with these nodes, the last one on top.
fn stack(capacity: u32, nodes: &[u32]) -> Arc<Stack> {
    let stack = Stack::new(capacity);
    nodes.iter().for_each(|node| stack.push(*node));
    Arc::new(stack)
}

/// All nodes that are left, from the top, together with those that somebody has: each once, sorted.
fn all(stack: &Stack, had: &[u32]) -> Vec<u32> {
    let mut all: Vec<u32> = core::iter::from_fn(|| stack.pop()).take(9).chain(had.iter().copied()).collect();
    all.sort_unstable();
    all
}

fn pushed_while_popped(world: &mut World) {
    let stack = stack(2, &[0]);
    let had = Arc::new(Notes::<Vec<u32>>::default());
    let (pusher, popper, popped) = (Arc::clone(&stack), Arc::clone(&stack), Arc::clone(&had));
    world.thread("pusher", move || pusher.push(1));
    world.thread("popper", move || {
        let nodes = [popper.pop(), popper.pop()];
        verify!(nodes[0].is_some(), "one was there before");
        popped.lock().extend(nodes.into_iter().flatten());
    });
    world.finally(move || {
        let had = had.lock().clone();
        verify_eq!(all(&stack, &had), [0, 1]);
    });
}

/// The version is for this: the node on top is the same again, and what was below it is not there any more.
fn node_comes_back(world: &mut World) {
    let stack = stack(2, &[0, 1]);
    let had = Arc::new(Notes::<Vec<u32>>::default());
    let (one, by_one) = (Arc::clone(&stack), Arc::clone(&had));
    world.thread("one", move || {
        let popped = one.pop();
        by_one.lock().extend(popped);
    });
    let (other, by_other) = (Arc::clone(&stack), Arc::clone(&had));
    world.thread("other", move || {
        let (first, second) = (other.pop(), other.pop());
        by_other.lock().extend(second);
        if let Some(first) = first {
            other.push(first);
        }
    });
    world.finally(move || {
        let had = had.lock().clone();
        verify_eq!(all(&stack, &had), [0, 1]);
    });
}

fn one_dies(world: &mut World) {
    let stack = stack(3, &[0, 1]);
    let had = Arc::new(Notes::<Vec<u32>>::default());
    let (victim, other, popped) = (Arc::clone(&stack), Arc::clone(&stack), Arc::clone(&had));
    world.thread("victim", move || {
        if let Some(node) = victim.pop() {
            victim.push(node);
        }
    });
    world.thread("other", move || {
        let node = other.pop();
        verify!(node.is_some(), "the other one cannot have had both");
        popped.lock().extend(node);
        other.push(2);
    });
    world.finally(move || {
        let had = had.lock().clone();
        let all = all(&stack, &had);
        // What the dead one had is gone with it, and nothing else.
        verify!(all.windows(2).all(|pair| pair[0] < pair[1]), "a node is there twice: {all:?}");
        verify!(all.len() >= 2, "more is gone than one can hold: {all:?}");
    });
}
