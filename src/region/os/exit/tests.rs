//! Processes that live, die, and are mistaken for others.

use super::*;
use crate::region::os::keeper::{self, KeeperThread};
use crate::region::os::testing::{Ending, Shared, fork, patience, sleep_while};
use crate::sync::{AtomicU32, Deadline, Ordering, futex_wake, life_id};
use core::ffi::{c_int, c_void};
use core::time::Duration;
use rustix::fd::AsRawFd;

/// What the tests and their children tell each other.
struct Signs {
    start_time: AtomicU32,
    tid: AtomicU32,
    go: AtomicU32,
}

impl Signs {
    fn new() -> Shared<Self> {
        let word = || AtomicU32::new(0);
        Shared::new(Self { start_time: word(), tid: word(), go: word() })
    }

    fn tell(word: &AtomicU32, value: u32) {
        word.store(value, Ordering::Release); // pairs with the Acquire in `await_word`
        futex_wake(word, u32::MAX);
    }

    #[track_caller]
    fn await_word(word: &AtomicU32) -> u32 {
        assert!(sleep_while(word, 0), "the child says nothing");
        word.load(Ordering::Acquire)
    }

    /// In a child: tells when it was started, and waits until it may go.
    fn tell_start_and_wait(&self) -> u8 {
        let Ok(start_time) = own_start_time() else { return 1 };
        Self::tell(&self.start_time, u32::try_from(start_time).unwrap_or(0));
        sleep_while(&self.go, 0);
        0
    }
}

impl ProcessWatch {
    /// Waits until the exit is confirmed or the deadline has passed, asleep, and says whether it is confirmed.
    fn wait_exit(&self, deadline: Deadline) -> bool {
        while !self.has_exited() {
            let (Some(pidfd), false) = (&self.pidfd, deadline.has_passed()) else { return false };
            let left = Timespec::try_from(deadline.remaining()).ok();
            let _ = poll(&mut [PollFd::from_borrowed_fd(pidfd.borrow(), PollFlags::IN)], left.as_ref());
        }
        true
    }
}

const SOON: Duration = Duration::from_millis(40);

fn soon() -> Deadline {
    Deadline::after(SOON)
}

/// The processor time that this thread has used.
fn thread_time() -> Duration {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(used).expect("not negative")
}

#[test]
fn a_process_lives_then_is_a_zombie_then_is_gone() {
    let signs = Signs::new();
    let child = fork(|| signs.tell_start_and_wait());
    let start_time = u64::from(Signs::await_word(&signs.start_time));
    let pid = child.pid();
    let watch = ProcessWatch::open(pid, start_time).expect("a watch");
    assert!(!watch.has_exited());
    let (deadline, busy_before) = (soon(), thread_time());
    assert!(!watch.wait_exit(deadline));
    assert!(deadline.has_passed(), "not before the deadline");
    assert!(thread_time() - busy_before < SOON / 20, "it sleeps meanwhile");
    child.kill();
    assert!(watch.wait_exit(patience()));
    child.await_death();
    assert!(watch.has_exited());
    let of_zombie = ProcessWatch::open(pid, start_time).expect("a watch of a zombie");
    assert!(of_zombie.has_exited());
    assert_eq!(child.end(), Ending::Killed(libc::SIGKILL));
    assert!(watch.has_exited() && of_zombie.wait_exit(soon()));
    let of_nobody = ProcessWatch::open(pid, start_time).expect("a watch of nobody");
    assert!(of_nobody.has_exited() && of_nobody.wait_exit(soon()));
}

#[test]
fn a_later_bearer_of_the_pid_is_not_mistaken() {
    let own = own_start_time().expect("proc is mounted");
    let myself = rustix::process::getpid().as_raw_nonzero().get().unsigned_abs();
    assert!(!ProcessWatch::open(myself, own).expect("a watch of oneself").has_exited());
    for other in [own - 1, own + 1, 0, u64::MAX] {
        assert!(ProcessWatch::open(myself, other).expect("a watch").has_exited(), "started at {other}, not {own}");
    }
}

#[test]
fn a_pid_that_is_a_mere_thread_now_has_no_process() {
    let pid = rustix::process::getpid().as_raw_nonzero().get().unsigned_abs();
    let found = std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            assert_ne!(life_id(), pid);
            ProcessWatch::open(life_id(), 1).map(|watch| watch.has_exited())
        });
        other.join().expect("the thread ends")
    });
    assert_eq!(found, Ok(true));
}

#[test]
fn numbers_that_are_no_pids_are_refused() {
    for pid in [0, 1 << 31, u32::MAX] {
        assert_eq!(ProcessWatch::open(pid, 1).map(drop), Err(WatchError::InvalidPid(pid)));
    }
    assert!(ProcessWatch::open(i32::MAX.unsigned_abs(), 1).expect("beyond any pid_max").has_exited());
}

/// Tells its thread id and waits until it may go.
extern "C" fn linger(signs: *mut c_void) -> c_int {
    // SAFETY: the signs outlive the child in which this runs.
    let signs = unsafe { &*signs.cast::<Signs>() };
    Signs::tell(&signs.tid, life_id());
    sleep_while(&signs.go, 0);
    0
}

fn start_lingering(signs: &Signs) -> Option<KeeperThread> {
    // SAFETY: the body makes system calls only.
    unsafe { keeper::spawn(linger, core::ptr::from_ref(signs).cast_mut().cast()) }.ok()
}

#[test]
fn a_process_whose_main_thread_has_ended_lives_on() {
    let signs = Signs::new();
    let child = fork(|| {
        let Ok(start_time) = own_start_time() else { return 1 };
        let Some(keeper) = start_lingering(&signs) else { return 2 };
        Signs::tell(&signs.start_time, u32::try_from(start_time).unwrap_or(0));
        core::mem::forget(keeper);
        // SAFETY: ends the main thread alone; nothing of it is needed any more.
        unsafe { libc::syscall(libc::SYS_exit, 0) };
        3
    });
    let start_time = u64::from(Signs::await_word(&signs.start_time));
    Signs::await_word(&signs.tid);
    crate::region::os::testing::until("the main thread is a zombie", || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.pid())).unwrap_or_default();
        stat.rsplit(") ").next().is_some_and(|fields| fields.starts_with('Z'))
    });
    let watch = ProcessWatch::open(child.pid(), start_time).expect("a watch");
    assert!(!watch.has_exited(), "one thread still runs");
    assert!(!watch.wait_exit(soon()));
    Signs::tell(&signs.go, 1);
    assert!(watch.wait_exit(patience()));
    assert_eq!(child.end(), Ending::Exited(0));
}

#[test]
fn a_command_name_cannot_hide_the_start_time() {
    let signs = Signs::new();
    let child = fork(|| {
        let name = c") S 1 (x) 2\n3";
        // SAFETY: the kernel copies the name.
        if unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) } != 0 {
            return 1;
        }
        signs.tell_start_and_wait()
    });
    let start_time = u64::from(Signs::await_word(&signs.start_time));
    assert!(!ProcessWatch::open(child.pid(), start_time).expect("a watch").has_exited());
    assert!(ProcessWatch::open(child.pid(), start_time + 1).expect("a watch").has_exited());
    child.kill_and_reap();
}

#[test]
fn start_times_grow() {
    let mine = own_start_time().expect("proc is mounted");
    let signs = Signs::new();
    let child = fork(|| signs.tell_start_and_wait());
    assert!(u64::from(Signs::await_word(&signs.start_time)) >= mine);
    child.kill_and_reap();
}

/// A real line, its command name left out.
const AFTER_NAME: &str = " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 987654321 20 21\n";

#[test]
fn the_twenty_second_field_is_found_behind_any_name() {
    for name in ["cat", "", "a b", ") S 1 2 3", "((", "))", "(sd-pam)", "new\nline"] {
        let stat = format!("1234 ({name}){AFTER_NAME}");
        assert_eq!(start_time_in(stat.as_bytes()), Some(987_654_321), "{stat:?}");
    }
}

#[test]
fn a_stat_file_that_is_cut_short_has_no_start_time() {
    let stat = format!("1234 (cat){AFTER_NAME}");
    let end = stat.find("987654321 ").expect("it is there") + "987654321 ".len();
    for length in 0..end {
        assert_eq!(start_time_in(&stat.as_bytes()[..length]), None, "{:?}", &stat[..length]);
    }
    assert_eq!(start_time_in(&stat.as_bytes()[..end]), Some(987_654_321));
    for bad in ["", ")", "1 (x) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 -5 20", "no parentheses at all"] {
        assert_eq!(start_time_in(bad.as_bytes()), None, "{bad:?}");
    }
}

#[test]
fn the_longest_path_fits() {
    assert_eq!(StatPath::of(u32::MAX).as_c_str(), c"/proc/4294967295/stat");
    assert_eq!(StatPath::of(7).as_c_str(), c"/proc/7/stat");
}

/// What a keeper is to watch, and what it found.
struct Commission {
    pid: u32,
    start_time: u64,
    child: Shared<Signs>,
    found: AtomicU32,
}

extern "C" fn watch(commission: *mut c_void) -> c_int {
    // SAFETY: lives until the keeper was joined.
    let commission = unsafe { &*commission.cast::<Commission>() };
    let found = match ProcessWatch::open(commission.pid, commission.start_time) {
        Err(_) => 1,
        Ok(watch) if watch.has_exited() => 2,
        Ok(watch) => {
            Signs::tell(&commission.child.go, 1);
            if watch.wait_exit(patience()) && own_start_time().is_ok() { 3 } else { 4 }
        }
    };
    Signs::tell(&commission.found, found);
    0
}

#[test]
fn a_keeper_can_watch() {
    let signs = Signs::new();
    let child = fork(|| signs.tell_start_and_wait());
    let start_time = u64::from(Signs::await_word(&signs.start_time));
    let commission = Commission { pid: child.pid(), start_time, child: signs, found: AtomicU32::new(0) };
    // SAFETY: the body makes system calls only, and is joined below.
    let keeper = unsafe { keeper::spawn(watch, (&raw const commission).cast_mut().cast()) };
    let mut keeper = keeper.expect("a keeper");
    assert_eq!(Signs::await_word(&commission.found), 3);
    assert_eq!(keeper.join(patience()), Ok(()));
    assert_eq!(child.end(), Ending::Exited(0));
}

fn lowest_free_descriptor() -> Option<RawFd> {
    Some(pidfd_open(rustix::process::getpid(), PidfdFlags::empty()).ok()?.as_raw_fd())
}

#[test]
fn watches_leave_no_descriptor() {
    let child = fork(|| {
        let Ok(start_time) = own_start_time() else { return 1 };
        let pid = rustix::process::getpid().as_raw_nonzero().get().unsigned_abs();
        let Some(before) = lowest_free_descriptor() else { return 5 };
        for round in 0..3000 {
            // Every second one is not the process meant.
            let Ok(watch) = ProcessWatch::open(pid, start_time + round % 2) else { return 2 };
            if watch.has_exited() != (round % 2 == 1) {
                return 3;
            }
        }
        if lowest_free_descriptor() == Some(before) { 0 } else { 4 }
    });
    assert_eq!(child.end(), Ending::Exited(0));
}
