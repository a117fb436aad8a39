//! Which bits of the words mean what: from the number of thread slots and of permits.
//!
//! A sequence has 38 bits at least: that bounds the permits. In a region of 2,048 thread slots 4,095 are possible, in the
//! largest, of 30,720, 511.

/// Fewest bits of a sequence.
const SEQUENCE: u32 = 38;
/// Bits of the word that are neither numbers nor slots: `WAITERS`, `RETURN`.
const FLAGS: u32 = 2;
/// Most bits of a number of permits: an entry has two of them, a flag and a sequence.
const COUNT: u32 = (u64::BITS - SEQUENCE - 1) / 2;

/// How many bits each field of the words has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    permits: u32,
    count: u32,
    actor: u32,
    sequence: u32,
}

/// The word, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) sequence: u64,
    pub(super) actor: u64,
    pub(super) returns: bool,
    pub(super) waiters: bool,
    pub(super) count: u32,
}

/// An entry of the ledger, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) sequence: u64,
    pub(super) gives: bool,
    pub(super) amount: u32,
    pub(super) held: u32,
}

/// Bits of the numbers from 0 to `most`.
fn bits_for(most: u64) -> u32 {
    u64::BITS - most.leading_zeros()
}

/// The lowest `bits` bits of `word` from bit `from` on.
fn field(word: u64, from: u32, bits: u32) -> u64 {
    (word >> from) & ((1 << bits) - 1)
}

fn number(word: u64, from: u32, bits: u32) -> u32 {
    u32::try_from(field(word, from, bits)).unwrap_or(u32::MAX)
}

impl Format {
    /// The most permits that fit beside `slots` thread slots.
    pub(super) fn most(slots: usize) -> u32 {
        (1 << COUNT.min((u64::BITS - SEQUENCE - FLAGS).saturating_sub(bits_for(slots as u64)))) - 1
    }

    /// The format for `slots` thread slots and `permits` permits; more than fit count as those that do.
    pub(super) fn new(slots: usize, permits: u32) -> Self {
        let permits = permits.min(Self::most(slots));
        let (count, actor) = (bits_for(permits.into()), bits_for(slots as u64));
        let sequence = (u64::BITS - FLAGS - count - actor).min(u64::BITS - 1 - 2 * count);
        Self { permits, count, actor, sequence }
    }

    pub(super) fn with_sequence_bits(self, bits: u32) -> Self {
        Self { sequence: self.sequence.min(bits), ..self }
    }

    pub(super) fn permits(self) -> u32 {
        self.permits
    }

    pub(super) fn waiters(self) -> u64 {
        1 << self.count
    }

    /// The sequence after `last`, and not `entered`.
    pub(super) fn after(self, last: u64, entered: u64) -> u64 {
        let next = field(last.wrapping_add(1), 0, self.sequence);
        if next == entered { field(next.wrapping_add(1), 0, self.sequence) } else { next }
    }

    pub(super) fn word(self, bits: u64) -> Word {
        let flags = self.count;
        Word {
            count: number(bits, 0, self.count),
            waiters: field(bits, flags, 1) != 0,
            returns: field(bits, flags + 1, 1) != 0,
            actor: field(bits, flags + FLAGS, self.actor),
            sequence: field(bits, flags + FLAGS + self.actor, self.sequence),
        }
    }

    pub(super) fn word_bits(self, word: Word) -> u64 {
        let flags = self.count;
        u64::from(word.count)
            | u64::from(word.waiters) << flags
            | u64::from(word.returns) << (flags + 1)
            | word.actor << (flags + FLAGS)
            | word.sequence << (flags + FLAGS + self.actor)
    }

    pub(super) fn entry(self, bits: u64) -> Entry {
        Entry {
            held: number(bits, 0, self.count),
            amount: number(bits, self.count, self.count),
            gives: field(bits, 2 * self.count, 1) != 0,
            sequence: field(bits, 2 * self.count + 1, self.sequence),
        }
    }

    pub(super) fn entry_bits(self, entry: Entry) -> u64 {
        u64::from(entry.held)
            | u64::from(entry.amount) << self.count
            | u64::from(entry.gives) << (2 * self.count)
            | entry.sequence << (2 * self.count + 1)
    }
}
