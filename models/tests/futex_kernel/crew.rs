//! A program on the kernel: a process for each thread, as many runs as wanted.
//!
//! The processes live on from round to round; one that was killed is forked anew. A round is over when every process
//! has ended its part, is dead, or is blocked in a futex call without a deadline, all at one instant: then nobody is
//! left who could wake anybody. Those who are blocked are interrupted by a signal and note that they slept.

use super::page::{Line, Page, SLEEP, Shared, decode};
use super::program::{DEAD, GRAVE, Op, Outcome, Program, Random, Trouble};
use super::worker::{Part, spin, work};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, waitpid};
use rustix::thread::futex::{self, ClockId};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity, sched_yield};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::{Duration, Instant};

/// How long anything in a round may take.
const PATIENCE: Duration = Duration::from_secs(20);

struct Process {
    pid: Pid,
    /// Its `/proc/<pid>/syscall`: the call in which it is blocked. The kernel answers with a call only if the process
    /// has left its processor and has not been made ready to run again. In a futex call that means that it sleeps on the
    /// futex: it has touched the page before, so that it need not wait for memory.
    syscall: File,
}

impl Process {
    fn is_blocked_in_futex(&self) -> bool {
        let mut text = [0; 16];
        let length = self.syscall.read_at(&mut text, 0).unwrap_or(0);
        let number = text[..length].split(|&byte| byte == b' ').next().unwrap_or_default();
        let number = std::str::from_utf8(number).ok().and_then(|number| number.parse::<libc::c_long>().ok());
        number.is_some_and(|number| number == libc::SYS_futex || number == libc::SYS_futex_waitv)
    }
}

/// The processes of one program.
pub(crate) struct Crew<'a> {
    program: &'a Program,
    parts: Vec<Part<'a>>,
    page: Shared,
    processes: Vec<Option<Process>>,
    round: u32,
    random: Random,
}

impl<'a> Crew<'a> {
    /// `stranger` is what a process outside of the program does, if its trouble is one.
    pub(crate) fn new(program: &'a Program, stranger: &'a [Op], seed: u64) -> Self {
        let lanes = program.lanes.iter().enumerate();
        let mut parts: Vec<Part<'a>> = lanes
            .map(|(thread, lane)| {
                let dies_before = match program.trouble {
                    Trouble::Suicide { thread: victim, index } if victim == thread => Some(index),
                    _ => None,
                };
                Part { desk: thread, ops: &lane.ops, timed: lane.timed, dies_before }
            })
            .collect();
        if !stranger.is_empty() {
            parts.push(Part { desk: parts.len(), ops: stranger, timed: false, dies_before: None });
        }
        let processes = parts.iter().map(|_| None).collect();
        Self { program, parts, page: Shared::new(), processes, round: 0, random: Random(seed) }
    }

    /// Runs the program once.
    pub(crate) fn run(&mut self) -> Outcome {
        self.round += 1;
        self.prepare();
        self.page.round.0.store(self.round, Release);
        wake_all(&self.page.round);
        if let Trouble::Murder { thread } = self.program.trouble {
            let scale = [10, 100, 1_000, 4_000][self.random.below(4)];
            spin(self.draw(scale));
            self.kill(thread);
            self.page.words[GRAVE].0.store(DEAD, Release);
            wake_all(&self.page.words[GRAVE]);
        }
        self.settle();
        for index in self.unfinished() {
            self.interrupt(index);
        }
        self.outcome()
    }

    /// Every process there, and ready to start.
    fn prepare(&mut self) {
        for word in &self.page.words {
            word.0.store(0, Relaxed);
        }
        // Some rounds are close races, some are spread out, and some come to pass on a single processor as well. In the
        // last kind one waits in vain before another begins, however late timers are.
        let kinds = [(1, 0), (10, 0), (100, 0), (1_000, 0), (100_000, SLEEP), (1_000_000, SLEEP)];
        let (longest, sleep) = kinds[self.random.below(kinds.len())];
        for index in 0..self.parts.len() {
            let fillers = [0, 8, 126][self.random.below(3)];
            let timeout = self.draw(1 + (100 * longest).min(200_000));
            let desk = &self.page.desks[index];
            desk.at.store(0, Relaxed);
            desk.timeout_ns.store(timeout, Relaxed);
            desk.fillers.store(fillers, Relaxed);
            for (returned, pause) in desk.returned.iter().zip(&desk.pauses) {
                returned.store(0, Relaxed);
                pause.store(u32::try_from(self.random.below(longest)).unwrap_or(0) | sleep, Relaxed);
            }
            if self.processes[index].is_none() {
                self.processes[index] = Some(self.fork(index));
            }
        }
        let start = Instant::now();
        for index in 0..self.parts.len() {
            while self.page.desks[index].ready.load(Acquire) != self.round {
                self.check_patience(start, &[index], "get ready");
                sched_yield();
            }
        }
    }

    fn draw(&mut self, bound: usize) -> u32 {
        u32::try_from(self.random.below(bound)).unwrap_or(u32::MAX)
    }

    fn fork(&self, index: usize) -> Process {
        let (page, part, round, test): (&Page, _, _, _) = (&self.page, self.parts[index], self.round, getpid());
        // SAFETY: the child makes system calls and accesses atomics only, and never returns from `work`.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            work(page, part, round, test);
        }
        let pid = Pid::from_raw(pid).filter(|_| pid > 0).expect("a process can be forked");
        self.give_processor(index, pid);
        let syscall = File::open(format!("/proc/{}/syscall", pid.as_raw_nonzero()));
        // Without the file the process is still there, and nobody would end it.
        let syscall = syscall.inspect_err(|_| end(pid)).expect("a child's system call can be read");
        Process { pid, syscall }
    }

    /// Neighbours run on different processors. Left to itself, the kernel may keep all of them on one and leave the
    /// other to the test, which looks at them all the time; then they never race.
    fn give_processor(&self, index: usize, pid: Pid) {
        let Ok(allowed) = sched_getaffinity(None) else { return };
        let processors: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|&processor| allowed.is_set(processor)).collect();
        let mut own = CpuSet::new();
        own.set(processors[index % processors.len()]);
        // Refused, it runs where the kernel likes.
        let _ = sched_setaffinity(Some(pid), &own);
    }

    fn kill(&mut self, index: usize) {
        if let Some(process) = self.processes[index].take() {
            end(process.pid);
        }
    }

    /// Takes note of the process that has killed itself.
    fn reap(&mut self) {
        let Some(victim) = self.program.trouble.victim() else { return };
        let Some(process) = &self.processes[victim] else { return };
        if waitpid(Some(process.pid), WaitOptions::NOHANG).expect("a child of ours").is_some() {
            self.processes[victim] = None;
        }
    }

    fn unfinished(&self) -> Vec<usize> {
        let runs = |index: &usize| {
            self.processes[*index].is_some() && self.page.desks[*index].ended.load(Acquire) != self.round
        };
        (0..self.parts.len()).filter(runs).collect()
    }

    /// Waits until all who have not ended are blocked without a deadline.
    fn settle(&mut self) {
        let start = Instant::now();
        loop {
            let unfinished = self.unfinished();
            // Each is found blocked twice at the same operation, all the first times before all the second times:
            // between them all were blocked at once.
            let positions: Option<Vec<u32>> = unfinished.iter().map(|&index| self.blocked_at(index)).collect();
            if let Some(positions) = positions
                && unfinished.iter().zip(positions).all(|(&index, at)| self.blocked_at(index) == Some(at))
            {
                return;
            }
            self.reap();
            self.check_patience(start, &unfinished, "end or sleep");
            sched_yield();
        }
    }

    /// The operation without a deadline at which the process is blocked.
    fn blocked_at(&self, index: usize) -> Option<u32> {
        let (desk, part) = (&self.page.desks[index], self.parts[index]);
        let at = desk.at.load(Acquire);
        let op = part.ops.get(usize::try_from(at).ok()?.checked_sub(1)?)?;
        let blocked = op.is_wait() && !part.timed && self.processes[index].as_ref()?.is_blocked_in_futex();
        (blocked && desk.at.load(Acquire) == at).then_some(at)
    }

    fn interrupt(&self, index: usize) {
        const AGAIN: Duration = Duration::from_millis(20);
        let Some(process) = &self.processes[index] else { return };
        let start = Instant::now();
        let mut sent: Option<Instant> = None;
        while self.page.desks[index].ended.load(Acquire) != self.round {
            // A signal that finds it anywhere but in its sleep ends no sleep: then it takes another one.
            let due = sent.is_none_or(|sent| sent.elapsed() > AGAIN && self.blocked_at(index).is_some());
            if due {
                kill_process(process.pid, Signal::USR1).expect("it was not reaped");
                sent = Some(Instant::now());
            }
            self.check_patience(start, &[index], "note its interruption");
            sched_yield();
        }
    }

    fn check_patience(&self, start: Instant, who: &[usize], what: &str) {
        assert!(start.elapsed() < PATIENCE, "processes {who:?} did not {what} in {PATIENCE:?}\n{}", self.program);
    }

    fn outcome(&self) -> Outcome {
        let returned = (0..self.program.lanes.len()).map(|thread| match self.program.trouble {
            Trouble::Murder { thread: victim } if victim == thread => Vec::new(),
            _ => self.page.desks[thread].returned.iter().map_while(|code| decode(code.load(Acquire))).collect(),
        });
        let returned = returned.collect();
        Outcome { returned, finals: std::array::from_fn(|word| self.page.words[word].0.load(Acquire)) }
    }
}

impl Drop for Crew<'_> {
    fn drop(&mut self) {
        for index in 0..self.processes.len() {
            self.kill(index);
        }
    }
}

fn wake_all(word: &Line) {
    futex::wake(&word.0, futex::Flags::empty(), i32::MAX.unsigned_abs()).expect("a word of ours");
}

/// Kills a child and reaps it.
fn end(pid: Pid) {
    kill_process(pid, Signal::KILL).expect("it was not reaped");
    waitpid(Some(pid), WaitOptions::empty()).expect("a child of ours");
}

/// Lets [`Signal::USR1`] interrupt calls of this process and of those that it forks.
pub(crate) fn make_interruptible() {
    extern "C" fn nothing(_signal: libc::c_int) {}
    // SAFETY: all zero is a valid `sigaction`: no flags (so calls are not restarted), an empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = nothing as extern "C" fn(libc::c_int) as usize;
    // SAFETY: the handler does nothing.
    let result = unsafe { libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut()) };
    assert_eq!(result, 0, "SIGUSR1 can be handled");
}

/// Whether this kernel has `futex_waitv`.
pub(crate) fn has_waitv() -> bool {
    let answer = futex::waitv(&[], futex::WaitvFlags::empty(), None, ClockId::Monotonic);
    !matches!(answer, Err(Errno::NOSYS | Errno::PERM))
}
