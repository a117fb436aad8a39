//! What an operation does with the value that it reads, as data: so that it can be judged again, without the program,
//! when the read is made to read something else.

/// An entry of a wait queue: the thread, and the index of its event that joined the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Waiter {
    pub(crate) thread: u16,
    pub(crate) pos: u16,
}

/// How many bytes a value has, and whether comparisons are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Width {
    pub(crate) bits: u8,
    pub(crate) signed: bool,
}

/// What is done with the value that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Update {
    /// Nothing: a load.
    Keep,
    /// A load that waits until the value, under a mask, is (or is not) another.
    Await {
        mask: u64,
        value: u64,
        equal: bool,
    },
    /// Writes the operand.
    Swap(u64),
    /// Writes the operand whatever is read, and shows nobody what was read: a store to a location with a queue.
    Blind(u64),
    Add(u64, Width),
    Sub(u64, Width),
    And(u64),
    Nand(u64, Width),
    Or(u64),
    Xor(u64),
    Max(u64, Width),
    Min(u64, Width),
    /// Writes `new` if `expected` is read; if it is weak, perhaps not even then.
    Exchange {
        expected: u64,
        new: u64,
        weak: bool,
    },
    /// As `Exchange`, and waits until that is so.
    AwaitExchange {
        expected: u64,
        new: u64,
    },
    /// Joins the queue if `expected` is read.
    Wait {
        expected: u64,
    },
    /// As `Wait`, but it is out of the queue again before anybody sees it.
    Glance {
        expected: u64,
    },
    /// Takes up to `count` waiters from the queue, from its head or (`lifo`) from its tail.
    Wake {
        count: u32,
        lifo: bool,
    },
    /// Leaves the queue, if it is still in it.
    Leave(Waiter),
}

/// What comes of reading a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The operation is a read and no more.
    Read,
    /// It is a read of a thread that goes on only when it reads something else.
    Stuck,
    /// It writes this.
    Write(u64),
}

fn mask(width: Width) -> u64 {
    if width.bits >= 64 { u64::MAX } else { (1 << width.bits) - 1 }
}

fn less(a: u64, b: u64, width: Width) -> bool {
    if width.signed {
        let shift = 64 - u32::from(width.bits);
        ((a << shift).cast_signed() >> shift) < ((b << shift).cast_signed() >> shift)
    } else {
        a < b
    }
}

impl Update {
    /// What comes of reading `old` from a location with the queue `queue`.
    pub(crate) fn effect(self, old: u64, queue: &[Waiter]) -> Effect {
        let write_if = |condition: bool, new: u64| if condition { Effect::Write(new) } else { Effect::Read };
        match self {
            Self::Keep => Effect::Read,
            Self::Await { mask, value, equal } => {
                if ((old & mask) == value) == equal {
                    Effect::Read
                } else {
                    Effect::Stuck
                }
            }
            Self::Swap(new) | Self::Blind(new) => Effect::Write(new),
            Self::Add(operand, width) => Effect::Write(old.wrapping_add(operand) & mask(width)),
            Self::Sub(operand, width) => Effect::Write(old.wrapping_sub(operand) & mask(width)),
            Self::And(operand) => Effect::Write(old & operand),
            Self::Nand(operand, width) => Effect::Write(!(old & operand) & mask(width)),
            Self::Or(operand) => Effect::Write(old | operand),
            Self::Xor(operand) => Effect::Write(old ^ operand),
            Self::Max(operand, width) => Effect::Write(if less(old, operand, width) { operand } else { old }),
            Self::Min(operand, width) => Effect::Write(if less(operand, old, width) { operand } else { old }),
            Self::Exchange { expected, new, .. } => write_if(old == expected, new),
            Self::AwaitExchange { expected, new } => {
                if old == expected {
                    Effect::Write(new)
                } else {
                    Effect::Stuck
                }
            }
            Self::Wait { expected } | Self::Glance { expected } => write_if(old == expected, old),
            Self::Wake { count, .. } => write_if(count > 0 && !queue.is_empty(), old),
            Self::Leave(waiter) => write_if(queue.contains(&waiter), old),
        }
    }

    /// Whether the thread goes on only for some of the values.
    pub(crate) fn is_await(self) -> bool {
        matches!(self, Self::Await { .. } | Self::AwaitExchange { .. })
    }

    /// Whether it shows nothing of what it reads when it writes nothing, but that: a wake that finds nobody, a wait that
    /// does not sleep, a wait that need not leave a queue.
    pub(crate) fn can_be_idle(self) -> bool {
        matches!(self, Self::Wait { .. } | Self::Glance { .. } | Self::Wake { .. } | Self::Leave(_))
    }

    /// Whether what it writes continues the release sequence of what it reads.
    pub(crate) fn continues_release(self) -> bool {
        !matches!(self, Self::Blind(_))
    }

    /// Applies the queue's part of an operation of `me` that takes effect to `queue`, a copy of what it read.
    pub(crate) fn apply_to_queue(self, me: Waiter, queue: &mut Vec<Waiter>) {
        match self {
            Self::Wait { .. } => queue.push(me),
            Self::Leave(waiter) => queue.retain(|other| *other != waiter),
            Self::Wake { count, lifo } => {
                let count = queue.len().min(count as usize);
                if lifo {
                    queue.truncate(queue.len() - count);
                } else {
                    queue.drain(..count);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_wraps_at_the_width_of_the_type() {
        let (byte, signed) = (Width { bits: 8, signed: false }, Width { bits: 8, signed: true });
        assert_eq!(Update::Add(2, byte).effect(255, &[]), Effect::Write(1));
        assert_eq!(Update::Sub(2, byte).effect(1, &[]), Effect::Write(255));
        assert_eq!(Update::Nand(0x0f, byte).effect(0xff, &[]), Effect::Write(0xf0));
        assert_eq!(Update::Max(1, byte).effect(255, &[]), Effect::Write(255));
        assert_eq!(Update::Max(1, signed).effect(255, &[]), Effect::Write(1), "255 is -1");
        assert_eq!(Update::Min(1, signed).effect(255, &[]), Effect::Write(255));
        assert_eq!(Update::Add(1, Width { bits: 64, signed: false }).effect(u64::MAX, &[]), Effect::Write(0));
    }

    #[test]
    fn queues_are_first_in_first_out_unless_told_otherwise() {
        let waiter = |thread| Waiter { thread, pos: 0 };
        let after = |update: Update| {
            let mut queue = vec![waiter(1), waiter(2), waiter(3)];
            update.apply_to_queue(waiter(4), &mut queue);
            queue.iter().map(|waiter| waiter.thread).collect::<Vec<_>>()
        };
        assert_eq!(after(Update::Wait { expected: 0 }), [1, 2, 3, 4]);
        assert_eq!(after(Update::Wake { count: 2, lifo: false }), [3]);
        assert_eq!(after(Update::Wake { count: 2, lifo: true }), [1]);
        assert_eq!(after(Update::Wake { count: u32::MAX, lifo: true }), []);
        assert_eq!(after(Update::Leave(waiter(2))), [1, 3]);
    }
}
