//! Messages of the models of queues: who sent which, and what must hold of those that were received.

use crate::scene::Notes;
use crate::{verify, verify_eq};
use selvedge::primitives::ThreadSlot;
use std::sync::Arc;

/// A message: who sent it, and which of its own it is.
pub(super) fn message(lane: usize, number: usize) -> u32 {
    u32::try_from(10 * (lane + 1) + number).expect("small")
}

/// What everybody who is not dead got, in the order in which each got it.
pub(super) type Got = Arc<Notes<Vec<(usize, u32)>>>;

/// No message twice, none invented, and of each sender in order, as each receiver got them.
pub(super) fn check(got: &[(usize, u32)], senders: &[usize]) {
    let mut all: Vec<u32> = got.iter().map(|(_, message)| *message).collect();
    all.sort_unstable();
    let count = all.len();
    all.dedup();
    verify_eq!(all.len(), count, "a message was received twice: {got:?}");
    let sent = |(lane, count): (usize, &usize)| (0..*count).map(move |number| message(lane, number));
    let known: Vec<u32> = senders.iter().enumerate().flat_map(sent).collect();
    verify!(all.iter().all(|message| known.contains(message)), "a message that nobody sent: {got:?}");
    for (index, (receiver, one)) in got.iter().enumerate() {
        let later = got[index + 1..].iter().filter(|(other, _)| other == receiver).map(|(_, message)| *message);
        let of_the_same = later.filter(|message| message / 10 == one / 10);
        verify!(of_the_same.into_iter().all(|message| message > *one), "out of order: {got:?}");
    }
}

/// Who has a message, as the word of its buffer says (see the table in `primitives/pool.rs`).
pub(super) fn held_by(word: u64) -> Option<ThreadSlot> {
    const HELD: u64 = 3;
    const HELD_FIRST: u64 = 5;
    let slot = u16::try_from((word >> 4) & 0x7fff).ok()?.checked_sub(1)?;
    matches!(word & 0b111, HELD | HELD_FIRST).then_some(ThreadSlot(slot))
}
