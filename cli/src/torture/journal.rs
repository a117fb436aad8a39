//! The journal: memory that the director shares with its workers, where each notes what it does.
//!
//! A worker has a *lane*. It writes down where it is before it goes on, so that after its death the director knows which
//! operation was in flight and which were acknowledged. Lanes outlive workers: what one has counted, its successor goes on
//! counting. The journal is a mapping of its own and no part of the region, so that nothing in it is lost with that.
//!
//! All of it are words that are zero in the beginning.

use super::chronicle::Chronicle;
use super::ledger::Table;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
use selvedge::sync::{AtomicU32, AtomicU64, Ordering, compiler_fence};
use std::io;
use std::ptr::{self, NonNull};

/// Most workers, and one lane for the inspector.
pub(crate) const LANES: usize = 33;
/// Most subjects.
pub(crate) const SUBJECTS: usize = 24;
/// Most points of a subject.
pub(crate) const POINTS: usize = 16;
/// Words that a subject has in each lane.
const WORDS: usize = 4;
/// Words that a subject has for itself.
const COMMON: usize = 64;
/// Mutexes of the hunt for late stores.
pub(crate) const PREYS: usize = 3;
/// Words of text that a worker can leave.
const TEXT: usize = 128;
/// Why a worker is about to die.
const OWN_HAND: u32 = 1;
const CONDEMNED: u32 = 2;

/// Where a round stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Workers take turns and are killed.
    Work,
    /// Workers take turns and nobody is killed: each death wakes everybody, and would hide a wake-up that was lost.
    Lull,
    /// No more turns; who has ended its last one rests. Who leaves wakes everybody, too.
    Ending,
    /// All rest, and leave now.
    Leaving,
    /// Every worker is gone.
    Alone,
    /// Workers wait in vain: the inspector is to say what things look like.
    Stuck,
}

#[repr(C)]
pub(crate) struct Journal {
    phase: AtomicU32,
    /// Not zero: the inspector is to remove the region's name, so that the next round begins with another region.
    pub(crate) renew: AtomicU32,
    /// How often a worker left the region and attached again.
    pub(crate) returns: AtomicU64,
    pub(crate) hunt: [Prey; PREYS],
    lanes: [Lane; LANES],
    common: [[AtomicU64; COMMON]; SUBJECTS],
    /// The most synchronisation steps that a call at this point has taken.
    pub(crate) steps: [[AtomicU32; POINTS]; SUBJECTS],
    pub(crate) tables: [Table; 4],
    pub(crate) chronicles: [Chronicle; 7],
}

/// A mutex of the hunt for late stores: who had it, and of whose death was told, by number.
#[repr(C)]
pub(crate) struct Prey {
    pub(crate) owned: AtomicU32,
    pub(crate) told: AtomicU32,
}

/// What one worker writes down.
#[repr(C)]
pub(crate) struct Lane {
    /// How many workers it has had. The number of the present one.
    pub(crate) generation: AtomicU32,
    /// Which subject and point, see [`Place`].
    at: AtomicU32,
    /// Not zero: the worker is about to be killed, by itself ([`OWN_HAND`]) or by the director ([`CONDEMNED`]).
    doomed: AtomicU32,
    /// One more than the step before which the worker kills itself, while it takes steps.
    pub(crate) armed: AtomicU32,
    /// After how many calls it kills itself; zero: never.
    pub(crate) doom: AtomicU32,
    /// Turns that it has taken.
    pub(crate) turns: AtomicU64,
    words: [[AtomicU64; WORDS]; SUBJECTS],
    length: AtomicU32,
    text: [AtomicU64; TEXT],
}

/// Where a worker is: the subject, and a point of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) subject: usize,
    pub(crate) point: usize,
}

impl Journal {
    /// Maps one that forked children share. It stays mapped as long as the process lives.
    pub(crate) fn map() -> io::Result<&'static Self> {
        let (protection, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
        // SAFETY: a new mapping wherever the kernel finds room takes nothing from anyone.
        let at = unsafe { mmap_anonymous(ptr::null_mut(), size_of::<Self>(), protection, flags) }?;
        let at = NonNull::new(at.cast::<Self>()).ok_or(io::ErrorKind::OutOfMemory)?;
        // SAFETY: mapped just now, long enough, aligned to a page and never unmapped; it consists of atomic words, for
        // which zero is a value.
        Ok(unsafe { at.as_ref() })
    }

    pub(crate) fn phase(&self) -> Phase {
        // Sequentially consistent: with `Lane::meets_doom`, see there.
        match self.phase.load(Ordering::SeqCst) {
            0 => Phase::Work,
            1 => Phase::Lull,
            2 => Phase::Ending,
            3 => Phase::Leaving,
            4 => Phase::Alone,
            _ => Phase::Stuck,
        }
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        self.phase.store(phase as u32, Ordering::SeqCst);
    }

    pub(crate) fn lane(&self, index: usize) -> &Lane {
        &self.lanes[index]
    }

    /// The lane of the inspector.
    pub(crate) fn inspector(&self) -> &Lane {
        &self.lanes[LANES - 1]
    }

    /// The words that a subject has for itself.
    pub(crate) fn common(&self, subject: usize) -> &[AtomicU64] {
        &self.common[subject]
    }

    /// What a subject has in each lane.
    pub(crate) fn all_words(&self, subject: usize) -> impl Iterator<Item = &[AtomicU64; WORDS]> {
        self.lanes.iter().map(move |lane| lane.words(subject))
    }

    /// Forgets what a subject has counted.
    pub(crate) fn clear(&self, subject: usize) {
        let words = self.all_words(subject).flatten().chain(&self.common[subject]);
        words.for_each(|word| word.store(0, Ordering::Relaxed));
    }

    /// Whether worker `generation` of lane `index` is there and nobody is about to kill it.
    pub(crate) fn lives(&self, index: usize, generation: u32) -> bool {
        let Some(lane) = self.lanes.get(index) else { return false };
        // In this order: a successor is counted before it counts as not doomed.
        !lane.is_doomed() && lane.generation.load(Ordering::Acquire) == generation
    }
}

impl Lane {
    /// A new worker comes, which kills itself at its `doom`-th call, if that is not zero.
    pub(crate) fn begin(&self, doom: u32) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.set_at(None);
        self.doomed.store(0, Ordering::Release);
        self.armed.store(0, Ordering::Release);
        self.doom.store(doom, Ordering::Release);
        self.turns.store(0, Ordering::Release);
        self.length.store(0, Ordering::Release);
    }

    /// The worker is there from now on. What it did before is done before a kill that finds it here, and nothing of what
    /// comes after.
    #[inline]
    pub(crate) fn set_at(&self, place: Option<Place>) {
        let bits = place.map_or(0, |Place { subject, point }| 1 + subject * POINTS + point);
        // Two fences, because a death, unlike another thread, sees plain stores that the compiler moved here from below.
        compiler_fence(Ordering::SeqCst);
        self.at.store(u32::try_from(bits).unwrap_or(0), Ordering::Release);
        compiler_fence(Ordering::SeqCst);
    }

    /// Where its worker is; none between two turns.
    pub(crate) fn at(&self) -> Option<Place> {
        let bits = usize::try_from(self.at.load(Ordering::Acquire)).ok()?.checked_sub(1)?;
        Some(Place { subject: bits / POINTS, point: bits % POINTS })
    }

    /// The worker announces its death by its own hand: what it holds may be inherited from now on.
    pub(crate) fn meets_doom(&self) {
        // Sequentially consistent: the worker then looks at the phase, the director sets the phase and then looks here,
        // and one of them sees the other.
        self.doomed.fetch_or(OWN_HAND, Ordering::SeqCst);
    }

    /// The director announces its death: it dies whatever it does.
    pub(crate) fn is_condemned(&self) {
        self.doomed.fetch_or(CONDEMNED, Ordering::SeqCst);
    }

    /// It does not kill itself after all. The director may have come in between.
    pub(crate) fn is_spared(&self) {
        self.doomed.fetch_and(!OWN_HAND, Ordering::SeqCst);
    }

    pub(crate) fn is_doomed(&self) -> bool {
        self.doomed.load(Ordering::SeqCst) != 0
    }

    /// What `subject` has in this lane.
    pub(crate) fn words(&self, subject: usize) -> &[AtomicU64; WORDS] {
        &self.words[subject]
    }

    /// Leaves a message, cut to what there is room for.
    pub(crate) fn say(&self, text: &str) {
        let bytes = text.as_bytes();
        let bytes = bytes.get(..TEXT * 8).unwrap_or(bytes);
        for (word, piece) in self.text.iter().zip(bytes.chunks(8)) {
            let mut eight = [0; 8];
            eight[..piece.len()].copy_from_slice(piece);
            word.store(u64::from_le_bytes(eight), Ordering::Relaxed);
        }
        self.length.store(u32::try_from(bytes.len()).unwrap_or(0), Ordering::Release);
    }

    /// The message.
    pub(crate) fn said(&self) -> String {
        let length = usize::try_from(self.length.load(Ordering::Acquire)).unwrap_or(0);
        let bytes: Vec<u8> = self.text.iter().flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes()).collect();
        String::from_utf8_lossy(&bytes[..length.min(bytes.len())]).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_condemned_cannot_spare_itself() {
        let journal = Journal::map().expect("a mapping");
        let lane = journal.lane(0);
        lane.begin(0);
        lane.meets_doom();
        lane.is_spared();
        assert!(journal.lives(0, 1));
        lane.meets_doom();
        lane.is_condemned();
        lane.is_spared();
        assert!(!journal.lives(0, 1), "the director has it killed");
        lane.begin(0);
        assert!(journal.lives(0, 2));
    }
}
