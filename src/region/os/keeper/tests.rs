//! Keepers that run, end and die. What happens to a whole process happens to a child.

use super::*;
use crate::region::os::robust::tests::{claim, die};
use crate::region::os::robust::{OwnList, RobustListError, ThreadList};
use crate::region::os::testing::{
    Ending, Shared, comes_true, fork, mappings, patience, sleep_while, somebody_sleeps_on, threads,
};
use crate::sync::{LIFE_DIED, LIFE_WAITERS, LifeWord, futex_wake, life_id};
use core::time::Duration;
use rustix::process::{Resource, Rlimit, getpid, setrlimit};

/// What a test shares with the body of its keeper.
struct Post {
    of_main: LifeWord,
    of_keeper: LifeWord,
    /// What the body has to say.
    answer: AtomicU32,
    /// Not zero: the body is to go on.
    go: AtomicU32,
}

impl Post {
    fn new() -> Self {
        let word = || AtomicU32::new(0);
        Self { of_main: LifeWord::new(), of_keeper: LifeWord::new(), answer: word(), go: word() }
    }

    fn tell(word: &AtomicU32, value: u32) {
        word.store(value, Ordering::Release); // pairs with the Acquire in `await_answer`
        futex_wake(word, 1);
    }

    /// The body's answer; zero if it gave none in time.
    fn await_answer(&self) -> u32 {
        sleep_while(&self.answer, 0);
        self.answer.load(Ordering::Acquire)
    }
}

/// The argument of a body: lives until its keeper was joined, or until the process is dead.
struct Orders<'a> {
    list: OwnList,
    post: &'a Post,
}

impl<'a> Orders<'a> {
    fn new(post: &'a Post) -> Self {
        Self { list: OwnList::new(), post }
    }

    fn start(&self, body: KeeperBody) -> Result<KeeperThread, SpawnError> {
        // SAFETY: the bodies below make system calls only, and their tests let the orders live as long as they run.
        unsafe { spawn(body, ptr::from_ref(self).cast_mut().cast()) }
    }

    /// # Safety
    /// On a keeper that was started by `start`.
    unsafe fn of_keeper(argument: *mut c_void) -> &'a Self {
        // SAFETY: `start` has passed this.
        unsafe { &*argument.cast::<Self>() }
    }
}

/// Answers with its thread id at once.
extern "C" fn answer(orders: *mut c_void) -> c_int {
    // SAFETY: on a keeper.
    let orders = unsafe { Orders::of_keeper(orders) };
    Post::tell(&orders.post.answer, life_id());
    77
}

/// Waits until it may go, and answers with its thread id.
extern "C" fn wait_and_answer(orders: *mut c_void) -> c_int {
    // SAFETY: on a keeper.
    let post = unsafe { Orders::of_keeper(orders) }.post;
    sleep_while(&post.go, 0);
    Post::tell(&post.answer, life_id());
    0
}

/// Puts its word on a list of its own, answers, and waits until it may go.
extern "C" fn keep(orders: *mut c_void) -> c_int {
    // SAFETY: on a keeper.
    let orders = unsafe { Orders::of_keeper(orders) };
    // SAFETY: the orders live until the keeper was joined; it has no other list.
    let claimed = unsafe { orders.list.install() }.is_ok_and(|list| claim(&list, &orders.post.of_keeper));
    Post::tell(&orders.post.answer, if claimed { life_id() } else { u32::MAX });
    sleep_while(&orders.post.go, 0);
    77
}

#[test]
fn a_killed_process_marks_the_word_of_its_keeper_and_wakes_the_sleeper() {
    let post = Shared::new(Post::new());
    let child = fork(|| {
        let Ok(list) = ThreadList::current() else { return 1 };
        let orders = Orders::new(&post);
        if !claim(&list, &post.of_main) || orders.start(keep).is_err() {
            return 2;
        }
        sleep_while(&post.go, 0);
        3
    });
    let tid = post.await_answer();
    assert_eq!(post.of_main.word().peek(), child.pid());
    assert_eq!(post.of_keeper.word().peek(), tid);
    assert_ne!(tid, child.pid());
    let outcome = somebody_sleeps_on(post.of_keeper.word(), LIFE_WAITERS, || child.kill());
    assert_eq!(outcome, WaitOutcome::Woken);
    assert_eq!(child.end(), Ending::Killed(libc::SIGKILL));
    assert_eq!(post.of_keeper.word().peek(), LIFE_WAITERS | LIFE_DIED);
    assert_eq!(post.of_main.word().peek(), LIFE_DIED);
}

#[test]
fn a_body_that_returns_ends_its_thread_alone_and_marks_its_word() {
    let post = Post::new();
    let orders = Orders::new(&post);
    let mut keeper = orders.start(keep).expect("a keeper");
    assert_eq!(post.await_answer(), keeper.tid());
    assert_eq!(post.of_keeper.word().peek(), keeper.tid());
    assert!(!keeper.has_left());
    Post::tell(&post.go, 1);
    assert_eq!(keeper.join(patience()), Ok(()));
    assert!(keeper.has_left());
    assert_eq!(post.of_keeper.word().peek(), LIFE_DIED, "the list was walked before the thread had left");
    assert_eq!(keeper.join(patience()), Ok(()), "joining again is harmless");
}

#[test]
fn the_exit_code_of_the_process_is_its_own() {
    let post = Shared::new(Post::new());
    let child = fork(|| {
        let orders = Orders::new(&post);
        let Ok(mut keeper) = orders.start(answer) else { return 1 };
        if keeper.join(patience()).is_err() {
            return 2;
        }
        5
    });
    assert_eq!(child.end(), Ending::Exited(5));
}

#[test]
fn a_keeper_starts_without_a_robust_list() {
    extern "C" fn look(orders: *mut c_void) -> c_int {
        // SAFETY: on a keeper.
        let post = unsafe { Orders::of_keeper(orders) }.post;
        let absent = matches!(ThreadList::current(), Err(RobustListError::Absent));
        Post::tell(&post.answer, if absent { 1 } else { 2 });
        0
    }
    let post = Post::new();
    let orders = Orders::new(&post);
    let mut keeper = orders.start(look).expect("a keeper");
    assert_eq!(post.await_answer(), 1);
    assert_eq!(keeper.join(patience()), Ok(()));
}

#[test]
fn a_thousand_keepers_leave_no_mapping_and_no_thread() {
    let child = fork(|| {
        let post = Post::new();
        let orders = Orders::new(&post);
        let mut first = (0, 0);
        for round in 0..1000 {
            let Ok(mut keeper) = orders.start(answer) else { return 1 };
            if keeper.join(patience()).is_err() || post.answer.swap(0, Ordering::Acquire) != keeper.tid() {
                return 2;
            }
            drop(keeper);
            if round == 0 {
                first = mappings();
            }
        }
        // A thread that has left its stack is listed for another moment.
        if !comes_true(|| threads() == 1) {
            return 3;
        }
        if first == (0, 0) || mappings() != first { 4 } else { 0 }
    });
    assert_eq!(child.end(), Ending::Exited(0));
}

#[test]
fn join_gives_up_at_its_deadline() {
    let post = Post::new();
    let orders = Orders::new(&post);
    let mut keeper = orders.start(wait_and_answer).expect("a keeper");
    let started = Deadline::after(Duration::ZERO);
    let deadline = Deadline::after(Duration::from_millis(20));
    assert_eq!(keeper.join(deadline), Err(JoinError::TimedOut));
    assert!(deadline.has_passed() && started < deadline, "not before the deadline");
    assert!(!keeper.has_left());
    Post::tell(&post.go, 1);
    assert_eq!(keeper.join(patience()), Ok(()));
    assert_eq!(post.await_answer(), keeper.tid());
}

#[test]
fn a_keeper_whose_handle_was_dropped_runs_on() {
    let child = fork(|| {
        let post = Post::new();
        let orders = Orders::new(&post);
        let before = mappings();
        let Ok(keeper) = orders.start(wait_and_answer) else { return 1 };
        let tid = keeper.tid();
        drop(keeper);
        if mappings().1 - before.1 != WHOLE / 4096 {
            return 2;
        }
        Post::tell(&post.go, 1);
        if post.await_answer() != tid || !comes_true(|| threads() == 1) {
            return 3;
        }
        0
    });
    assert_eq!(child.end(), Ending::Exited(0));
}

/// All signals but SIGKILL and SIGSTOP, and but those that discard each other.
fn signals() -> impl Iterator<Item = c_int> {
    let apart = [libc::SIGKILL, libc::SIGSTOP, libc::SIGCONT, libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU];
    (1..=64).filter(move |signal| !apart.contains(signal))
}

fn pending_signals() -> u64 {
    let mut pending = 0_u64;
    let place = (&raw mut pending).expose_provenance();
    // SAFETY: writes a set of the given size.
    let _ = unsafe { syscall(libc::SYS_rt_sigpending, [place, size_of::<u64>(), 0, 0]) };
    pending
}

fn signal_mask() -> u64 {
    let mut mask = 0_u64;
    let (place, size) = ((&raw mut mask).expose_provenance(), size_of::<u64>());
    // SAFETY: writes a set of the given size, and changes nothing.
    let _ = unsafe { syscall(libc::SYS_rt_sigprocmask, [0, 0, place, size]) };
    mask
}

#[test]
fn no_signal_is_delivered_on_a_keeper() {
    let child = fork(|| {
        let post = Post::new();
        let orders = Orders::new(&post);
        let mask = 1 << (libc::SIGUSR2 - 1);
        if set_signal_mask(&mask, None).is_err() {
            return 1;
        }
        let Ok(mut keeper) = orders.start(wait_and_answer) else { return 2 };
        if signal_mask() != mask {
            return 3;
        }
        // From here the keeper is the only thread that could take a signal, and most would then end the process.
        if set_signal_mask(&u64::MAX, None).is_err() {
            return 4;
        }
        let pid = getpid().as_raw_nonzero().get();
        // SAFETY: sends a signal to this process itself.
        if !signals().all(|signal| unsafe { libc::kill(pid, signal) } == 0) {
            return 5;
        }
        Post::tell(&post.go, 1);
        if keeper.join(patience()).is_err() {
            return 6;
        }
        let sent = signals().fold(0_u64, |sent, signal| sent | 1 << (signal - 1));
        if pending_signals() == sent { 0 } else { 7 }
    });
    assert_eq!(child.end(), Ending::Exited(0));
}

#[test]
fn below_the_stack_lies_a_guard() {
    let post = Post::new();
    let orders = Orders::new(&post);
    let mut keeper = orders.start(wait_and_answer).expect("a keeper");
    let file = rustix::fs::memfd_create(c"selvedge-test", rustix::fs::MemfdFlags::CLOEXEC).expect("a memory file");
    let can_read = |offset: usize| {
        let from = keeper.stack.base.as_ptr().wrapping_add(offset).cast();
        // SAFETY: the kernel reads a byte there, or says that it cannot.
        unsafe { libc::write(rustix::fd::AsRawFd::as_raw_fd(&file), from, 1) == 1 }
    };
    assert!(!can_read(0) && !can_read(GUARD - 1));
    assert!(can_read(GUARD) && can_read(WHOLE - 1));
    Post::tell(&post.go, 1);
    assert_eq!(keeper.join(patience()), Ok(()));
}

#[test]
fn a_stack_that_overflows_ends_the_process() {
    #[inline(never)]
    fn deeper(depth: u32) -> u32 {
        let frame = core::hint::black_box([depth; 64]);
        let below = if depth == u32::MAX { 0 } else { deeper(depth + 1) };
        core::hint::black_box(frame)[0].wrapping_add(below)
    }
    extern "C" fn overflow(orders: *mut c_void) -> c_int {
        // SAFETY: on a keeper.
        let post = unsafe { Orders::of_keeper(orders) }.post;
        Post::tell(&post.answer, deeper(0));
        0
    }
    let child = fork(|| {
        // No core file of a death that is wanted.
        let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
        let post = Post::new();
        let orders = Orders::new(&post);
        match orders.start(overflow) {
            Ok(mut keeper) => {
                let _ = keeper.join(patience());
                2
            }
            Err(_) => 1,
        }
    });
    assert_eq!(child.end(), Ending::Killed(libc::SIGSEGV));
}

/// In a child: whether it has nothing at the stack of `keeper`.
fn stack_is_unmapped(keeper: &KeeperThread) -> bool {
    // SAFETY: asks about the pages and changes nothing.
    let answer = unsafe { rustix::mm::msync(keeper.stack.base.as_ptr().cast(), WHOLE, rustix::mm::MsyncFlags::ASYNC) };
    answer == Err(Errno::NOMEM)
}

/// In a child that has inherited `keeper`: what its copy of the handle does.
fn is_inert(keeper: &KeeperThread) -> u8 {
    // SAFETY: the child exits without using the copy or the original again.
    let mut inherited = unsafe { ptr::read(keeper) };
    if inherited.join(Deadline::after(Duration::ZERO)) != Err(JoinError::Forked) || inherited.has_left() {
        return 1;
    }
    if !stack_is_unmapped(keeper) {
        return 2;
    }
    // Something else at the address of the stack, which the destructor must not take away.
    let base: *mut c_void = keeper.stack.base.as_ptr().cast();
    let (protection, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE | MapFlags::FIXED);
    // SAFETY: nothing is there.
    if unsafe { mmap_anonymous(base, WHOLE, protection, flags) }.is_err() {
        return 3;
    }
    drop(inherited);
    if stack_is_unmapped(keeper) { 4 } else { 0 }
}

#[test]
fn an_inherited_handle_is_inert() {
    let post = Post::new();
    let orders = Orders::new(&post);
    let mut keeper = orders.start(wait_and_answer).expect("a keeper");
    assert_eq!(fork(|| is_inert(&keeper)).end(), Ending::Exited(0), "while the keeper runs");
    assert!(!keeper.has_left());
    Post::tell(&post.go, 1);
    assert_eq!(keeper.join(patience()), Ok(()));
    assert_eq!(fork(|| is_inert(&keeper)).end(), Ending::Exited(0), "when the keeper has left");
    assert!(keeper.has_left());
}

#[test]
fn a_forked_childs_exit_leaves_the_keepers_word() {
    let post = Shared::new(Post::new());
    let orders = Orders::new(&post);
    let mut keeper = orders.start(keep).expect("a keeper");
    assert_eq!(post.await_answer(), keeper.tid());
    assert_eq!(fork(die).end(), Ending::Killed(libc::SIGKILL));
    assert_eq!(post.of_keeper.word().peek(), keeper.tid());
    Post::tell(&post.go, 1);
    assert_eq!(keeper.join(patience()), Ok(()));
}

#[cfg(feature = "steps")]
#[test]
fn a_keeper_counts_no_steps_when_the_storage_of_its_creator_is_gone() {
    // Arming once keeps the compiler from finding that nobody ever arms.
    crate::sync::steps::arm(u64::MAX - 1);
    assert_eq!(crate::sync::steps::disarm(), 0);
    let post = Post::new();
    let orders = Orders::new(&post);
    // More stack than the C library keeps for later threads (40 MiB): it is unmapped with the storage on it.
    let creator = std::thread::Builder::new().stack_size(64 << 20);
    let mut keeper = std::thread::scope(|scope| {
        let creator = creator.spawn_scoped(scope, || orders.start(wait_and_answer)).expect("a thread");
        creator.join().expect("the creator ends").expect("a keeper")
    });
    Post::tell(&post.go, 1);
    assert_eq!(post.await_answer(), keeper.tid());
    assert_eq!(keeper.join(patience()), Ok(()));
}

#[test]
fn without_memory_there_is_no_keeper() {
    let child = fork(|| {
        let post = Post::new();
        let orders = Orders::new(&post);
        let before = mappings();
        if setrlimit(Resource::As, Rlimit { current: Some(0), maximum: None }).is_err() {
            return 1;
        }
        if !matches!(orders.start(answer), Err(SpawnError::Stack(Errno::NOMEM))) {
            return 2;
        }
        if mappings() == before { 0 } else { 3 }
    });
    assert_eq!(child.end(), Ending::Exited(0));
}

/// Makes the kernel refuse the system call `number` with EPERM to this process from now on.
fn refuse(number: libc::c_long) -> bool {
    let Ok(number) = u32::try_from(number) else { return false };
    let statement = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let mut filter = [
        // Loads the number of the system call, the first word of what a filter sees.
        statement(0x20, 0, 0, 0),
        statement(0x15, 0, 1, number),
        statement(0x06, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs()),
        statement(0x06, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: 4, filter: filter.as_mut_ptr() };
    let (one, none): (libc::c_ulong, libc::c_ulong) = (1, 0);
    // SAFETY: takes numbers only.
    let gained_nothing = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, one, none, none, none) } == 0;
    // SAFETY: a filter of four statements, which the kernel copies.
    let filtered = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) } == 0;
    gained_nothing && filtered
}

#[test]
fn a_refused_clone_leaves_nothing_behind() {
    let child = fork(|| {
        let post = Post::new();
        let orders = Orders::new(&post);
        let (before, mask) = (mappings(), signal_mask());
        if !refuse(libc::SYS_clone) {
            return 1;
        }
        if !matches!(orders.start(answer), Err(SpawnError::Clone(Errno::PERM))) {
            return 2;
        }
        if mappings() != before {
            return 3;
        }
        if signal_mask() == mask { 0 } else { 4 }
    });
    assert_eq!(child.end(), Ending::Exited(0));
}

#[test]
fn refused_signal_masks_are_told_from_refused_clones() {
    let child = fork(|| {
        let post = Post::new();
        let orders = Orders::new(&post);
        if !refuse(libc::SYS_rt_sigprocmask) {
            return 1;
        }
        if matches!(orders.start(answer), Err(SpawnError::Signals(Errno::PERM))) { 0 } else { 2 }
    });
    assert_eq!(child.end(), Ending::Exited(0));
}
