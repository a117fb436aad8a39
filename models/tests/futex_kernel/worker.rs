//! The life of a process that plays one thread of a program: raw futex calls on the shared page.
//!
//! It was forked from a process with several threads, so it allocates nothing, locks nothing and never panics.

use super::page::{BROKEN, Desk, Line, MOST_FILLERS, Page, SLEEP, encode};
use super::program::{Op, Returned};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, getpid, getppid, kill_process, set_parent_process_death_signal};
use rustix::thread::futex::{self, ClockId, Timespec};
use rustix::thread::nanosleep;
use selvedge::sync::Deadline;
use std::hint::spin_loop;
use std::num::NonZeroU32;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::Duration;

/// What a process plays.
#[derive(Clone, Copy)]
pub(crate) struct Part<'a> {
    /// Its place on the page.
    pub(crate) desk: usize,
    pub(crate) ops: &'a [Op],
    /// Its waits have deadlines.
    pub(crate) timed: bool,
    /// It kills itself before that operation.
    pub(crate) dies_before: Option<usize>,
}

/// Plays the part, round after round from `round` on, until the process is killed.
pub(crate) fn work(page: &Page, part: Part<'_>, round: u32, test: Pid) -> ! {
    // If the test dies, nobody else would end this process; if it has died before this call, nobody will.
    let bound = set_parent_process_death_signal(Some(Signal::KILL));
    if bound.is_err() || getppid() != Some(test) {
        end();
    }
    let mut round = round;
    loop {
        play(page, part, round);
        round = round.wrapping_add(1);
    }
}

fn play(page: &Page, part: Part<'_>, round: u32) {
    let Some(desk) = page.desks.get(part.desk) else { end() };
    await_round(page, desk, round);
    for (index, (&op, (returned, pause))) in part.ops.iter().zip(desk.returned.iter().zip(&desk.pauses)).enumerate() {
        take_break(pause.load(Relaxed));
        if part.dies_before == Some(index) {
            end();
        }
        desk.at.store(u32::try_from(index + 1).unwrap_or(0), Release);
        let code = perform(op, part.timed, page, desk);
        returned.store(code, Release);
        if code == encode(Returned::Asleep) {
            break;
        }
    }
    desk.ended.store(round, Release);
}

/// Dies as a process dies that is killed.
fn end() -> ! {
    loop {
        let _ = kill_process(getpid(), Signal::KILL);
    }
}

fn take_break(pause: u32) {
    if pause & SLEEP == 0 {
        spin(pause);
    } else {
        let _ = nanosleep(&Timespec { tv_sec: 0, tv_nsec: i64::from(pause & !SLEEP) });
    }
}

pub(crate) fn spin(turns: u32) {
    for _ in 0..turns {
        spin_loop();
    }
}

fn await_round(page: &Page, desk: &Desk, round: u32) {
    desk.ready.store(round, Release);
    let word = &page.round.0;
    // Whoever spins starts at once; whoever sleeps must be woken first. Rounds are short.
    for _ in 0..4_000 {
        if word.load(Acquire) == round {
            return;
        }
        spin_loop();
    }
    while word.load(Acquire) != round {
        let _ = futex::wait(word, futex::Flags::empty(), round.wrapping_sub(1), None);
    }
}

/// Performs `op` and returns the code of what it returned.
fn perform(op: Op, timed: bool, page: &Page, desk: &Desk) -> u32 {
    let [w0, w1] = &page.words;
    let word = |word: usize| if word == 0 { &w0.0 } else { &w1.0 };
    let flags = futex::Flags::empty();
    let deadline = timed.then(|| in_nanoseconds(desk.timeout_ns.load(Relaxed)));
    let deadline = deadline.as_ref();
    let ended = match op {
        Op::Store { word: to, value } => {
            word(to).store(value, Relaxed);
            return encode(Returned::Nothing);
        }
        Op::Wake { word: of, count } => {
            let woken = futex::wake(word(of), flags, count).ok().and_then(|woken| u32::try_from(woken).ok());
            return woken.map_or(BROKEN, |woken| encode(Returned::Wakes(woken)));
        }
        Op::Wait { word: on, expected } => futex::wait_bitset(word(on), flags, expected, deadline, NonZeroU32::MAX),
        Op::Waitv { first, expected: [e0, e1] } => {
            let (w0, w1) = (wait_on(w0, e0), wait_on(w1, e1));
            let (one, other) = if first == 0 { (w0, w1) } else { (w1, w0) };
            let mut waits = [wait_on(&page.filler, 0); 2 + MOST_FILLERS];
            let length = 2 + usize::try_from(desk.fillers.load(Relaxed)).unwrap_or(0).min(MOST_FILLERS);
            waits[0] = one;
            waits[length - 1] = other;
            let flags = futex::WaitvFlags::empty();
            futex::waitv(&waits[..length], flags, deadline, ClockId::Monotonic).map(|_| ())
        }
    };
    match ended {
        Ok(()) => encode(Returned::Woken),
        Err(Errno::AGAIN) => encode(Returned::Changed),
        Err(Errno::TIMEDOUT) => encode(Returned::TimedOut),
        Err(Errno::INTR) => encode(Returned::Asleep),
        Err(_) => BROKEN,
    }
}

fn wait_on(line: &Line, expected: u32) -> futex::Wait {
    let mut on = futex::Wait::new();
    on.val = u64::from(expected);
    on.uaddr = futex::WaitPtr::new(line.0.as_ptr().cast());
    on.flags = futex::WaitFlags::SIZE_U32;
    on
}

fn in_nanoseconds(ns: u32) -> Timespec {
    let at = Deadline::after(Duration::from_nanos(u64::from(ns))).monotonic_ns();
    let part = |ns: u64| i64::try_from(ns).unwrap_or(i64::MAX);
    Timespec { tv_sec: part(at / 1_000_000_000), tv_nsec: part(at % 1_000_000_000) }
}
