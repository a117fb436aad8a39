//! Unbounded queue: who puts in never waits, as long as there is memory.
//!
//! **Purpose.** First in, first out, many on both sides, for messages that lie in the nodes of a [pool](super::pool),
//! which is all the memory that there is: when it is used up a send fails, and nothing else happens. A message takes
//! effect by one compare-and-swap and is taken by one that names the taker, as in the [bounded queue](super::queue),
//! and by choice of the queue the message of a taker that dies before it has finished is gone with it, or goes to
//! another, as there.
//!
//! **Layout.** Two `u64`, head and tail; a [gate](super::gate) for receivers; a `u32`, whether messages were put back;
//! a `u32`, what becomes of those of the dead; a pool. A node is three `u64`: the pool's word; its *link*, the node
//! after it; and its *back*, the node to which it was linked.
//!
//! | word | from bit 0 |
//! |---|---|
//! | head | 20 bits node, 15 bits thread slot + 1 of who took its message, 29 bits tag |
//! | tail | 20 bits node, 44 bits tag |
//! | link | 20 bits node + 1, or 0; 44 bits: the version of the own node's word, which tells one use of it from the next |
//! | back | 20 bits node, 44 bits: the same |
//!
//! The list begins with a node whose message has been taken. In the pool's word such a node is `HELD_FIRST` while its
//! taker has the message, and `FIRST` afterwards, or `RETURNED_FIRST` if it was put back; when the list begins with the
//! next, `HELD`, `FREE` and `RETURNED`.
//!
//! **Protocol.**
//! 1. *publish n*: read the tail and its node's link; if the tail is the same still and the link is set, swing the tail
//!    on. Else write `n`'s link (none) and back, and swing the link from none to `n`: here it takes effect. Then swing
//!    the tail on.
//! 2. *take*: read the head, finish it (3), read the tail and the link of the head's node. If the head is the same
//!    still: no link, the queue is empty; a tail at the same node is swung on. Else swing the head to the next node,
//!    naming oneself: here it takes effect. Finish it.
//! 3. *finish* a head: swing its node's word to `HELD_FIRST` by the taker, if it is neither; then the word of the node
//!    at its back from `FIRST` to `FREE`, from `HELD_FIRST` to `HELD` or from `RETURNED_FIRST` to `RETURNED`. Each
//!    after the head was seen to be the same.
//! 4. *give back*: `HELD_FIRST` to `FIRST`, `HELD` to `FREE`. *put back*: to `RETURNED_FIRST`, `RETURNED`; and note
//!    that there is one. Whoever looks for those swings one to `HELD_FIRST` or `HELD` by itself.
//! 5. *undertaker*: finish the head. A node that the dead were filling is on its way if the link of the node at its
//!    back names it, and the back was written in this use of the node: then it is `QUEUED`. Else free it. Give back
//!    what the dead held, or put it back and note it. Change the gate.
//!
//! **Invariants.**
//! - I1: while the head is the same, its node and the link out of it are the same, and the node at its back, once
//!   finished, has not become the first again.
//! - I2: the head never passes the tail: it is swung from a node only when the tail was seen beyond it.
//! - I3: a node leaves the list with a link set; so a late swing of that link fails, and in its next use the version
//!   differs.
//! - I4: the last take alone may be unfinished, and the head says whose it is.
//!
//! **Orderings.**
//!
//! | operation | ordering | pairs with | publishes |
//! |---|---|---|---|
//! | link swung | Release | load of the link, Acquire | the message; the node's own link and back |
//! | link written | Release | load of the link, Acquire | that the node had left the list: validation sees the head or tail moved |
//! | head and tail swung | Release | loads of them, Acquire, before every swing | the node; that the tail is beyond |
//! | node to `HELD_FIRST`, from the list | Release | loads of its word, Acquire | that the head had moved |
//! | given back | Release | take from the pool, Acquire | that the message was read |
//! | put back, and noted | Release | look for what was put back, Acquire | the message, and what the one before did with it |
//!
//! **Death.** Filling: freed. Having linked: the message is there. Having taken: finished by the next, and given back
//! or put back by the undertaker. Having put back, before it is noted: the undertaker notes it. Before the signal: the
//! undertaker changes the gate and wakes all whom a slot names.
//!
//! **Models.** `unbounded/*`.
//!
//! **References.** Michael and Scott, "Simple, fast, and practical non-blocking and blocking concurrent queue
//! algorithms", PODC 1996.

use super::gate::{RawGate, Refusal};
use super::participants::ThreadSlot;
use super::pool::{Buffer, Pool, RawPool, RawReturned, Returned, State};
use super::queue::Delivery;
use super::undertaker::{Dead, Repair};
use super::waiting::{Caller, ObjectId};
use crate::sync::{AtomicU32, AtomicU64, Deadline, Ordering};

mod links;

use links::{Head, Link};

/// The control block of an unbounded queue.
#[derive(Debug)]
#[repr(C)]
pub struct RawUnbounded {
    head: AtomicU64,
    messages: RawGate,
    returned: RawReturned,
    tail: AtomicU64,
    pool: RawPool,
    /// 1: at least once. Written when it is made.
    delivery: AtomicU32,
}

/// An unbounded queue with its nodes.
#[derive(Clone, Copy, Debug)]
pub struct Unbounded<'a> {
    control: &'a RawUnbounded,
    pool: Pool<'a>,
    links: &'a [AtomicU64],
    backs: &'a [AtomicU64],
}

/// Why nothing was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakeError {
    /// The queue is empty (non-blocking calls only).
    WouldBlock,
    /// The deadline passed (timed calls only).
    TimedOut,
    /// The words contradict each other: somebody has written there who should not.
    Corrupt,
}

/// The words contradict each other: somebody has written there who should not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt;

impl Refusal for TakeError {
    const WOULD_BLOCK: Self = Self::WouldBlock;
    const TIMED_OUT: Self = Self::TimedOut;
}

impl From<Corrupt> for TakeError {
    fn from(_: Corrupt) -> Self {
        Self::Corrupt
    }
}

impl RawUnbounded {
    /// The most nodes that a queue can have.
    pub const MAX_NODES: usize = links::NODES;
    /// Words of a node.
    pub const WORDS: usize = 3;

    /// An empty queue. It begins with node 0.
    #[must_use]
    #[track_caller]
    pub fn new(delivery: Delivery) -> Self {
        Self {
            head: AtomicU64::new(0),
            messages: RawGate::new(),
            returned: RawReturned::new(),
            tail: AtomicU64::new(0),
            pool: RawPool::new(),
            delivery: AtomicU32::new(u32::from(delivery == Delivery::AtLeastOnce)),
        }
    }

    /// The word at `index` of those of a new queue.
    #[must_use]
    #[track_caller]
    pub fn word(index: usize) -> AtomicU64 {
        AtomicU64::new(if index == 0 { Buffer::from_bits(0).next(State::First, None).to_bits() } else { 0 })
    }

    /// The queue with its words, [`WORDS`](Self::WORDS) for each node.
    #[must_use]
    pub fn with<'a>(&'a self, words: &'a [AtomicU64]) -> Unbounded<'a> {
        let nodes = (words.len() / Self::WORDS).min(Self::MAX_NODES);
        let (buffers, rest) = words.split_at(nodes);
        let (links, rest) = rest.split_at(nodes);
        Unbounded { control: self, pool: self.pool.with(buffers), links, backs: rest.split_at(nodes).0 }
    }
}

impl<'a> Unbounded<'a> {
    /// Those of its messages that were put back.
    #[must_use]
    pub fn returned(&self) -> Returned<'a> {
        self.control.returned.with(self.pool)
    }

    /// The pool of its nodes. A sender takes one, fills it, and [publishes](Self::publish) it or gives it back to the pool.
    #[must_use]
    pub fn pool(&self) -> Pool<'a> {
        self.pool
    }

    fn link(&self, node: usize) -> Result<&'a AtomicU64, Corrupt> {
        self.links.get(node).ok_or(Corrupt)
    }

    fn back(&self, node: usize) -> Result<&'a AtomicU64, Corrupt> {
        self.backs.get(node).ok_or(Corrupt)
    }

    fn word(&self, node: usize) -> Result<&'a AtomicU64, Corrupt> {
        self.pool.word(node).ok_or(Corrupt)
    }

    /// Puts the message in a node that the caller has filled at the end of the queue. Never blocks.
    ///
    /// # Errors
    /// [`Corrupt`]: the caller has the node still.
    pub fn publish(&self, node: usize) -> Result<(), Corrupt> {
        // Relaxed: the caller has the node.
        let version = Buffer::from_bits(self.word(node)?.load(Ordering::Relaxed)).version;
        // Release: who reads this use of the node sees that it had left the list (I3).
        self.link(node)?.store(Link::none(version).to_bits(), Ordering::Release);
        let tail = &self.control.tail;
        // Links that lead in a circle are garbage.
        for _ in 0..links::NODES {
            // Acquire: pairs with the swing of it; the node's link is seen as it is in this use, at least.
            let found = tail.load(Ordering::Acquire);
            let last = Link::from_bits(found).node;
            let link = self.link(last)?;
            // Acquire: pairs with the Release of a later use, so that the next load sees the tail moved.
            let seen = link.load(Ordering::Acquire);
            // Relaxed: that it is another is all that matters.
            if tail.load(Ordering::Relaxed) != found {
                continue;
            }
            if let Some(next) = Link::from_bits(seen).next() {
                self.swing_tail(found, next);
                continue;
            }
            // Relaxed: published by the swing of the link; and read by undertakers after the mark.
            self.back(node)?.store(Link::to(last, version).to_bits(), Ordering::Relaxed);
            // Release: pairs with the Acquire of who takes it; publishes the message.
            let linked = Link::from_bits(seen).linked(node).to_bits();
            if link.compare_exchange(seen, linked, Ordering::Release, Ordering::Relaxed).is_ok() {
                // dead here: it is there; the next to publish or take swings the tail on, and the undertaker wakes sleepers.
                self.swing_tail(found, node);
                self.control.messages.signal();
                return Ok(());
            }
        }
        Err(Corrupt)
    }

    /// Swings the tail on to `next`, if it is `found` still.
    fn swing_tail(&self, found: u64, next: usize) {
        let on = Link::from_bits(found).on(next).to_bits();
        // Release: who sees it sees the node, and that it is linked. A failure: somebody helped.
        let _ = self.control.tail.compare_exchange(found, on, Ordering::Release, Ordering::Relaxed);
    }

    /// Takes the first message, in its node, if there is one; those that were put back are [elsewhere](Self::returned). Never blocks.
    ///
    /// # Errors
    /// `WouldBlock`, `Corrupt`.
    pub fn try_take(&self, slot: ThreadSlot) -> Result<usize, TakeError> {
        let head = &self.control.head;
        loop {
            let (found, first) = self.head();
            self.finish(found, first)?;
            // Acquire: pairs with the swing of it. It is where the head is or beyond (I2), and if it has come round to that node
            // again, the head is seen to have moved.
            let tail = self.control.tail.load(Ordering::Acquire);
            // Acquire: as in publish, and receives the message.
            let link = Link::from_bits(self.link(first.node)?.load(Ordering::Acquire));
            // Relaxed: that it is another is all that matters.
            if head.load(Ordering::Relaxed) != found {
                continue;
            }
            let Some(next) = link.next() else { return Err(TakeError::WouldBlock) };
            if Link::from_bits(tail).node == first.node {
                self.swing_tail(tail, next);
                continue;
            }
            let taken = first.on(next, slot);
            // Release: hands on what was seen of the tail and of the list. A failure: it looks again.
            if head.compare_exchange(found, taken.to_bits(), Ordering::Release, Ordering::Relaxed).is_ok() {
                // dead here: it is ours; the next, or the undertaker, finishes it.
                self.finish(taken.to_bits(), taken)?;
                return Ok(next);
            }
        }
    }

    fn head(&self) -> (u64, Head) {
        // Acquire: pairs with the swing of it; the node, its link and its back are seen as they are in this use, at least.
        let found = self.control.head.load(Ordering::Acquire);
        (found, Head::from_bits(found))
    }

    /// Names the taker in the node of the head, and lets the one before it go.
    fn finish(&self, bits: u64, head: Head) -> Result<(), Corrupt> {
        // Nobody has taken anything yet.
        if head.taker.is_none() {
            return Ok(());
        }
        let held = |buffer: Buffer| match buffer.state {
            State::Fill | State::Queued => Some(buffer.next(State::HeldFirst, head.taker)),
            _ => None,
        };
        if !self.change(bits, head.node, held)? {
            return Ok(());
        }
        // Relaxed: written before the node was linked, and while the head is the same nobody writes it.
        let before = Link::from_bits(self.back(head.node)?.load(Ordering::Relaxed)).node;
        let gone = |buffer: Buffer| match buffer.state {
            State::First => Some(buffer.next(State::Free, None)),
            State::HeldFirst => Some(buffer.next(State::Held, buffer.owner)),
            State::ReturnedFirst => Some(buffer.next(State::Returned, None)),
            _ => None,
        };
        // dead here: whoever comes next lets it go.
        self.change(bits, before, gone)?;
        Ok(())
    }

    /// Changes the word of a node while the head is the same. False: it is another.
    fn change(&self, head: u64, node: usize, next: impl Fn(Buffer) -> Option<Buffer>) -> Result<bool, Corrupt> {
        let word = self.word(node)?;
        loop {
            // Acquire: pairs with what came after, so that the next load sees it.
            let seen = word.load(Ordering::Acquire);
            // Acquire: whoever has gone on has named the taker in the node, who is to see itself there.
            if self.control.head.load(Ordering::Acquire) != head {
                return Ok(false);
            }
            let Some(next) = next(Buffer::from_bits(seen)) else { return Ok(true) };
            // Release: see above; and who takes it from the pool comes after. Relaxed, of a failure: it looks again.
            if word.compare_exchange(seen, next.to_bits(), Ordering::Release, Ordering::Relaxed).is_ok() {
                return Ok(true);
            }
        }
    }

    /// Takes the first message, in its node, waiting for one as long as it takes or until `deadline`.
    ///
    /// # Errors
    /// `TimedOut`, `Corrupt`.
    pub fn take(&self, caller: &Caller<'_>, object: ObjectId, deadline: Option<Deadline>) -> Result<usize, TakeError> {
        self.control.messages.until(caller, object, deadline, || self.try_take(caller.slot), || self.has_message())
    }

    /// Where those wait who wait for messages.
    pub(super) fn messages(&self) -> &'a RawGate {
        &self.control.messages
    }

    pub(super) fn has_message(&self) -> bool {
        let (_, first) = self.head();
        // Relaxed: who is woken in vain sleeps again, and who reads an older one is about to be told.
        self.link(first.node).map_or(true, |link| Link::from_bits(link.load(Ordering::Relaxed)).next().is_some())
    }

    /// Whether no message is waiting, as of a moment ago; for people and tests.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let first = Head::from_bits(self.control.head.peek()).node;
        self.links.get(first).is_none_or(|link| Link::from_bits(link.peek()).next().is_none())
    }

    /// How many messages are waiting, as of a moment ago.
    #[must_use]
    pub fn len(&self) -> usize {
        let (tail, head) = (Link::from_bits(self.control.tail.peek()), Head::from_bits(self.control.head.peek()));
        // The two are not looked at together.
        head.before(tail).min(self.links.len().saturating_sub(1))
    }

    /// Gives a node back whose message the calling thread has taken. Never blocks.
    pub fn give_back(&self, node: usize) {
        let Ok(word) = self.word(node) else { return };
        // Relaxed: only a candidate for the compare-and-swap.
        let mut seen = word.load(Ordering::Relaxed);
        while let Some(next) = given_back(Buffer::from_bits(seen)) {
            // Release: pairs with the Acquire of who takes it next; what was read comes before.
            match word.compare_exchange(seen, next.to_bits(), Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(newer) => seen = newer,
            }
        }
    }

    /// Whether a node that a dead thread was filling has been linked; if so it has not been taken, or its word has changed.
    fn is_linked(&self, node: usize, buffer: Buffer) -> bool {
        let (Ok(back), Ok(_)) = (self.back(node), self.word(node)) else { return false };
        // Relaxed: the mark has published what the dead wrote.
        let back = Link::from_bits(back.load(Ordering::Relaxed));
        // Relaxed: what is there now, or what the dead linked.
        back.is_of(buffer.version)
            && self.link(back.node).is_ok_and(|link| Link::from_bits(link.load(Ordering::Relaxed)).next() == Some(node))
    }
}

impl Unbounded<'_> {
    /// What becomes of a node if it is of the dead.
    fn buried(&self, node: usize, buffer: Buffer, dead: &Dead<'_>, at_least_once: bool) -> Option<Buffer> {
        if !buffer.owner.is_some_and(|slot| dead.includes(slot)) {
            return None;
        }
        match buffer.state {
            State::Fill if self.is_linked(node, buffer) => Some(buffer.next(State::Queued, None)),
            State::Fill => Some(buffer.next(State::Free, None)),
            _ if at_least_once && !buffer.kept => buffer.put_back(),
            _ => given_back(buffer),
        }
    }
}

/// A node whose message is done with.
fn given_back(buffer: Buffer) -> Option<Buffer> {
    match buffer.state {
        State::HeldFirst => Some(buffer.next(State::First, None)),
        State::Held => Some(buffer.next(State::Free, None)),
        _ => None,
    }
}

impl Repair for Unbounded<'_> {
    fn bury(&self, dead: &Dead<'_>) {
        let at_least_once = self.control.delivery.peek() != 0;
        let (found, first) = self.head();
        // If it has been swung on meanwhile, whoever did that has finished it. What contradicts itself is told to its users.
        let _ = self.finish(found, first);
        for (node, word) in self.pool.words().iter().enumerate() {
            // Relaxed, and of a failure: the mark has published what the dead did; and only a candidate.
            let mut seen = word.load(Ordering::Relaxed);
            while let Some(next) = self.buried(node, Buffer::from_bits(seen), dead, at_least_once) {
                // Release: as in give_back, for the dead.
                match word.compare_exchange(seen, next.to_bits(), Ordering::Release, Ordering::Relaxed) {
                    Ok(_) => break,
                    Err(newer) => seen = newer,
                }
            }
        }
        // dead here: put back and not noted; the next walker notes it.
        if at_least_once {
            self.returned().note();
        }
        self.control.messages.change();
    }

    fn wake_all(&self) {
        self.control.messages.wake_all();
        self.pool.wake_all();
    }
}
