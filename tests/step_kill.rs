//! SIGKILL after every machine instruction of the operations of the mutex, the semaphores, the ring and the queue.
//!
//! As in `interleaving.rs` the victim is traced and makes single steps; after 0, 1, 2, … of them it is killed where it
//! stands, a fresh victim each time, until one has come to the end of its call. `kill*.rs` kill before each synchronisation
//! step, which is where the models do: that nothing else matters is a claim about what the compiler made of the rest, and
//! here it is tested, on this machine, in the build that runs. The wakes of the kernel are one instruction each.
//!
//! Each operation is killed in up to three companies: alone; while another process sleeps on the object already; and with
//! another that comes while the victim is held up, and sleeps or gets on before it is killed. The survivors get on with
//! keepers alone to repair: they wait as long as it takes, and it is the director who loses patience. What the victim left
//! must be one of two states, in the order in which its instructions bring them about, with one boundary between: an
//! operation has happened, or it has not. Afterwards the object works and the region's own check finds nothing.
//!
//! These are paths that do not wait: some hundred instructions, all of which are tried in every run.
#![cfg(not(loom))]

mod support {
    pub(crate) mod actors;
    pub(crate) mod alone;
    pub(crate) mod pair;
    pub(crate) mod patience;
    pub(crate) mod proc;
    pub(crate) mod shared;
    pub(crate) mod tracing;
}

use selvedge::Region;
use selvedge::primitives::waiting::Wait;
use selvedge::region::{
    Departure, LockError, Mutex, MutexGuard, OwnedSemaphore, Predecessor, Queue, QueueRecvError, RecvError,
    RegionOptions, Ring, Semaphore, SendError,
};
use std::cell::{Cell, RefCell};
use std::time::Duration;
use support::actors::{Actor, fork};
use support::alone::alone;
use support::pair::{Pair, number, pair};
use support::patience::{PATIENCE, until};
use support::shared::{Mark, Shared};
use support::tracing::{Path, Reached, Traced, await_call, may_trace, stay_on_one_processor};

/// For all instructions of one call, in all companies.
const LIMIT: Duration = Duration::from_secs(240);
/// A call of more instructions than this waits for something in a loop.
const MOST: u32 = 5_000;
/// A call of fewer was not traced.
const FEWEST: u32 = 10;
/// Victims that may take another path than those before them.
const STRAY: u32 = 20;
const REGION: &str = "step-kill";
const NAME: &str = "object";
const CAPACITY: usize = 2;
const PROCESSES: u32 = 4;
const THREADS: u32 = 2;
/// One for each thread slot.
const BUFFERS: usize = CAPACITY + (PROCESSES * THREADS) as usize;

fn options() -> RegionOptions {
    RegionOptions::new().processes(PROCESSES).threads(THREADS).objects(4).arena(16 << 10).backstop(None)
}

/// Made by the director, who is attached all the time.
fn made() -> Region {
    options().create(REGION).expect("a region")
}

/// Opened by a child.
fn opened() -> Region {
    options().open(REGION).expect("the director has made it")
}

/// Whether somebody else has to do with the object while the victim makes its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Company {
    /// Nobody.
    None,
    /// Somebody who sleeps before the victim begins.
    Sleeps,
    /// Somebody who comes when the victim is held up, and sleeps or has what it wants when the victim is killed.
    Comes,
}

/// What the processes of one round tell each other.
#[derive(Debug, Default)]
struct Board {
    traced: Traced,
    enters: Mark,
    /// What the companion says in the end, or in the middle.
    says: Mark,
}

/// One kill.
struct Round<'a> {
    call: &'static str,
    company: Company,
    steps: u32,
    board: Shared<Board>,
    /// Its process id, once it runs.
    victim: Cell<u32>,
    path: &'a RefCell<Path>,
    reached: Cell<Reached>,
}

impl Round<'_> {
    /// Forks the victim and the companion, if there is to be one; lets the victim make its steps. `held_up` is called before it is
    /// killed. The companion is given back, if there is one.
    fn play(&self, victim: impl FnOnce(&Traced), companion: impl Fn(&Board), held_up: impl FnOnce()) -> Option<Actor> {
        let victim = fork("the victim", || victim(&self.board.traced));
        self.victim.set(victim.pid());
        await_call(&victim);
        let join = |wanted| {
            (self.company == wanted).then(|| {
                let companion = fork("the companion", || companion(&self.board));
                self.settles(&companion);
                companion
            })
        };
        let before = join(Company::Sleeps);
        assert_eq!(self.board.says.get(), 0, "{}: the companion was to sleep", self.call);
        self.reached.set(self.path.borrow_mut().make_steps(&victim, self.steps));
        let companion = before.or_else(|| join(Company::Comes));
        held_up();
        victim.kill_and_reap();
        companion
    }

    /// Waits until the companion sleeps or has what it wants.
    fn settles(&self, companion: &Actor) {
        until("the companion sleeps or has what it wants", || {
            assert!(!companion.is_dead() || self.board.says.get() != 0, "the companion ended and said nothing");
            self.board.says.get() != 0 || (self.board.enters.get() != 0 && companion.is_asleep())
        });
    }
}

/// The two states in which the victim can leave things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    NotDone,
    Done,
}

use Left::{Done, NotDone};

/// Kills a victim after 0, 1, 2, … instructions of its call, until there are no more. `play` is one round, and says in which
/// state it left things.
fn after_each_instruction(call: &'static str, company: Company, mut play: impl FnMut(&Round<'_>) -> Left) {
    if !may_trace() {
        return eprintln!("skipped: this machine forbids tracing");
    }
    stay_on_one_processor();
    let (mut first_done, mut steps, mut strayed, path) = (None, 0, 0, RefCell::new(Path::default()));
    while steps < MOST {
        let (board, reached) = (Shared::new(Board::default()), Cell::new(Reached::There));
        let round = Round { call, company, steps, board, victim: Cell::new(0), path: &path, reached };
        let left = play(&round);
        let place = || format!("{call}, company {company:?}, killed after {steps} instructions");
        if round.reached.get() == Reached::EndAnotherWay {
            // Killed at the end of its call, which was tested once more; the next one is led there step by step.
            assert_eq!(left, Done, "{}: what it had done is undone", place());
            strayed += 1;
            assert!(strayed <= STRAY, "{}: no two victims take the same path", place());
            continue;
        }
        match left {
            Done => first_done = first_done.or(Some(steps)),
            NotDone => assert_eq!(first_done, None, "{}: it was done a few instructions before", place()),
        }
        if round.reached.get() == Reached::End {
            let done = first_done.unwrap_or_else(|| panic!("{}: what it had done is undone", place()));
            assert!(steps > FEWEST && done > 0, "{}: this is none of a call", place());
            let kills = steps + 1 + strayed;
            return println!("{call:<26} {company:?}: {steps} instructions, {kills} kills, not done before {done}");
        }
        steps += 1;
    }
    panic!("{call}: no end after {MOST} instructions");
}

/// Waits until so many processes are attached at most: what the dead left is repaired then, and who waited told.
fn repaired(region: &Region, processes: usize) {
    until("the dead are repaired", || region.inspect().processes.len() <= processes);
}

/// Waits until the director alone is attached. Then the region's check finds nothing.
fn all_is_well(region: &Region) {
    repaired(region, 1);
    assert_eq!(region.check(), []);
}

/// What the companion says of the mutex that it got.
const CLEAN: u32 = 1;
const ABANDONED: u32 = 2;
const LIED: u32 = 3;

fn mutex(region: &Region) -> Mutex<[u64; 2]> {
    region.mutex(NAME, [0; 2]).expect("a mutex").with_wait(Wait::Block)
}

/// What the answer says of a mutex whose value should be this; it has it afterwards.
fn judge(answer: Result<MutexGuard<'_, [u64; 2]>, LockError<MutexGuard<'_, [u64; 2]>>>, should: [u64; 2]) -> u32 {
    match answer {
        Ok(guard) if *guard == should => CLEAN,
        Ok(_) => LIED,
        Err(LockError::OwnerDied(mut guard)) => {
            *guard = should;
            guard.mark_consistent();
            ABANDONED
        }
        Err(error) => panic!("a survivor found: {error}"),
    }
}

/// A companion that waits for the mutex as long as it takes.
fn locks(board: &Board, should: [u64; 2]) {
    let mutex = mutex(&opened());
    board.enters.set(1);
    board.says.set(judge(mutex.lock(), should));
}

/// What the survivor finds: the companion, or the director once the dead is repaired.
fn mutex_found(
    round: &Round<'_>,
    region: &Region,
    stage: &Mutex<[u64; 2]>,
    companion: Option<Actor>,
    should: [u64; 2],
) -> u32 {
    let found = if let Some(companion) = companion {
        companion.succeed();
        all_is_well(region);
        round.board.says.get()
    } else {
        all_is_well(region);
        judge(stage.try_lock(), should)
    };
    assert_eq!(judge(stage.try_lock(), should), CLEAN, "no second death is told");
    found
}

#[test]
fn mutex_lock() {
    alone(LIMIT, || {
        let region = made();
        let stage = mutex(&region);
        for company in [Company::None, Company::Comes] {
            after_each_instruction("mutex: lock", company, |round| {
                let victim = |traced: &Traced| {
                    let mutex = mutex(&opened());
                    let guard = traced.call(|| mutex.lock());
                    std::mem::forget(guard);
                };
                let companion = round.play(victim, |board| locks(board, [0; 2]), || ());
                let found = mutex_found(round, &region, &stage, companion, [0; 2]);
                if found == ABANDONED { Done } else { NotDone }
            });
        }
    });
}

#[test]
fn mutex_write_and_unlock() {
    alone(LIMIT, || {
        let region = made();
        let stage = mutex(&region);
        let count = Cell::new(0);
        for company in [Company::None, Company::Sleeps, Company::Comes] {
            after_each_instruction("mutex: write and unlock", company, |round| {
                let should = [count.get() + 1; 2];
                count.set(count.get() + 1);
                let victim = |traced: &Traced| {
                    let mutex = mutex(&opened());
                    let mut guard = mutex.lock().expect("free");
                    traced.call(|| {
                        guard[0] += 1;
                        // The compiler must not make one store of the two.
                        std::hint::black_box(&mut guard);
                        guard[1] += 1;
                        drop(guard);
                    });
                };
                let companion = round.play(victim, |board| locks(board, should), || ());
                let found = mutex_found(round, &region, &stage, companion, should);
                assert_ne!(found, LIED, "the mutex was free, and the value half written");
                if found == CLEAN { Done } else { NotDone }
            });
        }
    });
}

const GOT: u32 = 1;

fn semaphore(region: &Region) -> Semaphore {
    region.semaphore(NAME, 1).expect("a semaphore").with_wait(Wait::Block)
}

/// Another who wants a permit.
fn acquires(board: &Board) {
    let permits = semaphore(&opened());
    board.enters.set(1);
    permits.acquire().expect("a permit");
    board.says.set(GOT);
}

/// After the kill: a companion that sleeps once the victim is repaired sleeps rightly, for there is no permit; the director gives
/// it one. How many permits there were without the victim: those that the companion took and those that are there.
fn permits_found(round: &Round<'_>, region: &Region, stage: &Semaphore, companion: Option<Actor>) -> u32 {
    let Some(companion) = companion else { return stage.available() };
    repaired(region, 2);
    round.settles(&companion);
    let got = round.board.says.get() == GOT;
    let found = stage.available() + u32::from(got);
    if !got {
        assert_eq!(found, 0, "the companion sleeps though there is a permit");
        stage.release().expect("room");
    }
    companion.succeed();
    found
}

/// So many are there for the next round.
fn restock(stage: &Semaphore, wanted: u32) {
    while stage.available() > wanted {
        stage.try_acquire(1).expect("it is there");
    }
    while stage.available() < wanted {
        stage.release().expect("room");
    }
}

/// The permits of a plain semaphore belong to nobody: what a victim had taken stays taken.
#[test]
fn semaphore_acquire() {
    alone(LIMIT, || {
        let region = made();
        let stage = semaphore(&region);
        for company in [Company::None, Company::Comes] {
            after_each_instruction("semaphore: acquire", company, |round| {
                restock(&stage, 1);
                let victim = |traced: &Traced| {
                    let permits = semaphore(&opened());
                    traced.call(|| permits.acquire()).expect("it is there");
                };
                let companion = round.play(victim, acquires, || ());
                let found = permits_found(round, &region, &stage, companion);
                all_is_well(&region);
                match found {
                    0 => Done,
                    1 => NotDone,
                    more => panic!("{more} permits of 1"),
                }
            });
        }
    });
}

#[test]
fn semaphore_release() {
    alone(LIMIT, || {
        let region = made();
        let stage = semaphore(&region);
        for company in [Company::None, Company::Sleeps, Company::Comes] {
            after_each_instruction("semaphore: release", company, |round| {
                restock(&stage, 0);
                let victim = |traced: &Traced| {
                    let permits = semaphore(&opened());
                    traced.call(|| permits.release()).expect("room");
                };
                let companion = round.play(victim, acquires, || ());
                let found = permits_found(round, &region, &stage, companion);
                all_is_well(&region);
                match found {
                    0 => NotDone,
                    1 => Done,
                    more => panic!("{more} permits of 1"),
                }
            });
        }
    });
}

/// All permits of an owned semaphore, which are taken together.
const ALL: u32 = 2;

fn owned(region: &Region) -> OwnedSemaphore {
    region.owned_semaphore(NAME, ALL).expect("a semaphore").with_wait(Wait::Block)
}

/// Another who wants the permits, which come home.
fn acquires_and_gives_back(board: &Board) {
    let permits = owned(&opened());
    board.enters.set(1);
    let permits_taken = permits.acquire_many(ALL).expect("permits");
    board.says.set(GOT);
    drop(permits_taken);
}

/// All permits come home in any case; whether the victim had done its call is seen while it is held up.
fn owned_is_home(round: &Round<'_>, region: &Region, stage: &OwnedSemaphore, companion: Option<Actor>) {
    if let Some(companion) = companion {
        round.board.says.wait("the companion gets the permits");
        companion.succeed();
    }
    all_is_well(region);
    assert_eq!(stage.available(), ALL, "all permits are home");
    let permits_taken = stage.try_acquire(ALL).expect("they are there");
    assert_eq!(stage.available(), 0);
    drop(permits_taken);
}

#[test]
fn owned_semaphore_acquire() {
    alone(LIMIT, || {
        let region = made();
        for company in [Company::None, Company::Comes] {
            after_each_instruction("owned semaphore: acquire", company, |round| {
                // Made anew: how many instructions a thread needs depends on what the last one in its slot had in mind.
                let _ = region.remove_object(NAME);
                let stage = owned(&region);
                let victim = |traced: &Traced| {
                    let permits = owned(&opened());
                    let permits_taken = traced.call(|| permits.acquire_many(ALL)).expect("they are there");
                    std::mem::forget(permits_taken);
                };
                let left = Cell::new(NotDone);
                // Without the victim's word: the companion had it before the kill, or waits for the victim.
                let companion = round.play(victim, acquires_and_gives_back, || {
                    let is_there = stage.available() == ALL || round.board.says.get() == GOT;
                    left.set(if is_there { NotDone } else { Done });
                });
                owned_is_home(round, &region, &stage, companion);
                left.get()
            });
        }
    });
}

#[test]
fn owned_semaphore_release() {
    alone(LIMIT, || {
        let region = made();
        for company in [Company::None, Company::Sleeps, Company::Comes] {
            after_each_instruction("owned semaphore: release", company, |round| {
                // Made anew: how many instructions a thread needs depends on what the last one in its slot had in mind.
                let _ = region.remove_object(NAME);
                let stage = owned(&region);
                let victim = |traced: &Traced| {
                    let permits = owned(&opened());
                    let permits_taken = permits.acquire_many(ALL).expect("they are there");
                    traced.call(|| drop(permits_taken));
                };
                let left = Cell::new(NotDone);
                let companion = round.play(victim, acquires_and_gives_back, || {
                    // The victim is no holder any more as soon as its part of the ledger says so.
                    let seen = region.inspect();
                    let object = seen.object(NAME).expect("it is there");
                    let victim_has_it = object
                        .holders
                        .iter()
                        .any(|holder| holder.thread.is_some_and(|thread| thread.pid == round.victim.get()));
                    left.set(if victim_has_it { NotDone } else { Done });
                });
                owned_is_home(round, &region, &stage, companion);
                left.get()
            });
        }
    });
}

fn ring(region: &Region) -> Ring<Pair> {
    region.ring(NAME, CAPACITY).expect("a ring")
}

/// Both ends of a ring, as soon as those who have them leave or are buried: as many messages as fit pass through it.
fn passes_on(ring: &Ring<Pair>) {
    let mut sender = ring.sender_timeout(PATIENCE).expect("the sender's end");
    let mut receiver = ring.receiver_timeout(PATIENCE).expect("the receiver's end");
    (100..102).for_each(|number| sender.try_send(pair(number)).expect("room"));
    assert_eq!(sender.try_send(pair(102)), Err(SendError::Full(pair(102))));
    (100..102).for_each(|number| assert_eq!(receiver.try_recv(), Ok(pair(number))));
    drop(sender);
    assert!(receiver.try_recv().is_err_and(|error| error.departure() == Some(Departure::Closed)));
}

/// Receives 0, 1, … until the sender is dead. How many; they are in order, each once.
fn receives_all(mut receive: impl FnMut() -> Result<Pair, RecvError>) -> u32 {
    for count in 0.. {
        match receive() {
            Ok(message) => assert_eq!(number(message), u64::from(count), "in order, each once"),
            Err(RecvError::Disconnected(gone)) if gone.how == Departure::Died => return count,
            Err(error) => panic!("a survivor found: {error}"),
        }
    }
    unreachable!("no sender sends so much")
}

/// The companion has received all.
const ENDED: u32 = 100;

#[test]
fn ring_send() {
    alone(LIMIT, || {
        let region = made();
        let stage = ring(&region);
        for company in [Company::None, Company::Sleeps, Company::Comes] {
            after_each_instruction("ring: send", company, |round| {
                let victim = |traced: &Traced| {
                    let mut sender = ring(&opened()).sender().expect("free").with_wait(Wait::Block);
                    sender.send(pair(0)).expect("room");
                    traced.call(|| sender.send(pair(1))).expect("room");
                };
                let companion = |board: &Board| {
                    let mut receiver = ring(&opened()).receiver().expect("free").with_wait(Wait::Block);
                    // It has received what was sent before the call when it enters.
                    let received = receives_all(|| {
                        let message = receiver.recv();
                        board.enters.set(1);
                        message
                    });
                    board.says.set(ENDED + received);
                };
                let received = match round.play(victim, companion, || ()) {
                    Some(companion) => {
                        companion.succeed();
                        round.board.says.get() - ENDED
                    }
                    None => {
                        all_is_well(&region);
                        let mut receiver = stage.try_receiver().expect("free");
                        receives_all(|| receiver.try_recv())
                    }
                };
                let heir = stage.sender_timeout(PATIENCE).expect("the dead sender's end");
                assert_eq!(heir.predecessor(), Predecessor::Died);
                drop(heir);
                passes_on(&stage);
                all_is_well(&region);
                match received {
                    1 => NotDone,
                    2 => Done,
                    other => panic!("{other} messages of two"),
                }
            });
        }
    });
}

const SENT: u32 = 1;
const TOLD: u32 = 2;

#[test]
fn ring_recv() {
    alone(LIMIT, || {
        let region = made();
        let stage = ring(&region);
        for company in [Company::None, Company::Sleeps, Company::Comes] {
            after_each_instruction("ring: receive", company, |round| {
                let mut sender = stage.sender().expect("free");
                (0..2).for_each(|number| sender.try_send(pair(number)).expect("room"));
                drop(sender);
                let victim = |traced: &Traced| {
                    let mut receiver = ring(&opened()).receiver().expect("free");
                    let received = traced.call(|| receiver.recv());
                    assert_eq!(received, Ok(pair(0)));
                };
                let companion = |board: &Board| {
                    let mut sender = ring(&opened()).sender().expect("free").with_wait(Wait::Block);
                    board.enters.set(1);
                    match sender.send(pair(2)) {
                        Ok(()) => board.says.set(SENT),
                        Err(SendError::Disconnected(message, gone)) => {
                            assert_eq!((message, gone.how), (pair(2), Departure::Died));
                            board.says.set(TOLD);
                        }
                        Err(error) => panic!("the companion found: {error}"),
                    }
                };
                let sent = round.play(victim, companion, || ()).is_some_and(|companion| {
                    companion.succeed();
                    round.board.says.get() == SENT
                });
                let mut heir = stage.receiver_timeout(PATIENCE).expect("the dead receiver's end");
                assert_eq!(heir.predecessor(), Predecessor::Died);
                let found: Vec<_> = std::iter::from_fn(|| heir.try_recv().ok()).map(number).collect();
                drop(heir);
                passes_on(&stage);
                all_is_well(&region);
                match (&found[..], sent, company) {
                    ([0, 1], false, _) => NotDone,
                    ([1], false, Company::None) | ([1, 2], true, _) => Done,
                    other => panic!("{other:?}"),
                }
            });
        }
    });
}

fn queue(region: &Region) -> Queue<Pair> {
    region.queue(NAME, CAPACITY).expect("a queue").with_wait(Wait::Block)
}

/// Takes all that is there, once what the dead had has come home: the numbers of the messages. All buffers are free then, and as
/// many messages as fit pass through the queue.
fn drain(region: &Region, queue: &Queue<Pair>) -> Vec<u64> {
    all_is_well(region);
    // Whoever takes buffers that are free spoils no message that is on its way.
    let mut loans: Vec<_> = std::iter::from_fn(|| queue.try_loan().ok()).collect();
    loans.iter_mut().for_each(|loan| **loan = [0; 2]);
    drop(loans);
    let mut received = Vec::new();
    loop {
        match queue.try_recv() {
            Ok(message) => received.push(number(message)),
            Err(QueueRecvError::Empty) => break,
            Err(error) => panic!("a survivor found: {error}"),
        }
    }
    let loans: Vec<_> = std::iter::from_fn(|| queue.try_loan().ok()).collect();
    assert_eq!(loans.len(), BUFFERS, "all buffers are home");
    drop(loans);
    (100..102).for_each(|number| queue.try_send(pair(number)).expect("room"));
    (100..102).for_each(|number| assert_eq!(queue.try_recv(), Ok(pair(number))));
    assert_eq!(queue.len(), 0);
    received
}

#[test]
fn queue_send() {
    alone(LIMIT, || {
        let region = made();
        let stage = queue(&region);
        for company in [Company::None, Company::Sleeps, Company::Comes] {
            after_each_instruction("queue: send", company, |round| {
                let victim = |traced: &Traced| {
                    let queue = queue(&opened());
                    traced.call(|| queue.send(pair(1))).expect("room");
                };
                let companion = |board: &Board| {
                    let queue = queue(&opened());
                    board.enters.set(1);
                    let received = queue.recv().expect("a message");
                    board.says.set(u32::try_from(number(received)).expect("small"));
                };
                let companion = round.play(victim, companion, || ());
                let mut received = Vec::new();
                if let Some(companion) = companion {
                    repaired(&region, 2);
                    round.settles(&companion);
                    if round.board.says.get() == 0 {
                        assert_eq!(
                            stage.try_recv(),
                            Err(QueueRecvError::Empty),
                            "the companion sleeps though there is a message"
                        );
                    }
                    stage.try_send(pair(2)).expect("room");
                    companion.succeed();
                    received.push(u64::from(round.board.says.get()));
                } else {
                    all_is_well(&region);
                    stage.try_send(pair(2)).expect("room, whatever the dead left");
                }
                received.extend(drain(&region, &stage));
                match received[..] {
                    [2] => NotDone,
                    [1, 2] => Done,
                    ref other => panic!("{other:?}"),
                }
            });
        }
    });
}

#[test]
fn queue_recv() {
    alone(LIMIT, || {
        let region = made();
        let stage = queue(&region);
        for company in [Company::None, Company::Sleeps, Company::Comes] {
            after_each_instruction("queue: receive", company, |round| {
                (1..=2).for_each(|number| stage.try_send(pair(number)).expect("room"));
                let victim = |traced: &Traced| {
                    let queue = queue(&opened());
                    let received = traced.call(|| queue.recv());
                    assert_eq!(received, Ok(pair(1)));
                };
                let companion = |board: &Board| {
                    let queue = queue(&opened());
                    board.enters.set(1);
                    queue.send(pair(3)).expect("room");
                    board.says.set(SENT);
                };
                let companion = round.play(victim, companion, || ());
                let mut received = Vec::new();
                let has_company = companion.is_some();
                if let Some(companion) = companion {
                    repaired(&region, 2);
                    round.settles(&companion);
                    if round.board.says.get() == 0 {
                        let oldest = stage.try_recv().map(number);
                        assert_eq!(oldest, Ok(1), "the companion sleeps though there is room");
                        received.push(1);
                    }
                    companion.succeed();
                }
                received.extend(drain(&region, &stage));
                match (&received[..], has_company) {
                    ([1, 2], false) | ([1, 2, 3], true) => NotDone,
                    ([2], false) | ([2, 3], true) => Done,
                    other => panic!("{other:?}"),
                }
            });
        }
    });
}
