//! What the kernel tells of processes: whether they sleep, what they have open, mapped and running.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::fs;

/// What a process holds of the kernel's things; what must not grow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holdings {
    /// Open descriptors.
    pub(crate) descriptors: usize,
    /// Mappings.
    pub(crate) mappings: usize,
    /// Threads.
    pub(crate) threads: usize,
}

impl Holdings {
    /// Those of this process.
    pub(crate) fn own() -> Self {
        Self {
            // The one that reads the folder is not counted.
            descriptors: entries("/proc/self/fd").saturating_sub(1),
            mappings: fs::read_to_string("/proc/self/maps").expect("the list of mappings").lines().count(),
            threads: entries("/proc/self/task"),
        }
    }
}

fn entries(folder: &str) -> usize {
    fs::read_dir(folder).expect("a folder of /proc").count()
}

/// Whether the main thread of process `pid` is asleep. False if it has exited.
///
/// Looks at no file of a single thread: the kernel would have to forget it again at that thread's end, which costs more
/// than all else in a run of thousands of kills.
pub(crate) fn is_asleep(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| state_in(&stat) == Some('S'))
}

/// Whether thread `tid` of this process is asleep. False if it has ended.
pub(crate) fn thread_is_asleep(tid: u32) -> bool {
    fs::read_to_string(format!("/proc/self/task/{tid}/stat")).is_ok_and(|stat| state_in(&stat) == Some('S'))
}

/// Whether this process has a thread `tid` that has not ended.
pub(crate) fn thread_exists(tid: u32) -> bool {
    fs::exists(format!("/proc/self/task/{tid}")).unwrap_or(false)
}

/// Whether every thread of process `pid`, its keeper included, is asleep. False if it has exited.
pub(crate) fn all_asleep(pid: u32) -> bool {
    states(pid).is_some_and(|states| !states.is_empty() && states.iter().all(|state| *state == 'S'))
}

/// How many threads process `pid` has.
pub(crate) fn threads(pid: u32) -> usize {
    states(pid).map_or(0, |states| states.len())
}

/// Whether every thread of process `pid` is stopped.
pub(crate) fn is_stopped(pid: u32) -> bool {
    states(pid).is_some_and(|states| !states.is_empty() && states.iter().all(|state| *state == 'T'))
}

/// The state letters of its threads; none if one could not be read.
fn states(pid: u32) -> Option<Vec<char>> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    tasks.map(|task| state_in(&fs::read_to_string(task.ok()?.path().join("stat")).ok()?)).collect()
}

/// The third field: what follows the name in parentheses, which may contain anything.
fn state_in(stat: &str) -> Option<char> {
    stat.rsplit(") ").next()?.chars().next()
}

/// How many pages of this process are in memory.
pub(crate) fn resident_pages() -> u64 {
    let sizes = fs::read_to_string("/proc/self/statm").expect("the sizes of this process");
    sizes.split_whitespace().nth(1).and_then(|pages| pages.parse().ok()).expect("a number of pages")
}
