//! A process that is traced while it makes a call, and makes single steps of it.
//!
//! The traced process says where its call begins and ends ([`Traced::call`]): it stops at both places. Its tracer is the
//! thread that forked it.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use super::actors::{Actor, fork};
use super::patience::who;
use super::shared::{Mark, Shared};
use rustix::process::{Pid, Signal, WaitOptions, waitpid};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// What the traced process tells its tracer; lies in memory that both have.
#[derive(Debug, Default)]
pub(crate) struct Traced {
    is_refused: Mark,
}

impl Traced {
    /// The call, which is traced. What is done before and after is not.
    pub(crate) fn call<R>(&self, call: impl FnOnce() -> R) -> R {
        let nothing = std::ptr::null_mut::<libc::c_void>();
        // SAFETY: a request without arguments.
        let answer = unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, nothing, nothing) };
        if answer != 0 {
            self.is_refused.set(1);
            std::process::abort();
        }
        // SAFETY: the signal comes to a process that ends by it, or stops if it is traced.
        unsafe { libc::alarm(ALARM) };
        stop();
        let result = call();
        stop();
        result
    }
}

/// Keeps the calling thread, and what it forks from now on, on one processor: a single step is several times quicker if tracer
/// and traced need not wake each other across processors.
pub(crate) fn stay_on_one_processor() {
    let all = sched_getaffinity(None).expect("the processors to run on");
    let allowed: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|cpu| all.is_set(*cpu)).collect();
    // Tests that run beside each other take different ones, more or less.
    let chosen = usize::try_from(std::process::id()).expect("64 bits") % allowed.len();
    let mut one = CpuSet::new();
    one.set(allowed[chosen]);
    sched_setaffinity(None, &one).expect("one of those that are allowed");
}

/// Whether this machine lets a process trace its children.
pub(crate) fn may_trace() -> bool {
    let traced = Shared::new(Traced::default());
    let child = fork("a child to be traced", || traced.call(|| ()));
    let stopped = next_stop(&child);
    traced.is_refused.get() == 0 && stopped == STOPPED_ITSELF
}

/// Stops the calling thread until its tracer lets it go on. Not by `raise`, which goes on for a hundred instructions
/// afterwards.
#[inline(always)]
fn stop() {
    let (process, thread) = (rustix::process::getpid(), rustix::thread::gettid());
    let [process, thread] = [process, thread].map(|id| id.as_raw_nonzero().get());
    // SAFETY: sends a signal to the calling thread, which is no memory access.
    let answer = unsafe { libc::syscall(libc::SYS_tgkill, process, thread, libc::SIGSTOP) };
    assert_eq!(answer, 0, "a signal to oneself");
}

fn request(request: libc::c_uint, traced: &Actor) {
    let nothing = std::ptr::null_mut::<libc::c_void>();
    let pid = libc::pid_t::try_from(traced.pid()).expect("a process id");
    // SAFETY: lets a stopped child go on, which is no access to this process's memory.
    let answer = unsafe { libc::ptrace(request, pid, nothing, nothing) };
    assert_eq!(answer, 0, "ptrace: {}", std::io::Error::last_os_error());
}

/// The signal with which it stops next; none if it has ended. The tracer sleeps until then: the traced process has an alarm, which
/// stops it, too.
fn next_stop(traced: &Actor) -> Option<i32> {
    let pid = i32::try_from(traced.pid()).ok().and_then(Pid::from_raw).expect("a process id");
    let (_, status) = waitpid(Some(pid), WaitOptions::UNTRACED).expect("our child").expect("a blocking call");
    let signal = status.stopping_signal();
    assert_ne!(signal, Some(libc::SIGALRM), "{} waited {ALARM} s in vain for a traced process", who());
    signal
}

/// For a call with all its steps, in seconds.
const ALARM: u32 = 60;

const STOPPED_ITSELF: Option<i32> = Some(Signal::STOP.as_raw());
const STEPPED: Option<i32> = Some(Signal::TRAP.as_raw());

/// Waits until it is about to make its call.
#[track_caller]
pub(crate) fn await_call(traced: &Actor) {
    assert_eq!(next_stop(traced), STOPPED_ITSELF, "before the call");
}

/// Lets it make so many steps of its call. True: it came to the end of the call before.
#[track_caller]
pub(crate) fn make_steps(traced: &Actor, steps: u32) -> bool {
    for _ in 0..steps {
        request(libc::PTRACE_SINGLESTEP, traced);
        match next_stop(traced) {
            STEPPED => {}
            STOPPED_ITSELF => return true,
            other => panic!("the traced process stopped with {other:?}"),
        }
    }
    false
}

/// Where a process is after each instruction of its call, as far as others have shown that made the same call.
///
/// Who makes all steps one by one needs a number of stops that is a square of the length of the call. Along a known path a
/// breakpoint of the processor leads to the last known place at once; forked processes have all code at the same addresses.
#[derive(Debug, Default)]
pub(crate) struct Path {
    places: Vec<u64>,
}

/// How far a traced process came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reached {
    /// It has made the steps that were asked for.
    There,
    /// It came to the end of its call before.
    End,
    /// It took another path than those before, and came to the end of its call on it. The path is forgotten.
    EndAnotherWay,
}

impl Path {
    /// Lets it make so many steps of its call, of which it has made none, one by one: how to do better is not known of this
    /// processor.
    #[cfg(not(target_arch = "x86_64"))]
    #[track_caller]
    pub(crate) fn make_steps(&mut self, traced: &Actor, steps: u32) -> Reached {
        if make_steps(traced, steps) { Reached::End } else { Reached::There }
    }

    /// Lets it make so many steps of its call, of which it has made none: all but the last as others did.
    #[cfg(target_arch = "x86_64")]
    #[track_caller]
    pub(crate) fn make_steps(&mut self, traced: &Actor, steps: u32) -> Reached {
        let wanted = usize::try_from(steps).expect("64 bits");
        self.places.truncate(wanted);
        if self.places.is_empty() {
            self.places.push(place(traced));
        }
        // A breakpoint where it stands would stop it there.
        while self.places.len() > 1 && self.places.last() == self.places.first() {
            self.places.pop();
        }
        if !self.run_to_the_last(traced) {
            self.places.clear();
            return Reached::EndAnotherWay;
        }
        while self.places.len() <= wanted {
            if make_steps(traced, 1) {
                return Reached::End;
            }
            self.places.push(place(traced));
        }
        Reached::There
    }

    /// Lets it run to the last known place. False: it came to the end of its call.
    #[cfg(target_arch = "x86_64")]
    fn run_to_the_last(&self, traced: &Actor) -> bool {
        let [_, passed @ ..] = &self.places[..] else { return true };
        let Some(last) = passed.last() else { return true };
        set_breakpoint(traced, Some(*last));
        for _ in passed.iter().filter(|place| *place == last) {
            request(libc::PTRACE_CONT, traced);
            match next_stop(traced) {
                STEPPED => assert_eq!(place(traced), *last, "it stopped at the breakpoint"),
                STOPPED_ITSELF => return false,
                other => panic!("the traced process stopped with {other:?}"),
            }
        }
        set_breakpoint(traced, None);
        true
    }
}

/// The address of its next instruction.
#[cfg(target_arch = "x86_64")]
fn place(traced: &Actor) -> u64 {
    let pid = libc::pid_t::try_from(traced.pid()).expect("a process id");
    let mut registers = std::mem::MaybeUninit::<libc::user_regs_struct>::uninit();
    let nothing = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: the kernel writes the registers of a stopped child there, which has room for them.
    let answer = unsafe { libc::ptrace(libc::PTRACE_GETREGS, pid, nothing, registers.as_mut_ptr()) };
    assert_eq!(answer, 0, "ptrace: {}", std::io::Error::last_os_error());
    // SAFETY: written just now.
    unsafe { registers.assume_init() }.rip
}

/// Makes it stop before it executes what is at this address, or nowhere.
#[cfg(target_arch = "x86_64")]
fn set_breakpoint(traced: &Actor, at: Option<u64>) {
    let pid = libc::pid_t::try_from(traced.pid()).expect("a process id");
    let set = |register: usize, value: u64| {
        let offset = std::mem::offset_of!(libc::user, u_debugreg) + register * size_of::<u64>();
        // SAFETY: sets a debug register of a stopped child, which is no access to this process's memory.
        let answer = unsafe { libc::ptrace(libc::PTRACE_POKEUSER, pid, offset, value) };
        assert_eq!(answer, 0, "a breakpoint: {}", std::io::Error::last_os_error());
    };
    // Register 7 says which of the others count, and for what: the lowest bit is the first one's, for execution.
    let (address, control) = (0, 7);
    set(control, 0);
    if let Some(at) = at {
        set(address, at);
        set(control, 1);
    }
}

/// Lets it come to the end of its call.
#[track_caller]
pub(crate) fn finish_call(traced: &Actor) {
    request(libc::PTRACE_CONT, traced);
    assert_eq!(next_stop(traced), STOPPED_ITSELF, "after the call");
}

/// Lets it go on, traced no longer.
pub(crate) fn let_go(traced: &Actor) {
    request(libc::PTRACE_DETACH, traced);
}
