//! What the kernel really marks, by real deaths.

use super::*;
use crate::region::os::testing::{Child, Ending, Shared, fork, sleep_while, somebody_sleeps_on, until};
use crate::sync::{AtomicU32, LIFE_DIED, LIFE_ID_MASK, LIFE_WAITERS, WaitOutcome, futex_wake, life_id};
use rustix::process::{Signal, getpid, kill_process};

/// Dies at once, by SIGKILL.
pub(crate) fn die() -> u8 {
    let _ = kill_process(getpid(), Signal::KILL);
    unreachable!("SIGKILL is delivered before kill returns to a process that kills itself")
}

/// Takes the word for the calling thread, in the order that the module's documentation prescribes.
pub(crate) fn claim(list: &ThreadList, word: &LifeWord) -> bool {
    let id = life_id();
    // SAFETY: the tests keep their words mapped until their threads are dead.
    unsafe { list.set_pending(word) };
    let claimed = word.word().compare_exchange(0, id, Ordering::Relaxed, Ordering::Relaxed).is_ok();
    if claimed {
        // SAFETY: the id was just put there, by this thread alone; mapped as above.
        unsafe { list.link(word) };
    }
    list.clear_pending();
    claimed
}

/// Gives the word back.
pub(crate) fn release(list: &ThreadList, word: &LifeWord) {
    // SAFETY: as in `claim`.
    unsafe { list.set_pending(word) };
    // SAFETY: claimed by this thread before.
    unsafe { list.unlink(word) };
    word.word().store(0, Ordering::Relaxed);
    list.clear_pending();
}

/// The forward links of the list from the head, as the kernel follows them, each with the bit for the kind of entry
/// that it leads to; `None` if the backward links differ.
fn entries(list: &ThreadList, into: &mut [usize; 16]) -> Option<usize> {
    let head = list.head.as_ptr().addr();
    let (mut count, mut at) = (0, head);
    loop {
        // SAFETY: `at` is the head or an entry of this thread's list.
        let after = unsafe { read(next(at)) };
        // SAFETY: as above.
        let back = unsafe { read(previous(after)) };
        if back & !PRIORITY_INHERITING != at {
            return None;
        }
        at = after & !PRIORITY_INHERITING;
        if at == head {
            return Some(count);
        }
        *into.get_mut(count)? = after;
        count += 1;
    }
}

fn holds_exactly(list: &ThreadList, expected: &[usize]) -> bool {
    let mut found = [0; 16];
    entries(list, &mut found).is_some_and(|count| found[..count] == *expected)
}

struct Ground {
    words: [LifeWord; 2],
    ready: AtomicU32,
    never: AtomicU32,
}

fn ground() -> Shared<Ground> {
    let word = || AtomicU32::new(0);
    Shared::new(Ground { words: [LifeWord::new(), LifeWord::new()], ready: word(), never: word() })
}

impl Ground {
    /// Says that the child has come so far, and waits to be killed.
    fn await_kill(&self) -> u8 {
        self.ready.store(1, Ordering::Release); // pairs with the Acquire in `await_ready`
        futex_wake(&self.ready, 1);
        sleep_while(&self.never, 0);
        2
    }

    fn await_ready(&self) {
        assert!(sleep_while(&self.ready, 0), "the child does not get ready");
        assert_eq!(self.ready.load(Ordering::Acquire), 1);
    }
}

#[test]
fn a_killed_process_marks_the_word_and_wakes_the_sleeper() {
    let ground = ground();
    let child = fork(|| match ThreadList::current() {
        Ok(list) if claim(&list, &ground.words[0]) => ground.await_kill(),
        _ => 1,
    });
    ground.await_ready();
    assert_eq!(ground.words[0].word().peek(), child.pid());
    let outcome = somebody_sleeps_on(ground.words[0].word(), LIFE_WAITERS, || child.kill());
    assert_eq!(outcome, WaitOutcome::Woken);
    assert_eq!(ground.words[0].word().peek(), LIFE_WAITERS | LIFE_DIED);
    assert_eq!(child.end(), Ending::Killed(libc::SIGKILL));
}

#[test]
fn a_killed_process_marks_a_word_that_is_only_pending() {
    let ground = ground();
    let child = fork(|| {
        let Ok(list) = ThreadList::current() else { return 1 };
        // SAFETY: mapped until the child is dead.
        unsafe { list.set_pending(&ground.words[0]) };
        ground.words[0].word().store(life_id(), Ordering::Relaxed);
        ground.await_kill()
    });
    ground.await_ready();
    let outcome = somebody_sleeps_on(ground.words[0].word(), LIFE_WAITERS, || child.kill());
    assert_eq!(outcome, WaitOutcome::Woken);
    assert_eq!(ground.words[0].word().peek(), LIFE_WAITERS | LIFE_DIED);
}

#[test]
fn a_pending_word_without_an_owner_is_woken_and_left_alone() {
    let ground = ground();
    let child = fork(|| {
        let Ok(list) = ThreadList::current() else { return 1 };
        // SAFETY: mapped until the child is dead.
        unsafe { list.set_pending(&ground.words[0]) };
        ground.await_kill()
    });
    ground.await_ready();
    let outcome = somebody_sleeps_on(ground.words[0].word(), 0, || child.kill());
    assert_eq!(outcome, WaitOutcome::Woken);
    assert_eq!(ground.words[0].word().peek(), 0);
}

#[test]
fn a_thread_that_ends_marks_its_word_while_its_process_lives() {
    let ground = ground();
    std::thread::scope(|scope| {
        let owner = scope.spawn(|| {
            let list = ThreadList::current().expect("glibc registers a list");
            assert!(claim(&list, &ground.words[0]));
            assert_eq!(ground.await_kill(), 2);
        });
        ground.await_ready();
        let outcome = somebody_sleeps_on(ground.words[0].word(), LIFE_WAITERS, || {
            ground.never.store(1, Ordering::Relaxed);
            futex_wake(&ground.never, 1);
        });
        assert_eq!(outcome, WaitOutcome::Woken);
        assert_eq!(ground.words[0].word().peek(), LIFE_WAITERS | LIFE_DIED);
        // A scope waits for closures only; the ground must outlive the thread, which still refers to it.
        owner.join().expect("the owner ends");
    });
}

#[test]
fn both_words_of_one_thread_are_marked() {
    let ground = ground();
    let child = fork(|| match ThreadList::current() {
        Ok(list) if ground.words.iter().all(|word| claim(&list, word)) => die(),
        _ => 1,
    });
    assert_eq!(child.end(), Ending::Killed(libc::SIGKILL));
    assert_eq!(ground.words.each_ref().map(|word| word.word().peek()), [LIFE_DIED; 2]);
}

#[test]
fn a_regular_exit_marks_too_and_a_released_word_stays_free() {
    let ground = ground();
    let child = fork(|| {
        let Ok(list) = ThreadList::current() else { return 1 };
        if !ground.words.iter().all(|word| claim(&list, word)) {
            return 1;
        }
        release(&list, &ground.words[1]);
        0
    });
    assert_eq!(child.end(), Ending::Exited(0));
    assert_eq!(ground.words.each_ref().map(|word| word.word().peek()), [LIFE_DIED, 0]);
}

#[test]
fn a_forked_childs_exit_does_not_mark_the_words_of_its_parent() {
    let ground = ground();
    let list = ThreadList::current().expect("glibc registers a list");
    assert!(claim(&list, &ground.words[0]));
    assert_eq!(fork(die).end(), Ending::Killed(libc::SIGKILL));
    assert_eq!(ground.words[0].word().peek(), life_id());
    assert!(holds_exactly(&list, &[ground.words[0].entry().addr()]));
    release(&list, &ground.words[0]);
}

#[test]
fn the_list_is_intact_after_a_thousand_links_and_unlinks_in_any_order() {
    let words: [LifeWord; 8] = core::array::from_fn(|_| LifeWord::new());
    let list = ThreadList::current().expect("glibc registers a list");
    assert!(holds_exactly(&list, &[]), "no robust mutex is held in this test");
    let mut linked: Vec<usize> = Vec::new();
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..1000 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let word = &words[usize::try_from(random % 8).expect("below 8")];
        let entry = word.entry().addr();
        if let Some(at) = linked.iter().position(|linked| *linked == entry) {
            release(&list, word);
            linked.remove(at);
        } else {
            assert!(claim(&list, word));
            linked.insert(0, entry);
        }
        assert!(holds_exactly(&list, &linked));
    }
    for word in words.iter().filter(|word| word.word().peek() != 0) {
        release(&list, word);
    }
    assert!(holds_exactly(&list, &[]));
}

#[test]
fn a_list_that_is_not_glibcs_is_refused() {
    let found = std::thread::spawn(|| {
        let glibc = ThreadList::current().expect("glibc registers a list");
        let set = |head: *mut Head| {
            // SAFETY: glibc's own head, null, or one that outlives its registration.
            unsafe { syscall(libc::SYS_set_robust_list, [head.expose_provenance(), size_of::<Head>(), 0, 0]) }
        };
        set(ptr::null_mut()).expect("null is allowed");
        let absent = ThreadList::current().map(drop);
        // The list of musl: its words lie 28 bytes before their entries.
        let mut other = Head { first: 0, futex_offset: -28, pending: 0 };
        other.first = (&raw mut other).expose_provenance();
        set(&raw mut other).expect("any head is allowed");
        let differs = ThreadList::current().map(drop);
        set(glibc.head.as_ptr()).expect("it was allowed before");
        (absent, differs)
    });
    let (absent, differs) = found.join().expect("the thread ends");
    assert_eq!(absent, Err(RobustListError::Absent));
    assert_eq!(differs, Err(RobustListError::OffsetDiffers(-28)));
}

/// A process-shared robust mutex of the C library.
struct Mutex(UnsafeCell<libc::pthread_mutex_t>);

impl Mutex {
    fn unmade() -> Self {
        Self(UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER))
    }

    /// Makes the mutex where it lies.
    fn make(&self, protocol: libc::c_int) {
        let mut attributes = core::mem::MaybeUninit::<libc::pthread_mutexattr_t>::uninit();
        let attributes = attributes.as_mut_ptr();
        // SAFETY: initialises the attributes.
        assert_eq!(unsafe { libc::pthread_mutexattr_init(attributes) }, 0);
        // SAFETY: initialised above.
        assert_eq!(unsafe { libc::pthread_mutexattr_setrobust(attributes, libc::PTHREAD_MUTEX_ROBUST) }, 0);
        // SAFETY: as above.
        assert_eq!(unsafe { libc::pthread_mutexattr_setpshared(attributes, libc::PTHREAD_PROCESS_SHARED) }, 0);
        // SAFETY: as above.
        assert_eq!(unsafe { libc::pthread_mutexattr_setprotocol(attributes, protocol) }, 0);
        // SAFETY: nobody uses the mutex yet.
        assert_eq!(unsafe { libc::pthread_mutex_init(self.0.get(), attributes) }, 0);
    }

    fn try_lock(&self) -> libc::c_int {
        // SAFETY: made before.
        unsafe { libc::pthread_mutex_trylock(self.0.get()) }
    }

    fn unlock(&self) -> libc::c_int {
        // SAFETY: made before; that the caller holds it is checked by the C library (robust mutexes know their owner).
        unsafe { libc::pthread_mutex_unlock(self.0.get()) }
    }

    fn entry(&self) -> usize {
        self.0.get().addr() + LifeWord::FUTEX_OFFSET.unsigned_abs()
    }

    /// Whether the last owner has died with it; leaves the mutex free and consistent.
    fn owner_died(&self) -> bool {
        let answer = self.try_lock();
        if answer == libc::EOWNERDEAD {
            // SAFETY: locked by this thread just now.
            assert_eq!(unsafe { libc::pthread_mutex_consistent(self.0.get()) }, 0);
        } else {
            assert_eq!(answer, 0, "the mutex is free");
        }
        assert_eq!(self.unlock(), 0);
        answer == libc::EOWNERDEAD
    }
}

/// Two mutexes, of the two kinds that the C library keeps on the list, and two life words.
struct Mixed {
    plain: Mutex,
    inheriting: Mutex,
    words: [LifeWord; 2],
    finished: AtomicU32,
}

impl Mixed {
    fn new() -> Shared<Self> {
        let words = [LifeWord::new(), LifeWord::new()];
        let (plain, inheriting) = (Mutex::unmade(), Mutex::unmade());
        let mixed = Shared::new(Self { plain, inheriting, words, finished: AtomicU32::new(0) });
        mixed.plain.make(libc::PTHREAD_PRIO_NONE);
        mixed.inheriting.make(libc::PTHREAD_PRIO_INHERIT);
        mixed
    }

    fn entry(&self, which: usize) -> usize {
        match which {
            0 => self.plain.entry(),
            1 => self.inheriting.entry() | PRIORITY_INHERITING,
            word => self.words[word - 2].entry().addr(),
        }
    }

    fn take(&self, list: &ThreadList, which: usize) -> bool {
        match which {
            0 => self.plain.try_lock() == 0,
            1 => self.inheriting.try_lock() == 0,
            word => claim(list, &self.words[word - 2]),
        }
    }

    fn give(&self, list: &ThreadList, which: usize) -> bool {
        match which {
            0 => self.plain.unlock() == 0,
            1 => self.inheriting.unlock() == 0,
            word => {
                release(list, &self.words[word - 2]);
                true
            }
        }
    }

    /// Whether the death was seen; leaves the object free.
    fn was_left_by_the_dead(&self, which: usize) -> bool {
        match which {
            0 => self.plain.owner_died(),
            1 => self.inheriting.owner_died(),
            word => match self.words[word - 2].word().swap(0, Ordering::Relaxed) {
                0 => false,
                LIFE_DIED => true,
                other => panic!("a word of the dead holds {other:#x}"),
            },
        }
    }

    /// In a child: takes all in one order, gives some back in another, checks the list after each step, and dies.
    fn take_and_give(&self, taken: &[usize], given: &[usize]) -> u8 {
        let Ok(list) = ThreadList::current() else { return 1 };
        let (mut expected, mut count) = ([0; 4], 0);
        for which in taken {
            expected.copy_within(..count, 1);
            expected[0] = self.entry(*which);
            count += 1;
            if !self.take(&list, *which) || !holds_exactly(&list, &expected[..count]) {
                return 2;
            }
        }
        for which in given {
            let entry = self.entry(*which);
            let Some(at) = expected[..count].iter().position(|expected| *expected == entry) else { return 3 };
            expected.copy_within(at + 1..count, at);
            count -= 1;
            if !self.give(&list, *which) || !holds_exactly(&list, &expected[..count]) {
                return 4;
            }
        }
        die()
    }
}

// SAFETY: the C library's mutexes are made to be shared.
unsafe impl Sync for Mutex {}

/// All sequences of `length` different numbers below 4.
fn sequences(length: usize) -> Vec<Vec<usize>> {
    (0..length).fold(vec![Vec::new()], |shorter, _| {
        let longer = |sequence: &Vec<usize>| {
            let free = (0..4).filter(|next| !sequence.contains(next)).collect::<Vec<_>>();
            let sequence = sequence.clone();
            free.into_iter().map(move |next| [sequence.clone(), vec![next]].concat())
        };
        shorter.iter().flat_map(longer).collect()
    })
}

#[test]
fn life_words_and_robust_mutexes_share_the_list_in_every_order() {
    let mixed = Mixed::new();
    let mut deaths = 0;
    for taken in sequences(4) {
        for given in (0..=4).flat_map(sequences) {
            let child = fork(|| mixed.take_and_give(&taken, &given));
            assert_eq!(child.end(), Ending::Killed(libc::SIGKILL), "took {taken:?}, gave {given:?}");
            for which in 0..4 {
                let left = mixed.was_left_by_the_dead(which);
                assert_eq!(left, !given.contains(&which), "took {taken:?}, gave {given:?}: object {which}");
            }
            deaths += 1;
        }
    }
    assert_eq!(deaths, 24 * 65);
}

/// A child that a tracer walks instruction by instruction.
mod single_step {
    use super::*;
    use rustix::process::{Pid, WaitOptions, waitpid};

    fn trace(request: libc::c_uint, child: &Child) {
        let pid = i32::try_from(child.pid()).expect("a pid");
        let none: *mut libc::c_void = ptr::null_mut();
        // SAFETY: these requests take neither address nor data.
        let answer = unsafe { libc::ptrace(request, pid, none, none) };
        assert_eq!(answer, 0, "ptrace: {}", std::io::Error::last_os_error());
    }

    /// Waits until the child stops, which it may do for nothing but the tracer.
    fn await_stop(child: &Child) {
        let pid = Pid::from_raw(i32::try_from(child.pid()).expect("a pid"));
        let mut stop = None;
        until("the traced child stops", || {
            stop = waitpid(pid, WaitOptions::NOHANG).expect("it is our child");
            stop.is_some()
        });
        let (_, status) = stop.expect("waited for");
        assert_eq!(status.stopping_signal(), Some(libc::SIGTRAP), "the traced child stops for another reason");
    }

    /// In the child: the first instruction that the tracer sees is the one after this.
    pub(super) fn begin() -> bool {
        let none: *mut libc::c_void = ptr::null_mut();
        // SAFETY: takes neither pid, address nor data.
        if unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, none, none) } != 0 {
            return false;
        }
        // SAFETY: a breakpoint, at which the tracer finds the child.
        unsafe { core::arch::asm!("int3") };
        true
    }

    /// Lets the child go on from `begin` until `enough`, which gets the number of instructions so far, and kills it
    /// there; returns that number.
    pub(super) fn kill_when(child: Child, enough: impl Fn(usize) -> bool) -> usize {
        await_stop(&child);
        let mut steps = 0;
        while !enough(steps) {
            trace(libc::PTRACE_SINGLESTEP, &child);
            await_stop(&child);
            steps += 1;
            assert!(steps < 50_000, "two claims and two releases do not end");
        }
        child.kill_and_reap();
        steps
    }
}

#[test]
fn a_death_at_any_instruction_of_claim_and_release_is_seen() {
    /// Unoptimised code takes ten times the instructions; then not each is tried.
    const MOST_DEATHS: usize = 400;
    let mixed = Mixed::new();
    let [one, other] = &mixed.words;
    let bystander = ground();
    let deaths_seen = [core::cell::Cell::new(0), core::cell::Cell::new(0)];
    let victim = || {
        let Ok(list) = ThreadList::current() else { return 1 };
        // Entries behind and of both kinds, which no death in the middle of a change may cut off.
        if !claim(&list, &bystander.words[0]) || !mixed.take(&list, 0) || !mixed.take(&list, 1) {
            return 2;
        }
        if !single_step::begin() {
            return 3;
        }
        claim(&list, one);
        claim(&list, other);
        release(&list, one);
        release(&list, other);
        mixed.finished.store(1, Ordering::Relaxed);
        sleep_while(&bystander.never, 0);
        4
    };
    let kill_and_look = |enough: &dyn Fn(usize) -> bool| {
        let steps = single_step::kill_when(fork(victim), enough);
        for (word, deaths) in [one, other].into_iter().zip(&deaths_seen) {
            let found = word.word().swap(0, Ordering::Relaxed);
            assert_eq!(found & LIFE_ID_MASK, 0, "killed after {steps} instructions with its id in the word");
            deaths.set(deaths.get() + usize::from(found == LIFE_DIED));
        }
        assert_eq!(bystander.words[0].word().swap(0, Ordering::Relaxed), LIFE_DIED, "after {steps} instructions");
        assert!(mixed.was_left_by_the_dead(0), "after {steps} instructions");
        assert!(mixed.was_left_by_the_dead(1), "after {steps} instructions");
        steps
    };
    let all = kill_and_look(&|_| mixed.finished.peek() != 0);
    assert!(all > 40, "{all} instructions cannot be all");
    for at in (0..all).step_by(all / MOST_DEATHS + 1) {
        kill_and_look(&|steps| steps == at);
    }
    assert!(deaths_seen.iter().all(|deaths| deaths.get() > 10), "words in use at few deaths: {deaths_seen:?} of {all}");
}

/// Makes the links of a word what a hole punched into its file makes them.
fn punch(word: &LifeWord) {
    let entry = word.entry().addr();
    // SAFETY: the word is on this thread's list, so its links are this thread's.
    unsafe { write(next(word.entry().expose_provenance()), 0) };
    // SAFETY: as above.
    unsafe { write(previous(entry), 0) };
}

#[test]
fn words_whose_links_were_zeroed_are_taken_off_the_list_all_the_same() {
    let list = ThreadList::current().expect("glibc registers a list");
    for damaged in 1..1_u32 << 5 {
        let words: [LifeWord; 5] = core::array::from_fn(|_| LifeWord::new());
        assert!(words.iter().all(|word| claim(&list, word)));
        let is_damaged = |index: usize| damaged & (1 << index) != 0;
        let choose = |chosen: bool| (0..5).filter(move |index| is_damaged(*index) == chosen).map(|index| &words[index]);
        choose(true).for_each(punch);
        choose(true).for_each(|word| release(&list, word));
        // What stood between two damaged entries can be reached from neither end, and the kernel had lost it too.
        let first = (0..5).position(is_damaged).expect("one is damaged");
        let last = (0..5).rposition(is_damaged).expect("one is damaged");
        let left: Vec<usize> = (0..5).rev().filter(|index| !(first..=last).contains(index)).collect();
        let left: Vec<usize> = left.into_iter().map(|index| words[index].entry().addr()).collect();
        assert!(holds_exactly(&list, &left), "damaged: {damaged:05b}");
        for index in (0..5).filter(|index| !(first..=last).contains(index)) {
            release(&list, &words[index]);
        }
        assert!(holds_exactly(&list, &[]), "damaged: {damaged:05b}");
    }
}
