//! What an operation costs when nobody else wants the object: no system call, and as few steps as there can be.

#![cfg(not(loom))]

#[path = "support/roles.rs"]
mod roles;

use roles::{Running, say};
use selvedge::message::{Capacity, RecvError, SendError};
use selvedge::primitives::mutex::Leaves;
use selvedge::primitives::participants::Membership;
use selvedge::primitives::waiting::Wait;
use selvedge::primitives::{Caller, ObjectId, Objects, Participants, RawMutex, RawSemaphore, Repair, ThreadSlot};
use selvedge::region::{AcquireError, QueueRecvError, QueueSendError, Region, RegionOptions};
use selvedge::sync::steps;
use std::io;
use std::ptr::null_mut;
use std::time::Duration;

const TIMES: usize = 1000;

fn region() -> Region {
    RegionOptions::new().arena(4096).anonymous().unwrap()
}

#[test]
#[ignore = "other tests run it as a child process"]
fn play_a_role() {
    roles::play(|role, arguments| match (role, arguments) {
        ("traced", [what]) => play_traced(what),
        unknown => panic!("no such role: {unknown:?}"),
    });
}

/// Stops the calling thread until its tracer lets it go on.
fn stop_here(process: i32, thread: i32) {
    // SAFETY: sends a signal to the calling thread, which is no memory access.
    let sent = unsafe { libc::syscall(libc::SYS_tgkill, process, thread, libc::SIGSTOP) };
    assert_eq!(sent, 0, "tgkill: {}", io::Error::last_os_error());
}

/// Runs as a child process: does one thing a thousand times between two stops.
fn play_traced(what: &str) {
    let region = region();
    let mutex = region.mutex("mutex", 0_u64).unwrap();
    let permits = region.semaphore("permits", 2).unwrap();
    let queue = region.queue::<u64>("queue", 2).unwrap();
    let (sender, receiver) = region.channel::<u64>("channel", Capacity::Bounded(2)).unwrap();
    let jobs = region.work_queue::<u64>("jobs", 2).unwrap();
    let buffers = region.pool::<u64>("buffers", 2).unwrap();
    let once: &dyn Fn() = match what {
        "lock" => &|| *mutex.lock().unwrap() += 1,
        "try_lock" => &|| *mutex.try_lock().unwrap() += 1,
        "lock_timeout" => &|| *mutex.lock_timeout(Duration::from_secs(1)).unwrap() += 1,
        "acquire" => &|| {
            permits.acquire().unwrap();
            permits.release().unwrap();
        },
        "acquire_many" => &|| {
            permits.acquire_many(2).unwrap();
            permits.release_many(2).unwrap();
        },
        "try_acquire" => &|| {
            permits.try_acquire(1).unwrap();
            assert_eq!(permits.try_acquire(2), Err(AcquireError::WouldBlock));
            permits.release().unwrap();
        },
        "send and recv" => &|| {
            queue.send(1).unwrap();
            assert_eq!(queue.recv(), Ok(1));
        },
        "try_send and try_recv" => &|| {
            (0..2).for_each(|message| queue.try_send(message).unwrap());
            assert_eq!(queue.try_send(2), Err(QueueSendError::Full(2)));
            (0..2).for_each(|message| assert_eq!(queue.try_recv(), Ok(message)));
            assert_eq!(queue.try_recv(), Err(QueueRecvError::Empty));
        },
        "send and receive in place" => &|| {
            let mut loan = queue.loan().unwrap();
            *loan = 7;
            loan.send_timeout(Duration::from_secs(1)).map_err(QueueSendError::give_up).unwrap();
            assert_eq!(*queue.recv_in_place_timeout(Duration::from_secs(1)).unwrap(), 7);
        },
        "through a channel" => &|| {
            (0..2).for_each(|message| sender.send(message).unwrap());
            assert_eq!(sender.try_send(2), Err(SendError::Full(2)));
            (0..2).for_each(|message| assert_eq!(receiver.recv(), Ok(message)));
            assert_eq!(receiver.try_recv(), Err(RecvError::Empty));
        },
        "put back and finish" => &|| {
            jobs.send(1).unwrap();
            drop(jobs.recv().unwrap());
            jobs.recv().unwrap().ack();
        },
        "take and give back" => &|| *buffers.take().unwrap() += 1,
        "sleep" => &|| assert_eq!(permits.acquire_timeout(3, Duration::ZERO), Err(AcquireError::TimedOut)),
        unknown => panic!("no such thing: {unknown}"),
    };
    // The thread registers itself, and the C library finds its functions, at the first call.
    once();
    let process = rustix::process::getpid().as_raw_nonzero().get();
    let thread = rustix::thread::gettid().as_raw_nonzero().get();
    // SAFETY: a request without memory arguments.
    let traced =
        unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, null_mut::<libc::c_void>(), null_mut::<libc::c_void>()) };
    say("thread", thread);
    say("traced", if traced == 0 { "yes".to_owned() } else { io::Error::last_os_error().to_string() });
    if traced == 0 {
        stop_here(process, thread);
        for _ in 0..TIMES {
            once();
        }
        stop_here(process, thread);
    }
}

/// Waits until the traced thread stops, and says by which signal.
#[track_caller]
fn next_stop(thread: libc::pid_t) -> i32 {
    let mut status = 0;
    // SAFETY: `status` is a valid place for the answer.
    let answer = unsafe { libc::waitpid(thread, &raw mut status, libc::__WALL) };
    assert_eq!(answer, thread, "waitpid: {}", io::Error::last_os_error());
    assert!(libc::WIFSTOPPED(status), "the traced process ended: status {status:#x}");
    libc::WSTOPSIG(status)
}

#[track_caller]
fn request(request: libc::c_uint, thread: libc::pid_t, data: libc::c_int) {
    // SAFETY: these requests take no pointer; `data` is an option set or zero.
    let answer = unsafe { libc::ptrace(request, thread, null_mut::<libc::c_void>(), libc::c_long::from(data)) };
    assert_eq!(answer, 0, "ptrace: {}", io::Error::last_os_error());
}

/// The number of the system call that the thread, which is stopped at its beginning, makes.
fn call_number(thread: libc::pid_t) -> i64 {
    let mut registers = std::mem::MaybeUninit::<libc::user_regs_struct>::uninit();
    // SAFETY: the place is as large as the kernel writes.
    let answer =
        unsafe { libc::ptrace(libc::PTRACE_GETREGS, thread, null_mut::<libc::c_void>(), registers.as_mut_ptr()) };
    assert_eq!(answer, 0, "ptrace: {}", io::Error::last_os_error());
    // SAFETY: filled in above.
    unsafe { registers.assume_init() }.orig_rax.cast_signed()
}

/// The system calls that a thousand times `what` make; none if this machine forbids tracing.
fn calls_of(what: &str) -> Option<Vec<i64>> {
    let mut child = Running::start("traced", &[what]);
    let thread = child.hear("thread").parse().unwrap();
    let traced = child.hear("traced");
    if traced != "yes" {
        eprintln!("skipped: no process can be traced here: {traced}");
        return None;
    }
    assert_eq!(next_stop(thread), libc::SIGSTOP);
    request(libc::PTRACE_SETOPTIONS, thread, libc::PTRACE_O_EXITKILL | libc::PTRACE_O_TRACESYSGOOD);
    let (mut calls, mut is_in_call) = (Vec::new(), false);
    loop {
        request(libc::PTRACE_SYSCALL, thread, 0);
        match next_stop(thread) {
            stop if stop == libc::SIGTRAP | 0x80 => {
                if !is_in_call {
                    calls.push(call_number(thread));
                }
                is_in_call = !is_in_call;
            }
            libc::SIGSTOP => break,
            other => panic!("stopped by signal {other}"),
        }
    }
    request(libc::PTRACE_DETACH, thread, 0);
    child.succeed();
    assert_eq!(calls.pop(), Some(libc::SYS_tgkill), "the last is the one that stops the thread");
    Some(calls)
}

#[test]
fn nobody_else_means_no_system_call() {
    let locks = ["lock", "try_lock", "lock_timeout", "acquire", "acquire_many", "try_acquire"];
    let queues = [
        "send and recv",
        "try_send and try_recv",
        "send and receive in place",
        "put back and finish",
        "through a channel",
    ];
    for what in locks.into_iter().chain(queues).chain(["take and give back"]) {
        let Some(calls) = calls_of(what) else { return };
        assert_eq!(calls, [], "{TIMES} times {what}");
    }
}

#[test]
fn the_count_sees_a_call_that_is_made() {
    let Some(calls) = calls_of("sleep") else { return };
    assert_eq!(calls.len(), TIMES);
    assert!(calls.iter().all(|call| *call == libc::SYS_futex), "{calls:?}");
}

/// How many steps of the sync layer `operation` takes.
fn steps_of<R>(operation: impl FnOnce() -> R) -> (u64, R) {
    steps::arm(u64::MAX);
    let result = operation();
    (steps::disarm(), result)
}

/// No objects: nobody sleeps here, so nobody has to be woken.
struct Nothing;

impl Objects for Nothing {
    fn for_each(&self, _visit: &mut dyn FnMut(&dyn Repair)) {}
    fn wake(&self, _object: ObjectId) {}
}

#[test]
fn a_control_block_is_locked_in_one_step_and_unlocked_in_one() {
    let membership = Membership::new();
    let table = Participants::empty(&membership);
    let caller = Caller { table, objects: &Nothing, slot: ThreadSlot(0), wait: Wait::default(), backstop: None };
    let mutex = RawMutex::new();
    for _ in 0..2 {
        assert_eq!(steps_of(|| mutex.lock(&caller, ObjectId(1), None).unwrap()).0, 1, "the compare-and-swap");
        assert_eq!(steps_of(|| mutex.unlock(Leaves::Consistent)).0, 1, "the swap");
        assert_eq!(steps_of(|| mutex.try_lock(ThreadSlot(0)).unwrap()).0, 1, "the compare-and-swap");
        assert_eq!(steps_of(|| mutex.unlock(Leaves::Inconsistent)).0, 1, "the swap");
        assert!(mutex.reset(ThreadSlot(0)));
        mutex.unlock(Leaves::Consistent);
    }
    let permits = RawSemaphore::new(2);
    assert_eq!(steps_of(|| permits.try_acquire(2).unwrap()).0, 2, "a look and the compare-and-swap");
    assert_eq!(steps_of(|| permits.release(2).unwrap()).0, 2, "a look and the compare-and-swap");
}

#[test]
fn a_handle_adds_one_look_at_the_own_process() {
    let region = region();
    let mutex = region.mutex("mutex", 7_u64).unwrap();
    let permits = region.semaphore("permits", 2).unwrap();
    // The first call of a thread registers it.
    drop(mutex.lock().unwrap());
    let (steps, guard) = steps_of(|| mutex.lock().unwrap());
    assert_eq!(steps, 2, "whether this process may still act, and the compare-and-swap");
    assert_eq!(steps_of(|| *guard), (1, 7), "the value");
    assert_eq!(steps_of(|| drop(guard)).0, 1, "the swap");
    let (steps, guard) = steps_of(|| mutex.try_lock().unwrap());
    assert_eq!(steps, 2, "as for lock");
    drop(guard);
    assert_eq!(steps_of(|| permits.acquire().unwrap()).0, 3, "may it act, a look, the compare-and-swap");
    assert_eq!(steps_of(|| permits.release().unwrap()).0, 3, "the same");
}
