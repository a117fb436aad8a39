//! What the tests of this folder share: child processes, memory shared with them, and waits that end.
//!
//! A child is forked from a test process with many threads, so it may only do what is allowed in a signal handler: no
//! allocation, no lock, no panic. It reports by its exit code and by words in [`Shared`] memory.

use crate::sync::{AtomicU32, Deadline, Ordering, WaitOutcome, futex_wait, life_id};
use core::ffi::{CStr, c_void};
use core::ops::Deref;
use core::ptr::{self, NonNull};
use core::time::Duration;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::OwnedFd;
use rustix::fs::{MemfdFlags, Mode, OFlags, ftruncate, memfd_create, open, stat};
use rustix::io::read;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, kill_process, pidfd_open, set_parent_process_death_signal, waitpid,
};
use rustix::time::Timespec;

/// How long a test waits for what must happen at once.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// The exit code of a child whose body has panicked.
const PANICKED: i32 = 101;

/// The deadline of a wait that begins now.
pub(super) fn patience() -> Deadline {
    Deadline::after(PATIENCE)
}

/// Looks again and again until `condition` holds; fails with `what` when it does not come true.
#[track_caller]
pub(super) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = patience();
    while !condition() {
        assert!(!deadline.has_passed(), "waited {PATIENCE:?} in vain for: {what}");
        rustix::thread::sched_yield();
    }
}

/// The same in a child, which cannot panic: says whether it came true.
pub(super) fn comes_true(mut condition: impl FnMut() -> bool) -> bool {
    let deadline = patience();
    while !condition() {
        if deadline.has_passed() {
            return false;
        }
        rustix::thread::sched_yield();
    }
    true
}

/// Sleeps until `word` is not `value`, and says whether that came true.
pub(super) fn sleep_while(word: &AtomicU32, value: u32) -> bool {
    let deadline = patience();
    while word.peek() == value {
        if futex_wait(word, value, Some(deadline)) == WaitOutcome::TimedOut {
            return word.peek() != value;
        }
    }
    true
}

/// How many mappings this process has and of how many pages, by which a leak is seen even where the kernel merges
/// neighbours; zeros if it cannot tell. For children, too.
pub(super) fn mappings() -> (usize, usize) {
    let mut lines = 0;
    read_all(c"/proc/self/maps", |byte| lines += usize::from(byte == b'\n'));
    let (mut pages, mut in_first_number) = (0, true);
    read_all(c"/proc/self/statm", |byte| {
        in_first_number &= byte.is_ascii_digit();
        if in_first_number {
            pages = pages * 10 + usize::from(byte - b'0');
        }
    });
    (lines, pages)
}

fn read_all(path: &CStr, mut each: impl FnMut(u8)) {
    let Ok(file) = open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) else { return };
    let mut buffer = [0_u8; 4096];
    while let Ok(length @ 1..) = read(&file, &mut buffer) {
        buffer[..length].iter().for_each(|byte| each(*byte));
    }
}

/// How many threads this process has; zero if it cannot tell. For children, too.
pub(super) fn threads() -> u64 {
    // A folder is linked from its parent, from itself, and from each of its folders.
    stat(c"/proc/self/task").map_or(0, |task| task.st_nlink.saturating_sub(2))
}

/// Whether the thread `tid` of this process is asleep in the kernel.
fn is_asleep(tid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/self/task/{tid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|fields| fields.starts_with('S'))
}

/// Lets a thread set the bits `waiters` in `word` and sleep on it, does `meanwhile` once it is asleep, and returns how
/// the sleep ended.
#[track_caller]
pub(super) fn somebody_sleeps_on(word: &AtomicU32, waiters: u32, meanwhile: impl FnOnce()) -> WaitOutcome {
    let sleeper = AtomicU32::new(0);
    std::thread::scope(|scope| {
        let outcome = scope.spawn(|| {
            let expected = word.fetch_or(waiters, Ordering::Relaxed) | waiters;
            sleeper.store(life_id(), Ordering::Relaxed);
            futex_wait(word, expected, Some(patience()))
        });
        until("somebody sleeps on the word", || sleeper.peek() != 0 && is_asleep(sleeper.peek()));
        meanwhile();
        outcome.join().expect("the sleeper ends")
    })
}

/// A value in a mapping of its own memory file, which children share.
pub(super) struct Shared<T> {
    value: NonNull<T>,
}

impl<T> Shared<T> {
    pub(super) fn new(value: T) -> Self {
        let file = memfd_create(c"selvedge-test", MemfdFlags::CLOEXEC).expect("a memory file");
        ftruncate(&file, size_of::<T>() as u64).expect("room in it");
        let (protection, length) = (ProtFlags::READ | ProtFlags::WRITE, size_of::<T>());
        // SAFETY: a new mapping wherever the kernel finds room takes nothing from anyone.
        let at = unsafe { mmap(ptr::null_mut(), length, protection, MapFlags::SHARED, &file, 0) };
        let at = NonNull::new(at.expect("a mapping").cast::<T>()).expect("no mapping lies at zero");
        // SAFETY: mapped just now, long enough, and aligned to a page.
        unsafe { at.write(value) };
        Self { value: at }
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: written in `new`, mapped as long as `self` lives.
        unsafe { self.value.as_ref() }
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        // SAFETY: `new` made this mapping for `self` alone.
        let _ = unsafe { munmap(self.value.as_ptr().cast::<c_void>(), size_of::<T>()) };
    }
}

// SAFETY: as the `T` that it holds.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Shared<T> {}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Exited(i32),
    Killed(i32),
}

/// A forked child; killed and reaped at the latest when this is dropped.
#[derive(Debug)]
pub(super) struct Child {
    pid: Pid,
    pidfd: OwnedFd,
    reaped: bool,
}

/// Forks. The child runs `body` and exits with what that returns; it dies with the thread that forked it.
#[track_caller]
pub(super) fn fork(body: impl FnOnce() -> u8) -> Child {
    /// Keeps a panic of the child from going on into the test harness that it was copied from.
    struct ExitOnUnwind;
    impl Drop for ExitOnUnwind {
        fn drop(&mut self) {
            // SAFETY: ends the process at once, whatever state it is in.
            unsafe { libc::_exit(PANICKED) }
        }
    }
    // SAFETY: the child only does what is allowed in a signal handler (see the module's documentation).
    match unsafe { libc::fork() } {
        0 => {
            let _guard = ExitOnUnwind;
            let _ = set_parent_process_death_signal(Some(Signal::KILL));
            let code = body();
            // SAFETY: as above.
            unsafe { libc::_exit(i32::from(code)) }
        }
        pid => {
            let pid = Pid::from_raw(pid).filter(|pid| pid.as_raw_nonzero().get() > 0).expect("fork makes a child");
            let pidfd = pidfd_open(pid, PidfdFlags::empty()).expect("a pidfd of one's own child");
            Child { pid, pidfd, reaped: false }
        }
    }
}

impl Child {
    pub(super) fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Sends SIGKILL.
    pub(super) fn kill(&self) {
        kill_process(self.pid, Signal::KILL).expect("the child is not reaped yet");
    }

    /// Waits until the child is dead, and leaves it a zombie.
    #[track_caller]
    pub(super) fn await_death(&self) {
        let mut pidfd = [PollFd::new(&self.pidfd, PollFlags::IN)];
        let deadline = patience();
        loop {
            let left = Timespec::try_from(deadline.remaining()).expect("less than PATIENCE");
            match poll(&mut pidfd, Some(&left)) {
                Ok(0) => panic!("waited {PATIENCE:?} in vain for: child {} ends", self.pid()),
                Ok(_) => return,
                Err(errno) => assert_eq!(errno, rustix::io::Errno::INTR, "poll of a pidfd"),
            }
        }
    }

    /// Waits until the child is dead, and reaps it.
    #[track_caller]
    pub(super) fn end(mut self) -> Ending {
        self.await_death();
        let (_, status) =
            waitpid(Some(self.pid), WaitOptions::empty()).expect("it is our child").expect("it is dead already");
        self.reaped = true;
        match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => Ending::Exited(code),
            (None, Some(signal)) => Ending::Killed(signal),
            (None, None) => panic!("the child ended in no known way: {status:?}"),
        }
    }

    /// Kills the child, waits until it is dead, and reaps it.
    #[track_caller]
    pub(super) fn kill_and_reap(self) {
        self.kill();
        assert_eq!(self.end(), Ending::Killed(libc::SIGKILL));
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.reaped {
            let _ = kill_process(self.pid, Signal::KILL);
            // A traced child may have a stop to report before its death.
            while waitpid(Some(self.pid), WaitOptions::empty()).is_ok() {}
        }
    }
}
