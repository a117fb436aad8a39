//! Processes and threads come, die and are replaced; nothing grows, no place is lost, nothing is taken from the living.
#![cfg(not(loom))]

mod support {
    pub(crate) mod actors;
    pub(crate) mod alone;
    pub(crate) mod keeper_killer;
    pub(crate) mod patience;
    pub(crate) mod proc;
    pub(crate) mod roles;
    pub(crate) mod shared;
}

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use rustix::process::{Resource, Rlimit, Signal, setrlimit};
use selvedge::Region;
use selvedge::region::{
    AcquireError, LockError, Mutex, ObjectErrorKind, RegionError, RegionErrorKind, RegionOptions, Unusable,
};
use std::cell::RefCell;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};
use support::actors::{Actor, Ending, die_alone, fork};
use support::alone::alone;
use support::keeper_killer::kill_keepers_of_more_than;
use support::patience::{PATIENCE, spin, until};
use support::proc::{self, Holdings};
use support::roles;
use support::shared::{Mark, Shared};

const REGION: &str = "life";
const LIMIT: Duration = Duration::from_secs(180);
/// How long something is waited for that must not happen.
const WATCHED: Duration = Duration::from_millis(300);

/// Regions in which deaths are noticed by keepers alone.
fn options() -> RegionOptions {
    RegionOptions::new().processes(3).threads(4).objects(4).arena(16 << 10).backstop(None)
}

fn open() -> Region {
    options().open(REGION).expect("another process has made it")
}

fn number(region: &Region) -> Mutex<u64> {
    region.mutex("number", 0).expect("a mutex")
}

#[track_caller]
fn kind_of(answer: Result<Region, RegionError>) -> RegionErrorKind {
    answer.expect_err("it must be refused").kind().clone()
}

/// A process that has locked the number, raised it, and does `then`.
fn holder(then: impl FnOnce()) -> Actor {
    let locked = Shared::new(Mark::default());
    let holder = fork("the holder", || {
        let region = open();
        let number = number(&region);
        let mut guard = number.lock_timeout(PATIENCE).expect("free and consistent");
        *guard += 1;
        locked.set(1);
        then();
    });
    locked.wait("the holder has locked the number");
    holder
}

/// Waits to be killed.
fn hold_on() {
    let never = Shared::new(Mark::default());
    never.wait("the kill");
}

/// Gets the number after its holder died, and leaves it consistent.
#[track_caller]
fn inherit(number: &Mutex<u64>) -> u64 {
    match number.lock_timeout(PATIENCE) {
        Err(LockError::OwnerDied(mut guard)) => {
            guard.mark_consistent();
            *guard
        }
        other => panic!("the holder died, and the lock says {other:?}"),
    }
}

/// Locks and unlocks the number, whoever had it before.
#[track_caller]
fn pass_through(number: &Mutex<u64>) {
    match number.lock_timeout(PATIENCE) {
        Ok(guard) => drop(guard),
        Err(LockError::OwnerDied(mut guard)) => guard.mark_consistent(),
        Err(error) => panic!("waited {PATIENCE:?} for the number: {error}"),
    }
}

#[track_caller]
fn is_held_throughout(number: &Mutex<u64>) {
    let answer = number.lock_timeout(WATCHED);
    assert!(matches!(answer, Err(LockError::TimedOut)), "taken from the living: {answer:?}");
}

fn files() -> Vec<String> {
    let directory = std::env::var_os(selvedge::region::DIRECTORY_VARIABLE).expect("set for tests that run alone");
    let names = std::fs::read_dir(directory).expect("the directory of regions");
    let mut names: Vec<_> = names.map(|entry| entry.expect("a name").file_name().to_string_lossy().into()).collect();
    names.sort();
    names
}

#[test]
#[ignore = "other tests run it as a child process"]
fn play_a_role() {
    roles::play(|role, arguments| match (role, arguments) {
        ("heir of a descriptor", [descriptor]) => play_heir_of_descriptor(descriptor.parse().expect("a number")),
        unknown => panic!("no such role: {unknown:?}"),
    });
}

#[test]
fn a_thousand_processes_come_die_and_are_replaced() {
    const CYCLES: u64 = 1000;
    alone(LIMIT, || {
        let region = options().create(REGION).expect("a region");
        let number = number(&region);
        let mut at_first = None;
        for cycle in 1..=CYCLES {
            let holder = holder(hold_on);
            holder.kill();
            assert_eq!(inherit(&number), cycle);
            assert_eq!(holder.end(), Ending::SIGKILL);
            let now = (Holdings::own(), files(), region.objects().expect("a list").len());
            assert_eq!(*at_first.get_or_insert_with(|| now.clone()), now, "cycle {cycle}");
        }
        until("only this process is attached", || region.participants().len() == 1);
        println!("{CYCLES} cycles, {:?}", Holdings::own());
    });
}

/// Killed at any moment of attaching, working and detaching, 0 to 1.5 ms after the start.
#[test]
fn processes_are_killed_at_any_moment_of_their_lives() {
    const KILLS: u32 = 500;
    alone(LIMIT, || {
        let region = options().create(REGION).expect("a region");
        let number = number(&region);
        let mut lives = 0;
        for kill in 0..KILLS {
            let lived = Shared::new(Mark::default());
            let victim = fork("the victim", || {
                for life in 1.. {
                    pass_through(&self::number(&open()));
                    lived.set(life);
                }
            });
            spin(Duration::from_micros(u64::from(kill * 7 % 1500)));
            victim.kill_and_reap();
            lives += lived.get();
            pass_through(&number);
        }
        println!("{KILLS} kills, and {lives} lives before them that came to their end");
        assert!(lives > 0, "all were killed before they had begun");
        // No place is lost: as many as the region was made for are there at once.
        let others = [holder(hold_on), fork("one more", || pass_through(&self::number(&open())))];
        until("all places are taken", || region.participants().len() == 3);
        drop(others);
    });
}

#[test]
fn as_many_processes_as_the_region_was_made_for() {
    alone(LIMIT, || {
        let region = options().create(REGION).expect("a region");
        let there = Shared::new(Mark::default());
        let first = holder(hold_on);
        let second = fork("the second", || {
            let _region = open();
            there.set(1);
            hold_on();
        });
        there.wait("the second is attached");
        let refused = fork("one too many", || {
            assert_eq!(kind_of(options().open(REGION)), RegionErrorKind::TooManyProcesses { limit: 3 });
        });
        refused.succeed();
        second.kill_and_reap();
        // The place of the dead is free at once, not only when somebody has got round to it.
        fork("the third", || drop(open())).succeed();
        first.kill_and_reap();
        assert_eq!(inherit(&number(&region)), 1);
    });
}

#[test]
fn a_region_whose_every_process_was_killed_serves_the_next() {
    alone(LIMIT, || {
        for limit in 1..=3 {
            let name = format!("{REGION}-{limit}");
            let options = options().processes(limit);
            let attached = Shared::new(Mark::default());
            let all: Vec<_> = (0..limit)
                .map(|index| {
                    let one = fork("one of all", || {
                        let region = options.open_or_create(&name).expect("a region");
                        let number = number(&region);
                        let held = (index == 0).then(|| number.lock().expect("nobody else is there"));
                        attached.set(index + 1);
                        hold_on();
                        drop(held);
                    });
                    attached.wait_while(index, "one more is attached");
                    one
                })
                .collect();
            all.iter().for_each(Actor::kill);
            all.into_iter().for_each(|one| assert_eq!(one.end(), Ending::SIGKILL));
            let region = options.open(&name).expect("a region full of the dead");
            assert_eq!(inherit(&number(&region)), 0);
            until("the dead are buried", || region.participants().len() == 1);
        }
    });
}

/// Nobody is left but the dead, and all who come want their places.
#[test]
fn several_newcomers_take_the_places_of_the_dead() {
    const ROUNDS: u32 = 100;
    const PLACES: usize = 3;
    alone(LIMIT, || {
        drop(options().create(REGION).expect("a region"));
        for round in 1..=ROUNDS {
            let arrived = Shared::new([const { 0 }; PLACES].map(|_: u32| Mark::default()));
            let newcomers: Vec<_> = arrived
                .iter()
                .map(|arrived| {
                    fork("a newcomer", || {
                        let region = open();
                        pass_through(&number(&region));
                        arrived.set(1);
                        hold_on();
                    })
                })
                .collect();
            arrived.iter().for_each(|arrived| _ = arrived.wait(&format!("the newcomers of round {round} are there")));
            newcomers.iter().for_each(Actor::kill);
            newcomers.iter().for_each(Actor::await_death);
        }
    });
}

#[test]
fn however_a_holder_ends_its_heir_is_told() {
    let endings: [(&str, fn()); 7] = [
        // SAFETY: ends the process.
        ("_exit", || unsafe { libc::_exit(0) }),
        ("exit", || std::process::exit(0)),
        ("exec", || drop(Command::new("/bin/true").exec())),
        // SAFETY: ends the process.
        ("abort", || unsafe { libc::abort() }),
        ("SIGFPE", || end_by(Signal::FPE)),
        ("SIGTERM", || end_by(Signal::TERM)),
        ("SIGKILL", || end_by(Signal::KILL)),
    ];
    alone(LIMIT, || {
        let region = options().create(REGION).expect("a region");
        let number = number(&region);
        for (before, (name, end)) in (0_u64..).zip(endings) {
            let holder = holder(|| {
                setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).expect("no core dump");
                end();
                hold_on();
            });
            assert_eq!(inherit(&number), before + 1, "{name}");
            println!("{name}: {:?}", holder.end());
        }
        until("only this process is attached", || region.participants().len() == 1);
    });
}

fn end_by(signal: Signal) {
    rustix::process::kill_process(rustix::process::getpid(), signal).expect("a signal to this process");
}

#[test]
fn stopped_is_not_dead() {
    alone(LIMIT, || {
        let region = options().create(REGION).expect("a region");
        let number = number(&region);
        let holder = holder(hold_on);
        holder.stop();
        is_held_throughout(&number);
        holder.signal(Signal::CONT);
        is_held_throughout(&number);
        // Stopped or not, a process can be killed.
        holder.stop();
        holder.kill_and_reap();
        assert_eq!(inherit(&number), 1);
    });
}

/// The kernel wakes one keeper for a death; it must not be that of a process that is stopped.
#[test]
fn a_stopped_process_delays_nobody() {
    const KILLS: u64 = 50;
    alone(LIMIT, || {
        let region = options().create(REGION).expect("a region");
        let number = number(&region);
        let there = Shared::new(Mark::default());
        let bystander = fork("the bystander", || {
            let _region = open();
            there.set(1);
            hold_on();
        });
        there.wait("the bystander is attached");
        let mut longest = Duration::ZERO;
        for kill in 1..=KILLS {
            let holder = holder(hold_on);
            bystander.stop();
            let begin = Instant::now();
            holder.kill();
            assert_eq!(inherit(&number), kill);
            longest = longest.max(begin.elapsed());
            bystander.signal(Signal::CONT);
            assert_eq!(holder.end(), Ending::SIGKILL);
        }
        println!("with a stopped bystander, the heir waited {longest:?} at most in {KILLS} kills");
    });
}

/// Its threads run on, so nothing is taken from it; but it may do nothing new.
#[test]
fn a_process_whose_keeper_died_alone_is_fenced_off() {
    alone(LIMIT, || {
        let region = options().create(REGION).expect("a region");
        fence_off(&region, |live| live());
    });
}

/// A process id that was recorded in another namespace names somebody else here, or nobody: no proof of anything.
#[test]
fn a_fenced_off_process_of_another_pid_namespace_is_not_taken_for_dead() {
    alone(LIMIT, || {
        // SAFETY: it concerns the process ids of children alone.
        let separate = || unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWPID) };
        let refused = Shared::new(Mark::default());
        fork("a look", || refused.set(separate().err().map_or(0, |error| error.raw_os_error().unsigned_abs())))
            .succeed();
        if refused.get() != 0 {
            println!("skipped: no pid namespace to be had here: errno {}", refused.get());
            return;
        }
        let region = options().create(REGION).expect("a region");
        fence_off(&region, |live| {
            separate().expect("as before");
            let first = fork("the first of a pid namespace", || {
                assert_eq!(std::process::id(), 1);
                live();
            });
            first.succeed();
        });
    });
}

/// Lets a process lose its keeper while it holds the number. `start` calls its life, in a new process.
fn fence_off(region: &Region, start: impl FnOnce(&dyn Fn())) {
    let number = number(region);
    let [locked, told, release, released] = &*Shared::new([(); 4].map(|()| Mark::default()));
    let attached_already = u32::try_from(region.participants().len()).expect("a few");
    let life = || {
        kill_keepers_of_more_than(attached_already);
        let region = options().open(REGION).expect("another process has made it");
        let number = self::number(&region);
        let guard = number.lock().expect("free");
        locked.set(1);
        until("it is told that it counts as dead", || {
            matches!(number.try_lock(), Err(LockError::Unusable(Unusable::FencedOff, _)))
        });
        assert!(matches!(region.semaphore("permits", 0), Err(error)
            if error.kind() == ObjectErrorKind::Unusable(Unusable::FencedOff)));
        told.set(1);
        release.wait("the others have seen that it keeps what it holds");
        drop(guard);
        released.set(1);
        // It may come back as somebody new.
        drop((number, region));
        let region = options().open(REGION).expect("a place");
        pass_through(&self::number(&region));
    };
    let fenced = fork("the fenced-off", || start(&life));
    locked.wait("the fenced-off holds the number");
    let newcomer = fork("one more, whom its keeper does not live to see", || {
        let _region = open();
        hold_on();
    });
    told.wait("the fenced-off has noticed");
    newcomer.kill_and_reap();
    is_held_throughout(&number);
    release.set(1);
    released.wait("the fenced-off has released the number");
    assert!(number.lock_timeout(PATIENCE).is_ok(), "released, not inherited");
    fenced.succeed();
}

#[test]
fn a_fenced_off_process_that_dies_leaves_as_any_other() {
    alone(LIMIT, || {
        let region = options().create(REGION).expect("a region");
        let number = number(&region);
        let [locked, told] = &*Shared::new([(); 2].map(|()| Mark::default()));
        let fenced = fork("the fenced-off", || {
            kill_keepers_of_more_than(1);
            let region = open();
            let number = self::number(&region);
            let _guard = number.lock().expect("free");
            locked.set(1);
            until("it is told", || matches!(number.try_lock(), Err(LockError::Unusable(Unusable::FencedOff, _))));
            told.set(1);
            hold_on();
        });
        locked.wait("the fenced-off holds the number");
        fork("one more, whom its keeper does not live to see", || {
            let _region = open();
            told.wait("the fenced-off has noticed");
        })
        .succeed();
        is_held_throughout(&number);
        fenced.kill_and_reap();
        assert_eq!(inherit(&number), 0);
        until("it is buried", || region.participants().len() == 1);
    });
}

#[test]
fn as_many_threads_as_the_region_was_made_for() {
    alone(LIMIT, || {
        let region = options().threads(2).anonymous().expect("a region");
        let number = number(&region);
        let permits = region.semaphore("permits", 0).expect("a semaphore");
        pass_through(&number);
        let both_there = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                pass_through(&number);
                both_there.wait();
                both_there.wait();
            });
            both_there.wait();
            let third = scope.spawn(|| {
                assert!(matches!(number.lock(), Err(LockError::TooManyThreads { limit: 2 })));
                assert!(matches!(number.try_lock(), Err(LockError::TooManyThreads { limit: 2 })));
                assert_eq!(permits.acquire_timeout(1, WATCHED), Err(AcquireError::TooManyThreads { limit: 2 }));
                let refused = region.semaphore("more", 1).expect_err("it has no place");
                assert_eq!(refused.kind(), ObjectErrorKind::TooManyThreads { limit: 2 });
                // Who does not wait needs no place.
                permits.release().expect("room for one");
            });
            third.join().expect("the third thread");
            both_there.wait();
        });
    });
}

#[test]
fn a_thread_that_ends_gives_its_place_back() {
    alone(LIMIT, || {
        const THREADS: u64 = 1000;
        let region = options().threads(4).anonymous().expect("a region");
        let number = number(&region);
        for _ in 0..THREADS / 4 {
            let threads = [(); 4].map(|()| {
                let number = number.clone();
                thread::spawn(move || *number.lock().expect("a place and the mutex") += 1)
            });
            // Joined, not scoped: a scope waits for the closure only, and the place is given back after it.
            threads.into_iter().for_each(|thread| thread.join().expect("a thread"));
        }
        assert_eq!(*number.lock().expect("a place"), THREADS);
    });
}

#[test]
fn a_handle_given_up_by_a_thread_without_a_place_is_counted_all_the_same() {
    alone(LIMIT, || {
        let region = options().threads(1).objects(1).anonymous().expect("a region");
        for round in 0..10 {
            let name = format!("permits of round {round}");
            let permits = region.semaphore(&name, 0).expect("the place of the one before");
            thread::spawn(move || {
                assert!(matches!(permits.acquire(), Err(AcquireError::TooManyThreads { .. })));
                drop(permits);
            })
            .join()
            .expect("the thread");
            region.remove_object(&name).expect("it is there");
        }
    });
}

#[test]
fn a_thread_that_ends_holding_a_leaked_guard_is_inherited_from() {
    alone(LIMIT, || {
        let region = options().create(REGION).expect("a region");
        let number = number(&region);
        let [entered, got] = &*Shared::new([(); 2].map(|()| Mark::default()));
        thread::scope(|scope| {
            let holder = scope.spawn(|| {
                std::mem::forget(number.lock().expect("free"));
                entered.wait("another process wants the number");
            });
            until("the thread holds the number", || matches!(number.try_lock(), Err(LockError::WouldBlock)));
            let heir = fork("the heir", || {
                let number = self::number(&open());
                entered.set(1);
                assert_eq!(inherit(&number), 0);
                got.set(1);
            });
            holder.join().expect("the thread ends");
            got.wait("the heir, in another process, has inherited");
            heir.succeed();
        });
        pass_through(&number);
    });
}

/// Nobody is told of its death, but whoever gets its place has to bury it first.
#[test]
fn the_place_of_a_thread_that_died_alone_is_taken_over_with_its_burial() {
    alone(LIMIT, || {
        let region = options().threads(2).create(REGION).expect("a region");
        let number = number(&region);
        pass_through(&number);
        thread::scope(|scope| {
            // Never joined: nobody is told of its end, so the process ends before the scope does.
            scope.spawn(|| {
                let _guard = number.lock().expect("free");
                die_alone()
            });
            until("it holds the number and is dead", || {
                matches!(number.try_lock(), Err(LockError::WouldBlock)) && threads_of_this_process() == 3
            });
            is_held_throughout(&number);
            let successor = thread::spawn({
                let number = number.clone();
                move || inherit(&number)
            });
            assert_eq!(successor.join().expect("the successor"), 0);
            pass_through(&number);
            println!("buried");
            std::process::exit(0);
        });
    });
}

/// The harness's main thread, the test's own, and the keeper of the one region are three.
fn threads_of_this_process() -> usize {
    proc::threads(std::process::id())
}

/// Destructors of thread-locals come before the place is given back.
#[test]
fn a_region_can_be_used_while_a_thread_ends() {
    alone(LIMIT, || {
        struct AtTheEnd(Mutex<u64>);
        impl Drop for AtTheEnd {
            fn drop(&mut self) {
                *self.0.lock().expect("a place, still") += 1;
            }
        }
        thread_local! {
            static LOCAL: RefCell<Option<AtTheEnd>> = const { RefCell::new(None) };
        }
        const THREADS: u64 = 100;
        let region = options().threads(2).anonymous().expect("a region");
        let number = number(&region);
        for _ in 0..THREADS {
            let number = number.clone();
            thread::spawn(move || {
                pass_through(&number);
                LOCAL.with(|local| *local.borrow_mut() = Some(AtTheEnd(number)));
            })
            .join()
            .expect("the thread");
        }
        assert_eq!(*number.lock().expect("a place"), THREADS);
    });
}

#[test]
fn a_process_attaches_to_a_region_once() {
    alone(LIMIT, || {
        let region = options().create(REGION).expect("a region");
        assert_eq!(kind_of(options().open(REGION)), RegionErrorKind::AlreadyAttached);
        assert_eq!(kind_of(options().open_or_create(REGION)), RegionErrorKind::AlreadyAttached);
        let number = number(&region);
        drop(region);
        assert_eq!(kind_of(options().open(REGION)), RegionErrorKind::AlreadyAttached, "objects keep it attached");
        pass_through(&number);
        drop(number);
        for _ in 0..100 {
            pass_through(&self::number(&open()));
        }

        let anonymous = options().anonymous().expect("a region");
        let descriptor = anonymous.as_fd().expect("an anonymous region has one").try_clone_to_owned();
        assert_eq!(kind_of(Region::from_fd(descriptor.expect("a copy"))), RegionErrorKind::AlreadyAttached);
        println!("{:?}", Holdings::own());
    });
}

/// Threads that used a region keep the process attached until they end or use another.
#[test]
fn threads_that_have_used_a_region_let_go_of_it() {
    alone(LIMIT, || {
        let other = options().anonymous().expect("a region");
        let other = number(&other);
        let region = options().create(REGION).expect("a region");
        let number = number(&region);
        let turn = Barrier::new(3);
        thread::scope(|scope| {
            for _ in 0..2 {
                let (number, other, turn) = (number.clone(), &other, &turn);
                scope.spawn(move || {
                    pass_through(&number);
                    drop(number);
                    turn.wait();
                    turn.wait();
                    pass_through(other);
                    turn.wait();
                    turn.wait();
                });
            }
            turn.wait();
            drop((number, region));
            assert_eq!(kind_of(options().open(REGION)), RegionErrorKind::AlreadyAttached);
            turn.wait();
            turn.wait();
            drop(options().open(REGION).expect("nobody in this process has a place any more"));
            turn.wait();
        });
    });
}

#[test]
fn a_region_goes_with_the_thread_that_had_its_last_handle() {
    thread_local! {
        static LOCAL: RefCell<Option<Mutex<u64>>> = const { RefCell::new(None) };
    }
    alone(LIMIT, || {
        let before = Holdings::own();
        for _ in 0..100 {
            let region = options().open_or_create(REGION).expect("nobody in this process is attached");
            let number = number(&region);
            thread::spawn(move || {
                pass_through(&number);
                LOCAL.with(|local| *local.borrow_mut() = Some(number));
                drop(region);
            })
            .join()
            .expect("the thread");
        }
        // Attaching to anything lets go of the last one.
        drop(options().anonymous().expect("a region"));
        until("the last keeper is gone", || Holdings::own().threads == before.threads);
        let after = Holdings::own();
        assert_eq!(before.descriptors, after.descriptors);
        assert!(after.mappings <= before.mappings + 4, "{before:?} {after:?}: the allocator's arena, and no more");
    });
}

fn play_heir_of_descriptor(descriptor: i32) {
    // SAFETY: the parent has left this descriptor open for us, and nobody else here knows of it.
    let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
    let region = Region::from_fd(descriptor).expect("the parent's region");
    let number = number(&region);
    *number.lock().expect("free") += 1;
    let _guard = number.lock().expect("free");
    roles::say("locked", 1);
    roles::await_parent();
}

#[test]
fn an_anonymous_region_is_inherited_by_a_program() {
    alone(LIMIT, || {
        let region = options().anonymous().expect("a region");
        let number = number(&region);
        let descriptor = region.as_fd().expect("an anonymous region has one");
        // Nothing else is started in this process meanwhile.
        rustix::io::fcntl_setfd(descriptor, rustix::io::FdFlags::empty()).expect("a flag");
        let mut heir = roles::Running::start("heir of a descriptor", &[&descriptor.as_raw_fd().to_string()]);
        heir.hear("locked");
        assert_eq!(region.participants().len(), 2);
        is_held_throughout(&number);
        heir.kill();
        assert_eq!(inherit(&number), 1);
    });
}

#[test]
fn an_anonymous_region_is_sent_to_a_process() {
    alone(LIMIT, || {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).expect("two sockets");
        let receiver = fork("the receiver", || {
            let region = Region::from_fd(receive_descriptor(&theirs)).expect("the region that was sent");
            *number(&region).lock().expect("free") += 1;
            std::mem::forget(number(&region).lock().expect("free"));
        });
        let region = options().anonymous().expect("a region that no child has inherited");
        let number = number(&region);
        send_descriptor(&ours, &region);
        receiver.succeed();
        assert_eq!(inherit(&number), 1);
    });
}

fn send_descriptor(socket: &OwnedFd, region: &Region) {
    let descriptors = [region.as_fd().expect("an anonymous region has one")];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(&descriptors)));
    sendmsg(socket, &[IoSlice::new(b"!")], &mut control, SendFlags::empty()).expect("sent");
}

fn receive_descriptor(socket: &OwnedFd) -> OwnedFd {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    recvmsg(socket.as_fd(), &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)
        .expect("a message");
    let received = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    received.expect("a descriptor with it")
}
