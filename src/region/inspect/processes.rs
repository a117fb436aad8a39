//! Who is attached, and in what condition, to somebody who only looks.

use super::super::attachment::own_namespaces;
use super::super::os::exit::start_time_in;
use crate::primitives::participants::{ProcessEntry, ProcessState, ProcessWord, ThreadEntry};
use crate::primitives::waiting::Waiting;
use crate::primitives::{Participants, ThreadSlot};
use crate::sync::{LIFE_DIED, LIFE_ID_MASK};
use core::fmt;
use std::time::Duration;

/// In what condition a process or a thread is.
///
/// ```
/// use selvedge::region::Life;
///
/// assert_eq!(Life::Stopped.to_string(), "alive, stopped");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Life {
    /// It is attached, and runs or sleeps.
    Alive,
    /// It is attached and alive, and was stopped by a signal or a debugger. Told only of processes of this PID namespace.
    Stopped,
    /// It is attaching just now.
    Attaching,
    /// It counts as dead, because its keeper was killed, and runs on.
    FencedOff,
    /// It has died, and what it left is not repaired yet.
    Dead,
    /// There is nobody: damaged memory, or it has gone while it was looked at.
    Nobody,
}

impl fmt::Display for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Alive => "alive",
            Self::Stopped => "alive, stopped",
            Self::Attaching => "attaching",
            Self::FencedOff => "fenced off",
            Self::Dead => "dead",
            Self::Nobody => "nobody",
        })
    }
}

/// A thread that uses a region.
///
/// ```
/// use selvedge::Region;
///
/// let region = Region::anonymous()?;
/// let number = region.mutex("number", 0)?;
/// let guard = number.lock().unwrap();
/// let inspection = region.inspect();
/// let Some(owner) = &inspection.objects[0].holders[0].thread else { unreachable!("it is held") };
/// assert_eq!((owner.pid, owner.place), (std::process::id(), 0));
/// # drop(guard);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadSeen {
    /// Its process's id, in that process's PID namespace.
    pub pid: u32,
    /// Its number among the places that its process has for threads in the region.
    pub place: u32,
    /// Its thread id, in the PID namespace of its process; zero if it is not known any more.
    pub tid: u32,
    /// Its condition.
    pub life: Life,
}

impl fmt::Display for ThreadSeen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pid, place, tid, life } = self;
        match (life, tid) {
            (Life::Nobody, _) => write!(f, "place {place} of process {pid}, in which there is nobody"),
            (_, 0) => write!(f, "thread {place} of process {pid} ({life})"),
            _ => write!(f, "thread {place} of process {pid} ({life}, thread id {tid})"),
        }
    }
}

/// A process that is attached to a region, or has died in it.
///
/// ```
/// use selvedge::Region;
/// use selvedge::region::Life;
///
/// let region = Region::anonymous()?;
/// let inspection = region.inspect();
/// assert_eq!((inspection.processes[0].pid, inspection.processes[0].life), (std::process::id(), Life::Alive));
/// # Ok::<(), selvedge::region::RegionError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessSeen {
    /// Its process id, in its own PID namespace.
    pub pid: u32,
    /// Its condition.
    pub life: Life,
    /// Its threads that use the region, or died in it and left something.
    pub threads: Vec<ThreadSeen>,
}

/// All that was seen of participants.
pub(super) struct Seen {
    pub(super) processes: Vec<ProcessSeen>,
    /// By slot: every thread that there is, and what it waits for.
    slots: Vec<(ThreadSeen, Waiting)>,
    /// The words of all processes.
    words: Vec<(u64, u32)>,
}

fn words(table: Participants<'_>) -> Vec<(u64, u32)> {
    table.processes().iter().map(|entry| (entry.word.peek(), entry.life.word().peek())).collect()
}

impl Seen {
    pub(super) fn of(table: Participants<'_>) -> Self {
        let slots = Vec::with_capacity(table.threads().len());
        let mut seen = Self { processes: Vec::new(), slots, words: words(table) };
        let namespaces = own_namespaces();
        for (index, entry) in table.processes().iter().enumerate() {
            let (pid, life) = (entry.pid.peek(), life_of(entry, namespaces));
            let threads = table.block(index).iter().zip(0..);
            let slots = threads.map(|(thread, place)| (thread_of(pid, place, life, thread), waiting_of(life, thread)));
            let first = seen.slots.len();
            seen.slots.extend(slots);
            if life != Life::Nobody {
                let threads = seen.slots.iter().skip(first).map(|(thread, _)| *thread);
                let threads = threads.filter(|thread| thread.life != Life::Nobody).collect();
                seen.processes.push(ProcessSeen { pid, life, threads });
            }
        }
        seen
    }

    /// Whether nobody has come, died or left since.
    pub(super) fn is_still(&self, table: Participants<'_>) -> bool {
        self.words == words(table)
    }

    /// The thread in a slot; `None` for a slot that the region does not have.
    pub(super) fn thread(&self, slot: ThreadSlot) -> Option<ThreadSeen> {
        self.slots.get(usize::from(slot.0)).map(|(thread, _)| *thread)
    }

    /// The threads that wait for something of which `is_it` says that it is meant.
    pub(super) fn waiters(&self, is_it: impl Fn(Waiting) -> bool) -> Vec<ThreadSeen> {
        self.slots.iter().filter(|(_, waiting)| is_it(*waiting)).map(|(thread, _)| *thread).collect()
    }
}

fn life_of(entry: &ProcessEntry, namespaces: u64) -> Life {
    /// How often, and after what time, a marked process is looked at that still runs: it may be on its way out.
    const LOOKS: (u32, Duration) = (20, Duration::from_millis(10));
    for look in 0..LOOKS.0 {
        let word = ProcessWord::from_bits(entry.word.peek());
        let marked = entry.life.word().peek() & LIFE_DIED != 0;
        let run = Run::of(entry, namespaces);
        let life = match (word.state, marked) {
            (ProcessState::Free | ProcessState::Walked, _) => Life::Nobody,
            (ProcessState::Init, false) => Life::Attaching,
            // Its list was broken, or it leaves just now.
            (ProcessState::Live, false) if run == Run::Exited => Life::Dead,
            (ProcessState::Live, false) if run == Run::Stopped => Life::Stopped,
            (ProcessState::Live, false) => Life::Alive,
            (ProcessState::Init | ProcessState::Live | ProcessState::Dead, _) => match run {
                Run::Running | Run::Stopped => Life::FencedOff,
                Run::Exited | Run::Unknown => Life::Dead,
            },
        };
        if life != Life::FencedOff || look + 1 == LOOKS.0 {
            return life;
        }
        std::thread::sleep(LOOKS.1);
    }
    Life::FencedOff
}

/// What the process table says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Run {
    Running,
    Stopped,
    Exited,
    /// Its id means nothing here, or nobody says.
    Unknown,
}

impl Run {
    fn of(entry: &ProcessEntry, namespaces: u64) -> Self {
        let pid = entry.pid.peek();
        if pid == 0 || namespaces == 0 || entry.namespaces.peek() != namespaces {
            return Self::Unknown;
        }
        let stat = match std::fs::read(format!("/proc/{pid}/stat")) {
            Ok(stat) => stat,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Self::Exited,
            // It went while it was read, or is hidden.
            Err(_) => return Self::Unknown,
        };
        if start_time_in(&stat).is_none_or(|start| start != entry.start_time.peek()) {
            return Self::Exited;
        }
        match state_in(&stat) {
            Some(b'T' | b't') => Self::Stopped,
            Some(b'Z' | b'X') => Self::Exited,
            _ => Self::Running,
        }
    }
}

/// Field 3 of the text of a stat file; field 2 is in parentheses and may hold anything.
fn state_in(stat: &[u8]) -> Option<u8> {
    let name_end = stat.iter().rposition(|byte| *byte == b')')?;
    stat.get(name_end + 2).copied()
}

fn thread_of(pid: u32, place: u32, process: Life, entry: &ThreadEntry) -> ThreadSeen {
    let word = entry.life.word().peek();
    let tid = word & LIFE_ID_MASK;
    let life = match (process, tid) {
        (Life::Nobody, _) => Life::Nobody,
        // The kernel's mark replaces the id. What was walked holds nothing any more.
        (_, 0) if word & LIFE_DIED != 0 && entry.walked.peek() == 0 => Life::Dead,
        (_, 0) => Life::Nobody,
        (life, _) => life,
    };
    ThreadSeen { pid, place, tid, life }
}

/// The dead wait for nothing, whatever their slots say.
fn waiting_of(process: Life, entry: &ThreadEntry) -> Waiting {
    let is_there = entry.life.word().peek() & LIFE_ID_MASK != 0;
    match process {
        Life::Alive | Life::Stopped | Life::FencedOff if is_there => Waiting::from_bits(entry.waiting.peek()),
        _ => Waiting::Nothing,
    }
}
