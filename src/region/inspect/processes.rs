//! Who is attached, and in what condition, to somebody who only looks.

use super::super::attachment::own_namespaces;
use super::super::os::exit::ProcessWatch;
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
    /// It is detaching just now.
    Detaching,
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
            Self::Detaching => "detaching",
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

/// The words of all participants, read one right after the other: what they mean is found out later, so that as little as
/// possible changes between them and the words of objects.
pub(super) struct Words {
    processes: Vec<ProcessWords>,
    slots: Vec<ThreadWords>,
    block: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct ProcessWords {
    word: u64,
    life: u32,
    pid: u32,
    start_time: u64,
    namespaces: u64,
    has_left: bool,
}

#[derive(Clone, Copy)]
struct ThreadWords {
    life: u32,
    walked: u32,
    waiting: u32,
}

impl ProcessWords {
    fn of(entry: &ProcessEntry) -> Self {
        let word = entry.word.peek();
        Self {
            word,
            life: entry.life.word().peek(),
            pid: entry.pid.peek(),
            start_time: entry.start_time.peek(),
            namespaces: entry.namespaces.peek(),
            has_left: entry.has_left(ProcessWord::from_bits(word).generation),
        }
    }

    fn state(&self) -> ProcessState {
        ProcessWord::from_bits(self.word).state
    }

    fn is_there(&self) -> bool {
        !matches!(self.state(), ProcessState::Free | ProcessState::Walked)
    }

    fn judged(&self, namespaces: u64) -> Life {
        /// How often, and after what time, a marked process is looked at that still runs: it may be on its way out.
        const LOOKS: (u32, Duration) = (20, Duration::from_millis(10));
        let marked = self.life & LIFE_DIED != 0;
        match (self.state(), marked) {
            (ProcessState::Free | ProcessState::Walked, _) => Life::Nobody,
            (ProcessState::Init, false) => Life::Attaching,
            (ProcessState::Live, false) => match Run::of(self, namespaces) {
                Run::Running | Run::Unknown => Life::Alive,
                Run::Stopped => Life::Stopped,
                // Its keeper's list was broken.
                Run::Exited => Life::Dead,
            },
            (ProcessState::Dead, false) if self.has_left => Life::Detaching,
            (ProcessState::Init | ProcessState::Live | ProcessState::Dead, _) => {
                for _ in 0..LOOKS.0 {
                    if matches!(Run::of(self, namespaces), Run::Exited | Run::Unknown) {
                        return Life::Dead;
                    }
                    std::thread::sleep(LOOKS.1);
                }
                Life::FencedOff
            }
        }
    }
}

impl ThreadWords {
    fn of(entry: &ThreadEntry) -> Self {
        Self { life: entry.life.word().peek(), walked: entry.walked.peek(), waiting: entry.waiting.peek() }
    }

    fn tid(&self) -> u32 {
        self.life & LIFE_ID_MASK
    }

    /// The kernel's mark replaces the id. What was walked holds nothing any more.
    fn died_alone(&self) -> bool {
        self.tid() == 0 && self.life & LIFE_DIED != 0 && self.walked == 0
    }

    fn is_there(&self) -> bool {
        self.tid() != 0 || self.died_alone()
    }
}

impl Words {
    pub(super) fn of(table: Participants<'_>) -> Self {
        let processes = table.processes().iter().map(ProcessWords::of).collect();
        let slots = table.threads().iter().map(ThreadWords::of).collect();
        Self { processes, slots, block: table.threads_per_process() }
    }

    /// Whether nobody has come, died or left since.
    pub(super) fn are_still(&self, table: Participants<'_>) -> bool {
        self.processes.iter().copied().eq(table.processes().iter().map(ProcessWords::of))
    }

    /// Whether there was a thread in the slot.
    pub(super) fn has(&self, slot: ThreadSlot) -> bool {
        let slot = usize::from(slot.0);
        let process = slot.checked_div(self.block).and_then(|process| self.processes.get(process));
        process.is_some_and(ProcessWords::is_there) && self.slots.get(slot).is_some_and(ThreadWords::is_there)
    }

    /// What they mean, by the kernel's process table.
    pub(super) fn judged(&self) -> Seen {
        let mut seen = Seen { processes: Vec::new(), slots: Vec::with_capacity(self.slots.len()) };
        let namespaces = own_namespaces();
        for (process, block) in self.processes.iter().zip(self.slots.chunks(self.block.max(1))) {
            let (pid, life) = (process.pid, process.judged(namespaces));
            let judged = block.iter().zip(0..).map(|(words, place)| judged(pid, life, place, *words));
            let first = seen.slots.len();
            seen.slots.extend(judged);
            if life != Life::Nobody {
                let threads = seen.slots.iter().skip(first).map(|(thread, _)| *thread);
                let threads = threads.filter(|thread| thread.life != Life::Nobody).collect();
                seen.processes.push(ProcessSeen { pid, life, threads });
            }
        }
        seen
    }
}

/// A thread of a process, and what it waits for: the dead wait for nothing, whatever their slots say.
fn judged(pid: u32, process: Life, place: u32, words: ThreadWords) -> (ThreadSeen, Waiting) {
    let life = match process {
        Life::Nobody => Life::Nobody,
        _ if words.died_alone() => Life::Dead,
        _ if !words.is_there() => Life::Nobody,
        life => life,
    };
    let waiting = match life {
        Life::Alive | Life::Stopped | Life::FencedOff => Waiting::from_bits(words.waiting),
        _ => Waiting::Nothing,
    };
    (ThreadSeen { pid, place, tid: words.tid(), life }, waiting)
}

/// All that was seen of participants.
pub(super) struct Seen {
    pub(super) processes: Vec<ProcessSeen>,
    /// By slot: every thread that there is, and what it waits for.
    slots: Vec<(ThreadSeen, Waiting)>,
}

impl Seen {
    /// The thread in a slot; `None` for a slot that the region does not have.
    pub(super) fn thread(&self, slot: ThreadSlot) -> Option<ThreadSeen> {
        self.slots.get(usize::from(slot.0)).map(|(thread, _)| *thread)
    }

    /// The threads that wait for something of which `is_it` says that it is meant.
    pub(super) fn waiters(&self, is_it: impl Fn(Waiting) -> bool) -> Vec<ThreadSeen> {
        self.slots.iter().filter(|(_, waiting)| is_it(*waiting)).map(|(thread, _)| *thread).collect()
    }
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
    fn of(process: &ProcessWords, namespaces: u64) -> Self {
        let ProcessWords { pid, start_time, .. } = *process;
        if pid == 0 || namespaces == 0 || process.namespaces != namespaces {
            return Self::Unknown;
        }
        match ProcessWatch::open(pid, start_time) {
            Ok(watch) if watch.has_exited() => Self::Exited,
            Ok(_) if is_stopped(pid) => Self::Stopped,
            Ok(_) => Self::Running,
            // It is hidden, say.
            Err(_) => Self::Unknown,
        }
    }
}

/// Whether one of its threads is stopped: then all are, or are about to be. Its main thread may have ended long ago.
fn is_stopped(pid: u32) -> bool {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let states = tasks.filter_map(|task| state_in(&std::fs::read(task.path().join("stat")).ok()?));
    states.into_iter().any(|state| matches!(state, b'T' | b't'))
}

/// Field 3 of the text of a stat file; field 2 is in parentheses and may hold anything.
fn state_in(stat: &[u8]) -> Option<u8> {
    let name_end = stat.iter().rposition(|byte| *byte == b')')?;
    stat.get(name_end + 2).copied()
}
