//! The log of a round, in memory that outlives whoever is killed.

use crate::subjects::{Outcome, Subject, Word};
use selvedge::sync::{AtomicU64, Ordering};
use selvedge_witness::{End, Record};

/// Processes of a round.
pub(crate) const PROCESSES: usize = 4;
/// Calls of each, but for those that leave things in order.
pub(crate) const CALLS: usize = 10;
/// Calls that leave things in order.
const LAST: usize = 2;

/// One call. A stamp of zero has not been taken.
#[derive(Debug)]
struct Slot {
    called: AtomicU64,
    operation: AtomicU64,
    returned: AtomicU64,
    /// Zero: without effect, for its time was up.
    outcome: AtomicU64,
}

/// What all processes called.
#[derive(Debug)]
pub(crate) struct Log {
    stamps: AtomicU64,
    slots: [[Slot; CALLS + LAST]; PROCESSES],
}

impl Default for Log {
    fn default() -> Self {
        let word = || AtomicU64::new(0);
        let slot = |_| Slot { called: word(), operation: word(), returned: word(), outcome: word() };
        Self { stamps: word(), slots: std::array::from_fn(|_| std::array::from_fn(slot)) }
    }
}

impl Log {
    fn stamp(&self) -> u64 {
        // AcqRel: who takes a later stamp has all that came before this one.
        self.stamps.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// What each process noted; `killed` says who of them did not come to its end.
    pub(crate) fn records<S: Subject>(
        &self,
        killed: [bool; PROCESSES],
    ) -> Vec<Record<crate::subjects::Operation<S>, Outcome<S>, u64>> {
        // Acquire: whoever wrote it has ended.
        let read = |word: &AtomicU64| word.load(Ordering::Acquire);
        let mut records = Vec::new();
        for (thread, (slots, killed)) in self.slots.iter().zip(killed).enumerate() {
            let mut last = 0;
            for slot in slots.iter().take_while(|slot| read(&slot.called) != 0) {
                let called = read(&slot.called);
                last = called;
                let operation = Word::from_word(read(&slot.operation));
                let (end, returned) = match (read(&slot.returned), read(&slot.outcome)) {
                    (0, _) => (End::Pending, None),
                    (_, 0) => continue,
                    (stamp, outcome) => (End::Returned(Word::from_word(outcome)), Some(stamp)),
                };
                assert!(returned.is_some() || killed, "who was not killed has returned");
                records.extend(S::parts(operation, &end).into_iter().map(|operation| Record {
                    thread,
                    operation,
                    called,
                    end: end.clone(),
                    returned,
                }));
            }
            if let Some((operation, outcome)) = S::death().filter(|_| killed) {
                // After all that it did, and at no time that anybody knows.
                let end = End::Returned(outcome);
                records.push(Record { thread, operation, called: last, end, returned: None });
            }
        }
        records
    }
}

/// Where one process writes.
pub(crate) struct Lane<'a> {
    log: &'a Log,
    lane: usize,
    next: usize,
}

impl<'a> Lane<'a> {
    pub(crate) fn new(log: &'a Log, lane: usize) -> Self {
        Self { log, lane, next: 0 }
    }

    /// Notes a call, carries it out, and notes what came of it; nothing, if its time was up before anything did.
    pub(crate) fn call<S: Subject>(
        &mut self,
        operation: crate::subjects::Operation<S>,
        perform: impl FnOnce() -> Option<Outcome<S>>,
    ) {
        let slot = &self.log.slots[self.lane][self.next];
        self.next += 1;
        // Relaxed: published with the stamps, and read when this process has ended.
        slot.operation.store(operation.to_word(), Ordering::Relaxed);
        // AcqRel, and a swap: neither does the call begin before it is noted, for the compiler either.
        slot.called.swap(self.log.stamp(), Ordering::AcqRel);
        let outcome = perform();
        // Relaxed: as above.
        slot.outcome.store(outcome.map_or(0, Word::to_word), Ordering::Relaxed);
        slot.returned.swap(self.log.stamp(), Ordering::AcqRel);
    }
}
