//! Who is attached to a region, as others see them.
//!
//! **Purpose.** A [`Participant`] names one process in one of its lives in the region: the entry in which it stands and the
//! generation of that entry. Entries are used again, and process ids too; a generation never is. So what is asked about a
//! participant is never answered for whoever stands in its place by now.
//!
//! **What counts as a death** is what counts for the repair of what the dead leave (see `ARCHITECTURE.md`): the kernel's
//! mark on the life word of the process. It is the same in every PID namespace and for every kind of end, and it is not
//! there for a process that is merely stopped. A process whose keeper alone was killed is marked too: the others treat it
//! as dead, and it is fenced off.

use super::core::Attached;
use super::handle::Region;
use super::participant_id::ParticipantId;
use crate::primitives::Participants;
use crate::primitives::participants::{ProcessClaim, ProcessEntry, ProcessState, ProcessWord};
use crate::sync::{LIFE_DIED, LIFE_ID_MASK, Ordering};
use core::fmt;
use std::sync::Arc;

/// A process that is attached to a region, as [`Region::participants`] lists it, and one life of it only: a process that
/// detaches and attaches again is another participant.
///
/// As every handle of the region it keeps this process attached.
///
/// ```
/// use selvedge::Region;
///
/// let region = Region::anonymous()?;
/// let participants = region.participants();
/// let [this] = &participants[..] else { unreachable!("nobody else has the region") };
/// assert_eq!(this.pid, std::process::id());
/// assert!(this.is_alive());
/// # Ok::<(), selvedge::region::RegionError>(())
/// ```
#[derive(Clone)]
pub struct Participant {
    /// Its process id, in its own PID namespace.
    pub pid: u32,
    /// How many of its threads used the region when it was listed.
    pub threads: usize,
    /// Whether it had not been seen dead when it was listed; see [`is_alive`](Self::is_alive).
    pub alive: bool,
    attached: Attached,
    claim: ProcessClaim,
}

/// How a process ended its part in a region.
///
/// ```
/// use selvedge::region::Ended;
///
/// fn report(pid: u32, ended: Ended) -> String {
///     match ended {
///         Ended::Left => format!("{pid} has detached"),
///         Ended::Died => format!("{pid} has died, and what it held goes to its heirs"),
///     }
/// }
/// assert_eq!(report(7, Ended::Left), "7 has detached");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It detached: its last handle was dropped.
    Left,
    /// It died, or counts as dead because its keeper was killed. So does a participant of which nobody asked until its
    /// place had had 64 others.
    Died,
}

impl Participant {
    /// Whether it is still attached and not known to be dead. A few loads, in every process.
    ///
    /// False from the kernel's mark on, which it sets when the process dies, and not only once somebody has taken note.
    /// A process that is stopped is alive. In a forked child this is asked for the parent's region, which may be detached.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.ended().is_none()
    }

    /// Its name in the region, as numbers.
    #[must_use]
    pub fn id(&self) -> ParticipantId {
        ParticipantId::of(self.claim)
    }

    pub(super) fn attached(&self) -> &Attached {
        &self.attached
    }

    pub(super) fn claim(&self) -> ProcessClaim {
        self.claim
    }

    /// How it ended, if it has.
    pub(super) fn ended(&self) -> Option<Ended> {
        ended(self.attached.core().participants(), self.claim)
    }
}

impl PartialEq for Participant {
    /// Whether both are the same life of the same process.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(self.attached.core(), other.attached.core()) && self.claim == other.claim
    }
}

impl Eq for Participant {}

impl fmt::Debug for Participant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pid, threads, alive, .. } = self;
        f.debug_struct("Participant")
            .field("pid", pid)
            .field("threads", threads)
            .field("alive", alive)
            .finish_non_exhaustive()
    }
}

/// How the process that had made this claim ended, if it has.
pub(super) fn ended(table: Participants<'_>, claim: ProcessClaim) -> Option<Ended> {
    // A claim is of an entry that there is.
    let entry = table.processes().get(claim.index)?;
    // Acquire: pairs with the swing to DEAD; that it left is seen with it, and what it did before.
    let word = ProcessWord::from_bits(entry.word.load(Ordering::Acquire));
    let is_attached = word == ProcessWord { generation: claim.generation, state: ProcessState::Live };
    // Acquire: pairs with the mark. If the word is a successor's by now, the next look at the entry's own tells.
    if is_attached && entry.life.word().load(Ordering::Acquire) & LIFE_DIED == 0 {
        return None;
    }
    // Nobody writes to this generation's bit any more: its keeper has swung the word, or is dead.
    Some(if entry.has_left(claim.generation) { Ended::Left } else { Ended::Died })
}

impl Region {
    /// The processes that are attached, as of a moment ago, this one among them.
    #[must_use]
    pub fn participants(&self) -> Vec<Participant> {
        let table = self.core().participants();
        let attached = |(index, entry): (usize, &ProcessEntry)| {
            let (generation, pid) = life_of(entry)?;
            let threads = table.block(index).iter().filter(|thread| thread.life.word().peek() & LIFE_ID_MASK != 0);
            let (threads, claim) = (threads.count(), ProcessClaim { index, generation });
            let alive = ended(table, claim).is_none();
            Some(Participant { pid, threads, alive, attached: self.attached().clone(), claim })
        };
        table.processes().iter().enumerate().filter_map(attached).collect()
    }

    /// The process with this name, if it is still attached and not known to be dead.
    #[must_use]
    pub fn participant(&self, id: ParticipantId) -> Option<Participant> {
        self.participants().into_iter().find(|participant| participant.id() == id && participant.alive)
    }
}

/// The generation that is attached in an entry, or announced dead there, and its process id.
fn life_of(entry: &ProcessEntry) -> Option<(u64, u32)> {
    loop {
        // Acquire: pairs with the swing to LIVE, which published the id.
        let word = ProcessWord::from_bits(entry.word.load(Ordering::Acquire));
        if !matches!(word.state, ProcessState::Live | ProcessState::Dead) {
            return None;
        }
        // Acquire: pairs with the Release in the keeper; if the id is a successor's, the next look sees its generation.
        let pid = entry.pid.load(Ordering::Acquire);
        // Relaxed: see above.
        if ProcessWord::from_bits(entry.word.load(Ordering::Relaxed)).generation == word.generation {
            return Some((word.generation, pid));
        }
    }
}
